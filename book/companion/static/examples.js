// Boards and profiles of single puzzles, in blocks that are loaded when a puzzle of theirs is chosen.
// A block comes with the notebook's output, from a script of the book's _static folder, or from the kernel (`ask`).
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  rrm.blocks = rrm.blocks || {}; // "run/number" -> {idx: {puzzle, solution, answers, drift, margin, growth}}

  // Promise of the example in row `i` of a run. `ask(run, block)`: promise of that block's examples, where a kernel has them.
  rrm.example = async function (run, i, ask) {
    await rrm.rowsFor(run);
    const rows = rrm.rows[run], block = Math.floor(i / rows.block), key = run + "/" + block;
    if (!rrm.blocks[key]) {
      if (ask) rrm.blocks[key] = await ask(run, block);
      else await rrm.load("boards/" + key + ".js");
    }
    const found = (rrm.blocks[key] || {})[rows.idx[i]];
    if (!found) throw new Error(`puzzle ${rows.idx[i]} of ${run} is not in block ${key}; build the book again, or run the cell again after restarting the kernel`);
    return found;
  };

  // The decoded board after each segment: "" stands for "as in the segment before".
  rrm.answers = function (example) {
    const out = [];
    for (const text of example.answers) out.push(text || out.at(-1));
    return out;
  };
})();
