"""Compiled inner loops of :mod:`rrm_core.sudoku.board`: propagation, search, generation and canonical form.

Boards are uint8 (n * n,), 0 blank. Candidates are bit masks: bit d for digit d. Random numbers come from a splitmix64
state passed in, so results are the same on every platform.
"""

from __future__ import annotations

import numpy as np
from numba import njit

CONTRADICTION, STUCK, SOLVED = 0, 1, 2


@njit(cache=True)
def place(cell, digit, values, candidates, peers):
    """Put `digit` into `cell` and strike it from the peers; False when a peer is left without candidates."""
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
def lowest(mask):
    """The smallest digit in a candidate mask."""
    digit = 1
    while not (mask >> digit) & 1:
        digit += 1
    return digit


@njit(cache=True)
def propagate(values, candidates, units, peers, hidden):
    """Naked (and, if `hidden`, hidden) singles to a fixpoint: CONTRADICTION, STUCK or SOLVED."""
    cells, every = len(values), np.uint16((2 << units.shape[1]) - 2)
    changed = True
    while changed:
        changed = False
        for cell in range(cells):
            mask = candidates[cell]
            if values[cell] == 0 and mask & (mask - 1) == 0:
                if not place(cell, lowest(mask), values, candidates, peers):
                    return CONTRADICTION
                changed = True
        if changed or not hidden:
            continue
        for u in range(len(units)):
            once, twice, placed = (
                np.uint16(0),
                np.uint16(0),
                np.uint16(0),
            )  # digits with a place, with two, with a value
            for cell in units[u]:
                mask = candidates[cell]
                if values[cell]:
                    placed |= mask
                else:
                    twice |= once & mask
                    once |= mask
            if once | placed != every:
                return CONTRADICTION
            single = once & ~twice & ~placed
            if single == 0:
                continue
            for cell in units[u]:
                mask = candidates[cell] & single
                if mask and values[cell] == 0:
                    if mask & (mask - 1) or not place(
                        cell, lowest(mask), values, candidates, peers
                    ):
                        return CONTRADICTION
                    changed = True
    for cell in range(cells):
        if values[cell] == 0:
            return STUCK
    return SOLVED


