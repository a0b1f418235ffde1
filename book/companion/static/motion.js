// The player of the first page: two recorded puzzles of one model side by side, one solved and one failed, and what they do in 16 segments, then 256.
// Classic script, works from disk. Data stand in the page: {model: rrm_companion.motion.recorded}. Needs dom.js, plots.js, examples.js.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  const { el, svg, number } = rrm;
  const WINDOW = 16, PACE = 625, PACE_ON = 260, MOVE = 0.62; // segments; ms a segment, and beyond the window; share of it in which the state moves
  const KINDS = ["solved", "failed"], SIGN = { solved: "✓", failed: "✕" };
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const set = (node, attributes) => { for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value); };
  const ease = (f) => { const g = Math.max(0, 1 - (1 - f) / MOVE); return g * g * (3 - 2 * g); }; // the state arrives when the board is read

  // The last segment of the window whose answer is wrong; 0 where none is.
  const lastWrong = (puzzle) => puzzle.right.slice(0, WINDOW).lastIndexOf(0) + 1;

  // --- the state's path in its plane ---

  // The middle of a path's first `n` places, and how far it reaches from there along both axes.
  function extent(path, n) {
    const [low, high] = [Math.min, Math.max].map((of) => [0, 1].map((c) => of(...path.slice(0, n).map((point) => point[c]))));
    return { middle: low.map((v, c) => (v + high[c]) / 2), reach: low.map((v, c) => (high[c] - v) / 2) };
  }

  // Plot of `path`, [[x, y], ...], about its `middle`, `reach` units to the sides and up and down. Returns at(k, f): f of the way from place k to the next.
  function plane(host, path, middle, reach, label) {
    let scale = null, last = [0, 0];
    const trail = svg("path", { class: "rrm-trail" }), fresh = svg("path", { class: "rrm-fresh" }), dots = svg("g", { class: "rrm-places" }), state = svg("circle", { class: "rrm-state" }), start = svg("circle", { class: "rrm-start" });
    const node = svg("svg", { role: "img", "aria-label": label }, trail, dots, fresh, start, state);
    host.replaceChildren(node);
    function at(k, f) {
      last = [k, f];
      if (!scale) return;
      const here = path[k], next = path[Math.min(k + 1, path.length - 1)], now = here.map((v, i) => v + f * (next[i] - v));
      const points = [...path.slice(0, k + 1), now].map(scale), [x, y] = points.at(-1);
      trail.setAttribute("d", rrm.plot.line(points));
      fresh.setAttribute("d", rrm.plot.line(points.slice(-4)));
      set(state, { cx: x, cy: y });
      for (let i = 0; i < path.length; i++) dots.children[i].setAttribute("visibility", i <= k ? "visible" : "hidden");
    }
    rrm.plot.keep(host, (width) => {
      const height = host.clientHeight, em = parseFloat(getComputedStyle(host).fontSize), up = (height - em) / 2; // its caption stands at the bottom
      const unit = Math.min((width / 2 - 12) / reach[0], (up - 12) / reach[1]);
      set(node, { width, height, viewBox: `0 0 ${width} ${height}` });
      scale = ([x, y]) => [width / 2 + unit * (x - middle[0]), up - unit * (y - middle[1])];
      dots.replaceChildren(...path.map((point) => { const [cx, cy] = scale(point); return svg("circle", { cx, cy, r: 1.8 }); }));
      const [cx, cy] = scale(path[0]);
      set(start, { cx, cy, r: 4.5 });
      set(state, { r: 6 });
      at(...last);
    });
    return at;
  }

  // --- two lines over the segments ---

  // curves: {solved, failed}, a value a mark; range of values; rule: {at, name} | null, a level drawn across; turn: the last segment in which the solved one
  // was wrong. Returns at(k, f).
  function race(host, { marks, curves, range, title, rule, turn, long, label }) {
    let frame = null, last = [0, 0];
    const ends = long ? [1, marks.at(-1)] : [1, WINDOW];
    const share = (t) => (!long ? (t - 1) / (WINDOW - 1) : t <= WINDOW ? (0.34 * (t - 1)) / (WINDOW - 1) : 0.34 + (0.66 * (t - WINDOW)) / (ends[1] - WINDOW));
    const lines = Object.fromEntries(KINDS.map((kind) => [kind, svg("path", { class: "rrm-curve rrm-" + kind })]));
    const heads = Object.fromEntries(KINDS.map((kind) => [kind, kind === "solved" ? svg("circle", { class: "rrm-head-" + kind, r: 4 }) : svg("path", { class: "rrm-head-" + kind, d: "M-3.6-3.6L3.6 3.6M-3.6 3.6L3.6-3.6" })]));
    const names = Object.fromEntries(KINDS.map((kind) => [kind, svg("text", { class: "rrm-name-" + kind }, kind)]));
    const mark = svg("g", { class: "rrm-turn" });
    function at(k, f) {
      last = [k, f];
      if (!frame) return;
      const tips = {};
      for (const kind of KINDS) {
        const values = curves[kind], end = Math.min(k, values.length - 1), points = [];
        for (let i = 0; i <= end; i++) points.push([frame.x(marks[i]), frame.y(values[i])]);
        if (k + 1 < values.length && f) points.push([0, 1].map((c) => points[end][c] * (1 - f) + f * [frame.x(marks[k + 1]), frame.y(values[k + 1])][c]));
        lines[kind].setAttribute("d", rrm.plot.line(points));
        const tip = (tips[kind] = points.at(-1));
        set(heads[kind], kind === "solved" ? { cx: tip[0], cy: tip[1] } : { transform: `translate(${tip[0].toFixed(1)} ${tip[1].toFixed(1)})` });
      }
      const higher = tips.failed[1] <= tips.solved[1] ? "failed" : "solved";
      for (const kind of KINDS) {
        const [x, y] = tips[kind], right = x > frame.left + 0.5 * frame.W;
        set(names[kind], { x: right ? x + 3 : Math.max(x - 3, frame.left + 4), y: kind === higher ? Math.max(y - 0.7 * frame.em, frame.top + 0.8 * frame.em) : Math.min(y + 1.35 * frame.em, frame.top + frame.H - 3), "text-anchor": right ? "end" : "start" });
      }
      mark.setAttribute("visibility", turn && marks[k] + (k < WINDOW - 1 ? f : 0) >= turn + 1 ? "visible" : "hidden");
    }
    rrm.plot.keep(host, (width) => {
      const em = parseFloat(getComputedStyle(host).fontSize), height = host.clientHeight;
      const left = 2.4 * em, right = 1.1 * em, top = 2.6 * em, bottom = 1.6 * em, W = width - left - right, H = height - top - bottom;
      frame = { left, top, W, H, em, x: (t) => left + W * share(t), y: (v) => top + (H * (range[1] - Math.min(Math.max(v, range[0]), range[1]))) / (range[1] - range[0]) };
      const node = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
      const step = [1, 2, 5, 10, 20].find((s) => (range[1] - range[0]) / s <= 5);
      for (let v = Math.ceil(range[0] / step) * step; v <= range[1]; v += step) node.append(svg("line", { class: "rrm-grid", x1: left, x2: left + W, y1: frame.y(v), y2: frame.y(v) }), svg("text", { x: left - 0.4 * em, y: frame.y(v) + 0.35 * em, "text-anchor": "end" }, number(v, 0)));
      for (const t of long ? [1, WINDOW, 64, 128, 192, 256].filter((s) => s <= ends[1]) : [1, 4, 8, 12, WINDOW]) node.append(svg("text", { x: frame.x(t), y: height - 0.4 * em, "text-anchor": "middle" }, String(t)));
      if (long) node.append(svg("line", { class: "rrm-edge", x1: frame.x(WINDOW), x2: frame.x(WINDOW), y1: top, y2: top + H }));
      if (rule) node.append(svg("line", { class: "rrm-level", x1: left, x2: left + W, y1: frame.y(rule.at), y2: frame.y(rule.at) }), svg("text", { x: left + 0.6 * W, y: frame.y(rule.at) + 1.1 * em, "text-anchor": "middle" }, rule.name));
      const x = frame.x(Math.min(turn + 1, WINDOW)), side = x > left + 0.7 * W;
      mark.replaceChildren(svg("line", { x1: x, x2: x, y1: top - 2, y2: top + H }), svg("text", { x, y: top - 5, "text-anchor": side ? "end" : "middle" }, "switch"));
      node.append(svg("text", { class: "rrm-axis", x: 0, y: 0.95 * em }, title), mark, lines.failed, lines.solved, heads.failed, heads.solved, names.failed, names.solved);
      host.replaceChildren(node);
      at(...last);
    });
    return at;
  }

  // --- the player ---

  rrm.motion = function (container, models) {
    let model = Object.keys(models)[0], pair = 0, long = false, place = 0, part = 0, running = 0, card = -1, seen = false, started = false, views = [], heard = 0;
    const data = () => models[model], marks = () => data().segments, of = (kind) => data()[kind][pair % data()[kind].length], pairs = () => Math.max(data().solved.length, data().failed.length);
    const end = () => (long ? marks().length : WINDOW) - 1;

    const switches = Object.keys(models).map((name) => el("button", { type: "button", onclick: () => show(name, 0) }, name));
    const which = el("span", { class: "rrm-which" }), turn = (by) => show(model, (pair + by + pairs()) % pairs());
    const before = el("button", { type: "button", "aria-label": "previous pair", onclick: () => turn(-1) }, "‹"), after = el("button", { type: "button", "aria-label": "next pair", onclick: () => turn(1) }, "›");
    const lanes = Object.fromEntries(KINDS.map((kind) => {
      const head = el("span"), board = el("div", { class: "rrm-boards", translate: "no" }), path = el("div", { class: "rrm-plane" }), kept = el("span", { class: "rrm-kept" });
      const node = el("section", { class: "rrm-lane rrm-" + kind }, el("p", { class: "rrm-head" }, el("b", {}, `${SIGN[kind]} ${kind}`), head), board, el("div", { class: "rrm-path" }, path, kept));
      return [kind, { node, head, board, path, kept, cells: [] }];
    }));
    const play = el("button", { type: "button", class: "rrm-main", onclick: toggle }), time = el("span"), count = el("span", { class: "rrm-count" }, el("span", { class: "rrm-word" }, "segment "), time);
    const slider = el("input", { type: "range", min: 1, step: 1, "aria-label": "segment", oninput: () => { started = true; pause(); go(Number(slider.value) - 1); } });
    const words = el("p", { class: "rrm-say" }), on = el("button", { type: "button", class: "rrm-main rrm-on", onclick: goOn }), said = el("p", { class: "rrm-heard", role: "status" });
    const back = el("button", { type: "button", onclick: () => step(card - 1) }, "Back"), next = el("button", { type: "button", onclick: () => step(card + 1) }), leave = el("button", { type: "button", onclick: () => step(-1) }, "Close"), tour = el("button", { type: "button", onclick: () => step(0) }, "Explain it");
    const plots = { drift: el("div", { class: "rrm-race" }), growth: el("div", { class: "rrm-race" }) };
    const strip = el("div", { class: "rrm-strip" }, words, el("div", { class: "rrm-row" }, on, tour, back, next, leave));

    // --- what is on the screen ---

    // Another model or pair, from its first segment.
    function show(name, number) {
      pause();
      [model, pair, long] = [name, number, false];
      switches.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent === model)));
      which.textContent = `pair ${pair + 1} of ${pairs()}`;
      build();
      if (card >= 0) return step(card);
      go(0);
      if (started && !still()) run();
    }

    // Boards, planes and plots of this pair anew.
    function build() {
      const d = data(), extents = KINDS.map((kind) => extent(of(kind).path, end() + 1)), reach = [0, 1].map((c) => Math.max(1e-9, ...extents.map((e) => e.reach[c])));
      const spread = (what) => KINDS.flatMap((kind) => d[kind].flatMap((p) => p[what])), low = Math.min(...spread("growth")), high = Math.max(...spread("growth"));
      views = [];
      for (const kind of KINDS) {
        const lane = lanes[kind], puzzle = of(kind);
        lane.node.setAttribute("aria-label", `puzzle ${puzzle.idx}, ${kind}`);
        lane.kept.textContent = `state, ${Math.round(100 * puzzle.explained)} % shown`;
        const figure = rrm.board(puzzle.puzzle, "", d, puzzle.puzzle);
        figure.querySelector("figcaption").remove();
        lane.board.replaceChildren(figure);
        lane.table = figure.querySelector("table");
        lane.cells = [...figure.querySelectorAll("td")];
        lane.answers = rrm.answers(puzzle);
        views.push(plane(lane.path, puzzle.path, extents[KINDS.indexOf(kind)].middle, reach, `path of the state of the ${kind} puzzle in a plane that keeps ${Math.round(100 * puzzle.explained)} % of its variance`));
      }
      const both = (what) => Object.fromEntries(KINDS.map((kind) => [kind, of(kind)[what]])), common = { marks: d.segments, turn: lastWrong(of("solved")), long };
      const all = spread("drift");
      views.push(race(plots.drift, { ...common, curves: both("drift"), range: [Math.floor(Math.min(...all)) - 0.5, Math.ceil(Math.max(...all))], title: "drift, log10", rule: d.threshold === null ? null : { at: d.threshold, name: "settled below" }, label: "drift of both states by segment" }));
      views.push(race(plots.growth, { ...common, curves: both("growth"), range: [Math.floor(low), Math.ceil(high)], title: "growth: above 0 a small change grows" + (long ? " (to 16)" : ""), rule: { at: 0, name: "" }, label: "growth of a tangent of both states by segment" }));
    }

    function boards() {
      for (const kind of KINDS) {
        const lane = lanes[kind], { puzzle, solution } = of(kind), text = lane.answers[place], last = place ? lane.answers[place - 1] : text, wrong = rrm.differing(text, solution);
        lane.cells.forEach((cell, i) => {
          if (cell.textContent !== text[i]) cell.textContent = text[i] === "." ? "" : text[i];
          cell.classList.toggle("rrm-wrong", text[i] !== solution[i]);
          cell.classList.toggle("rrm-found", puzzle[i] === "." && text[i] === solution[i]);
          cell.classList.toggle("rrm-changed", text[i] !== last[i]);
        });
        lane.head.textContent = wrong ? `${wrong} wrong` : kind === "failed" ? "all right now" : "all right";
        lane.table.setAttribute("aria-label", `puzzle ${of(kind).idx} after segment ${marks()[place]}: ${wrong} cells wrong`);
      }
    }

    // At rest: drift below the threshold, at the window's end the late drift.
    function rests(kind, k) {
      const late = of(kind).drift.slice(WINDOW - 4, WINDOW), value = k === WINDOW - 1 ? Math.log10(late.reduce((sum, v) => sum + 10 ** v, 0) / 4) : of(kind).drift[k];
      return data().threshold !== null && value < data().threshold;
    }
    function caption() {
      const t = marks()[place], turned = lastWrong(of("solved")) + 1, failed = of("failed");
      if (t === marks().at(-1)) return failed.right[place] ? `At ${t} the failure is solved after all.` : rests("failed", place) ? `At ${t} the failure rests, in a wrong place.` : `At ${t} the failure is still moving.`;
      if (t > WINDOW) return "Each step is now eight segments.";
      if (t === WINDOW) return `One is right, the other wrong and ${rests("failed", place) ? "at rest" : "still moving"}. And if we go on?`;
      if (t === 1 && !running) return `One ${model}, two puzzles: it solves the left one and fails the right one.`;
      if (t < turned) return "Both search: digits change, states move.";
      return `Solved after segment ${turned}. Its state comes to rest, the other moves on.`;
    }

    function paint() {
      const f = running ? ease(part) : 0;
      for (const view of views) view(place, f);
    }

    // Show the mark `k`; said aloud once it rests.
    function go(k, quiet) {
      place = Math.max(0, Math.min(k, end()));
      part = 0;
      const t = marks()[place], length = marks()[end()];
      slider.max = end() + 1;
      slider.value = place + 1;
      slider.setAttribute("aria-valuetext", `segment ${t} of ${length}`);
      time.textContent = `${t} of ${length}`;
      boards();
      paint();
      label();
      clearTimeout(heard);
      if (!quiet) heard = setTimeout(() => { if (!running && container.contains(document.activeElement)) said.textContent = [count.textContent, ...KINDS.map((kind) => `${kind}: ${lanes[kind].head.textContent}`), card < 0 ? words.textContent : ""].join(". "); }, 700);
    }

    function label() {
      const done = place === end(), last = done && !long;
      play.textContent = running ? "Pause" : done ? "Again" : still() ? "Next segment" : "Play";
      on.hidden = card >= 0 || !last;
      on.textContent = `Go on to ${marks().at(-1)}`;
      tour.hidden = card >= 0;
      for (const button of [back, next, leave]) button.hidden = card < 0;
      if (card < 0) words.textContent = caption();
      strip.classList.toggle("rrm-asks", card < 0 && last);
    }

    // --- time ---

    function run() {
      pause();
      if (place === end()) go(0, true);
      let then = 0;
      started = true;
      const tick = (now) => {
        if (!container.isConnected) return;
        running = requestAnimationFrame(tick);
        if (!seen) { then = 0; return; } // nothing is drawn out of sight
        if (then) part += Math.min(now - then, 100) / (place >= WINDOW - 1 ? PACE_ON : PACE);
        then = now;
        if (part >= 1) {
          const more = part - 1;
          go(place + 1, place + 1 < end());
          if (place === end()) return pause();
          part = more;
        }
        paint();
      };
      running = requestAnimationFrame(tick);
      label();
    }
    function pause() {
      cancelAnimationFrame(running);
      running = 0;
      part = 0;
      paint();
      label();
    }
    function toggle() {
      if (running) { pause(); return go(place); }
      if (card >= 0) step(-1);
      if (place === end() && long) { long = false; build(); place = end(); }
      if (!still()) return run();
      go(place === end() ? 0 : place + 1);
    }
    function goOn() {
      long = true;
      build();
      go(WINDOW - 1);
      play.focus({ preventScroll: true }); // the button hides: the focus goes on
      if (still()) go(WINDOW); else run();
    }

    // --- the tour: [name, what is lit, where in time, text] ---

    const turned = () => lastWrong(of("solved"));
    const CARDS = [
      ["A segment", () => [lanes.solved.board, lanes.failed.board], () => 1, () => "One round of the model. It changes its state, then a board is read out of it. Orange is wrong, a ring has just changed."],
      ["The state", () => [lanes.solved.path, lanes.failed.path], () => 3, () => `${data().numbers ? data().numbers.toLocaleString("en") : "Many"} numbers. Here is their shadow, in the plane in which this state moves most.`],
      ["Drift", () => [plots.drift], () => turned() - 1, () => "How far the state went in one segment. The scale counts powers of ten: at −2 it is a hundredth."],
      ["The switch", () => [plots.drift, lanes.solved.board], () => turned() + 1, () => `The left board was wrong for the last time in segment ${turned()}. Then its drift falls, segment by segment.`],
      ["The threshold", () => [plots.drift], () => WINDOW - 1, () => `Below the dashed line a state counts as settled. It parts the two humps that ${data().puzzles.toLocaleString("en")} puzzles make.`],
      ["A tangent", () => [plots.growth], () => turned() + 1, () => "A tiny change of the state, carried along. Above 0 it grows in that segment. Below 0 it dies out."],
      ["What settles", () => [lanes.solved.node], () => WINDOW - 1, () => "The board stands, the path has an end, drift is below the line. A small push would be forgotten."],
      ["What does not", () => [lanes.failed.node], () => WINDOW - 1, () => `Wrong, and its drift is ${rests("failed", WINDOW - 1) ? "just below" : "still above"} the line. Does it wander, or only need more time? Close this and go on.`],
    ];
    const cards = () => CARDS.filter(([name]) => name !== "The threshold" || data().threshold !== null);
    // Card `n` of the tour; -1, or one beyond the last, closes it.
    function step(n) {
      const open = n >= 0 && n < cards().length, was = card;
      pause();
      card = open ? n : -1;
      for (const lit of container.querySelectorAll(".rrm-lit")) lit.classList.remove("rrm-lit");
      if (!open) {
        if (was >= 0) { go(place, true); tour.focus({ preventScroll: true }); }
        return;
      }
      const [name, parts, when, text] = cards()[n];
      if (long) { long = false; build(); }
      go(when(), true);
      for (const lit of parts()) lit.classList.add("rrm-lit");
      words.replaceChildren(el("b", {}, `${n + 1}/${cards().length} ${name}. `), el("span", {}, text()));
      if (n === 0 && document.activeElement === back) next.focus({ preventScroll: true });
      back.disabled = n === 0;
      next.textContent = n + 1 < cards().length ? "Next" : "End";
      said.textContent = words.textContent;
      if (was < 0) next.focus({ preventScroll: true });
    }

    // --- hands ---

    strip.addEventListener("keydown", (event) => { if (event.key === "Escape" && card >= 0) step(-1); });
    let kept = null; // on paper: the window's end
    rrm.listen(container, window, "beforeprint", () => { if (!long) { kept = place; pause(); go(WINDOW - 1, true); } });
    rrm.listen(container, window, "afterprint", () => { if (kept !== null) go(kept, true); kept = null; });
    new IntersectionObserver(([entry]) => {
      seen = entry.isIntersecting;
      if (entry.intersectionRatio < 0.5 || started || card >= 0) return;
      started = true;
      if (!still()) run();
    }, { threshold: [0, 0.5] }).observe(container);

    const key = (name, text, digit) => el("span", {}, el("i", { class: name }, digit), text);
    container.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to us
    container.querySelector(".rrm-inside").replaceChildren(
      el("div", { class: "rrm-top" }, el("div", { class: "rrm-models", role: "group", "aria-label": "model" }, ...switches),
        el("p", { class: "rrm-keys" }, key("rrm-given", "given", "5"), key("rrm-found", "right", "5"), key("rrm-wrong", "wrong", "5"), key("rrm-changed", "changed", "5")),
        el("div", { class: "rrm-pairs" }, before, which, after)),
      el("div", { class: "rrm-lanes" }, ...KINDS.map((kind) => lanes[kind].node)),
      el("div", { class: "rrm-transport" }, play, slider, count), strip,
      el("div", { class: "rrm-races" }, plots.drift, plots.growth), said);
    show(model, 0);
    return { go: (t) => { pause(); go(marks().indexOf(t)); }, run, pause, goOn, show, step, get segment() { return marks()[place]; }, get running() { return running > 0; }, get model() { return model; }, get pair() { return pair; }, get long() { return long; } };
  };

  rrm.motions = function () {
    for (const node of document.querySelectorAll(".rrm-motion")) {
      const script = node.querySelector("script[type='application/json']");
      if (!script || node.begun) continue; // not the mark in the page: a saved page keeps it, and starts anew
      node.begun = true;
      node.dataset.live = "no";
      try {
        node.motion = rrm.motion(node, JSON.parse(script.textContent));
        node.dataset.live = "yes";
      } catch (error) {
        console.error("rrm: the player could not start; what the page shows without scripts stays", error);
      }
    }
  };
  rrm.whenReady(rrm.motions);
})();
