// The trajectory viewer: a puzzle of each cell side by side, its decoded board, drift, halting margin and growth under one step slider.
// Cells at the present threshold; it follows an explorer on the same page. Needs dom.js, plots.js, examples.js, explorer.js.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  const { el, number } = rrm;
  const CELLS = "ABCD".split(""), PACE = 700, CHOICES = 12; // PACE: ms a segment, slow enough to see what changes
  const CURVES = [["drift", "log10 drift z_H", 2], ["margin", "halting margin", 2], ["growth", "growth", 4]];

  // The (lower) median of a list in order of late drift: the most typical puzzle of a cell, as rrm_core.analysis.cells.typical.
  const typical = (list) => list[(list.length - 1) >> 1];

  // At most `n` evenly spaced members of a list, ends included.
  const spread = (list, n) => (list.length <= n ? list : Array.from({ length: n }, (_, k) => list[Math.round((k * (list.length - 1)) / (n - 1))]));

  // Build the viewer in `container`. options: {runs: [names], labels: {name: label} | absent}.
  rrm.viewer = function (container, options) {
    let run = options.runs[0], state = "h", tau = 0, segment = 1, timer = 0, filled = 0;
    const rows = () => rrm.rows[run], part = () => rows().states[state], last = () => rows().segments;

    const runPick = rrm.runPicker(options, (name) => { run = name; if (!rows().states[state]) state = "h"; restart(); });
    const exact = el("input", { type: "number", step: "any", "aria-label": "threshold on log10 late drift", onchange: () => exact.value !== "" && move(Number(exact.value)) });
    const otsu = el("button", { type: "button", onclick: () => move(part().otsu) }), strict = el("button", { type: "button", onclick: () => move(part().strict) });
    const slider = el("input", { type: "range", min: 1, max: last(), step: 1, value: 1, "aria-label": "segment", oninput: () => { pause(); at(Number(slider.value)); } });
    const play = el("button", { type: "button", class: "rrm-play", onclick: () => (timer ? pause() : start()) }, "play");
    const count = el("span", { class: "rrm-count" }), agree = el("p", { class: "rrm-note rrm-agree" }); // no output: played, it would speak at every segment
    const panels = Object.fromEntries(CELLS.map((cell) => [cell, panel(cell)]));

    function panel(cell) {
      const pick = el("select", { "aria-label": `puzzle of cell ${cell}`, onchange: () => choose(Number(pick.value)) });
      const typed = el("input", { type: "number", min: 0, step: 1, placeholder: "#", "aria-label": `number of a puzzle for panel ${cell}`, onchange: () => byNumber(typed.value) });
      const stage = el("div", { class: "rrm-stage" }), n = el("span", { class: "rrm-n" });
      const node = el("section", { class: "rrm-panel", "data-cell": cell, "aria-label": `cell ${cell}` }, el("h4", { class: "rrm-" + cell }, `${cell} `, el("small", {}, rrm.WHAT[cell]), n), el("div", { class: "rrm-row" }, pick, typed), stage);
      const own = { node, pick, typed, stage, n, list: [], row: null, example: null, cursors: [] };
      function choose(i) { own.row = i; typed.value = ""; load(); }
      function byNumber(text) {
        const r = rows(), i = r.idx.indexOf(Number(text));
        if (text === "") return;
        stage.querySelector("[role=alert]")?.remove();
        const alert = (said) => stage.prepend(el("p", { role: "alert" }, `${said} Shown is the one before.`));
        if (i < 0) return alert(`No puzzle ${text} in ${run}: expected one of ${r.idx[0]} to ${r.idx.at(-1)}.`);
        if (!rrm.cellOf(r, state, tau, i)) return alert(`Puzzle ${text} is not in this view (drift of ${rrm.VIEWS[state]}).`);
        own.row = i;
        load();
      }
      return own;
    }

    // --- which puzzles ---

    function restart() {
      const late = part().late.filter((v) => v !== null).sort((a, b) => a - b);
      move(part().otsu === null ? late[late.length >> 1] : part().otsu);
    }

    function buttons() {
      for (const [button, name, value] of [[otsu, "Otsu", part().otsu], [strict, "strict", part().strict]]) {
        button.disabled = value === null;
        button.textContent = value === null ? name + ": none" : `${name} ${number(value, 2)}`;
        button.setAttribute("aria-pressed", String(tau === value));
      }
    }

    function move(value) {
      if (!Number.isFinite(value)) return;
      tau = value;
      exact.value = String(Number(tau.toPrecision(6)));
      buttons();
      const r = rows();
      for (const cell of CELLS) {
        const own = panels[cell];
        own.list = rrm.inCell(r, state, tau, cell);
        own.n.textContent = `n = ${own.list.length}`;
        own.row = own.list.length ? typical(own.list) : null;
        own.typed.value = "";
      }
      load();
      agreement();
    }

    function choices(own) {
      const r = rows(), late = part().late, main = own.list.length ? typical(own.list) : null;
      const listed = [...new Set([main, ...spread(own.list, CHOICES), own.row])].filter((i) => i !== null);
      const name = (i) => `#${r.idx[i]} ${i === main ? "typical" : "at " + number(late[i], 2)}`;
      own.pick.replaceChildren(...listed.map((i) => el("option", { value: i }, name(i))));
      own.pick.disabled = !listed.length;
      if (own.row !== null) own.pick.value = own.row;
    }

    // Load the examples of all panels, then draw them with common vertical axes.
    async function load() {
      const mine = ++filled, name = run;
      for (const cell of CELLS) {
        panels[cell].example = null; // what stands there is of the puzzle before
        choices(panels[cell]);
      }
      const found = await Promise.all(CELLS.map((cell) => (panels[cell].row === null ? null : rrm.example(name, panels[cell].row).catch((error) => error))));
      if (mine !== filled) return; // another choice was made meanwhile
      at(segment); // the run before may have had more segments, or fewer
      const good = found.filter((e) => e && !(e instanceof Error));
      const range = Object.fromEntries(CURVES.map(([what]) => {
        return [what, rrm.plot.roomy(good.flatMap((e) => e[what]), 0.08)];
      }));
      CELLS.forEach((cell, k) => fill(panels[cell], cell, found[k], range));
      container.dataset.filled = name + " " + tau;
    }

    function fill(own, cell, example, range) {
      own.example = null;
      own.cursors = [];
      if (!example) return void own.stage.replaceChildren(el("p", { class: "rrm-empty" }, `No puzzle is in cell ${cell} at this threshold.`));
      if (example instanceof Error) return void own.stage.replaceChildren(el("p", { role: "alert" }, example.message));
      own.example = { ...example, answers: rrm.answers(example) };
      own.board = el("div", { class: "rrm-boards" });
      own.words = el("p", { class: "rrm-words" });
      const hosts = CURVES.map(() => el("div", { class: "rrm-plot" }));
      const actual = rrm.cellOf(rows(), state, tau, own.row);
      const elsewhere = actual === cell ? [] : [el("p", { class: "rrm-elsewhere" }, `This puzzle is in cell ${actual}, not ${cell}.`)];
      own.stage.replaceChildren(...elsewhere, own.board, own.words, ...hosts);
      own.cursors = CURVES.map(([what, title, digits], k) => rrm.curve(hosts[k], own.example[what], range[what], title, digits));
      step(own);
    }

    // --- which segment ---

    function step(own) {
      if (!own.example) return;
      const r = rows(), { answers, puzzle, solution } = own.example, text = answers[segment - 1], wrong = rrm.differing(text, solution), halted = r.halted_at[own.row];
      own.board.replaceChildren(rrm.board(text, `#${r.idx[own.row]} after segment ${segment}`, r, puzzle, solution));
      own.words.replaceChildren(el("span", {}, `${wrong} of ${text.length} cells wrong`), el("span", {}, halted === 0 ? "would never stop" : halted <= segment ? `would stop at ${halted}` : "would not stop yet"));
      for (const cursor of own.cursors) cursor(segment);
    }

    function at(t) {
      segment = Math.min(t, last());
      slider.max = last();
      slider.value = t = segment;
      slider.setAttribute("aria-valuetext", `segment ${t} of ${last()}`);
      count.textContent = `segment ${t} of ${last()}`;
      for (const cell of CELLS) step(panels[cell]);
    }

    function start() {
      if (segment === last()) at(1);
      play.textContent = "pause";
      timer = setInterval(() => {
        if (!container.isConnected) return pause();
        at(segment + 1);
        if (segment === last()) pause();
      }, PACE);
    }
    function pause() {
      clearInterval(timer);
      timer = 0;
      play.textContent = "play";
    }

    // --- other components of the page ---

    let waiting = 0, next = null, theirs = null; // the explorer's {run, state, tau}
    function follow(event) {
      clearTimeout(waiting); // a slider in motion is left alone until it rests
      next = event.detail;
      waiting = setTimeout(() => {
        theirs = next;
        if (!options.runs.includes(theirs.run)) return agreement();
        ({ run, state } = theirs);
        runPick.value = run;
        move(theirs.tau);
      }, 200);
    }

    // What a reader chooses here stands: a move of the explorer that is still on its way does not undo it.
    function chosen(event) {
      if (event.type === "click" && event.target !== otsu && event.target !== strict) return;
      clearTimeout(waiting);
      theirs = next || theirs;
    }
    for (const kind of ["change", "click"]) container.addEventListener(kind, chosen, true);

    // What is shown, and whether the explorer shows the same.
    function agreement() {
      const said = (v) => `${(options.labels || {})[v.run] || (rrm.rows[v.run] || {}).label || v.run}, drift of ${rrm.VIEWS[v.state]}, settled below ${number(v.tau, 2)}`;
      const same = theirs && theirs.run === run && theirs.state === state && theirs.tau === tau;
      agree.textContent = !theirs ? "" : same ? `As in the explorer: ${said(theirs)}.` : `Shown here: ${said({ run, state, tau })}. The explorer shows another view: ${said(theirs)}.`;
    }
    rrm.listen(container, document, "rrm:moved", follow);
    function watch(event) {
      const { row, ...view } = event.detail;
      if (!options.runs.includes(view.run)) return;
      clearTimeout(waiting);
      theirs = view; // what the explorer shows is shown here first
      ({ run, state } = view);
      runPick.value = run;
      move(view.tau);
      const own = panels[rrm.cellOf(rows(), state, tau, row)];
      if (!own) return;
      own.row = row;
      at(1);
      load();
      container.scrollIntoView({ block: "start" });
      play.focus({ preventScroll: true });
    }
    rrm.listen(container, document, "rrm:watch", watch);

    container.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to us
    container.replaceChildren(
      el("fieldset", { class: "rrm-controls" }, el("label", {}, "model", runPick), el("label", {}, "settled below", exact), otsu, strict),
      agree,
      el("div", { class: "rrm-transport" }, play, slider, count),
      el("div", { class: "rrm-panels" }, ...CELLS.map((cell) => panels[cell].node)),
      el("p", { class: "rrm-note" }, "Typical: the puzzle with the median late drift of its cell; others by their late drift, or by number. Vertical axes are the same in all four panels. Halting margin: the model would stop where it is above 0 (q_halt; HRM: q_halt − q_continue). Growth: the largest exponent of the segments so far, per update."));
    at(1);
    restart();
    const explorer = document.querySelector(".rrm-explorer[data-live='yes']")?.explorer; // it may have moved before this one listened
    if (explorer) follow({ detail: { run: explorer.run, state: explorer.state, tau: explorer.tau } });
    return { move, at, start, pause, get segment() { return segment; }, get tau() { return tau; }, panels };
  };

  rrm.viewers = () => rrm.start("viewer", rrm.viewer);
  rrm.whenReady(rrm.viewers);
})();
