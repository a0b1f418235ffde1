// The player: a reader types a puzzle and watches the model's answer, its drift and its halting head, segment by segment.
// One plain-DOM component for the published page (no kernel, no network) and for Jupyter. Needs dom.js, puzzle.js and model.js;
// weights are loaded only when the reader presses the button. Settled means late drift < Otsu, as in rrm_core.analysis.cells.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  const S = rrm.sudoku;

  const MARK = 16, MOST = 64, LATE = 4, FLOOR = 1e-12, PACE = 170; // PACE: ms a segment, so that an eye can follow
  const SIGMAS = [0, 0.001, 0.01, 0.1, 0.3, 1];
  const models = {}; // run -> model, shared by the players of a page

  // --- calculation (no DOM) ---

  const log10 = (value) => Math.log10(Math.max(value, FLOOR));

  // One trajectory from one start: everything that is shown of it, a record a segment.
  function lane(model, tokens, sigma, seed) {
    return { model, sigma, seed, x: model.embed(tokens), state: model.start(sigma, seed), records: [] };
  }

  // Run `lane` for one more segment and append {answer, drift, margin, q, changed}.
  function advance(lane) {
    const before = lane.state, last = lane.records.at(-1);
    lane.state = lane.model.segment(before, lane.x);
    const read = lane.model.readout(lane.state), answer = read.answer.map((token) => Math.max(0, token - 1));
    const changed = answer.map((value, i) => Boolean(last) && value !== last.answer[i]);
    lane.records.push({ answer, changed, q: read.q, margin: read.margin, drift: rrm.distance(lane.state.h, before.h) });
  }

  // log10 of the mean drift over the last four segments: late drift when the last one is 16.
  const late = (lane) => log10(lane.records.slice(-LATE).reduce((sum, r) => sum + r.drift, 0) / LATE);

  // What a reader should know about a typed board: {message, clashes, count, solution}.
  function check(board, side) {
    const clashes = S.clashes(board, side), givens = board.filter(Boolean).length;
    if (clashes.length) {
      const named = clashes.slice(0, 2).map(({ digit, where, cells }) => `${digit} stands ${cells.length === 2 ? "twice" : cells.length + " times"} in ${where}`).join("; ");
      return { clashes, count: 0, solution: null, message: `${named}${clashes.length > 2 ? "; and more" : ""}. Each digit may stand once in a row, column and box: blank one of them to run the model.` };
    }
    const { count, first } = S.solutions(board, side, 2);
    const ways = count === 1 ? "exactly one solution" : count === 0 ? "no solution: the model can run, but nothing it says can be right"
      : count === null ? "a number of solutions that was not determined" : "more than one solution: cells of the answer are not marked";
    return { clashes, count, solution: count === 1 ? first : null, message: `${givens} given${givens === 1 ? "" : "s"}, ${ways}.` };
  }

  const number = (value, digits) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(digits);

  // The state of a lane in words: [[what, detail]] for drift, halting and answer.
  function words(lane, weights, puzzle, checked) {
    const t = lane.records.length, now = lane.records.at(-1), value = t < MARK ? log10(now.drift) : late(lane), below = value < weights.otsu;
    const against = weights.otsu === null ? "" : `, ${below ? "below" : "above"} Otsu ${number(weights.otsu, 2)}`;
    const first = lane.records.findIndex((r) => r.margin > 0) + 1, wrong = checked.solution ? now.answer.filter((v, i) => v !== checked.solution[i]).length : null;
    return [
      t < MARK ? ["moving", `log10 drift ${number(value, 2)}${against}`]
        : [weights.exists ? (below ? "settled" : "still moving") : "no settled band", `${t === MARK ? "late drift" : "drift"} of ${t - LATE + 1}–${t}: ${number(value, 2)}${against}`],
      now.margin > 0 ? ["would halt", first < t ? `first at segment ${first}` : "now"] : ["would not halt", first ? `but would have at segment ${first}` : ""],
      S.solves(now.answer, puzzle, weights.config.side) ? ["solved", ""] : ["not solved", wrong === null ? "" : `${wrong} of ${puzzle.length} cells wrong`],
    ];
  }
  const sentence = (...of) => words(...of).map(([what, detail]) => what + (detail && ": " + detail)).join("; ") + ".";

  // --- pieces of the page ---

  const { el, svg } = rrm;

  // Class names of cell i: the thicker lines of the boxes.
  function edges(i, side) {
    const height = S.boxRows(side), width = side / height, r = Math.floor(i / side), c = i % side;
    return [(c + 1) % width === 0 && c + 1 < side && "rrm-right", (r + 1) % height === 0 && r + 1 < side && "rrm-below"].filter(Boolean);
  }

  function rows(side, cell) {
    return el("tbody", {}, ...Array.from({ length: side }, (_, r) => el("tr", {}, ...Array.from({ length: side }, (_, c) => cell(r * side + c, r, c)))));
  }

  // The answer of a lane: givens bold, changed cells framed, wrong cells marked where the solution is known.
  function answerBoard(lane, name, side, puzzle, solution) {
    const now = lane.records.at(-1), answer = now ? now.answer : puzzle;
    let wrong = 0;
    const body = rows(side, (i) => {
      const bad = Boolean(now && solution && answer[i] !== solution[i]);
      wrong += bad;
      const names = [...edges(i, side), puzzle[i] && "rrm-given", bad && "rrm-wrong", now && now.changed[i] && "rrm-changed"].filter(Boolean);
      return el("td", { class: names.join(" "), title: bad ? "wrong: should be " + solution[i] : null }, answer[i] ? String(answer[i]) : now ? "·" : "");
    });
    const label = now ? `answer after segment ${lane.records.length}, ${name}${solution ? `, ${wrong} cells wrong` : ""}` : `before the first segment, ${name}`;
    return el("table", { class: "rrm-grid rrm-answer", "aria-label": label }, body);
  }

  // A small line chart. `lines`: horizontal [{at, name, style}]; `series`: arrays of values, one a lane, drawn solid then dashed.
  function plot(title, series, lines, last, [lowest, highest]) {
    const W = 330, H = 168, left = 34, right = 46, top = 8, bottom = 30, values = [...series.flat(), ...lines.map((line) => line.at)];
    const low = Math.min(lowest, ...values), high = Math.max(highest, ...values), pad = (high - low) * 0.06;
    const x = (t) => left + ((W - left - right) * (t - 1)) / (last - 1), y = (v) => top + ((H - top - bottom) * (high + pad - v)) / (high - low + 2 * pad);
    const ends = series.map((s) => (s.length ? number(s.at(-1), 2) : "none yet")).join(" and ");
    const out = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${title}. Now: ${ends}. ${lines.map((line) => `${line.name} at ${number(line.at, 2)}`).join(", ")}.` });
    const step = [0.5, 1, 2, 5, 10, 20, 50].find((s) => (high - low) / s <= 5) || 100;
    for (let v = Math.ceil((low - pad) / step) * step; v <= high + pad; v += step) {
      out.append(svg("line", { class: "rrm-rule", x1: left, x2: W - right, y1: y(v), y2: y(v) }), svg("text", { x: left - 5, y: y(v) + 3.5, "text-anchor": "end" }, number(v, step < 1 ? 1 : 0)));
    }
    for (const t of last === 16 ? [1, 4, 8, 12, 16] : [1, 16, 32, 48, 64]) out.append(svg("text", { x: x(t), y: H - 16, "text-anchor": "middle" }, String(t)));
    out.append(svg("text", { x: (left + W - right) / 2, y: H - 3, "text-anchor": "middle" }, "segment"));
    out.append(svg("line", { class: "rrm-mark", x1: x(MARK), x2: x(MARK), y1: top, y2: H - bottom }));
    let free = -Infinity;
    for (const line of [...lines].sort((a, b) => b.at - a.at)) { // labels from the top, none over another
      free = Math.max(free + 11, y(line.at) + 3.5);
      out.append(svg("line", { class: "rrm-level", "stroke-dasharray": line.dash, x1: left, x2: W - right, y1: y(line.at), y2: y(line.at) }), svg("text", { x: W - right + 4, y: free }, line.name));
    }
    series.forEach((s, j) => {
      if (!s.length) return;
      out.append(svg("path", { class: "rrm-line rrm-lane-" + j, d: s.map((v, i) => `${i ? "L" : "M"}${x(i + 1).toFixed(1)} ${y(v).toFixed(1)}`).join("") }));
      out.append(svg("circle", { class: "rrm-dot rrm-lane-" + j, cx: x(s.length), cy: y(s.at(-1)), r: 3.2 }));
    });
    return el("div", { class: "rrm-plot" }, el("p", { class: "rrm-caption" }, title), out);
  }

  // --- the component ---

  // Build the player in `container`. options: {runs: [{name, label, bytes}]}; `inert`: {run: JSON text} of weights that travel with a notebook.
  rrm.player = function (container, options, inert) {
    let run = options.runs[0].name, weights = null, model = null, side = 6, board = [], checked = null, item = null;
    let lanes = [], playing = false, timer = 0, stopAt = MARK, spent = [];
    const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

    // the model
    const runPick = el("select", { "aria-label": "model", onchange: () => { run = runPick.value; choose(); } }, ...options.runs.map((r) => el("option", { value: r.name }, r.label)));
    const loadButton = el("button", { type: "button", class: "rrm-main", onclick: load });
    const about = el("p", { class: "rrm-note" });

    // the puzzle
    const puzzleSlot = el("div"), verdict = el("p", { class: "rrm-check", role: "status" });
    const kind = el("select", { "aria-label": "which held-out puzzle" }, ...[["any", "any"], ["solved", "one it solved"], ["failed", "one it failed"]].map(([value, name]) => el("option", { value }, name)));
    const draw = el("button", { type: "button", onclick: drawPuzzle }, "Draw");
    const tool = (name, act, title) => el("button", { type: "button", onclick: act, title }, name);
    const origin = el("p", { class: "rrm-note rrm-origin" });

    // the start and the run
    const sigma = el("select", { "aria-label": "noise on the start state, sigma", onchange: reset }, ...SIGMAS.map((s) => el("option", { value: s }, s ? String(s) : "none")));
    const seed = el("input", { type: "number", min: 0, max: 4294967295, step: 1, value: 1, "aria-label": "seed of the noise", onchange: reset });
    const play = el("button", { type: "button", class: "rrm-main", onclick: () => (playing ? pause() : go()) });
    const step = el("button", { type: "button", onclick: () => { pause(); one(); paint(); announce(); } }, "Step");
    const back = el("button", { type: "button", onclick: reset }, "Reset");
    const clock = el("span", { class: "rrm-clock" });
    const answers = el("div", { class: "rrm-answers" }), charts = el("div", { class: "rrm-plots" }), speed = el("p", { class: "rrm-note rrm-speed" });
    const said = el("p", { class: "rrm-hidden", role: "status" });
    const body = el("div", { class: "rrm-body", hidden: "" });

    const log = (text) => { about.textContent = text; };

    function choose() {
      pause();
      const chosen = options.runs.find((r) => r.name === run), ready = Boolean(models[run]);
      loadButton.hidden = ready;
      loadButton.textContent = `Load ${run} (${(chosen.bytes / 1e6).toFixed(1)} MB)`;
      body.hidden = !ready;
      container.dataset.ready = ready ? run : "";
      if (ready) begin();
      else log("Nothing has been loaded yet. The weights come from this book, and nothing you type leaves this page.");
    }

    async function load() {
      const wanted = run;
      loadButton.disabled = true;
      log("Loading …");
      try {
        if (!rrm.weights[wanted]) {
          if (inert[wanted]) rrm.weights[wanted] = JSON.parse(inert[wanted]);
          else await rrm.load(`model/${wanted}.js`);
        }
        models[wanted] = models[wanted] || rrm.model(rrm.weights[wanted]);
        loadButton.disabled = false;
        if (run === wanted) { choose(); play.focus({ preventScroll: true }); }
      } catch (error) {
        loadButton.disabled = false;
        log(`The model could not start: ${error.message}. Check that the folder _static/rrm/model came along with the page, then reload.`);
      }
    }

    function begin() {
      const fresh = weights !== rrm.weights[run], before = weights;
      weights = rrm.weights[run];
      model = models[run];
      side = model.config.side;
      log(`${weights.label}: ${weights.parameters.toLocaleString("en")} parameters, stopped at training step ${weights.step}; solved ${weights.solved.toLocaleString("en")} of ${weights.n.toLocaleString("en")} held-out puzzles. ` +
        (weights.exists ? "" : `It has no settled band (${weights.reason}): the dashed line is only Otsu's split. `) + `Made from weights with SHA-256 ${weights.sha256.slice(0, 12)}….`);
      // first seen: a puzzle that it solved and settled on, the plainest case
      if (fresh && (!before || before.config.side !== side)) use(weights.puzzles.find((p) => p.correct && p.late < weights.otsu) || weights.puzzles[0]);
      else { item = null; edited(); }
    }

    // --- the puzzle ---

    function use(puzzle) {
      item = puzzle;
      setBoard(S.parse(puzzle.puzzle));
    }

    function drawPuzzle() {
      const pool = weights.puzzles.filter((p) => kind.value === "any" || p.correct === (kind.value === "solved"));
      if (!pool.length) { origin.textContent = `None of the puzzles of ${run} that came along is ${kind.value}; the board is unchanged.`; return; }
      const other = pool.filter((p) => p !== item);
      use((other.length ? other : pool)[Math.floor(Math.random() * (other.length || pool.length))]);
    }

    function setBoard(values) {
      board = [...values];
      if (puzzleSlot.dataset.side !== String(side)) buildInputs();
      edited();
    }

    const inputs = () => [...puzzleSlot.querySelectorAll("input")];

    function buildInputs() {
      puzzleSlot.dataset.side = side;
      const cell = (i, r, c) => {
        const box = el("input", { type: "text", inputmode: "numeric", autocomplete: "off", maxlength: 2, tabindex: i ? -1 : 0, "aria-label": `row ${r + 1}, column ${c + 1}` });
        box.addEventListener("keydown", (event) => key(event, i));
        box.addEventListener("input", () => { // phones send no usable keydown
          const digit = [...box.value].reverse().find((character) => character >= "1" && character <= String(side));
          put(i, digit ? Number(digit) : 0);
        });
        box.addEventListener("focus", () => { inputs().forEach((other, j) => { other.tabIndex = j === i ? 0 : -1; }); box.select(); });
        box.addEventListener("paste", (event) => {
          const text = event.clipboardData.getData("text").replace(/\s/g, "");
          if (text.length < 2) return;
          event.preventDefault();
          pasted(text);
        });
        return el("td", { class: edges(i, side).join(" ") }, box);
      };
      puzzleSlot.replaceChildren(el("table", { class: "rrm-grid rrm-typed", "aria-label": "puzzle, editable" }, rows(side, cell)));
    }

    function pasted(text) {
      const bad = [...text].find((character) => !(character === "." || (character >= "0" && character <= String(side))));
      if (text.length !== side * side || bad) {
        verdict.textContent = `The pasted text has ${text.length} characters${bad ? ` and holds “${bad}”` : ""}: expected ${side * side}, each 1 to ${side}, or . or 0 for a blank. The board is unchanged.`;
        return;
      }
      item = null;
      setBoard(S.parse(text));
    }

    function put(i, digit) {
      board[i] = digit;
      edited();
    }

    function key(event, i) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const r = Math.floor(i / side), c = i % side, to = { ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1], ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], Home: [r, 0], End: [r, side - 1] }[event.key];
      if (to) {
        event.preventDefault();
        const wrap = (v) => (v + side) % side;
        inputs()[wrap(to[0]) * side + wrap(to[1])].focus();
      } else if (event.key.length === 1 || event.key === "Backspace" || event.key === "Delete") {
        event.preventDefault();
        if (event.key >= "1" && event.key <= String(side)) put(i, Number(event.key));
        else if (["Backspace", "Delete", "0", ".", " "].includes(event.key)) put(i, 0);
      }
    }

    // The board has changed: check it, mark clashes, start anew.
    function edited() {
      if (item && item.puzzle !== S.print(board)) item = null;
      checked = check(board, side);
      const clashing = new Set(checked.clashes.flatMap((clash) => clash.cells));
      inputs().forEach((box, i) => {
        box.value = board[i] || "";
        box.classList.toggle("rrm-clash", clashing.has(i));
        box.setAttribute("aria-invalid", String(clashing.has(i)));
      });
      verdict.textContent = checked.message;
      verdict.classList.toggle("rrm-bad", checked.clashes.length > 0);
      origin.textContent = item
        ? `Held-out puzzle ${item.idx}. Measured with PyTorch: ${item.correct ? "solved" : "failed"}, late drift ${number(item.late, 2)}, ${item.halted_at ? `would halt at segment ${item.halted_at}` : "would never halt"}.`
        : "Your own board: it was not measured.";
      reset();
    }

    function removeGiven() {
      const givens = board.flatMap((v, i) => (v ? [i] : []));
      if (givens.length) put(givens[Math.floor(Math.random() * givens.length)], 0);
    }

    // --- the run ---

    function reset() {
      pause();
      const tokens = board.map((v) => v + 1), noise = Number(sigma.value), given = Math.floor(Number(seed.value));
      seed.value = Number.isFinite(given) && given >= 0 ? given >>> 0 : 1;
      lanes = [lane(model, tokens, 0, 0)];
      if (noise) lanes.push(lane(model, tokens, noise, Number(seed.value)));
      spent = [];
      stopAt = MARK;
      paint();
    }

    function one() {
      if (checked.clashes.length || lanes[0].records.length >= MOST) return;
      const began = performance.now();
      lanes.forEach(advance);
      spent.push((performance.now() - began) / lanes.length);
    }

    function go() {
      if (checked.clashes.length || lanes[0].records.length >= MOST) return;
      playing = true;
      stopAt = lanes[0].records.length < MARK ? MARK : MOST;
      controls();
      tick();
    }

    function tick() {
      const began = performance.now();
      one();
      const done = lanes[0].records.length >= stopAt;
      if (done) playing = false;
      if (done || !calm()) paint();
      if (done) announce();
      else timer = setTimeout(tick, calm() ? 0 : Math.max(20, PACE - (performance.now() - began)));
    }

    function pause() {
      clearTimeout(timer);
      if (!playing) return;
      playing = false;
      paint();
      announce();
    }

    // --- what is shown ---

    function controls() {
      const t = lanes[0].records.length, blocked = checked.clashes.length > 0 || t >= MOST;
      play.textContent = playing ? "Pause" : t < MARK ? `Run to ${MARK}` : `Run on to ${MOST}`;
      play.disabled = step.disabled = blocked;
      back.disabled = t === 0;
      clock.textContent = t ? `segment ${t} of ${t < MARK || (t === MARK && !playing) ? MARK : MOST}` : "start state";
      container.dataset.segment = t;
      container.dataset.playing = playing;
    }

    const title = (lane) => (lane.sigma ? `σ = ${lane.sigma}, seed ${lane.seed}` : "the stored start");

    function paint() {
      if (!model || !lanes.length) return;
      controls();
      const last = lanes[0].records.length > MARK ? MOST : MARK;
      answers.replaceChildren(...lanes.map((one, j) => el("div", { class: "rrm-lane" },
        el("p", { class: "rrm-caption" }, el("span", { class: "rrm-key rrm-lane-" + j, "aria-hidden": "true" }), title(one)),
        answerBoard(one, title(one), side, board, checked.solution),
        el("ul", { class: "rrm-state" }, ...(one.records.length ? words(one, weights, board, checked) : [["not started", "the board shows the givens"]])
          .map(([what, detail]) => el("li", {}, el("b", {}, what), detail && " · " + detail))))));
      const thresholds = [["otsu", weights.exists ? "Otsu" : "Otsu*", "6 4"], ["strict", "strict", "2 3"]].filter(([name]) => weights[name] !== null && (weights.exists || name === "otsu"));
      const halting = model.config.model === "hrm" ? "q_halt − q_continue, halts above 0" : "q_halt, halts above 0";
      charts.replaceChildren(
        plot("log10 drift of z_H", lanes.map((l) => l.records.map((r) => log10(r.drift))), thresholds.map(([name, text, dash]) => ({ at: weights[name], name: text, dash })), last, [-2, 2]),
        plot(halting, lanes.map((l) => l.records.map((r) => r.margin)), [{ at: 0, name: "halt", dash: "6 4" }], last, [-6, 6]));
      const notes = [];
      if (lanes.length === 2 && lanes[0].records.length) notes.push(`The two z_H are ${number(rrm.distance(lanes[0].state.h, lanes[1].state.h), 3)} apart (each has norm ${number(Math.sqrt(lanes[0].state.h.length), 0)} or so).`);
      if (spent.length) notes.push(`${[...spent].sort((a, b) => a - b)[spent.length >> 1].toFixed(0)} ms a segment in this browser.`);
      speed.textContent = notes.join(" ");
    }

    function announce() {
      const t = lanes[0].records.length;
      if (t) said.textContent = `Segment ${t}. ` + lanes.map((l) => `${title(l)}: ${sentence(l, weights, board, checked)}`).join(" ");
    }

    container.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to us
    body.append(
      el("div", { class: "rrm-bench" },
        el("section", { class: "rrm-side", "aria-label": "puzzle" },
          el("p", { class: "rrm-head" }, "Puzzle"), puzzleSlot, verdict, origin,
          el("div", { class: "rrm-tools" }, el("label", {}, "held-out puzzle", kind), draw),
          el("div", { class: "rrm-tools" },
            tool("Scramble", () => { item = null; setBoard(S.scramble(board, side)); }, "relabel the digits and reorder rows and columns: the same puzzle to a person, another one to the model"),
            tool("Clear", () => setBoard(board.map(() => 0)), "an empty board"),
            tool("Remove a given", removeGiven, "one given at random; the line above says whether one solution is left"))),
        el("section", { class: "rrm-run", "aria-label": "model" },
          el("p", { class: "rrm-head" }, "Answer"), answers)),
      el("div", { class: "rrm-tools rrm-transport" }, play, step, back, clock,
        el("label", {}, "start noise σ", sigma), el("label", {}, "seed", seed)),
      charts, speed, said,
      el("p", { class: "rrm-note" }, "Bold: given. Framed: changed in this segment. Underlined on orange: differs from the solution, marked only where there is exactly one. Thin vertical line: segment 16, where this book measures."));
    container.replaceChildren(el("div", { class: "rrm-tools" }, el("label", {}, "model", runPick), loadButton), about, body);
    choose();
    return { get model() { return model; }, get lanes() { return lanes; }, get board() { return S.print(board); }, get spent() { return spent; }, setBoard, get checked() { return checked; } };
  };

  // Start every player of the page.
  rrm.players = function () {
    for (const node of document.querySelectorAll(".rrm-player:not([data-live])")) {
      const inert = {};
      for (const script of node.querySelectorAll("script[data-weights]")) inert[script.dataset.weights] = script.textContent;
      node.player = rrm.player(node, JSON.parse(node.querySelector("script.rrm-options").textContent), inert);
      node.dataset.live = "yes";
    }
  };
  if (typeof document !== "undefined") {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", rrm.players);
    else rrm.players();
  }
})();