@njit(cache=True)
def fewest(values, candidates, n):
    """The blank cell with fewest candidates, the lowest index among equals."""
    best, smallest = -1, n + 1
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
def draw(state, bound):
    """An integer in [0, bound) from splitmix64; advances `state` (uint64 array of one)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return int((z >> np.uint64(33)) % np.uint64(bound))


@njit(cache=True)
def choose(mask, n, state, shuffled):
    """A digit of a candidate mask: the smallest, or a random one."""
    if not shuffled:
        return lowest(mask)
    digit = 1 + draw(state, n)
    while not (mask >> digit) & 1:
        digit = digit % n + 1
    return digit


@njit(cache=True)
def search(board, units, peers, hidden, limit, state, shuffled, cell_barred=-1, digit_barred=0):
    """(number of solutions up to `limit`, wrong guesses until the first, first solution or the board).

    ``cell_barred`` >= 0 must not hold ``digit_barred``: a given can be removed exactly when the board without it has no
    solution that bars it.
    """
    cells, n = len(board), units.shape[1]
    values = np.zeros((cells + 1, cells), np.uint8)
    candidates = np.full((cells + 1, cells), (1 << (n + 1)) - 2, np.uint16)
    cell_of, left = np.zeros(cells + 1, np.int64), np.zeros(cells + 1, np.uint16)
    first = board.copy()
    if cell_barred >= 0:
        candidates[0, cell_barred] &= ~np.uint16(1 << digit_barred)
    for cell in range(cells):
        if board[cell] and not place(cell, board[cell], values[0], candidates[0], peers):
            return 0, 0, first
    depth, found, guesses, wrong = 0, 0, 0, 0
    status = propagate(values[0], candidates[0], units, peers, hidden)
    while True:
        if status == STUCK:
            cell_of[depth] = fewest(values[depth], candidates[depth], n)
            left[depth] = candidates[depth, cell_of[depth]]
        else:
            if status == SOLVED:
                if found == 0:
                    first[:] = values[depth]
                    wrong = guesses - depth
                found += 1
                if found == limit:
                    return found, wrong, first
            depth -= 1
        while depth >= 0 and left[depth] == 0:
            depth -= 1
        if depth < 0:
            return found, wrong if found else guesses, first
        digit = choose(left[depth], n, state, shuffled)
        left[depth] &= ~np.uint16(1 << digit)
        guesses += 1
        values[depth + 1] = values[depth]
        candidates[depth + 1] = candidates[depth]
        depth += 1
        if place(cell_of[depth - 1], digit, values[depth], candidates[depth], peers):
            status = propagate(values[depth], candidates[depth], units, peers, hidden)
        else:
            status = CONTRADICTION


@njit(cache=True)
def solve_all(boards, units, peers):
    """(solutions, number of solutions up to 2, backtracks, naked_backtracks) of boards (B, cells)."""
    solutions = np.zeros_like(boards)
    counts, hard, naked = (
        np.zeros(len(boards), np.int64),
        np.zeros(len(boards), np.int64),
        np.zeros(len(boards), np.int64),
    )
    state = np.zeros(1, np.uint64)
    for b in range(len(boards)):
        counts[b], hard[b], solutions[b] = search(boards[b], units, peers, True, 2, state, False)
        naked[b] = search(boards[b], units, peers, False, 1, state, False)[1]
    return solutions, counts, hard, naked


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


@njit(cache=True)
def generate_all(seeds, units, peers):
    """(puzzles, solutions) (B, cells): a random full grid each, givens removed in random order while the solution is unique."""
    cells = len(peers)
    puzzles, solutions = (
        np.zeros((len(seeds), cells), np.uint8),
        np.zeros((len(seeds), cells), np.uint8),
    )
    order, state = np.arange(cells), np.zeros(1, np.uint64)
    for b in range(len(seeds)):
        state[0] = seeds[b]
        solutions[b] = search(np.zeros(cells, np.uint8), units, peers, True, 1, state, True)[2]
        puzzles[b] = solutions[b]
        order[:] = np.arange(cells)
        shuffle(order, state)
        minimise(puzzles[b], order, units, peers, state)
    return puzzles, solutions


@njit(cache=True)
def smallest_image(board, n, height, columns, transposes):
    """The smallest image of one board (n * n,) under its symmetries, row by row.

    `columns` lists the column orders. A candidate is (transposed?, column order, rows used, labels given so far); after
    each row only the candidates with the smallest row so far survive, which is exact and fast.
    """
    grids = np.empty((2, n, n), np.uint8)
    for r in range(n):
        for c in range(n):
            grids[0, r, c] = board[r * n + c]
            grids[1, c, r] = board[r * n + c]
    size = (transposes + 1) * len(columns)
    which, order = np.empty(size, np.int8), np.empty(size, np.int32)
    for i in range(size):
        which[i], order[i] = i // len(columns), i % len(columns)
    used, labels = np.zeros(size, np.int32), np.zeros((size, n + 1), np.uint8)
    out = np.empty(n * n, np.uint8)
    image, label = np.empty(n, np.uint8), np.empty(n + 1, np.uint8)
    band_mask = (1 << height) - 1
    for r in range(n):
        capacity, kept = size * (n - r) if r % height == 0 else size * height, 0
        capacity = min(capacity, 4 * size + 1024)
        new_which, new_order = np.empty(capacity, np.int8), np.empty(capacity, np.int32)
        new_used, new_labels = np.empty(capacity, np.int32), np.empty((capacity, n + 1), np.uint8)
        best = np.full(n, 255, np.uint8)
        for i in range(size):
            for row in range(n):
                band = row // height
                begun = (used[i] >> (band * height)) & band_mask
                if (
                    (used[i] >> row) & 1
                    or (r % height == 0 and begun)
                    or (r % height and (begun == 0 or begun == band_mask))
                ):
                    continue
                label[:] = labels[i]
                top, sign = label[0], 0  # label[0] counts the labels given
                for c in range(n):
                    value = grids[which[i], row, columns[order[i], c]]
                    if value and label[value] == 0:
                        top += 1
                        label[value] = top
                    image[c] = label[value] if value else 0
                    if sign == 0:
                        sign = int(image[c] > best[c]) - int(image[c] < best[c])
                        if sign > 0:
                            break
                if sign > 0:
                    continue
                if sign < 0:
                    best[:] = image
                    kept = 0
                if kept == capacity:
                    capacity *= 2
                    new_which, new_order = grown(new_which, capacity), grown(new_order, capacity)
                    new_used, new_labels = grown(new_used, capacity), grown(new_labels, capacity)
                label[0] = top
                new_which[kept], new_order[kept], new_used[kept] = (
                    which[i],
                    order[i],
                    used[i] | (1 << row),
                )
                new_labels[kept] = label
                kept += 1
        which, order, used, labels, size = (
            new_which[:kept],
            new_order[:kept],
            new_used[:kept],
            new_labels[:kept],
            kept,
        )
        out[r * n : (r + 1) * n] = best
    return out


@njit(cache=True)
def grown(array, capacity):
    """An array of `capacity` rows that begins with `array`."""
    out = np.empty((capacity,) + array.shape[1:], array.dtype)
    out[: len(array)] = array
    return out


@njit(cache=True)
def smallest_images(boards, n, height, columns, transposes):
    """:func:`smallest_image` of each board (B, cells)."""
    out = np.empty_like(boards)
    for b in range(len(boards)):
        out[b] = smallest_image(boards[b], n, height, columns, transposes)
    return out
