// The settled-band explorer: one plain-DOM component for the published page (no kernel, no network) and for Jupyter.
// Rows come from rrm_core.widgets.rows; settled means late drift < threshold, as in rrm_core.cells. Needs charts.js for its charts.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  rrm.rows = rrm.rows || {};

  const SHOWN = 12, NEAREST = 5;
  const STATES = { h: "z_H", l: "z_L", both: "z_H and z_L" };

  // --- calculation (no DOM) ---

  // Order and prefix counts of one run and state; cached on the rows.
  function sorted(rows, state) {
    const part = rows.states[state];
    if (!part.order) {
      part.order = part.late.map((_, i) => i).sort((a, b) => part.late[a] - part.late[b]);
      part.sortedLate = part.order.map((i) => part.late[i]);
      part.correctBelow = [0];
      for (const i of part.order) part.correctBelow.push(part.correctBelow.at(-1) + rows.correct[i]);
    }
    return part;
  }

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
    return { A, B, C: correct - A, D: rows.n - correct - B };
  }

  // Failures to show: cell B by late drift, or, where B is empty, the failures nearest the band (cell D).
  function examples(rows, state, tau) {
    const part = sorted(rows, state), settled = below(part.sortedLate, tau), B = [];
    for (let j = 0; j < settled; j++) if (!rows.correct[part.order[j]]) B.push(part.order[j]);
    if (B.length) return { cell: "B", list: B };
    return { cell: "D", list: part.order.filter((i) => !rows.correct[i]).slice(0, NEAREST) };
  }

  // --- DOM helpers ---

  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value !== null && value !== undefined) node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  }
  const percent = (x) => (100 * x).toFixed(x < 0.1 ? 2 : 1) + " %";
  const number = (x, digits) => (x === null ? "–" : (x < 0 ? "−" : "") + Math.abs(x).toFixed(digits));

  // --- boards and profile of one example ---

  const SVG = "http://www.w3.org/2000/svg";
  function svg(tag, attributes, ...children) {
    const node = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  // A board as a table; `compare` marks the cells that differ from it.
  function board(text, caption, side, boxRows, given, compare) {
    const boxColumns = side / boxRows, body = el("tbody");
    for (let r = 0; r < side; r++) {
      const row = el("tr");
      for (let c = 0; c < side; c++) {
        const i = r * side + c, wrong = compare && text[i] !== compare[i], names = [];
        if (given[i] !== ".") names.push("rrm-given");
        if (wrong) names.push("rrm-wrong");
        if ((c + 1) % boxColumns === 0 && c + 1 < side) names.push("rrm-right");
        if ((r + 1) % boxRows === 0 && r + 1 < side) names.push("rrm-below");
        row.append(el("td", { class: names.join(" "), title: wrong ? "wrong: should be " + compare[i] : null }, text[i] === "." ? "" : text[i]));
      }
      body.append(row);
    }
    return el("figure", {}, el("figcaption", {}, caption), el("table", { class: "rrm-board", "aria-label": caption }, body));
  }

  // Drift by segment of one example over the 10-90 % bands of cells A and D.
  function profile(drift, bands, caption) {
    const W = 300, H = 170, left = 34, bottom = 26, all = [...drift];
    for (const band of Object.values(bands)) for (const q of band) all.push(...q);
    const low = Math.min(...all) - 0.1, high = Math.max(...all) + 0.1;
    const x = (t) => left + ((W - left - 8) * t) / (drift.length - 1), y = (v) => 6 + ((H - bottom - 6) * (high - v)) / (high - low);
    const path = (points) => points.map(([t, v], i) => (i ? "L" : "M") + x(t).toFixed(1) + " " + y(v).toFixed(1)).join("");
    const out = svg("svg", { viewBox: `0 0 ${W} ${H}`, width: W, height: H, role: "img", "aria-label": caption });
    for (let v = Math.ceil(low); v <= high; v++) {
      out.append(svg("line", { x1: left, x2: W - 8, y1: y(v), y2: y(v), stroke: "#888", "stroke-opacity": 0.25 }), svg("text", { x: left - 5, y: y(v) + 3, "text-anchor": "end" }, String(v)));
    }
    for (const t of [0, 3, 7, 11, 15]) out.append(svg("text", { x: x(t), y: H - 12, "text-anchor": "middle" }, String(t + 1)));
    out.append(svg("text", { x: (W + left) / 2, y: H - 1, "text-anchor": "middle" }, "segment"));
    const colour = { A: "#0072b2", D: "#d55e00" };
    for (const [cell, band] of Object.entries(bands)) {
      const up = band.map((q, t) => [t, q[2]]), down = band.map((q, t) => [t, q[0]]).reverse();
      out.append(svg("path", { d: path([...up, ...down]) + "Z", fill: colour[cell], "fill-opacity": 0.18 }));
      out.append(svg("path", { d: path(band.map((q, t) => [t, q[1]])), fill: "none", stroke: colour[cell], "stroke-width": 1.6 }));
      out.append(svg("text", { x: W - 12, y: y(band.at(-1)[1]) - 3, "text-anchor": "end" }, cell));
    }
    out.append(svg("path", { d: path(drift.map((v, t) => [t, v])), fill: "none", stroke: "currentColor", "stroke-width": 1.6, "stroke-dasharray": "4 2" }));
    return el("figure", {}, el("figcaption", {}, caption), out);
  }

  function detail(rows, i, cell) {
    const wrong = rows.wrong[rows.idx[i]];
    return [
      el("p", {}, `Puzzle ${rows.idx[i]} (cell ${cell}), λ1 = ${number(rows.lambda_1[i], 4)} per update, ${percent(1 - rows.token_acc[i])} of the cells wrong.`),
      el("div", { class: "rrm-boards" },
        board(wrong.puzzle, "puzzle", rows.side, rows.box_rows, wrong.puzzle),
        board(wrong.answer, "answer, wrong cells marked", rows.side, rows.box_rows, wrong.puzzle, wrong.solution),
        board(wrong.solution, "solution", rows.side, rows.box_rows, wrong.puzzle),
        profile(wrong.drift, rows.bands, "log10 drift of z_H: this puzzle (dashed) over cells A and D at Otsu")),
    ];
  }

  // --- the component ---

  // Build the explorer in `container`. options: {runs: [names], charts: {histogram, scatter} | null, onChange({run, state, tau}) | null}.
  rrm.explorer = function (container, options) {
    let run = options.runs[0], state = "h", tau = 0, chosen = null, all = false, frame = 0;
    const rows = () => rrm.rows[run], part = () => rows().states[state];

    const runPick = el("select", { "aria-label": "run", onchange: () => { run = runPick.value; chosen = null; restart(); } }, ...options.runs.map((name) => el("option", { value: name }, rrm.rows[name].label)));
    const statePick = el("select", { "aria-label": "drift of", onchange: () => { state = statePick.value; restart(); } }, ...Object.entries(STATES).map(([key, name]) => el("option", { value: key }, name)));
    const slider = el("input", { type: "range", "aria-label": "threshold on log10 late drift", oninput: () => move(Number(slider.value)) });
    const marks = el("span", { class: "rrm-marks", "aria-hidden": "true" });
    const exact = el("input", { type: "number", step: "any", "aria-label": "threshold, typed", oninput: () => exact.value !== "" && move(Number(exact.value), true) });
    const otsu = el("button", { type: "button", onclick: () => move(part().otsu) }, "Otsu");
    const strict = el("button", { type: "button", onclick: () => move(part().strict) }, "strict");
    const status = el("p", { class: "rrm-status", "aria-live": "polite" });
    const cellNodes = Object.fromEntries("ABCD".split("").map((c) => [c, el("td", { class: "rrm-" + c, "data-cell": c })]));
    const cells = el("table", { class: "rrm-cells" },
      el("caption", {}, "Puzzles by settled and correct"),
      el("thead", {}, el("tr", {}, el("td", {}), el("th", { scope: "col" }, "correct"), el("th", { scope: "col" }, "wrong"))),
      el("tbody", {}, el("tr", {}, el("th", { scope: "row" }, "settled"), cellNodes.A, cellNodes.B), el("tr", {}, el("th", { scope: "row" }, "unsettled"), cellNodes.C, cellNodes.D)));
    const histogram = el("div"), scatter = el("div");
    const table = el("div", { class: "rrm-scroll" }), more = el("div", { class: "rrm-detail", "aria-live": "polite" });

    function restart() {
      const p = part(), lowest = sorted(rows(), state).sortedLate[0], highest = p.sortedLate.at(-1);
      slider.min = (Math.floor(lowest * 20) - 1) / 20;
      slider.max = (Math.ceil(highest * 20) + 1) / 20;
      slider.step = (slider.max - slider.min) / 1000;
      const at = (value) => `left: calc(8px + (100% - 16px) * ${(value - slider.min) / (slider.max - slider.min)})`;
      marks.replaceChildren(...[["Otsu", p.otsu], ["strict", p.strict]].filter(([, v]) => v !== null).map(([name, v]) => el("span", { style: at(v) }, name)));
      otsu.disabled = p.otsu === null;
      strict.disabled = p.strict === null;
      otsu.textContent = p.otsu === null ? "Otsu: none" : `Otsu ${number(p.otsu, 2)}`;
      strict.textContent = p.strict === null ? "strict: none" : `strict ${number(p.strict, 2)} (${p.strict_percentile} %)`;
      move(p.otsu === null ? (lowest + highest) / 2 : p.otsu);
      draw();
    }

    function draw() {
      if (!options.charts) return;
      const p = part(), r = rows(), outcome = (i) => (r.correct[i] ? "correct" : "wrong");
      const with_ = (spec, name, data) => {
        const copy = structuredClone(spec);
        copy.datasets = { [name]: data };
        copy.title.subtitle = `${r.label}, drift of ${STATES[state]}`;
        for (const param of copy.params) param.value = { tau, otsu: p.otsu ?? tau, strict: p.strict ?? tau }[param.name] ?? param.value;
        return copy;
      };
      rrm.draw(histogram, with_(options.charts.histogram, "bins", p.bins)).then(() => rrm.set(histogram, { tau }));
      rrm.draw(scatter, with_(options.charts.scatter, "points", p.late.map((late, i) => ({ idx: r.idx[i], late, lambda_1: r.lambda_1[i], outcome: outcome(i) })))).then(() => rrm.set(scatter, { tau }));
    }

    function move(value, typed) {
      if (!Number.isFinite(value)) return;
      tau = value;
      all = false;
      slider.value = tau;
      if (!typed) exact.value = String(Number(tau.toPrecision(6)));
      show();
      if (options.charts && !frame) frame = requestAnimationFrame(() => { frame = 0; rrm.set(histogram, { tau }); rrm.set(scatter, { tau }); });
      if (options.onChange) options.onChange({ run, state, tau });
    }

    function show() {
      const r = rows(), p = part(), n = count(r, state, tau), wrong = n.B + n.D;
      otsu.setAttribute("aria-pressed", String(tau === p.otsu));
      strict.setAttribute("aria-pressed", String(tau === p.strict));
      slider.setAttribute("aria-valuetext", `log10 late drift ${number(tau, 2)}`);
      for (const [cell, node] of Object.entries(cellNodes)) node.replaceChildren(`${cell} `, el("b", {}, String(n[cell])), ` ${percent(n[cell] / r.n)}`);
      const share = wrong === 0 ? "No puzzle failed." : n.B === 0
        ? `No failure settles: 0 of ${wrong}, exact 95 % upper bound ${percent(r.zero_bound)}.`
        : `${n.B} of ${wrong} failures settle: ${percent(n.B / wrong)} (exact 95 % interval ${percent(r.bound.low[n.B])} to ${percent(r.bound.high[n.B])}).`;
      const band = p.exists ? "" : ` This run has no settled band: ${p.reason}.`;
      status.textContent = `Settled: log10 late drift below ${number(tau, 3)}. ${share}${band}`;
      examplesTable(r);
    }

    function examplesTable(r) {
      const found = examples(r, state, tau), shown = all ? found.list : found.list.slice(0, SHOWN);
      const heads = ["puzzle", "cell", "cells right", "λ1", "q_halt", "halted at", "givens", "guesses*", "selector-blind"];
      const body = shown.map((i) => {
        const blind = found.cell === "B" && r.halted_at[i] > 0;
        return el("tr", { "data-idx": r.idx[i], "data-cell": found.cell },
          el("td", {}, el("button", { type: "button", "aria-label": `show puzzle ${r.idx[i]}`, onclick: () => { chosen = i; open(found.cell); } }, "#" + r.idx[i])),
          ...[found.cell, number(r.token_acc[i], 2), number(r.lambda_1[i], 4), number(r.q_halt[i], 2), r.halted_at[i] || "never", r.givens[i], r.naked_backtracks[i]].map((v) => el("td", {}, String(v))),
          el("td", { class: blind ? "rrm-blind" : null }, blind ? "yes" : found.cell === "B" ? "no" : "–"));
      });
      const blinds = found.cell === "B" ? found.list.filter((i) => r.halted_at[i] > 0).length : 0;
      const caption = !found.list.length ? "No failure to show." : found.cell === "B"
        ? `Settled failures (cell B), lowest late drift first: ${found.list.length}, of which ${blinds} selector-blind.`
        : `Cell B is empty. The ${found.list.length} failures nearest the band (cell D):`;
      const extra = found.list.length > shown.length ? [el("button", { type: "button", onclick: () => { all = true; examplesTable(r); } }, `show all ${found.list.length}`)] : [];
      table.replaceChildren(el("table", { class: "rrm-examples" }, el("caption", {}, caption), el("thead", {}, el("tr", {}, ...heads.map((h) => el("th", { scope: "col" }, h)))), el("tbody", {}, ...body)), ...extra);
    }

    function open(cell) { more.replaceChildren(...detail(rows(), chosen, cell)); }

    container.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to us
    container.replaceChildren(
      el("fieldset", {},
        el("label", {}, "run", runPick), el("label", {}, "drift of", statePick),
        el("label", { class: "rrm-slide" }, "settled below this log10 late drift", slider, marks), el("label", {}, "exactly", exact), otsu, strict),
      status,
      el("div", { class: "rrm-scroll" }, cells),
      ...(options.charts ? [el("div", { class: "rrm-charts" }, histogram, scatter)] : []),
      table,
      el("p", { class: "rrm-note" }, "* wrong guesses of a solver that uses naked singles only. Selector-blind: settled, wrong, and the halting head would stop. Choose a puzzle number to see its boards and its drift."),
      more);
    restart();
    return { move, count: () => count(rows(), state, tau), get tau() { return tau; } };
  };
  rrm.count = count;

  // Start every explorer of the page: rows come from `_static/rrm/rows/<run>.js` unless they are there already.
  rrm.explorers = async function () {
    for (const node of document.querySelectorAll(".rrm-explorer:not([data-live])")) {
      node.dataset.live = "no";
      const options = JSON.parse(node.querySelector("script").textContent);
      try {
        for (const run of options.runs) if (!rrm.rows[run]) await rrm.load("rows/" + run + ".js");
        node.explorer = rrm.explorer(node, options);
        node.dataset.live = "yes";
      } catch (error) {
        console.error("rrm: the explorer could not start; the table of the page stays", error);
      }
    }
  };
  if (typeof document !== "undefined") {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", rrm.explorers);
    else rrm.explorers();
  }
})();
