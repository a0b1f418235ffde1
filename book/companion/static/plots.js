// Small plots that follow a slider within a frame: axes in SVG in the colours of the page, points on a canvas, moving marks as
// positioned elements (moving one repaints nothing else). Every plot draws itself again when its width or the theme changes.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  const { el, svg, number } = rrm;
  const segmentTicks = (n) => [1, n / 4, n / 2, (3 * n) / 4, n].map(Math.round); // 1, 4, 8, 12, 16

  // About n round ticks from low to high; where these are equal to rounding, about none.
  function ticks(low, high, n) {
    const raw = Math.max(high - low, 1e-9 * Math.max(Math.abs(low), Math.abs(high))) / n, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].find((m) => m * power >= raw) * power;
    const out = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) out.push(k * step);
    return { values: out, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }

  // [low, high] of values with a share of their range on either side; values that are equal to rounding stand in the middle.
  function roomy(values, share) {
    const low = Math.min(...values), high = Math.max(...values), size = Math.max(Math.abs(low), Math.abs(high)), pad = share * (high - low > 1e-9 * size ? high - low : size || 1);
    return [low - pad, high + pad];
  }

  const line = (points) => points.map(([a, b], i) => (i ? "L" : "M") + a.toFixed(1) + " " + b.toFixed(1)).join("");

  // Keep `host` painted: paint(width) at once, and whenever the width changes.
  function keep(host, paint) {
    let width = 0;
    const again = () => {
      const now = Math.floor(host.clientWidth);
      if (now > 0 && now !== width) paint((width = now));
    };
    new ResizeObserver(again).observe(host);
    again();
    return () => { width = 0; again(); };
  }

  rrm.plot = { keep, line, roomy }; // for plots that stand elsewhere

  // Axes in an SVG of the host's width. box: {height, left, right, top, bottom}; x, y: [low, high]. Returns {node, x, y, ...} with scales.
  function axes(width, box, x, y, { xTitle, yTitle, yFormat, xValues, yTicks = 4, label, inside } = {}) {
    const u = rrm.unit(), [height, left, right, top, bottom] = ["height", "left", "right", "top", "bottom"].map((side) => Math.round(u * box[side])), W = width - left - right, H = height - top - bottom;
    const fx = (v) => left + (W * (v - x[0])) / (x[1] - x[0]), fy = (v) => top + (H * (y[1] - v)) / (y[1] - y[0]);
    const node = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label || "" });
    const tx = xValues ? { values: xValues, digits: 0 } : ticks(x[0], x[1], Math.min(6, Math.max(2, W / 60 / u))), ty = ticks(y[0], y[1], yTicks);
    for (const v of ty.values) {
      node.append(svg("line", { class: "rrm-grid", x1: left, x2: left + W, y1: fy(v), y2: fy(v) }));
      const text = yFormat ? yFormat(v) : number(v, ty.digits);
      node.append(inside ? svg("text", { x: left + 2, y: fy(v) - 3 * u }, v === y[0] ? "" : text) : svg("text", { x: left - 5, y: fy(v) + 3.5 * u, "text-anchor": "end" }, text));
    }
    for (const v of tx.values) node.append(svg("line", { class: "rrm-grid", x1: fx(v), x2: fx(v), y1: top + H, y2: top + H + 4 }), svg("text", { x: fx(v), y: top + H + 15 * u, "text-anchor": "middle" }, number(v, tx.digits)));
    if (xTitle) node.append(svg("text", { class: "rrm-axis", x: left + W / 2, y: height - 3 * u, "text-anchor": "middle" }, xTitle));
    if (yTitle) node.append(svg("text", { class: "rrm-axis", x: left, y: 11 * u }, yTitle));
    return { node, x: fx, y: fy, toX: (p) => x[0] + ((p - left) * (x[1] - x[0])) / W, toY: (p) => y[1] - ((p - top) * (y[1] - y[0])) / H, left, top, W, H, height, u };
  }

  // A moving threshold over a plot: a line and the shade of the settled side.
  function threshold(host) {
    const shade = el("div", { class: "rrm-shade" }), rule = el("div", { class: "rrm-now" });
    host.append(shade, rule);
    return function (frame, tau, domain) {
      const at = frame.x(Math.min(Math.max(tau, domain[0]), domain[1])), tall = `top:${frame.top}px;height:${frame.H}px;`;
      shade.style.cssText = tall + `left:${frame.left}px;width:${frame.W}px;transform:scaleX(${(at - frame.left) / frame.W})`;
      rule.style.cssText = tall + `transform:translateX(${at - 1}px)`;
      if (shade.parentNode !== host) host.append(shade, rule);
    };
  }

  const fixed = (frame, part) => [["otsu", part.otsu], ["strict", part.strict]].filter(([, v]) => v !== null)
    .map(([name, v]) => svg("line", { class: "rrm-fixed rrm-" + name, x1: frame.x(v), x2: frame.x(v), y1: frame.top, y2: frame.top + frame.H }));

  // --- histogram of late drift, as wide as the slider under it ---

  rrm.histogram = function (host) {
    let data = null, frame = null, tau = 0;
    const mark = threshold(host), box = { height: 150, left: 8, right: 8, top: 18, bottom: 18 }; // 8 px: half a slider's thumb
    const repaint = keep(host, (width) => {
      if (!data) return;
      const { part, domain } = data, stacks = new Map();
      for (const bar of part.bins) stacks.set(bar.start, (stacks.get(bar.start) || 0) + bar.n);
      frame = axes(width, box, domain, [0, 1.03 * Math.sqrt(Math.max(...stacks.values()))], { yTitle: "puzzles, on a square-root scale", yFormat: (v) => (v > 2 || Number.isInteger(v * v) ? String(Math.round(v * v)) : ""), inside: true, yTicks: 3, label: "Histogram of log10 late drift by outcome; " + data.label });
      const hatch = `rrm-hatch-${(rrm.ids = (rrm.ids || 0) + 1)}`; // failures are hatched: told from successes without their colour
      frame.node.prepend(svg("defs", {}, svg("pattern", { id: hatch, width: 4, height: 4, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, svg("rect", { class: "rrm-fill-wrong", width: 4, height: 4 }), svg("rect", { class: "rrm-gap", width: 1.5, height: 4 }))));
      const under = new Map(), level = (n) => frame.y(Math.sqrt(n)); // a spike of hundreds beside bars of ten
      for (const bar of [...part.bins].sort((a, b) => (a.outcome < b.outcome ? -1 : 1))) {
        const base = under.get(bar.start) || 0, left = frame.x(bar.start) + 0.5;
        under.set(bar.start, base + bar.n);
        frame.node.append(svg("rect", { class: "rrm-fill-" + bar.outcome, style: bar.outcome === "wrong" ? `fill: url(#${hatch})` : "", x: left, width: Math.max(0.5, frame.x(bar.end) - left - 0.5), y: level(base + bar.n), height: level(base) - level(base + bar.n) },
          svg("title", {}, `${number(bar.start, 2)} to ${number(bar.end, 2)}: ${bar.n} ${bar.outcome}`)));
      }
      frame.node.append(...fixed(frame, part), ...frame.node.querySelectorAll("text")); // the axis stands inside: its numbers over the bars
      const names = [["Otsu", part.otsu], ["strict", part.strict]].filter(([, v]) => v !== null).sort((a, b) => a[1] - b[1]);
      let free = 194 * frame.u; // right of the axis title; the lower threshold is named on its left where there is room, the upper on its right
      names.forEach(([name, v], k) => {
        const left = !k && frame.x(v) > free + 40 * frame.u, x = left ? frame.x(v) - 3 : Math.max(frame.x(v) + 3, free);
        frame.node.append(svg("text", { x, y: 13 * frame.u, "text-anchor": left ? "end" : "start" }, name));
        free = left ? frame.x(v) : x + 40 * frame.u;
      });
      host.replaceChildren(frame.node);
      mark(frame, tau, domain);
    });
    return { show(given) { data = given; repaint(); }, move(value) { tau = value; if (frame) mark(frame, tau, data.domain); } };
  };

  // --- percentile sweep: share of failures (and of successes) below the threshold ---

  rrm.sweep = function (host) {
    let data = null, frame = null, now = null;
    const dots = ["wrong", "correct"].map((outcome) => el("div", { class: "rrm-dot rrm-back-" + outcome })), mark = threshold(host);
    const box = { height: 215, left: 40, right: 12, top: 22, bottom: 34 };
    const place = () => {
      mark(frame, now.percentile, [0, 100]);
      [now.wrong, now.correct].forEach((share, k) => {
        dots[k].style.cssText = share === null ? "display:none" : `transform:translate(${frame.x(now.percentile) - 5}px,${frame.y(share) - 5}px)`;
        if (dots[k].parentNode !== host) host.append(dots[k]);
      });
    };
    const repaint = keep(host, (width) => {
      if (!data) return;
      frame = axes(width, box, [0, 100], [0, 1], { xTitle: "threshold: pooled percentile of late drift", yTitle: "share below the threshold", yFormat: (v) => Math.round(100 * v) + " %", label: "Percentile sweep: share of failures and of successes that a threshold calls settled; " + data.label });
      for (const [outcome, name] of [["correct", "successes"], ["wrong", "failures"]]) {
        const points = data.curves[outcome];
        if (!points) continue;
        frame.node.append(svg("path", { class: "rrm-line-" + outcome, d: line(points.map(([p, s]) => [frame.x(p), frame.y(s)])) }));
        const at = points.find(([, s]) => s >= (outcome === "correct" ? 0.72 : 0.4)) || points.at(-1);
        frame.node.append(outcome === "correct" ? svg("text", { class: "rrm-name-correct", x: frame.x(at[0]) - 6, y: frame.y(at[1]) - 4, "text-anchor": "end" }, name) : at[0] > 75 ? svg("text", { class: "rrm-name-wrong", x: frame.left + frame.W - 2, y: frame.y(0.08), "text-anchor": "end" }, name) : svg("text", { class: "rrm-name-wrong", x: frame.x(at[0]) + 8, y: frame.y(at[1]) + 14 }, name));
      }
      for (const p of data.points) frame.node.append(svg("circle", { class: "rrm-fill-wrong", cx: frame.x(p.percentile), cy: frame.y(p.settled_failures), r: 2.2 }, svg("title", {}, `percentile ${p.percentile}: ${rrm.percent(p.settled_failures)} of failures`)));
      host.replaceChildren(frame.node);
      if (now) place();
    });
    return { show(given) { data = given; repaint(); }, move(value) { now = value; if (frame) place(); } };
  };

  // --- late drift against the largest exponent, with a brush ---

  // onBrush({x: [a, b], y: [a, b]} | null), onHover(row | null), onPick(row).
  rrm.scatter = function (host, { onBrush, onHover, onPick }) {
    let data = null, frame = null, tau = 0, brush = null, start = null, before = null;
    const canvas = el("canvas", { "aria-hidden": "true" }), pane = el("div", { class: "rrm-pane" }), area = el("div", { class: "rrm-brush", hidden: "" }), mark = threshold(host);
    const box = { height: 215, left: 46, right: 8, top: 22, bottom: 34 };

    const inside = (i) => !brush || (data.late[i] >= brush.x[0] && data.late[i] <= brush.x[1] && data.lambda[i] >= brush.y[0] && data.lambda[i] <= brush.y[1]);

    function points() {
      const scale = window.devicePixelRatio || 1, style = getComputedStyle(host), pen = canvas.getContext("2d");
      pen.setTransform(scale, 0, 0, scale, 0, 0);
      pen.clearRect(0, 0, canvas.width, canvas.height);
      for (const chosen of [0, 1]) for (const correct of [1, 0]) { // the brushed over the others, failures over successes
        pen.beginPath();
        for (let i = 0; i < data.late.length; i++) {
          if (data.late[i] === null || data.correct[i] !== correct || Number(inside(i)) !== chosen) continue;
          const x = frame.x(data.late[i]), y = frame.y(data.lambda[i]);
          if (correct) { pen.moveTo(x + 2, y); pen.arc(x, y, 2, 0, 7); }
          else { pen.moveTo(x - 2.5, y - 2.5); pen.lineTo(x + 2.5, y + 2.5); pen.moveTo(x - 2.5, y + 2.5); pen.lineTo(x + 2.5, y - 2.5); }
        }
        pen.strokeStyle = style.getPropertyValue(correct ? "--correct" : "--wrong");
        pen.globalAlpha = chosen ? 0.6 : 0.13;
        pen.stroke();
      }
    }

    function outline() {
      area.hidden = !brush;
      if (!brush) return;
      const cut = (v, low, high) => Math.min(Math.max(v, low), high);
      const x = brush.x.map((v) => cut(frame.x(v), frame.left, frame.left + frame.W)), y = brush.y.map((v) => cut(frame.y(v), frame.top, frame.top + frame.H));
      area.style.cssText = `left:${x[0]}px;width:${x[1] - x[0]}px;top:${y[1]}px;height:${y[0] - y[1]}px`;
    }

    const repaint = keep(host, (width) => {
      if (!data) return;
      frame = axes(width, box, data.domain, data.range, { xTitle: "log10 late drift", yTitle: "λ1, per update", label: `Late drift against the largest exponent, one mark a puzzle, circles correct, crosses wrong; ${data.label}` });
      frame.node.append(...fixed(frame, data.part));
      const scale = window.devicePixelRatio || 1;
      canvas.width = width * scale;
      canvas.height = frame.height * scale;
      canvas.style.cssText = `width:${width}px;height:${frame.height}px`;
      pane.style.cssText = `left:${frame.left}px;top:${frame.top}px;width:${frame.W}px;height:${frame.H}px`;
      host.replaceChildren(frame.node, canvas, area, pane);
      points();
      outline();
      mark(frame, tau, data.domain);
      host.append(pane); // above the threshold, so that it gets the pointer
    });
    rrm.onTheme(host, () => data && frame && points());

    const at = (event) => { const r = host.getBoundingClientRect(), zoom = host.currentCSSZoom || 1; return [(event.clientX - r.left) / zoom, (event.clientY - r.top) / zoom]; }; // slides are enlarged
    function nearest([px, py]) {
      let best = null, least = 100;
      for (let i = 0; i < data.late.length; i++) {
        if (data.late[i] === null) continue; // not in this view
        const d = (frame.x(data.late[i]) - px) ** 2 + (frame.y(data.lambda[i]) - py) ** 2;
        if (d < least) { least = d; best = i; }
      }
      return best;
    }
    let waiting = 0;
    const later = () => { waiting = waiting || requestAnimationFrame(() => { waiting = 0; points(); outline(); onBrush(brush); }); };
    pane.addEventListener("pointerdown", (event) => { if (event.button === 0) { start = at(event); before = brush; pane.setPointerCapture(event.pointerId); } });
    pane.addEventListener("pointermove", (event) => {
      const here = at(event);
      if (!start) return onHover(nearest(here));
      if (Math.hypot(here[0] - start[0], here[1] - start[1]) < 4) return;
      const up = (a, b) => [Math.min(a, b), Math.max(a, b)];
      brush = { x: up(frame.toX(start[0]), frame.toX(here[0])), y: up(frame.toY(start[1]), frame.toY(here[1])) };
      later();
    });
    pane.addEventListener("pointerup", (event) => {
      const here = at(event), moved = start && Math.hypot(here[0] - start[0], here[1] - start[1]) >= 4;
      start = null;
      if (moved) return;
      const found = nearest(here);
      if (found !== null) onPick(found);
      else if (brush) { brush = null; later(); }
    });
    pane.addEventListener("pointercancel", () => { // a finger that scrolls leaves no brush
      start = null;
      if (brush !== before) { brush = before; later(); }
    });
    pane.addEventListener("pointerleave", () => onHover(null));

    return {
      show(given) { data = given; brush = null; repaint(); },
      move(value) { tau = value; if (frame) mark(frame, tau, data.domain); },
      brush(given) { brush = given; if (frame) { points(); outline(); } },
    };
  };

  // --- profiles over the segments ---

  // What stands for a curve of a run that was measured without exponents, whose values are null.
  function unmeasured(host, title) {
    host.replaceChildren(el("p", { class: "rrm-note" }, `${title}: not measured`));
  }

  // One example's values by segment over the 10-90 % bands of cells A and D. bands: {A: [[low, median, high]], D: ...}.
  rrm.profile = function (host, values, bands, title, label) {
    if (values.includes(null)) return unmeasured(host, title);
    keep(host, (width) => {
      const all = [...values];
      for (const band of Object.values(bands)) for (const q of band) all.push(q[0], q[2]);
      const frame = axes(width, { height: 180, left: 42, right: 20, top: 20, bottom: 32 }, [1, values.length], roomy(all, 0.06), { xTitle: "segment", yTitle: title, xValues: segmentTicks(values.length), label });
      for (const [cell, band] of Object.entries(bands)) {
        const along = (k) => band.map((q, t) => [frame.x(t + 1), frame.y(q[k])]);
        frame.node.append(svg("path", { class: "rrm-band rrm-cell-" + cell, d: line([...along(2), ...along(0).reverse()]) + "Z" }), svg("path", { class: "rrm-middle rrm-cell-" + cell, d: line(along(1)) }),
          svg("text", { class: "rrm-name-" + cell, x: width - 16, y: frame.y(band.at(-1)[1]) + 4 * frame.u }, cell));
      }
      frame.node.append(svg("path", { class: "rrm-own", d: line(values.map((v, t) => [frame.x(t + 1), frame.y(v)])) }));
      host.replaceChildren(frame.node);
    });
  };

  // A curve over the segments with a cursor; `range` fixes the vertical axis so that neighbours compare. Returns at(t) to move the cursor.
  rrm.curve = function (host, values, range, title, digits) {
    if (values.includes(null)) return unmeasured(host, title), () => {};
    let frame = null, t = 1;
    const cursor = svg("line", { class: "rrm-cursor" }), dot = svg("circle", { class: "rrm-here", r: 3.2 }), value = svg("text", { class: "rrm-value", "text-anchor": "end" });
    function place() {
      const x = frame.x(t), y = frame.y(values[t - 1]);
      for (const [node, attributes] of [[cursor, { x1: x, x2: x, y1: frame.top, y2: frame.top + frame.H }], [dot, { cx: x, cy: y }], [value, { x: frame.left + frame.W, y: 11 * frame.u }]])
        for (const [key, v] of Object.entries(attributes)) node.setAttribute(key, v);
      value.textContent = number(values[t - 1], digits);
    }
    keep(host, (width) => {
      frame = axes(width, { height: 78, left: 34, right: 8, top: 18, bottom: 18 }, [1, values.length], range, { yTitle: title, xValues: segmentTicks(values.length), yTicks: 3, label: `${title} by segment: ${values.map((v) => number(v, digits)).join(", ")}` });
      if (range[0] < 0 && range[1] > 0) frame.node.append(svg("line", { class: "rrm-zero", x1: frame.left, x2: frame.left + frame.W, y1: frame.y(0), y2: frame.y(0) }));
      frame.node.append(svg("path", { class: "rrm-own-line", d: line(values.map((v, k) => [frame.x(k + 1), frame.y(v)])) }), cursor, dot, value);
      host.replaceChildren(frame.node);
      place();
    });
    return (segment) => { t = segment; if (frame) place(); };
  };
})();
