// Sudoku in the page: rules, counting solutions, symmetries. No DOM. A board is an array of side * side numbers, 0 = blank.
// Twin of rrm_core.sudoku.board for what a reader types; tests compare the two.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  const BOX_ROWS = { 4: 2, 6: 2, 9: 3 }, NODES = 10000;

  const cache = {};
  // [{name, cells}]: rows, columns and boxes.
  function units(side) {
    if (cache[side]) return cache[side];
    const height = BOX_ROWS[side], width = side / height, line = [...Array(side).keys()];
    const row = (r) => line.map((c) => r * side + c), column = (c) => line.map((r) => r * side + c);
    const box = (b) => line.map((i) => (Math.floor(b / height) * height + Math.floor(i / width)) * side + (b % height) * width + (i % width));
    return (cache[side] = [["row", row], ["column", column], ["box", box]].flatMap(([name, cells]) => line.map((i) => ({ name: `${name} ${i + 1}`, cells: cells(i) }))));
  }

  // [{digit, where, cells}]: every digit that stands twice in a row, column or box.
  function clashes(board, side) {
    const found = [];
    for (const { name, cells } of units(side)) {
      for (let digit = 1; digit <= side; digit++) {
        const here = cells.filter((cell) => board[cell] === digit);
        if (here.length > 1) found.push({ digit, where: name, cells: here });
      }
    }
    return found;
  }

  // {count, first}: number of solutions up to `limit` and the first one. count is null when the search was given up after
  // 10,000 guesses; the hardest of a thousand hard 9x9 puzzles needs 6,600.
  function solutions(board, side, limit = 2) {
    if (clashes(board, side).length) return { count: 0, first: null };
    const n = side * side, full = (1 << (side + 1)) - 2, grid = Uint8Array.from(board), all = units(side), lists = all.map(({ cells }) => Uint8Array.from(cells));
    const used = Int32Array.from(lists, (cells) => cells.reduce((mask, cell) => mask | (grid[cell] ? 1 << grid[cell] : 0), 0));
    const [row, column, box] = [0, 1, 2].map((k) => Uint8Array.from(grid, (_, cell) => all.findIndex(({ cells }, u) => Math.floor(u / side) === k && cells.includes(cell))));
    let count = 0, first = null, nodes = 0;
    const free = (cell) => full & ~(used[row[cell]] | used[column[cell]] | used[box[cell]]);
    // The cell to fill and the digits to try there, a mask: a cell with one candidate, else a digit with one place in a unit, else the cell with fewest.
    // [-1, 0]: the board is full; mask 0: a dead end.
    function next() {
      let best = -1, fewest = 99;
      for (let cell = 0; cell < n; cell++) {
        if (grid[cell]) continue;
        const mask = free(cell);
        if (!(mask & (mask - 1))) return [cell, mask];
        let bits = 0;
        for (let m = mask; m; m &= m - 1) bits++;
        if (bits < fewest) { best = cell; fewest = bits; }
      }
      if (best < 0) return [-1, 0];
      for (let u = 0; u < lists.length; u++) {
        let once = 0, twice = 0;
        for (const cell of lists[u]) {
          const mask = grid[cell] ? 0 : free(cell);
          twice |= once & mask;
          once |= mask;
        }
        if (full & ~used[u] & ~once) return [best, 0];
        const single = once & ~twice;
        if (single) return [lists[u].find((cell) => !grid[cell] && free(cell) & single & -single), single & -single];
      }
      return [best, free(best)];
    }
    function search() {
      if (++nodes > NODES) return;
      const [cell, mask] = next();
      if (cell < 0) {
        count++;
        first = first || [...grid];
        return;
      }
      for (let digit = 1; digit <= side && count < limit; digit++) {
        const bit = 1 << digit;
        if (!(mask & bit)) continue;
        grid[cell] = digit;
        used[row[cell]] ^= bit; used[column[cell]] ^= bit; used[box[cell]] ^= bit;
        search();
        grid[cell] = 0;
        used[row[cell]] ^= bit; used[column[cell]] ^= bit; used[box[cell]] ^= bit;
      }
    }
    search();
    return { count: nodes > NODES && count < limit ? null : count, first };
  }

  // True for a full board without clashes that keeps every given of `puzzle`.
  const solves = (board, puzzle, side) => board.every((v, i) => v >= 1 && v <= side && (!puzzle[i] || puzzle[i] === v)) && !clashes(board, side).length;

  // `list` in random order.
  function shuffled(list, random) {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }

  // `board` under a random symmetry: digits relabelled; bands, stacks, and lines inside them reordered; transposed where boxes are square.
  function scramble(board, side, random = Math.random) {
    const height = BOX_ROWS[side], width = side / height;
    const order = (block) => shuffled([...Array(side / block).keys()], random).flatMap((b) => shuffled([...Array(block).keys()], random).map((i) => b * block + i));
    const rows = order(height), columns = order(width), digits = [0, ...shuffled([...Array(side).keys()], random).map((d) => d + 1)];
    const flip = height === width && random() < 0.5;
    return board.map((_, i) => {
      const r = Math.floor(i / side), c = i % side;
      return digits[flip ? board[rows[c] * side + columns[r]] : board[rows[r] * side + columns[c]]];
    });
  }

  const parse = (text) => [...text].map((character) => (/[1-9]/.test(character) ? Number(character) : 0));
  const print = (board) => board.map((v) => v || ".").join("");

  rrm.sudoku = { clashes, solutions, solves, scramble, parse, print };
})();
