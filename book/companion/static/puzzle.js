// Sudoku in the page: rules, counting solutions, symmetries. No DOM. A board is an array of side * side numbers, 0 = blank.
// Twin of rrm_core.sudoku.board for what a reader types; tests compare the two.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  const BOX_ROWS = { 4: 2, 6: 2, 9: 3 }, NODES = 200000;

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
  // 200,000 guesses, which no 6x6 board needs.
  function solutions(board, side, limit = 2) {
    if (clashes(board, side).length) return { count: 0, first: null };
    const grid = [...board], all = units(side), used = all.map(({ cells }) => cells.reduce((mask, cell) => mask | (grid[cell] ? 1 << grid[cell] : 0), 0));
    const of = grid.map((_, cell) => all.flatMap((unit, u) => (unit.cells.includes(cell) ? [u] : [])));
    const full = (1 << (side + 1)) - 2;
    let count = 0, first = null, nodes = 0;
    const free = (cell) => full & ~(used[of[cell][0]] | used[of[cell][1]] | used[of[cell][2]]);
    const bits = (mask) => { let n = 0; for (; mask; mask &= mask - 1) n++; return n; };
    function search() {
      if (++nodes > NODES) return;
      let best = -1, fewest = 99;
      for (let cell = 0; cell < grid.length && fewest > 1; cell++) {
        if (grid[cell]) continue;
        const n = bits(free(cell));
        if (n < fewest) { best = cell; fewest = n; }
      }
      if (best < 0) {
        count++;
        first = first || [...grid];
        return;
      }
      for (let digit = 1, mask = free(best); digit <= side && count < limit; digit++) {
        if (!(mask & (1 << digit))) continue;
        grid[best] = digit;
        for (const u of of[best]) used[u] |= 1 << digit;
        search();
        grid[best] = 0;
        for (const u of of[best]) used[u] &= ~(1 << digit);
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

  rrm.sudoku = { boxRows: (side) => BOX_ROWS[side], units, clashes, solutions, solves, scramble, parse, print };
})();
