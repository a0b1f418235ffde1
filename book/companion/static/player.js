// The player: a published model on a reader's Sudoku. At once it shows recorded puzzles; after a click the model itself runs, segment by segment, in a
// Web Worker (player_worker.js). Plain DOM, classic script, works from disk. Needs dom.js, charts.js (rrm.load), examples.js and puzzle.js.
// Settled means late drift < Otsu, as in rrm_core.analysis.cells.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  const S = rrm.sudoku, { el, svg, number } = rrm;

  const SIDE = 9, CELLS = SIDE * SIDE, MARK = 16, MOST = 64, LATE = 4, FLOOR = 1e-12, PACE = 400; // PACE: ms a recorded segment, so that an eye can follow
  const KICKS = [0.1, 0.3, 1];
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  // --- calculation (no DOM) ---

  const log10 = (value) => Math.log10(Math.max(value, FLOOR));
  const differing = (one, other) => one.filter((v, i) => v !== other[i]).length;

  // What was recorded of a puzzle, a record a segment: {answer, halt, drift}, drift as log10.
  const recorded = (item) => rrm.answers(item).map((text, t) => ({ answer: S.parse(text), halt: item.margin[t], drift: item.drift[t] }));

  // log10 of the mean drift over the last four segments: late drift when the last one is 16.
  const late = (records) => log10(records.slice(-LATE).reduce((sum, r) => sum + 10 ** r.drift, 0) / LATE);

  // What a reader should know about a board: {message, clashes, count, solution}.
  function check(board) {
    const clashes = S.clashes(board, SIDE), givens = board.filter(Boolean).length, given = `${givens} given${givens === 1 ? "" : "s"}`;
    if (clashes.length) {
      const named = clashes.slice(0, 2).map(({ digit, where, cells }) => `${digit} stands ${cells.length === 2 ? "twice" : cells.length + " times"} in ${where}`).join("; ");
      return { clashes, count: 0, solution: null, message: `${named}${clashes.length > 2 ? "; and more" : ""}. There is no solution: whatever the model answers is wrong.` };
    }
    const { count, first } = S.solutions(board, SIDE, 2);
    const ways = { 0: "no solution. Whatever the model answers is wrong", 1: "exactly one solution", 2: "more than one solution. Any full board that obeys the rules counts as solved" }[count]
      || "too hard to count the solutions here. A full board that obeys the rules counts as solved";
    return { clashes, count, solution: count === 1 ? first : null, message: `${given}, ${ways}.` };
  }

  // The board of a pasted text, or why it is none: 81 characters besides white space and the lines of a drawn grid.
  function read(text) {
    const whole = text.replace(/\s/g, ""), cells = whole.length === CELLS ? whole.replace(/[-–_xX]/g, ".") : whole.replace(/[|+\-–—_]/g, ""), bad = [...cells].find((c) => !/^[0-9.*?]$/.test(c)), n = [...cells].length;
    if (!bad && n === CELLS) return { board: S.parse(cells) };
    return { why: `The pasted text has ${n} characters${bad ? ` and holds “${bad}”` : ""}: expected ${CELLS}, each 1 to 9, or . or 0 for a blank. The board is unchanged.` };
  }

  // What the records say, [[what, detail]]: motion, halting, answer. `since`: the segment of the last kick.
  function words(records, since, otsu, puzzle, checked) {
    const t = records.length, now = records.at(-1), judged = t >= MARK && t - since >= LATE, value = judged ? late(records) : now.drift;
    const against = otsu === null ? "" : `, ${value < otsu ? "below" : "above"} the threshold ${number(otsu, 2)}`;
    const first = records.findIndex((r) => r.halt > 0) + 1, wrong = checked.solution ? differing(now.answer, checked.solution) : null;
    const kept = differing(now.answer.filter((_, i) => puzzle[i]), puzzle.filter(Boolean));
    return [
      judged ? [value < otsu ? "settled" : "still moving", `${t === MARK ? "late drift" : "drift"} of ${t - LATE + 1}–${t}: ${number(value, 2)}${against}`] : [otsu !== null && value < otsu ? "slow so far" : "moving", `log10 drift ${number(value, 2)}${against}`],
      now.halt > 0 ? ["would halt", first < t ? `first at segment ${first}` : "now"] : ["would not halt", first ? `but would have at segment ${first}` : ""],
      S.solves(now.answer, puzzle, SIDE) ? ["solved", ""] : ["not solved", wrong !== null ? `${wrong} of ${CELLS} cells wrong` : `${S.clashes(now.answer, SIDE).length} clashes (a digit twice in a row, column or box)${kept ? `, ${kept} givens overwritten` : ""}`],
    ];
  }
  const NOISE = (size) => `noise of ${size} times the state's root mean square; the next segment starts from there`;
  const sentence = (...of) => words(...of).map(([what, detail]) => what + (detail && ": " + detail)).join("; ") + ".";

  // --- the worker ---

  // A worker of source text: {ask(act, values) -> promise, stop()}. It is made from a Blob, because a page from disk may start no other.
  function connect(source, lost) {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" })), worker = new Worker(address), waiting = new Map();
    let asked = 0;
    worker.onmessage = ({ data: { id, error, ...values } }) => {
      const { resolve, reject } = waiting.get(id);
      waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(values);
    };
    worker.onerror = (event) => { event.preventDefault(); lost(new Error(event.message || "the browser refused to start a worker")); };
    return {
      ask: (act, values) => new Promise((resolve, reject) => { waiting.set(++asked, { resolve, reject }); worker.postMessage({ id: asked, act, ...values }); }),
      stop() { worker.terminate(); URL.revokeObjectURL(address); },
    };
  }

  // --- pieces of the page ---

  // Class names of cell i: the thicker lines of the boxes.
  const edges = (r, c) => [c % 3 === 2 && c < 8 && "rrm-right", r % 3 === 2 && r < 8 && "rrm-below"].filter(Boolean);
  const lines = [...Array(SIDE).keys()];
  const rows = (cell) => el("tbody", {}, ...lines.map((r) => el("tr", {}, ...lines.map((c) => cell(r * SIDE + c, r, c)))));

  // The answer of the last record: givens bold, changed cells framed, wrong cells marked where there is one solution.
  function answerBoard(records, puzzle, solution) {
    const now = records.at(-1), before = records.at(-2), answer = now ? now.answer : puzzle, wrong = (i) => Boolean(now && solution && answer[i] !== solution[i]);
    const body = rows((i, r, c) => {
      const names = [...edges(r, c), puzzle[i] && "rrm-given", wrong(i) && "rrm-wrong", before && now.answer[i] !== before.answer[i] && "rrm-changed"].filter(Boolean);
      return el("td", { class: names.join(" "), title: wrong(i) ? "wrong: should be " + solution[i] : null }, answer[i] ? String(answer[i]) : now ? "·" : "");
    });
    const label = now ? `answer after segment ${records.length}${solution ? `, ${answer.filter((_, i) => wrong(i)).length} cells wrong` : ""}` : "before the first segment";
    return el("table", { class: "rrm-grid rrm-answer", "aria-label": label }, body);
  }

  // A line chart over segments. `series`: [{values, name}], the first solid; `level`: a dashed line {at, name} or null; `kicks`: segments after which noise came.
  function plot(title, series, level, last, kicks, [lowest, highest]) {
    const W = 300, H = 170, left = 30, right = 58, top = 8, bottom = 34, values = [...series.flatMap((s) => s.values), ...(level ? [level.at] : [])];
    const low = Math.min(lowest, ...values), high = Math.max(highest, ...values), pad = (high - low) * 0.06;
    const x = (t) => left + ((W - left - right) * (t - 1)) / (last - 1), y = (v) => top + ((H - top - bottom) * (high + pad - v)) / (high - low + 2 * pad);
    const ends = series.map((s) => `${s.name} ${s.values.length ? number(s.values.at(-1), 2) : "none yet"}`).join(", ");
    const out = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${title}. Now: ${ends}.${level ? ` ${level.name} at ${number(level.at, 2)}.` : ""}` });
    const step = [0.5, 1, 2, 5, 10, 20, 50].find((s) => (high - low) / s <= 5) || 100;
    for (let v = Math.ceil((low - pad) / step) * step; v <= high + pad; v += step) {
      out.append(svg("line", { class: "rrm-rule", x1: left, x2: W - right, y1: y(v), y2: y(v) }), svg("text", { x: left - 5, y: y(v) + 4, "text-anchor": "end" }, number(v, step < 1 ? 1 : 0)));
    }
    for (const t of last === MARK ? [1, 4, 8, 12, 16] : [1, 16, 32, 48, 64]) out.append(svg("text", { x: x(t), y: H - 18, "text-anchor": "middle" }, String(t)));
    out.append(svg("text", { x: (left + W - right) / 2, y: H - 4, "text-anchor": "middle" }, "segment"), svg("line", { class: "rrm-mark", x1: x(MARK), x2: x(MARK), y1: top, y2: H - bottom }));
    for (const t of kicks) {
      const at = x(Math.min(last, Math.max(1, t + 0.5))); // within the plot, where the first and the last segment end
      out.append(svg("line", { class: "rrm-kick", x1: at, x2: at, y1: top, y2: H - bottom }));
    }
    if (level) out.append(svg("line", { class: "rrm-level", x1: left, x2: W - right, y1: y(level.at), y2: y(level.at) }), svg("text", { x: W - right + 4, y: y(level.at) + 4 }, level.name));
    [...series.entries()].reverse().forEach(([j, { values: s }]) => {
      if (!s.length) return;
      out.append(svg("path", { class: "rrm-line rrm-line-" + j, d: s.map((v, i) => `${i ? "L" : "M"}${x(i + 1).toFixed(1)} ${y(v).toFixed(1)}`).join("") }));
      if (j === 0) out.append(svg("circle", { class: "rrm-dot", cx: x(s.length), cy: y(s.at(-1)), r: 3.4 }));
    });
    return el("div", { class: "rrm-plot" }, el("p", { class: "rrm-caption" }, title), out);
  }

  // --- the component ---

  // Build the player in `container`. options: those of rrm_companion.inpage.player.
  rrm.player = function (container, options) {
    const home = Math.max(0, options.puzzles.findIndex((p) => p.correct && p.late < options.otsu)); // the puzzle that the page comes with
    let item = options.puzzles[home]; // the recorded puzzle of the board, or null
    const asked = options.address && /[?&]board=([1-9.]{81})(&|$)/.exec(location.search); // the page's address keeps the board
    let board = S.parse(asked ? asked[1] : item.puzzle), checked = null;
    let engine = null, live = false, loading = null; // loading: an object of its own for each try
    let records = [], kicks = [], strength = 0, turn = {}, stopAt = MARK, playing = false, busy = false, timer = 0, seed = 0, took = [];

    // A button that cannot be pressed now keeps the focus where it has it: it says so, and does nothing.
    function button(name, act, more) {
      const node = el("button", { type: "button", ...more }, name);
      node.addEventListener("click", () => { if (node.ariaDisabled !== "true") act(); });
      return node;
    }
    function off(node, is) {
      node.setAttribute("aria-disabled", String(Boolean(is)));
      node.disabled = is && node !== document.activeElement;
    }
    const megabytes = (n) => (n / 1e6).toFixed(1) + "\u00a0MB";

    // the model
    const loadButton = button(`Load the model (${megabytes(options.bytes)})`, load, { class: "rrm-main" }), cancelButton = button("Cancel", cancel, { hidden: "" });
    const progress = el("progress", { max: options.pieces + 1, value: 0, "aria-label": "how much of the model is here", hidden: "" });
    const about = el("p", { class: "rrm-note rrm-about", role: "status" }), come = el("p", { class: "rrm-note rrm-come" }); // come: not spoken, it changes with every piece

    // the puzzle
    const verdict = el("p", { class: "rrm-check", role: "status" }), origin = el("p", { class: "rrm-note rrm-origin" });
    const kind = el("select", { "aria-label": "which recorded puzzle" }, ...[["any", "any"], ["solved", "one it solved"], ["failed", "one it failed"]].map(([value, name]) => el("option", { value }, name)));
    const boxes = Array.from({ length: CELLS }, (_, i) => input(i));
    const typed = el("table", { class: "rrm-grid rrm-typed", "aria-label": "puzzle, editable" }, rows((i, r, c) => el("td", { class: edges(r, c).join(" ") }, boxes[i])));

    // the run
    const play = button("", () => (playing ? pause() : go()), { class: "rrm-main rrm-play" }), step = button("Step", () => { pause(); advance(); }), back = button("Start again", reset);
    const sigma = el("select", { "aria-label": "size of the kick" }, ...KICKS.map((s) => el("option", { value: s }, String(s)))), kickButton = button("Kick", kick);
    sigma.value = "0.3";
    const clock = el("span", { class: "rrm-clock" }), mode = el("span", { class: "rrm-mode" }), answer = el("div"), state = el("ul", { class: "rrm-state" }), charts = el("div", { class: "rrm-plots" });
    const speed = el("p", { class: "rrm-note rrm-speed" }), said = el("p", { class: "rrm-hidden", role: "status" });

    // --- the model ---

    const NOT_YET = "Nothing has been loaded. The model comes with this book, and what you type stays in this page.";
    function tell(text) {
      about.textContent = text;
      come.textContent = "";
      loadButton.hidden = Boolean(loading) || live;
      cancelButton.hidden = progress.hidden = !loading;
      container.dataset.ready = live;
    }

    function cancel() {
      loading = null;
      if (engine) engine.stop();
      engine = null;
      live = false;
      tell(NOT_YET);
      loadButton.focus({ preventScroll: true });
    }

    // The model is gone, or never came: say why; the recordings stay.
    function lost(error) {
      console.info("rrm: the model stopped", error);
      cancel();
      reset();
      tell(`The model could not run: ${error.message}. It needs WebAssembly, and the folder _static/rrm/model beside this page. Press the button to try again.`);
    }

    async function load() {
      const mine = (loading = {}), pieces = (rrm.pieces = rrm.pieces || {}), given = () => mine !== loading;
      progress.value = 0;
      const had = document.activeElement === loadButton;
      tell("Loading …");
      if (had) cancelButton.focus({ preventScroll: true }); // the other one hides
      if (!calm() && item && !playing) go();
      try {
        await rrm.load("model/worker.js");
        await rrm.load("model/about.js");
        if (given()) return;
        const started = (engine = connect(pieces.worker, (error) => { if (engine === started) lost(error); }));
        for (let i = 0; i < options.pieces; i++) {
          await rrm.load(`model/${i}.js`);
          if (given()) return;
          await started.ask("piece", { text: pieces[i] });
          if (given()) return;
          progress.value = i + 1;
          come.textContent = `Here: ${megabytes((options.bytes * (i + 1)) / options.pieces)} of ${megabytes(options.bytes)}.`;
        }
        come.textContent = "";
        about.textContent = "All is here. The model is being built.";
        await started.ask("build", { about: pieces.about });
        if (given()) return;
        const free = [document.body, cancelButton].includes(document.activeElement); // else the reader is at work elsewhere
        loading = null;
        live = true;
        tell(`The model runs in this page: ${options.parameters.toLocaleString("en")} parameters, no server. On held-out hard puzzles it solved ${options.solved.toLocaleString("en")} of ${options.n.toLocaleString("en")}.`);
        edited();
        if (free) play.focus({ preventScroll: true });
      } catch (error) {
        if (!given()) lost(error);
      }
    }

    // --- the puzzle ---

    function input(i) {
      const box = el("input", { type: "text", inputmode: "numeric", autocomplete: "off", maxlength: 2, tabindex: i ? -1 : 0, "aria-label": `row ${Math.floor(i / SIDE) + 1}, column ${(i % SIDE) + 1}` });
      box.addEventListener("keydown", (event) => key(event, i));
      box.addEventListener("input", () => { // phones send no usable keydown
        const typed = [...box.value].reverse(), digit = typed.find((c) => c >= "1" && c <= "9"), other = typed.find((c) => !/[\d. ]/.test(c));
        put(i, Number(digit || 0));
        if (!digit && other) verdict.textContent = `“${other}” is no digit: expected 1 to 9, or . or 0 for a blank. The cell is blank.`;
      });
      box.addEventListener("focus", () => { boxes.forEach((other, j) => { other.tabIndex = j === i ? 0 : -1; }); box.select(); });
      box.addEventListener("paste", (event) => {
        const text = event.clipboardData.getData("text");
        if (text.trim().length < 2) return;
        event.preventDefault();
        const { board: found, why } = read(text);
        if (found) setBoard(found);
        else verdict.textContent = why;
      });
      return box;
    }

    function setBoard(values, recording = null) {
      board = [...values];
      item = recording;
      edited();
    }

    function put(i, digit) {
      board[i] = digit;
      edited();
    }

    function key(event, i) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const r = Math.floor(i / SIDE), c = i % SIDE, to = { ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1], ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], Home: [r, 0], End: [r, SIDE - 1] }[event.key];
      const wrap = (v) => (v + SIDE) % SIDE;
      if (to) boxes[wrap(to[0]) * SIDE + wrap(to[1])].focus();
      else if (event.key >= "1" && event.key <= "9") put(i, Number(event.key));
      else if (["Backspace", "Delete", "0", ".", " "].includes(event.key)) put(i, 0);
      else if (event.key.length !== 1) return;
      event.preventDefault();
    }

    function draw() {
      const pool = options.puzzles.filter((p) => kind.value === "any" || p.correct === (kind.value === "solved")), other = pool.filter((p) => p !== item);
      const found = (other.length ? other : pool)[Math.floor(Math.random() * (other.length || pool.length))];
      if (found) setBoard(S.parse(found.puzzle), found);
    }

    function removeGiven() {
      const givens = board.flatMap((v, i) => (v ? [i] : []));
      if (givens.length) put(givens[Math.floor(Math.random() * givens.length)], 0);
      else verdict.textContent = "The board is empty: there is no given to remove.";
    }

    // The board has changed: check it, mark clashes, start anew.
    function edited() {
      const text = S.print(board);
      item = options.puzzles.find((p) => p.puzzle === text) || null;
      checked = check(board);
      const clashing = new Set(checked.clashes.flatMap((clash) => clash.cells));
      boxes.forEach((box, i) => {
        box.value = board[i] || "";
        box.classList.toggle("rrm-clash", clashing.has(i));
        box.setAttribute("aria-invalid", String(clashing.has(i)));
      });
      verdict.textContent = checked.message;
      verdict.classList.toggle("rrm-bad", checked.count === 0);
      origin.textContent = item ? `Held-out puzzle ${item.idx}. PyTorch ${item.correct ? "solved" : "failed"} it: late drift ${number(item.late, 2)}, ${item.halted_at ? `would halt at segment ${item.halted_at}` : "would never halt"}.`
        : live ? "Your own board: nothing was recorded." : "Your own board: nothing was recorded. Load the model to run it.";
      if (options.address) keep(text);
      reset();
    }

    // The address of a page that shows something else than what it comes with names the board.
    function keep(text) {
      const query = new URLSearchParams(location.search), had = query.get("board");
      if (had === text || (had === null && text === options.puzzles[home].puzzle)) return;
      query.set("board", text);
      try { history.replaceState(history.state, "", `?${query}${location.hash}`); } catch { /* from disk some browsers refuse */ }
    }

    // --- the run ---

    // Back to the start state. The worker does things in order, so a segment that is under way comes first; its answer is not shown.
    function reset() {
      clearTimeout(timer);
      playing = busy = false;
      turn = {};
      [records, kicks, took, stopAt] = [[], [], [], MARK];
      if (live) engine.ask("begin", { tokens: board.map((v) => v + 1), seed: ++seed }).catch(lost);
      else if (item) records = recorded(item); // shown whole until it is played
      paint();
    }

    const most = () => (live ? MOST : MARK);
    const ended = () => records.length >= most();

    // One more segment, recorded or computed; false where another board or start came between.
    async function one() {
      const mine = turn;
      if (!live) {
        records = recorded(item).slice(0, records.length + 1);
        return true;
      }
      busy = true;
      controls();
      try {
        const { answer: found, halt, drift, took: ms } = await engine.ask("segment");
        if (mine !== turn) return false;
        records.push({ answer: found, halt, drift: log10(drift) });
        took.push(ms);
      } catch (error) {
        if (mine === turn) lost(error);
        return false;
      }
      busy = false;
      return true;
    }

    async function advance() {
      if (busy || (!live && !item)) return;
      if (!live && ended()) records = [];
      if (ended() || !(await one())) return;
      paint();
      announce();
    }

    async function go() {
      if (busy || (!live && !item)) return;
      if (!live && ended()) records = [];
      if (ended()) return;
      const mine = turn;
      playing = true;
      stopAt = records.length < MARK ? MARK : Math.min(MOST, records.length + MARK);
      paint();
      while (playing && mine === turn && records.length < stopAt) {
        if (!live && !calm()) await new Promise((done) => { timer = setTimeout(done, PACE); });
        if (mine !== turn || !playing || !(await one())) return;
        if (records.length < stopAt && playing) paint();
      }
      if (mine === turn) pause(true);
    }

    function pause(force) {
      if (!playing && !force) return;
      clearTimeout(timer);
      playing = false;
      paint();
      announce();
    }

    // Noise on the state as it is: the next segment starts beside where this one ended.
    function kick() {
      if (!live || busy) return;
      kicks.push(records.length);
      strength = Number(sigma.value);
      engine.ask("kick", { sigma: strength }).catch(lost);
      paint();
      said.textContent = `Kicked: ${NOISE(strength)}.`;
    }

    // --- what is shown ---

    function controls() {
      const t = records.length, replay = !live && ended();
      play.textContent = playing ? "Pause" : replay ? "Play again" : !live ? "Play" : t < MARK ? `Run to ${MARK}` : `Run ${MARK} more`;
      const stuck = !playing && (busy || (!live && !item) || (live && ended()));
      off(play, stuck);
      off(step, playing || stuck);
      off(back, !live || (t === 0 && !kicks.length));
      off(kickButton, (sigma.disabled = !live || busy || playing || ended()));
      clock.textContent = t ? `segment ${t} of ${t <= MARK && !(live && stopAt > MARK) ? MARK : MOST}` : "start state";
      mode.textContent = live ? (busy ? "live, computing …" : ended() ? "live, at the end: start over" : "live") : item ? "recorded with PyTorch" : "not run";
      Object.assign(container.dataset, { segment: t, playing, busy });
    }

    const known = () => words(records, kicks.at(-1) ?? -LATE, options.otsu, board, checked);

    function paint() {
      controls();
      const last = records.length > MARK ? MOST : MARK, beside = live && item && !kicks.length ? recorded(item) : null, t = records.length;
      answer.replaceChildren(answerBoard(records, board, checked.solution));
      const now = t ? known() : [["not started", "the board shows the givens"]];
      if (kicks.at(-1) === t) now.push(["kicked", NOISE(strength)]);
      state.replaceChildren(...now.map(([what, detail]) => el("li", {}, el("b", {}, what), el("span", {}, detail && " · " + detail))));
      const series = (name) => [{ name: live ? "live" : "recorded", values: records.map((r) => r[name]) }, ...(beside ? [{ name: "recorded", values: beside.map((r) => r[name]) }] : [])];
      charts.replaceChildren(
        plot("log10 drift of z_H: how far the state moves", series("drift"), options.otsu === null ? null : { at: options.otsu, name: "threshold" }, last, kicks, [-4, 2.5]),
        plot("q_halt: above 0 it would halt", series("halt"), { at: 0, name: "halts" }, last, kicks, [-8, 8]));
      const notes = [];
      if (beside) notes.push("Thin and dashed: the same puzzle as PyTorch computed it.");
      if (beside && t && t <= MARK) {
        const cells = differing(records.at(-1).answer, beside[t - 1].answer);
        notes.push(cells ? `This browser's board differs from PyTorch's in ${cells} cells: round-off grows while a state wanders.` : "This browser's board is PyTorch's.");
      }
      if (kicks.length) notes.push(`Kicked after segment ${kicks.join(", ")}, noise of seed ${seed}.`);
      if (took.length) notes.push(`${([...took].sort((a, b) => a - b)[took.length >> 1] / 1000).toFixed(2)} s a segment.`);
      speed.textContent = notes.join(" ");
    }

    function announce() {
      if (records.length) said.textContent = `Segment ${records.length}. ${sentence(records, kicks.at(-1) ?? -LATE, options.otsu, board, checked)}`;
    }

    container.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to us
    const label = (name, ...nodes) => el("label", {}, el("span", {}, name), ...nodes), tools = (...nodes) => el("div", { class: "rrm-tools" }, ...nodes);
    const view = el("div", { class: "rrm-view" },
      el("div", { class: "rrm-engine" }, tools(loadButton, progress, cancelButton), about, come),
      el("div", { class: "rrm-bench" },
        el("section", { class: "rrm-side", "aria-label": "puzzle" },
          el("p", { class: "rrm-head" }, "Puzzle"), typed, verdict, origin,
          tools(label("hard puzzle", kind), button("Draw", draw)),
          tools(
            button("Scramble", () => setBoard(S.scramble(board, SIDE)), { title: "relabel the digits and reorder rows and columns: the same puzzle to a person, another one to the model" }),
            button("Remove a given", removeGiven, { title: "one given at random; the line above says whether one solution is left" }),
            button("Clear", () => setBoard(board.map(() => 0)), { title: "an empty board" }))),
        el("section", { class: "rrm-side", "aria-label": "answer" },
          el("p", { class: "rrm-head" }, "Answer, ", mode), answer, state,
          tools(play, step, clock), tools(back, kickButton, label("size", sigma)))),
      charts, speed, said,
      el("p", { class: "rrm-note" }, "Bold: given. Framed: changed in this segment. Underlined on orange: differs from the only solution. Vertical line: segment 16, where this book measures."));
    const script = container.querySelector("script"); // stays, so that a saved page can start again
    container.replaceChildren(script, view);
    tell(NOT_YET);
    edited();
    return { setBoard: (text) => setBoard(S.parse(text)), get board() { return S.print(board); }, get records() { return records; }, get engine() { return engine; }, get took() { return took; } };
  };

  // Start every player of the page.
  rrm.players = function () {
    for (const node of document.querySelectorAll(".rrm-player")) {
      if (node.player) continue;
      node.player = rrm.player(node, JSON.parse(node.querySelector("script").textContent));
      node.dataset.live = "yes";
    }
  };
  rrm.whenReady(rrm.players);
})();
