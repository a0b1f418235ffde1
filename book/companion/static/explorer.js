// The settled-band explorer: one plain-DOM component for the published page (no kernel, no network) and for Jupyter.
// Rows come from rrm_companion.pagedata.rows; settled means late drift < threshold, as in rrm_core.analysis.cells. Needs dom.js, stats.js, plots.js, examples.js.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  rrm.rows = rrm.rows || {};
  const { el, percent, number, put } = rrm;

  const SHOWN = 12, NEAREST = 5, CELLS = "ABCD".split("");
  const STATES = { h: "z_H", l: "z_L", both: "z_H and z_L" };
  const HORIZONS = [16, 32, 64, 128, 256]; // segments, the later ones of the puzzles that were run on
  const VIEWS = { ...STATES, ...Object.fromEntries(HORIZONS.slice(1).map((t) => ["h" + t, `z_H, run on to segment ${t}`])), bfloat16: "z_H, computed in bfloat16" };
  const WHAT = { A: "settled, correct", B: "settled, wrong", C: "unsettled, correct", D: "unsettled, wrong" };

  // --- calculation (no DOM) ---

  // Order and prefix counts of one run and state; cached on the rows.
  function sorted(rows, state) {
    const part = rows.states[state];
    if (!part.order) {
      part.order = [...part.late.keys()].filter((i) => part.late[i] !== null).sort((a, b) => part.late[a] - part.late[b]);
      part.sortedLate = part.order.map((i) => part.late[i]);
      part.correctBelow = [0];
      for (const i of part.order) part.correctBelow.push(part.correctBelow.at(-1) + part.correct[i]);
    }
    return part;
  }

  // The code of a puzzle's solution grid; its own where no two puzzles share one.
  const unitOf = (rows, i) => (rows.unit ? rows.unit[i] : i);

  // Number of values < tau in an ascending array.
  function below(values, tau) {
    let low = 0, high = values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] < tau) low = middle + 1; else high = middle;
    }
    return low;
  }

  // {A, B, C, D} at a threshold.
  function count(rows, state, tau) {
    const part = sorted(rows, state), settled = below(part.sortedLate, tau), A = part.correctBelow[settled];
    const correct = part.correctBelow.at(-1), B = settled - A;
    return { A, B, C: correct - A, D: part.order.length - correct - B };
  }

  // The cell of a puzzle; null where the view does not have it.
  const cellOf = (rows, state, tau, i) => { const { late, correct } = rows.states[state]; return late[i] === null ? null : late[i] < tau ? (correct[i] ? "A" : "B") : correct[i] ? "C" : "D"; };

  // Rows by ascending lambda_1 with late drift and outcome beside them, and where groups of equal lambda_1 end; cached on the rows.
  function byLambda(rows, state) {
    const part = rows.states[state];
    if (!part.byLambda) {
      const order = [...sorted(rows, state).order].sort((a, b) => rows.lambda_1[a] - rows.lambda_1[b]);
      part.byLambda = {
        unit: Int32Array.from(order, (i) => unitOf(rows, i)),
        late: Float64Array.from(order, (i) => part.late[i]),
        correct: Uint8Array.from(order, (i) => part.correct[i]),
        last: Uint8Array.from(order, (i, j) => j + 1 === order.length || rows.lambda_1[order[j + 1]] !== rows.lambda_1[i]),
      };
    }
    return part.byLambda;
  }

  // AUC of -lambda_1 among unsettled puzzles (C against D) with its interval, as rrm_core.analysis.stats.auc: one pass over ranks in whole numbers
  // (twice the misplaced pairs of each puzzle, ties one each), so nothing is lost to rounding. What a puzzle adds to the error is summed by grid.
  function auc(rows, state, tau) {
    const { C, D } = count(rows, state, tau), { late, correct, last, unit } = byLambda(rows, state);
    if (!C || !D || rows.lambda_1.includes(null)) return { value: null, low: null, high: null, C, D }; // null: measured without exponents
    const G = Math.max(...unit) + 1, right = new Float64Array(G), wrong = new Float64Array(G), adds = new Float64Array(G); // puzzles of a grid; twice their pairs, weighted
    let rightSeen = 0, wrongSeen = 0, c = 0, w = 0, pairs = 0, squaresC = 0, squaresD = 0, from = 0;
    for (let j = 0; j < late.length; j++) {
      if (late[j] >= tau) { if (correct[j]) c++; else w++; }
      if (!last[j]) continue;
      const overRight = 2 * wrongSeen + w, underWrong = 2 * (C - rightSeen) - c; // twice the pairs that -lambda_1 puts the wrong way round
      for (; from <= j; from++) {
        if (late[from] < tau) continue;
        (correct[from] ? right : wrong)[unit[from]]++;
        adds[unit[from]] += correct[from] ? overRight / D / C : underWrong / C / D;
      }
      pairs += c * overRight;
      squaresC += c * overRight ** 2;
      squaresD += w * underWrong ** 2;
      rightSeen += c; wrongSeen += w; c = 0; w = 0;
    }
    const value = 1 - pairs / (2 * C * D), shared = right.some((n, g) => n + wrong[g] > 1), used = right.filter((n, g) => n + wrong[g]).length;
    if (shared && used < rrm.stats.GRIDS) return { value: null, low: null, high: null, C, D, grids: used };
    const alone = (squaresC - pairs ** 2 / C) / Math.max(C - 1, 1) / D ** 2 / C + (squaresD - pairs ** 2 / D) / Math.max(D - 1, 1) / C ** 2 / D; // DeLong
    const off = (n, g) => (1 - value) * (n / C + wrong[g] / D) - adds[g] / 2; // Obuchowski
    const variance = shared ? (right.reduce((all, n, g) => all + off(n, g) ** 2, 0) * used) / Math.max(used - 1, 1) : alone / 4;
    const [low, high] = rrm.stats.around(value, variance, Math.min(C, D));
    return { value, low, high, C, D };
  }

  // Failures at a threshold as rrm_core.analysis.stats.share has them: {low, high, worth, grids}.
  function settledFailures(rows, state, tau) {
    const part = sorted(rows, state), { B } = count(rows, state, tau);
    if (!part.failures) { // by late drift, in dense codes of their grids
      const units = part.order.filter((i) => !part.correct[i]).map((i) => unitOf(rows, i)), codes = new Map([...new Set(units)].map((unit, code) => [unit, code]));
      part.failures = units.map((unit) => codes.get(unit));
      part.grids = new Array(codes.size).fill(0);
      for (const code of part.failures) part.grids[code]++;
    }
    const hits = new Array(part.grids.length).fill(0);
    for (let j = 0; j < B; j++) hits[part.failures[j]]++;
    return { ...rrm.stats.share(hits, part.grids), grids: hits.length };
  }

  // Where a threshold stands in the sweep: pooled percentile, and shares of failures and successes below it (null: there are none).
  function sweepAt(rows, state, tau) {
    const n = count(rows, state, tau), share = (k, of) => (of ? k / of : null);
    return { percentile: (100 * (n.A + n.B)) / sorted(rows, state).order.length, wrong: share(n.B, n.B + n.D), correct: share(n.A, n.A + n.C) };
  }

  // The whole sweep as two curves of some 200 points: [percentile, share below]; null without such puzzles.
  function sweepCurves(rows, state) {
    const part = sorted(rows, state), all = part.order.length, correct = part.correctBelow.at(-1), wrong = all - correct, step = Math.max(1, Math.floor(all / 200));
    const at = [...Array.from({ length: Math.ceil(all / step) }, (_, k) => k * step), all];
    return {
      wrong: wrong ? at.map((k) => [(100 * k) / all, (k - part.correctBelow[k]) / wrong]) : null,
      correct: correct ? at.map((k) => [(100 * k) / all, part.correctBelow[k] / correct]) : null,
    };
  }

  // Rows of one cell, lowest late drift first.
  const inCell = (rows, state, tau, cell) => sorted(rows, state).order.filter((i) => cellOf(rows, state, tau, i) === cell);

  // Failures to show: cell B by late drift, or, where B is empty, the failures nearest the band (cell D).
  function examples(rows, state, tau) {
    const B = inCell(rows, state, tau, "B");
    if (B.length) return { cell: "B", list: B };
    return { cell: "D", list: sorted(rows, state).order.filter((i) => !rows.states[state].correct[i]).slice(0, NEAREST) };
  }

  // Rows inside a brush {x: late drift, y: lambda_1}, bounds included, lowest late drift first.
  function brushed(rows, state, brush) {
    const { late, order } = sorted(rows, state);
    return order.filter((i) => late[i] >= brush.x[0] && late[i] <= brush.x[1] && rows.lambda_1[i] >= brush.y[0] && rows.lambda_1[i] <= brush.y[1]);
  }

  // Columns of the table: heading, what is sorted by, what is shown.
  const COLUMNS = [
    { head: "puzzle", value: (r, i) => r.idx[i] },
    { head: "cell", value: (r, i, s, tau) => cellOf(r, s, tau, i), show: String },
    { head: "late drift", value: (r, i, s) => r.states[s].late[i], show: (v) => number(v, 2) },
    { head: "cells right", value: (r, i) => r.token_acc[i], show: (v) => number(v, 2) },
    { head: "λ1", value: (r, i) => r.lambda_1[i], show: (v) => number(v, 4) },
    { head: "halting margin", value: (r, i) => r.margin[i], show: (v) => number(v, 2) },
    { head: "halted at", value: (r, i, s) => r.states[s].halted_at[i] || 99, show: (v) => (v === 99 ? "never" : String(v)) },
    { head: "givens", value: (r, i) => r.givens[i], show: String },
    { head: "backtracks*", value: (r, i) => r.backtracks[i], show: String },
    { head: "naked*", value: (r, i) => r.naked_backtracks[i], show: String },
    { head: "selector-blind", value: (r, i, s, tau) => (cellOf(r, s, tau, i) !== "B" ? 0 : r.states[s].halted_at[i] ? 2 : 1), show: (v) => ["–", "no", "yes"][v] },
  ];
  const BY_DRIFT = { column: 2, down: false };

  // `list` in the order of a column; equal values keep the order of `list`.
  function inOrder(list, sort, r, state, tau) {
    const value = (i) => COLUMNS[sort.column].value(r, i, state, tau), sign = sort.down ? -1 : 1;
    return [...list].sort((a, b) => { const x = value(a), y = value(b); return x < y ? -sign : x > y ? sign : 0; });
  }

  // What a saved table holds of a puzzle; names as in the data dictionary.
  const SAVED = {
    idx: (r, i) => r.idx[i],
    correct: (r, i, s) => Boolean(r.states[s].correct[i]),
    cell: (r, i, s, tau) => cellOf(r, s, tau, i),
    late_drift: (r, i, s) => r.states[s].late[i],
    lambda_1: (r, i) => r.lambda_1[i],
    token_acc: (r, i) => r.token_acc[i],
    halting_margin: (r, i) => r.margin[i],
    halted_at: (r, i, s) => r.states[s].halted_at[i],
    givens: (r, i) => r.givens[i],
    backtracks: (r, i) => r.backtracks[i],
    naked_backtracks: (r, i) => r.naked_backtracks[i],
  };

  // Puzzles as comma-separated text, a line each, with the run, the state whose drift it is and the threshold behind their cells.
  function asCsv(run, rows, state, tau, list) {
    const view = [run, state, tau], head = ["run", "drift_of", "threshold", ...Object.keys(SAVED)];
    return [head, ...list.map((i) => [...view, ...Object.values(SAVED).map((value) => value(rows, i, state, tau))])].map((line) => line.join()).join("\n") + "\n";
  }

  // The query of an address that leads to a view of the explorer, and what such a query asks for (null: nothing of the explorer).
  // Not the part behind #: the book's theme takes that for a selector.
  const asLink = ({ run, state, tau }) => "?" + new URLSearchParams({ explorer: run, drift: state, below: tau });
  function asked(query) {
    const said = new URLSearchParams(query);
    return said.has("explorer") ? { run: said.get("explorer"), state: said.get("drift") || "h", below: said.get("below") } : null;
  }

  Object.assign(rrm, { count, auc, settledFailures, cellOf, inCell, sweepAt, brushed, VIEWS, WHAT });

  // --- the component ---

  // Build the explorer in `container`. options: {runs: [names], labels: {name: label} | absent, onChange({run, state, tau}) | absent, ask(run, block) | absent,
  // address: whether the page's address may name a view | absent, view: {run, state, tau} to begin with | absent, only: "threshold" for histogram, threshold and cells alone | absent}.
  rrm.explorer = function (container, options) {
    const brief = options.only === "threshold"; // histogram, threshold and cells alone
    let run = (options.view || {}).run || options.runs[0], state = "h", tau = 0, all = false, brush = null, sort = BY_DRIFT, drawnRows = "", opened = 0, shownRow = null, begun = false; // shownRow: of the open puzzle
    const rows = () => rrm.rows[run], part = () => rows().states[state], later = () => state.length > 2 && state[0] === "h"; // after more segments than were measured

    let wanted = null; // the view that a link asks for, while its run loads
    const runPick = rrm.runPicker(options, (name) => { run = name; look([wanted, state].find((view) => rows().states[view]) || "h"); });
    const statePick = el("select", { "aria-label": "drift of", onchange: () => look(statePick.value) }, ...Object.entries(STATES).map(([key, name]) => el("option", { value: key }, name)));
    const horizon = el("input", { type: "range", min: 0, max: HORIZONS.length - 1, "aria-label": "segments run", oninput: () => look(horizon.value > 0 ? "h" + HORIZONS[horizon.value] : "h", true) }), segment = el("b");
    const further = el("label", { class: "rrm-further" }, el("span", {}, el("span", {}, "after segment "), segment), horizon);
    const arithmetic = el("select", { "aria-label": "arithmetic", onchange: () => look(arithmetic.value) }, el("option", { value: "h" }, "float32"), el("option", { value: "bfloat16" }, "bfloat16"));
    const precise = el("label", {}, "arithmetic", arithmetic);
    const strip = el("div", { class: "rrm-boards rrm-strip" });
    let shown = []; // the boards of the strip: {i, figure, text}
    const slider = el("input", { type: "range", "aria-label": "threshold on log10 late drift", oninput: () => move(Number(slider.value)) });
    const exact = el("input", { type: "number", step: "any", "aria-label": "threshold, typed", oninput: () => exact.value !== "" && move(Number(exact.value), true) });
    const otsu = el("button", { type: "button", onclick: () => move(part().otsu) });
    const strict = el("button", { type: "button", onclick: () => move(part().strict) });
    const status = el("p", { class: "rrm-status" }), separation = el("p", { class: "rrm-auc" }), told = rrm.teller(container);
    const cellText = Object.fromEntries(CELLS.map((c) => [c, [el("b"), el("span")]])); // elements: a translated page leaves them
    const cellNode = (c) => el("td", { class: "rrm-" + c, "data-cell": c, translate: "no" }, `${c} `, ...cellText[c]);
    const cells = el("table", { class: "rrm-cells" },
      el("caption", {}, "Puzzles by settled and correct"),
      el("thead", {}, el("tr", {}, el("td", {}), el("th", { scope: "col" }, "correct"), el("th", { scope: "col" }, "wrong"))),
      el("tbody", {}, el("tr", {}, el("th", { scope: "row" }, "settled"), cellNode("A"), cellNode("B")), el("tr", {}, el("th", { scope: "row" }, "unsettled"), cellNode("C"), cellNode("D"))));

    const hosts = Object.fromEntries(["histogram", "sweep", "scatter"].map((name) => [name, el("div", { class: "rrm-plot rrm-plot-" + name })]));
    const hover = el("p", { class: "rrm-hover" });
    const plots = {
      histogram: rrm.histogram(hosts.histogram),
      sweep: rrm.sweep(hosts.sweep),
      scatter: rrm.scatter(hosts.scatter, { onBrush: (given) => setBrush(given, true), onHover: say, onPick: open }),
    };
    const bounds = ["from", "to", "from", "to"].map((word, k) => el("input", { type: "number", step: "any", "aria-label": `brush: ${k < 2 ? "late drift" : "λ1"} ${word}`, oninput: typedBrush }));
    const clear = el("button", { type: "button", onclick: () => { setBrush(null); brushBox.firstChild.focus(); } }, "clear the brush"); // it hides: the focus goes on
    const brushBox = el("details", { class: "rrm-brushing" }, el("summary", {}, "brush by numbers"),
      el("fieldset", {}, el("legend", {}, "late drift"), bounds[0], " to ", bounds[1]), el("fieldset", {}, el("legend", {}, "λ1"), bounds[2], " to ", bounds[3]));

    const caption = el("p", { class: "rrm-listed", id: `rrm-listed-${(rrm.ids = (rrm.ids || 0) + 1)}` }), body = el("tbody"), lines = [], showAll = el("button", { type: "button", onclick: () => { all = true; examplesTable(); body.rows[SHOWN].querySelector("button").focus(); } });
    const heads = COLUMNS.map((column, k) => el("th", { scope: "col" }, el("button", { type: "button", class: "rrm-sort", onclick: () => { sort = { column: k, down: sort.column === k && !sort.down }; examplesTable(); } }, column.head)));
    const table = el("div", { class: "rrm-scroll", tabindex: "0", role: "region", "aria-label": "table of examples" }, el("table", { class: "rrm-examples", "aria-labelledby": caption.id }, el("thead", {}, el("tr", {}, ...heads)), body));
    const more = el("div", { class: "rrm-detail" });
    const save = el("button", { type: "button", onclick: () => rrm.save(`${run}-cells.csv`, asCsv(run, rows(), state, tau, taken())) });
    const link = el("a", { href: "?" }, "link to this view"), astray = el("p", { role: "alert" });

    // Another view of the run; `keep`: the threshold stays, to see what moved across it.
    function look(name, keep) {
      const stay = keep && state[0] === "h" ? tau : null; // that of another quantity says nothing here
      state = name;
      opened++; // what is being loaded is not of this view
      shownRow = null;
      more.replaceChildren(); // a puzzle may be in another cell there, or in none
      restart(stay);
    }

    // Another run or view: ranges, marks and plots anew, and the threshold at Otsu where none is given.
    function restart(stay = null) {
      const p = part(), r = rows(), order = sorted(r, state).sortedLate, label = `${(options.labels || {})[run] || r.label}, drift of ${VIEWS[state]}`;
      const alike = STATES[state] && state !== "h" ? [state] : Object.keys(r.states).filter((name) => !STATES[name] || name === "h"); // views of z_H share their axis
      const ends = alike.map((name) => sorted(r, name).sortedLate);
      slider.min = (Math.floor(Math.min(...ends.map((e) => e[0])) * 20) - 1) / 20;
      slider.max = (Math.ceil(Math.max(...ends.map((e) => e.at(-1))) * 20) + 1) / 20;
      const later = HORIZONS.findIndex((t) => state === "h" + t);
      statePick.value = STATES[state] ? state : "h";
      for (const option of statePick.options) option.disabled = !r.states[option.value];
      horizon.value = Math.max(0, later);
      segment.textContent = later > 0 ? HORIZONS[later] : r.segments;
      horizon.setAttribute("aria-valuetext", `after segment ${segment.textContent}`);
      arithmetic.value = state === "bfloat16" ? state : "h";
      further.hidden = !r.states.h256;
      precise.hidden = !r.states.bfloat16;
      boardsAnew();
      slider.step = (slider.max - slider.min) / 1000;
      otsu.disabled = p.otsu === null;
      strict.hidden = p.strict === null;
      otsu.textContent = p.otsu === null ? "Otsu: none" : `Otsu ${number(p.otsu, 2)}`;
      if (p.strict !== null) strict.textContent = `strict ${number(p.strict, 2)} (${p.strict_percentile} %)`;
      const domain = [Number(slider.min), Number(slider.max)], range = rrm.plot.roomy(r.lambda_1, 0.04);
      plots.histogram.show({ part: p, domain, label });
      plots.sweep.show({ curves: sweepCurves(r, state), points: p.sweep, label });
      plots.scatter.show({ part: p, domain, range, late: r.lambda_1.includes(null) ? p.late.map(() => null) : p.late, lambda: r.lambda_1, correct: p.correct, label });
      brush = null;
      drawnRows = "";
      for (const box of bounds) box.value = "";
      say(null);
      move(stay !== null ? stay : p.otsu === null ? (order[0] + order.at(-1)) / 2 : p.otsu);
    }

    // The calmest failures as boards, two that would halt and two that would not.
    function boardsAnew() {
      const r = rows();
      shown = part().calmest.map((i) => {
        const [puzzle, answer, solution] = r.boards[i], figure = rrm.board(answer, "", r, puzzle, solution), text = figure.querySelector("figcaption");
        figure.querySelector("table").setAttribute("aria-label", `answer of puzzle ${r.idx[i]} after segment ${r.segments}, wrong cells marked`);
        return { i, figure, text, wrong: rrm.differing(answer, solution) };
      });
      strip.replaceChildren(...shown.map((board) => board.figure));
    }

    function boardsNow() {
      const r = rows(), p = part();
      for (const { i, figure, text, wrong } of shown) {
        const settled = p.late[i] < tau, kind = !settled ? "not settled" : p.halted_at[i] ? "selector-blind" : "settled, would not halt";
        if (figure.dataset.kind === kind) continue;
        figure.dataset.kind = kind;
        text.textContent = `#${r.idx[i]}, ${wrong} cells wrong${later() ? ` at ${r.segments}` : ""}: ${kind}`;
      }
    }

    function move(value, typed) {
      if (!Number.isFinite(value)) return;
      tau = value;
      all = false;
      slider.value = tau;
      if (!typed) exact.value = String(Number(tau.toPrecision(6)));
      plots.histogram.move(tau);
      plots.scatter.move(tau);
      plots.sweep.move(sweepAt(rows(), state, tau));
      show();
      link.href = asLink({ run, state, tau });
      if (begun && options.address && !brief) remember();
      if (options.onChange) options.onChange({ run, state, tau });
      document.dispatchEvent(new CustomEvent("rrm:moved", { detail: { run, state, tau } })); // a viewer on the same page follows
    }

    function show() {
      const r = rows(), p = part(), n = count(r, state, tau), all = p.order.length, wrong = n.B + n.D, a = auc(r, state, tau), whole = (p.whole ||= auc(r, state, -Infinity)); // another output of a notebook may have brought the rows anew
      boardsNow();
      if (shownRow !== null) put(where, inWords(shownRow));
      otsu.setAttribute("aria-pressed", String(tau === p.otsu));
      strict.setAttribute("aria-pressed", String(tau === p.strict));
      slider.setAttribute("aria-valuetext", `log10 late drift ${number(tau, 2)}`);
      for (const c of CELLS) { put(cellText[c][0], n[c]); put(cellText[c][1], " " + percent(n[c] / all)); }
      const known = wrong && settledFailures(r, state, tau), over = known && known.grids < wrong ? `95 % interval over ${known.grids} solution grids` : "exact 95 % interval";
      const share = wrong === 0 ? "No puzzle failed." : n.B === 0
        ? `No failure is settled: 0 of ${wrong}, one-sided 95 % upper bound ${percent(rrm.stats.zeroBound(known.worth))}.`
        : `${n.B} of ${wrong} failures${later() ? " at that segment" : ""} are settled: ${percent(n.B / wrong)} (${over} ${percent(known.low)} to ${percent(known.high)}).`;
      const band = p.exists ? "" : ` This run has no settled band: ${p.reason}.`, some = all < r.n ? ` Of the ${all} puzzles ${state === "bfloat16" ? "computed again" : "that were run on, all failures among them"}.` : "";
      put(status, `Settled: log10 late drift below ${number(tau, 3)}. ${share}${some}${band}`);
      const interval = ` [${number(a.low, 3)}, ${number(a.high, 3)}]`;
      put(separation, a.value === null
        ? `AUC of −λ1 among the unsettled: cannot be measured, ${a.C} correct and ${a.D} wrong${a.grids ? ` on ${a.grids} solution grids, too few` : ""}.`
        : `AUC of −λ1 among the unsettled (${a.C} C against ${a.D} D): ${number(a.value, 3)}${interval}; among all: ${whole.value === null ? "not told" : number(whole.value, 3)}.`);
      told.say(brief ? status.textContent : status.textContent + " " + separation.textContent);
      examplesTable();
    }

    // --- a view to take away ---

    // The page's address names the view, once the slider rests: going back or reloading finds it again. From disk some browsers refuse.
    let resting = 0;
    function remember() {
      clearTimeout(resting);
      resting = setTimeout(() => {
        const query = new URLSearchParams(location.search); // what else it names stays
        for (const [key, value] of new URLSearchParams(asLink({ run, state, tau }))) query.set(key, value);
        try { history.replaceState(history.state, "", `?${query}${location.hash}`); } catch { /* the link below is left */ }
      }, 400);
    }

    // The puzzles that a saved table holds: those brushed, else all, by their number.
    const taken = () => (brush ? brushed(rows(), state, brush) : [...sorted(rows(), state).order]).sort((a, b) => rows().idx[a] - rows().idx[b]);

    // Show the view that the page's address names; what it names wrongly is said, and what was shown stays.
    async function follow() {
      const link = asked(location.search);
      if (!link) return;
      const value = Number(link.below || NaN);
      astray.textContent = !options.runs.includes(link.run) ? `The link asks for the run “${link.run}”; there are ${options.runs.join(", ")}.`
        : !Object.hasOwn(VIEWS, link.state) ? `The link asks for the drift of “${link.state}”; there are ${Object.keys(VIEWS).join(", ")}.`
        : link.below !== null && !Number.isFinite(value) ? `The link asks for the threshold “${link.below}”; expected a number, the log10 of late drift.` : "";
      if (performance.getEntriesByType("navigation")[0]?.type === "navigate" && !location.hash) container.scrollIntoView(); // else the reader is where he was
      if (astray.textContent) return;
      if (link.run !== run || link.state !== state) {
        wanted = link.state;
        await runPick.choose(link.run);
        wanted = null;
      }
      if (run !== link.run) astray.textContent = `The link asks for the run “${link.run}”, which cannot be loaded here.`;
      else if (state !== link.state) astray.textContent = `The link asks for the drift of “${link.state}”, which this run does not have.`;
      else move(value);
    }

    // --- brush ---

    function setBrush(given, drawn) {
      brush = given;
      all = false;
      if (!drawn) plots.scatter.brush(brush);
      [...(brush ? [...brush.x, ...brush.y] : ["", "", "", ""])].forEach((v, k) => { bounds[k].value = v === "" ? "" : Number(v.toPrecision(4)); });
      examplesTable();
    }

    // Numbers typed: an empty box is no bound on that side.
    function typedBrush() {
      const [a, b, c, d] = bounds.map((box, k) => (box.value === "" ? (k % 2 ? Infinity : -Infinity) : Number(box.value)));
      brush = bounds.every((box) => box.value === "") ? null : { x: [a, b], y: [c, d] };
      all = false;
      plots.scatter.brush(brush);
      examplesTable();
    }

    function say(i) {
      const r = rows();
      hover.textContent = i === null ? "Drag in the plot to brush puzzles; choose a mark to open it." : `#${r.idx[i]}: cell ${cellOf(r, state, tau, i)}, late drift ${number(part().late[i], 3)}, λ1 ${number(r.lambda_1[i], 4)}`;
    }

    // --- table of examples ---

    function examplesTable() {
      const r = rows(), found = brush ? { list: brushed(r, state, brush) } : examples(r, state, tau), cellsOf = (list) => list.map((i) => cellOf(r, state, tau, i));
      const ordered = inOrder(found.list, sort, r, state, tau), shown = all ? ordered : ordered.slice(0, SHOWN);
      const tally = brush && Object.fromEntries(CELLS.map((c) => [c, 0]));
      if (brush) for (const c of cellsOf(found.list)) tally[c]++;
      const blinds = found.cell === "B" ? found.list.filter((i) => part().halted_at[i] > 0).length : 0;
      const head = COLUMNS[sort.column].head.replace("*", ""), order = sort.column === 2 ? (sort.down ? "highest late drift first" : "lowest late drift first") : `by ${head}, ${sort.down ? "descending" : "ascending"}`;
      put(caption, brush ? `Brushed: ${found.list.length} puzzles (${CELLS.map((c) => `${c} ${tally[c]}`).join(", ")}), ${order}.`
        : !found.list.length ? "No failure to show."
        : found.cell === "B" ? `Settled failures (cell B), ${order}: ${found.list.length}, of which ${blinds} selector-blind.`
        : `Cell B is empty. The ${found.list.length} failures nearest the band (cell D), ${order}:`);
      heads.forEach((th, k) => (k === sort.column ? th.setAttribute("aria-sort", sort.down ? "descending" : "ascending") : th.removeAttribute("aria-sort")));
      put(save, brush ? `save the ${found.list.length} brushed puzzles as CSV` : `save all ${part().order.length} puzzles as CSV`);
      showAll.hidden = found.list.length <= shown.length;
      put(showAll, `show all ${found.list.length}`);
      clear.hidden = !brush;
      const key = shown.map((i) => i + cellOf(r, state, tau, i)).join();
      if (key === drawnRows) return; // most moves leave the rows as they are
      drawnRows = key;
      while (lines.length < shown.length) lines.push(newLine());
      body.replaceChildren(...lines.slice(0, shown.length).map((line, k) => line.fill(shown[k])));
    }

    // A row of the table, filled again for another puzzle: a row is made once, and a cell is touched when its text changes.
    function newLine() {
      let row = 0;
      const button = el("button", { type: "button", onclick: () => open(row) }), texts = COLUMNS.slice(1).map(() => el("td", {})), line = el("tr", {}, el("td", {}, button), ...texts);
      return { fill(i) {
        const r = rows(), cell = cellOf(r, state, tau, i);
        row = i;
        line.dataset.idx = r.idx[i];
        line.dataset.cell = cell;
        put(button, "#" + r.idx[i]);
        button.setAttribute("aria-label", `show puzzle ${r.idx[i]}`);
        COLUMNS.slice(1).forEach((column, k) => put(texts[k], column.show(column.value(r, i, state, tau))));
        texts[0].className = "rrm-" + cell;
        texts.at(-1).className = texts.at(-1).textContent === "yes" ? "rrm-blind" : "";
        return line;
      } };
    }

    // --- one puzzle: boards, drift and growth ---

    const where = el("span"), inWords = (i) => { const cell = cellOf(rows(), state, tau, i); return `cell ${cell} (${WHAT[cell]})`; }; // of the open puzzle, as the threshold moves
    async function open(i) {
      const r = rows(), name = run, mine = ++opened;
      shownRow = null;
      more.replaceChildren(el("p", {}, `Puzzle ${r.idx[i]}: loading its boards …`));
      try {
        const one = await rrm.example(name, i, options.ask);
        if (mine !== opened) return; // another puzzle was chosen meanwhile
        const answer = rrm.answers(one).at(-1), hosts = [el("div", { class: "rrm-plot" }), el("div", { class: "rrm-plot" })];
        const watch = document.querySelector(".rrm-viewer[data-live='yes']")
          ? [el("button", { type: "button", onclick: () => document.dispatchEvent(new CustomEvent("rrm:watch", { detail: { run: name, state, tau, row: i } })) }, `watch its ${r.segments} segments`)] : [];
        put(where, inWords((shownRow = i)));
        more.replaceChildren(
          el("p", {}, `Puzzle ${r.idx[i]}, `, where, `: λ1 = ${number(r.lambda_1[i], 4)} per update, ${rrm.differing(answer, one.solution)} of ${one.solution.length} cells wrong. `, ...watch),
          el("div", { class: "rrm-boards" },
            rrm.board(one.puzzle, "puzzle", r, one.puzzle),
            rrm.board(answer, "answer, wrong cells marked", r, one.puzzle, one.solution),
            rrm.board(one.solution, "solution", r, one.puzzle)),
          el("div", { class: "rrm-pair" }, ...hosts),
          el("p", { class: "rrm-note" }, "Dashed: this puzzle. Bands: 10-90 % and median of cells A and D at Otsu's threshold. Growth: the largest exponent of the segments so far, per update; its last value is λ1."));
        for (const [host, what, title] of [[hosts[0], "drift", "log10 drift of z_H"], [hosts[1], "growth", "λ1 so far, per update"]])
          rrm.profile(host, one[what], r.bands[what], title, `${title} of puzzle ${r.idx[i]} by segment: ${one[what].join(", ")}`);
        told.say(more.firstChild.textContent);
        more.scrollIntoView({ block: "nearest" }); // below a long table it would open unseen
      } catch (error) {
        if (mine === opened) more.replaceChildren(el("p", { role: "alert" }, error.message));
      }
    }

    container.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to us
    const key = el("p", { class: "rrm-key" }, el("span", { class: "rrm-back-correct" }), "correct", el("span", { class: "rrm-back-wrong" }), "wrong", el("span", { class: "rrm-back-settled" }), "settled side");
    container.replaceChildren(
      el("fieldset", { class: "rrm-controls" }, el("label", {}, "model", runPick), ...(brief ? [] : [el("label", {}, "drift of", statePick), further, precise, el("label", {}, "exactly", exact)]), otsu, ...(brief ? [] : [strict])),
      hosts.histogram,
      el("label", { class: "rrm-slide" }, slider, el("span", {}, "settled below this log10 late drift")),
      key,
      el("div", { class: "rrm-pair" }, cells, el("div", {}, status, ...(brief ? [] : [separation]))), told);
    if (!brief) container.append(
      strip,
      el("div", { class: "rrm-pair" }, el("div", {}, hosts.scatter, hover, el("div", { class: "rrm-row" }, brushBox, clear)), el("div", {}, hosts.sweep)),
      caption, table, // not a <caption>: that would lay out the whole table with every move
      el("div", { class: "rrm-row rrm-take" }, showAll, save, ...(options.address ? [link] : [])), astray,
      el("p", { class: "rrm-note" }, "* wrong guesses of a solver: backtracks with naked and hidden singles, naked with naked singles only. Halting margin: after the last segment; the model would stop where it is above 0 (q_halt; HRM: q_halt − q_continue). Run on, boards, cells right, λ1 and margin stay those of segment 16. Selector-blind: settled, wrong, and the halting head would stop before it. Headings sort; a puzzle's number opens its boards and profiles."),
      more);
    if (options.view && rows().states[options.view.state]) state = options.view.state;
    restart(options.view ? options.view.tau : null);
    if (options.address && !brief) follow();
    begun = true;
    return { move, open, setBrush, count: () => count(rows(), state, tau), auc: () => auc(rows(), state, tau), get tau() { return tau; }, get run() { return run; }, get state() { return state; } };
  };

  rrm.explorers = () => rrm.start("explorer", rrm.explorer);
  rrm.whenReady(rrm.explorers);
})();
