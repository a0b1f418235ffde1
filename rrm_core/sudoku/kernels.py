"""Compiled loops: propagation, search, and random numbers that are the same on every platform.

A board is uint8 (cells,), 0 blank; candidates are bit masks (cells,), bit d for digit d; `units`
and `peers` are those of ``board.geometry``.
"""

import numpy as np
from numba import njit


@njit(cache=True)
def place(cell, digit, values, candidates, peers):
    """Put `digit` into `cell`, strike it from the peers; False when one has no candidate left."""
    values[cell] = digit
    bit = np.uint16(1 << digit)
    candidates[cell] = bit
    for peer in peers[cell]:
        if values[peer] == 0:
            candidates[peer] &= ~bit
            if candidates[peer] == 0:
                return False
        elif values[peer] == digit:
            return False
    return True


@njit(cache=True)
def member(mask, digit, side):
    """The first digit of a candidate mask from `digit` on, going round after `side`."""
    while not (mask >> digit) & 1:
        digit = digit % side + 1
    return digit


@njit(cache=True)
def hidden_singles(values, candidates, units, peers):
    """Fill digits with one place in a unit; the number filled, -1 for a contradiction."""
    side, filled = units.shape[1], 0
    for unit in units:
        once = twice = given = np.uint16(0)  # digits with a place, with two, with a value
        for cell in unit:
            if values[cell]:
                given |= candidates[cell]
            else:
                twice |= once & candidates[cell]
                once |= candidates[cell]
        if once | given != (2 << side) - 2:
            return -1
        single = once & ~twice & ~given
        for cell in unit:
            mask = candidates[cell] & single
            if mask and values[cell] == 0:
                digit = member(mask, 1, side)
                if mask != 1 << digit or not place(cell, digit, values, candidates, peers):
                    return -1
                filled += 1
    return filled


@njit(cache=True)
def propagate(values, candidates, units, peers, hidden):
    """Naked (and, if `hidden`, hidden) singles to a fixpoint; False for a contradiction."""
    filled = 1
    while filled > 0:
        filled = 0
        for cell in range(len(values)):
            mask = candidates[cell]
            if values[cell] == 0 and mask & (mask - 1) == 0:
                digit = member(mask, 1, units.shape[1])
                if not place(cell, digit, values, candidates, peers):
                    return False
                filled += 1
        if filled == 0 and hidden:
            filled = hidden_singles(values, candidates, units, peers)
    return filled == 0


@njit(cache=True)
def fewest(values, candidates):
    """The blank cell with fewest candidates, the lowest index among equals; -1 without a blank."""
    best, smallest = -1, 99
    for cell in range(len(values)):
        if values[cell] == 0:
            count, mask = 0, candidates[cell]
            while mask:
                mask &= mask - 1
                count += 1
            if count < smallest:
                best, smallest = cell, count
    return best


@njit(cache=True)
def search(board, units, peers, hidden, limit, state, shuffled, cell_barred=-1, digit_barred=0):
    """(solutions up to `limit`, wrong guesses until the first, first solution or the board).

    Depth first; digits are guessed in ascending order, or in a random one if `shuffled`.
    ``cell_barred`` >= 0 must not hold ``digit_barred``: a given can be removed exactly when the
    board without it has no solution that bars it.
    """
    cells, side = len(board), units.shape[1]
    values = np.zeros((cells + 1, cells), np.uint8)  # one row for each depth, as all below
    candidates = np.full((cells + 1, cells), (2 << side) - 2, np.uint16)
    cell_of, left = np.zeros(cells + 1, np.int64), np.zeros(cells + 1, np.uint16)
    first, depth, found, guesses, wrong = board.copy(), 0, 0, 0, 0
    if cell_barred >= 0:
        candidates[0, cell_barred] &= ~np.uint16(1 << digit_barred)
    for cell in range(cells):
        if board[cell] and not place(cell, board[cell], values[0], candidates[0], peers):
            return 0, 0, first
    sound = True
    while True:
        if sound and propagate(values[depth], candidates[depth], units, peers, hidden):
            cell_of[depth] = fewest(values[depth], candidates[depth])
            if cell_of[depth] >= 0:
                left[depth] = candidates[depth, cell_of[depth]]
            elif found == 0:
                first[:], wrong = values[depth], guesses - depth
            found += cell_of[depth] < 0
        while depth >= 0 and left[depth] == 0:
            depth -= 1
        if depth < 0 or found == limit:
            return found, wrong if found else guesses, first
        digit = member(left[depth], 1 + draw(state, side) if shuffled else 1, side)
        left[depth] &= ~np.uint16(1 << digit)
        guesses += 1
        depth += 1
        values[depth], candidates[depth] = values[depth - 1], candidates[depth - 1]
        sound = place(cell_of[depth - 1], digit, values[depth], candidates[depth], peers)


@njit(cache=True)
def draw(state, bound):
    """An integer in [0, bound) from splitmix64; advances `state` (uint64 array of one)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return int((z >> np.uint64(33)) % np.uint64(bound))


@njit(cache=True)
def shuffle(items, state):
    """Fisher-Yates shuffle in place."""
    for i in range(len(items) - 1, 0, -1):
        j = draw(state, i + 1)
        items[i], items[j] = items[j], items[i]


@njit(cache=True)
def minimise(board, order, units, peers, state):
    """Remove givens in `order`, in place, while the solution stays unique."""
    for cell in order:
        digit = board[cell]
        if digit:
            board[cell] = 0
            if search(board, units, peers, True, 1, state, False, cell, digit)[0]:
                board[cell] = digit
