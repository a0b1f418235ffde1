// The exponent playground: four small maps whose long-run exponents are known, and their finite-time exponents as T grows.
// One plain-DOM component for the published page (no kernel, no network, no Vega) and for Jupyter. Ranges, labels and texts come
// from rrm_companion.playground; the maps below are the same formulas in the same order of operations, so orbits agree bit for bit.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});

  const FLOOR = 1e-30; // as rrm_core.dynamics.exponents.FLOOR: |R_ii| below this counts as this
  const AWAY = 1e6; // a state beyond this has run away (Hénon); its exponent is not a number
  const PLASTIC = [0.7548776662466927, 0.5698402909980532]; // 1/g and 1/g^2 of the plastic number g: points that fill the unit square evenly
  const LONG = 20000, BURN = 1000; // steps of a reference orbit, and steps before them

  // --- calculation (no DOM) ---

  // next(p, z): the state after one step; jacobian(p, z): its derivative at z, row by row.
  const maps = {
    logistic: { size: 1, next: (p, z) => [p.r * z[0] * (1 - z[0])], jacobian: (p, z) => [p.r * (1 - 2 * z[0])] },
    henon: { size: 2, next: (p, z) => [1 - p.a * z[0] * z[0] + z[1], p.b * z[0]], jacobian: (p, z) => [-2 * p.a * z[0], 1, p.b, 0] },
    linear: { size: 2, next: (p, z) => [p.a * z[0] + p.b * z[1], p.c * z[0] + p.d * z[1]], jacobian: (p) => [p.a, p.b, p.c, p.d] },
    toy: {
      size: 1,
      next: (p, z) => [Math.abs(z[0] - p.s) < p.eps ? p.s + 0.5 * (z[0] - p.s) : 4 * z[0] * (1 - z[0])],
      jacobian: (p, z) => [Math.abs(z[0] - p.s) < p.eps ? 0.5 : 4 - 8 * z[0]],
    },
  };

  const log = (x) => Math.log(Math.max(Math.abs(x), FLOOR));

  // The unit vector at an angle from 0 to 180 degrees; the axes are met exactly, which the cosine of 90 degrees in floating point misses.
  const direction = (angle) => [Math.sin(((90 - angle) * Math.PI) / 180), Math.sin(((angle > 90 ? 180 - angle : angle) * Math.PI) / 180)];

  // One QR step of the frame [v, w] (columns cos, sin; w at right angles): [frame after, log |R_11|, log |R_22|].
  function push(J, v) {
    const x = J[0] * v[0] + J[1] * v[1], y = J[2] * v[0] + J[3] * v[1], length = Math.hypot(x, y);
    if (length < FLOOR) return [v, Math.log(FLOOR), Math.log(FLOOR)];
    return [[x / length, y / length], Math.log(length), log((J[0] * J[3] - J[1] * J[2]) / length)];
  }

  // The orbit of one start and its finite-time exponents. angle: direction of the first tangent, in degrees (two-dimensional maps).
  // {orbit: [z_0..z_T], history: [[first, second] for T = 1..steps], directions: [v_0..v_T], captured: step or null, away: bool}
  // whole: false keeps the last of each alone, for long orbits.
  function exponents(name, p, start, angle, steps, whole = true) {
    const map = maps[name], sums = new Array(map.size).fill(0), history = [], orbit = [start];
    let z = start, v = direction(angle), captured = null, away = false;
    const directions = [v];
    for (let t = 0; t < steps; t++) {
      if (name === "toy" && captured === null && Math.abs(z[0] - p.s) < p.eps) captured = t;
      const J = map.jacobian(p, z);
      if (map.size === 1) sums[0] += log(J[0]);
      else {
        const [after, first, second] = push(J, v);
        v = after;
        sums[0] += first;
        sums[1] += second;
      }
      z = map.next(p, z);
      if (name !== "linear" && !(Math.abs(z[0]) < AWAY)) away = true;
      if (!whole && t + 1 < steps) continue;
      orbit.push(z);
      directions.push(v);
      history.push(sums.map((s) => (away ? NaN : s / (t + 1))));
    }
    return { orbit, history, directions, captured, away };
  }

  // Member i of an ensemble: start points (logistic, Hénon, toy) or start directions (linear), spread evenly, not drawn by chance.
  function member(name, p, angle, i) {
    const u = (0.5 + PLASTIC[0] * (i + 1)) % 1, w = (0.5 + PLASTIC[1] * (i + 1)) % 1;
    if (name === "logistic") return { p, start: [u], angle };
    if (name === "henon") return { p, start: [0.6 * u - 0.3, 0.2 * w - 0.1], angle };
    if (name === "linear") return { p, start: [1, 0], angle: 180 * u };
    return { p: { ...p, s: 0.15 + 0.7 * w }, start: [u], angle };
  }

  // The first tangent's exponent of n members after 1..steps: {times: [Float64Array of those that stayed], last: [...], captured: [...], lost: n}
  function ensemble(name, p, angle, n, steps) {
    const times = Array.from({ length: steps }, () => new Float64Array(n)), captured = [];
    let kept = 0;
    for (let i = 0; i < n; i++) {
      const m = member(name, p, angle, i), one = exponents(name, m.p, m.start, m.angle, steps);
      if (one.away) continue;
      for (let t = 0; t < steps; t++) times[t][kept] = one.history[t][0];
      captured.push(one.captured);
      kept++;
    }
    return { times: times.map((row) => row.subarray(0, kept)), last: Array.from(times[steps - 1].subarray(0, kept)), captured, lost: n - kept };
  }

  // Linear-interpolation quantile of an ascending array (numpy's default).
  function quantile(sorted, q) {
    const at = q * (sorted.length - 1), low = Math.floor(at), high = Math.ceil(at);
    return sorted.length ? sorted[low] + (sorted[high] - sorted[low]) * (at - low) : NaN;
  }

  // P(score of a positive > score of a negative), ties half; NaN where a class is empty.
  function auc(positive, negative) {
    const all = [...positive.map((v) => [v, 1]), ...negative.map((v) => [v, 0])].sort((a, b) => a[0] - b[0]);
    let sum = 0;
    for (let i = 0, j = 0; i < all.length; i = j) {
      while (j < all.length && all[j][0] === all[i][0]) j++;
      for (let k = i; k < j; k++) if (all[k][1]) sum += (i + j + 1) / 2;
    }
    const m = positive.length;
    return (sum - (m * (m + 1)) / 2) / (m * negative.length);
  }

  // The long-run exponents: {values, why}. Exact where a formula exists, else measured on a long orbit.
  function reference(name, p, angle) {
    if (name === "toy") return { values: [Math.log(0.5)], why: "ln ½: in the end almost every start is captured" };
    if (name === "linear") {
      const half = (p.a + p.d) / 2, det = p.a * p.d - p.b * p.c, root = half * half - det;
      const moduli = root < 0 ? [Math.sqrt(det), Math.sqrt(det)] : [Math.abs(half) + Math.sqrt(root), Math.abs(Math.abs(half) - Math.sqrt(root))];
      return { values: moduli.map((m) => Math.log(m)), why: root < 0 ? "ln of the modulus of the complex pair of eigenvalues, exact" : "ln |eigenvalue|, exact" };
    }
    if (name === "henon" && p.a === 1.4 && p.b === 0.3) return { values: [0.41922, -1.62319], why: "as published by Sprott" };
    if (name === "logistic") {
      const r = p.r;
      if (r === 4) return { values: [Math.LN2], why: "ln 2, exact" };
      if (r < 1) return { values: [Math.log(r)], why: "ln r: the fixed point 0, exact" };
      if (r < 3) return { values: [Math.log(Math.abs(2 - r))], why: "ln |2 − r|: a fixed point, exact" };
      if (r < 1 + Math.sqrt(6)) return { values: [Math.log(Math.abs(4 + 2 * r - r * r)) / 2], why: "½ ln |4 + 2r − r²|: a cycle of two, exact" };
    }
    const map = maps[name];
    let z = name === "logistic" ? [0.4] : [0.1, 0.1];
    for (let t = 0; t < BURN; t++) z = map.next(p, z);
    const long = exponents(name, p, z, angle, LONG, false);
    return { values: long.history[0], why: long.away ? "none: orbits run away" : `one orbit of ${LONG.toLocaleString("en")} steps` };
  }

  // The exact finite-time value of a linear map: ln(|A^T v| / |v|) / T, by multiplying v without ever normalising it.
  function linearExact(p, angle, steps) {
    let v = direction(angle);
    for (let t = 0; t < steps; t++) v = maps.linear.next(p, v);
    return Math.log(Math.hypot(v[0], v[1])) / steps;
  }

  // The paper's value for the toy: the search counts ln 2 a step, the capture ln 1/2.
  const toyFormula = (captured, steps) => ((captured ?? steps) * Math.LN2 + (steps - (captured ?? steps)) * Math.log(0.5)) / steps;

  rrm.exponents = { maps, run: exponents, ensemble, member, quantile, auc, reference, linearExact, toyFormula };

  // --- DOM helpers ---

  function node(space, tag, attributes, children) {
    const made = space ? document.createElementNS(space, tag) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value !== null && value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }
  const el = (tag, attributes, ...children) => node(null, tag, attributes, children);
  const svg = (tag, attributes, ...children) => node("http://www.w3.org/2000/svg", tag, attributes, children);
  const number = (x, digits = 3) => (Number.isFinite(x) ? (Number(x.toFixed(digits)) < 0 ? "−" : "") + Math.abs(x).toFixed(digits) : x === -Infinity ? "−∞" : "not a number");
  const signed = (x, digits = 3) => (x >= 0 ? "+" : "") + number(x, digits);

  // About n round numbers between low and high; where these are equal to rounding, about none.
  function ticks(low, high, n) {
    const raw = Math.max(high - low, 1e-9 * Math.max(Math.abs(low), Math.abs(high))) / n, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 2.5, 5, 10].find((s) => s * power >= raw) * power;
    const out = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) out.push(Number((k * step).toPrecision(12)));
    return out;
  }

  let counter = 0;

  // A panel with axes, as wide as its place: {root, x, y, inside} with x and y from data to pixels; `inside` clips to the frame.
  function panel(width, height, xs, ys, titles, whole) {
    const u = unit(), left = 50 * u, right = 8 * u, top = 8, bottom = 34 * u, id = `rrm-clip-${counter++}`;
    const x = (v) => left + ((v - xs[0]) / (xs[1] - xs[0])) * (width - left - right), y = (v) => height - bottom - ((v - ys[0]) / (ys[1] - ys[0])) * (height - top - bottom);
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true", focusable: "false" });
    root.append(svg("defs", {}, svg("clipPath", { id }, svg("rect", { x: left, y: top - 2, width: width - left - right, height: height - top - bottom + 4 }))));
    for (const v of ticks(ys[0], ys[1], 4)) root.append(svg("line", { class: "rrm-grid", x1: left, x2: width - right, y1: y(v), y2: y(v) }), svg("text", { x: left - 5, y: y(v) + 3.5 * u, "text-anchor": "end" }, String(v).replace("-", "−")));
    for (const v of ticks(xs[0], xs[1], Math.max(2, Math.min(6, width / 75 / u)))) if (!whole || Number.isInteger(v)) root.append(svg("line", { class: "rrm-grid", x1: x(v), x2: x(v), y1: top, y2: height - bottom }), svg("text", { x: x(v), y: height - bottom + 14 * u, "text-anchor": "middle" }, String(v).replace("-", "−")));
    root.append(svg("text", { class: "rrm-axis", x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, titles[0]));
    root.append(svg("text", { class: "rrm-axis", x: 10 * u, y: (top + height - bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 ${10 * u} ${(top + height - bottom) / 2})` }, titles[1]));
    const inside = svg("g", { "clip-path": `url(#${id})` });
    root.append(inside);
    return { root, x, y, inside, left, right: width - right, top, bottom: height - bottom };
  }
  const path = (points) => points.map(([a, b], i) => `${i ? "L" : "M"}${a.toFixed(1)} ${b.toFixed(1)}`).join("");
  const across = (p, value, name) => svg("line", { class: name, x1: p.left, x2: p.right, y1: p.y(value), y2: p.y(value) });
  const upright = (p, value, name) => svg("line", { class: name, x1: p.x(value), x2: p.x(value), y1: p.top, y2: p.bottom });

  // --- the three pictures ---

  // As large as the page's letters, to twice their size.
  const unit = () => Math.min(2, Math.max(1, parseFloat(getComputedStyle(document.documentElement).fontSize) / 16));
  const HEIGHT = 230;

  // The orbit: against time (one-dimensional), in the plane (Hénon), or the direction of the tangent (linear).
  function drawOrbit(name, s, one, width) {
    const p = s.values, T = s.steps;
    if (maps[name].size === 1) {
      const f = panel(width, HEIGHT * unit(), [-0.02 * T, 1.02 * T], [-0.03, 1.03], ["step", "x"], true);
      if (name === "toy") f.inside.append(svg("rect", { class: "rrm-target", x: f.left, width: f.right - f.left, y: f.y(p.s + p.eps), height: Math.max(1, f.y(p.s - p.eps) - f.y(p.s + p.eps)) }));
      const dots = one.orbit.map((z, t) => [f.x(t), f.y(z[0])]);
      f.inside.append(svg("path", { class: "rrm-thin", d: path(dots) }), ...dots.map(([a, b], t) => svg("circle", { class: one.captured !== null && t >= one.captured ? "rrm-dot rrm-held" : "rrm-dot", cx: a, cy: b, r: T > 60 ? 1.8 : 2.6 })));
      return [f.root, name === "toy" ? (one.captured === null ? "The orbit searches; it has not met the target (band) yet." : `The orbit searches for ${one.captured} steps, then the target (band) holds it.`) : "The orbit of the chosen start."];
    }
    if (name === "henon") {
      const f = panel(width, HEIGHT * unit(), [-1.6, 1.6], [-0.5, 0.5], ["x", "y"]);
      const cloud = [];
      for (let i = 0; i < 12; i++) {
        const m = member(name, p, s.angle, i);
        cloud.push(...exponents(name, m.p, m.start, m.angle, 60).orbit.slice(12));
      }
      f.inside.append(...cloud.map((z) => svg("circle", { class: "rrm-cloud", cx: f.x(z[0]), cy: f.y(z[1]), r: 1.1 })));
      f.inside.append(svg("path", { class: "rrm-faint", d: path(one.orbit.filter((z) => Math.abs(z[0]) < 5).map((z) => [f.x(z[0]), f.y(z[1])])) }));
      f.inside.append(...one.orbit.filter((z) => Math.abs(z[0]) < 5).map((z) => svg("circle", { class: "rrm-dot", cx: f.x(z[0]), cy: f.y(z[1]), r: 2.6 })));
      return [f.root, one.away ? "This start runs away." : "The orbit of the chosen start, over orbits of other starts (grey)."];
    }
    const reach = 1.15 * Math.max(1, (width - 58 * unit()) / (HEIGHT * unit() - 42 * unit())), f = panel(width, HEIGHT * unit(), [-reach, reach], [-1.15, 1.15], ["first coordinate", "second"]);
    const steps = one.directions.slice(0, 33);
    f.inside.append(svg("circle", { class: "rrm-ring", cx: f.x(0), cy: f.y(0), r: f.x(1) - f.x(0) }));
    steps.forEach((v, t) => f.inside.append(svg("line", { class: t === 0 ? "rrm-first" : "rrm-ray", style: t ? `opacity:${(0.25 + 0.75 * (t / steps.length)).toFixed(2)}` : null, x1: f.x(0), y1: f.y(0), x2: f.x(v[0]), y2: f.y(v[1]) })));
    return [f.root, "The first tangent at the start (dashed) and after each step, drawn with length 1: it turns towards the fastest direction, unless it starts exactly on a slower one."];
  }

  // The exponent as T grows: the chosen start, the middle 90 % of the ensemble, the long-run value.
  function drawGrowth(name, s, one, many, ref, width) {
    const T = s.steps, first = one.history.map((h) => h[0]), second = maps[name].size > 1 ? one.history.map((h) => h[1]) : [];
    const stride = Math.max(1, Math.ceil(T / 48)), at = [];
    for (let t = 1; t <= T; t += stride) at.push(t);
    if (at.at(-1) !== T) at.push(T);
    const band = at.map((t) => {
      const sorted = many.times[t - 1].slice().sort();
      return [t, quantile(sorted, 0.05), quantile(sorted, 0.5), quantile(sorted, 0.95)];
    });
    const from = Math.min(2, T - 1);
    const seen = [...first.slice(from), ...second.slice(from), ...band.filter(([t]) => t > from).flatMap((b) => b.slice(1)), ...ref.values].filter(Number.isFinite);
    const low = Math.min(...seen, 0), high = Math.max(...seen, 0), pad = 0.06 * (high - low || 1);
    const f = panel(width, HEIGHT * unit(), T > 1 ? [1, T] : [0, 2], [low - pad, high + pad], ["steps T", "growth / T, nats"], true);
    const ok = band.filter((b) => Number.isFinite(b[1]));
    if (ok.length) {
      const marks = ok.length > 1 ? ok.map((b) => [f.x(b[0]), b]) : [-9, 9].map((off) => [f.x(ok[0][0]) + off, ok[0]]); // one step has a width too
      f.inside.append(svg("path", { class: "rrm-band", d: path([...marks.map(([x, b]) => [x, f.y(b[3])]), ...marks.slice().reverse().map(([x, b]) => [x, f.y(b[1])])]) + "Z" }));
      f.inside.append(svg("path", { class: "rrm-median", d: path(marks.map(([x, b]) => [x, f.y(b[2])])) }));
    }
    f.inside.append(across(f, 0, "rrm-zero"));
    for (const value of ref.values) if (Number.isFinite(value)) f.inside.append(across(f, value, "rrm-reference"));
    if (T > 16) f.inside.append(upright(f, 16, "rrm-sixteen"), svg("text", { x: f.x(16) + 4, y: f.top + 11 }, "16"));
    for (const [values, style] of [[second, "rrm-line rrm-second"], [first, "rrm-line"]]) {
      const points = values.map((v, i) => [f.x(i + 1), f.y(Math.max(low - 10, Math.min(high + 10, v)))]).filter((q) => Number.isFinite(q[1]));
      if (points.length) f.inside.append(svg("path", { class: style, d: path(points) }), ...(points.length === 1 ? [svg("circle", { class: "rrm-dot", cx: points[0][0], cy: points[0][1], r: 2.6 })] : []));
    }
    return [f.root, `Thick: the chosen start${second.length ? " (first tangent; thin: second)" : ""}. Shade: middle 90 % of the others, with their median. Dashed: long run.`];
  }

  // The distribution of the exponent at T over the ensemble.
  function drawSpread(name, s, one, many, ref, width) {
    const sorted = many.last.slice().sort((a, b) => a - b), limits = [quantile(sorted, 0.01), quantile(sorted, 0.99), ref.values[0], one.history.at(-1)[0]].filter(Number.isFinite);
    let low = Math.min(...limits), high = Math.max(...limits);
    const pad = Math.max(0.05 * (high - low), 1e-6 * Math.max(Math.abs(low), Math.abs(high))) || 0.05, bars = 36, counts = Array.from({ length: bars }, () => [0, 0]);
    low -= pad;
    high += pad;
    many.last.forEach((v, i) => counts[Math.max(0, Math.min(bars - 1, Math.floor(((v - low) / (high - low)) * bars)))][name === "toy" && many.captured[i] === null ? 1 : 0]++);
    const f = panel(width, HEIGHT * unit(), [low, high], [0, Math.max(1, ...counts.map(([a, b]) => a + b)) * 1.08], [`growth / T at T = ${s.steps}, nats`, name === "linear" ? "start directions" : "starts"]);
    counts.forEach(([held, free], i) => {
      const a = f.x(low + ((high - low) * i) / bars), w = f.x(low + ((high - low) * (i + 1)) / bars) - a;
      if (held) f.inside.append(svg("rect", { class: "rrm-bar", x: a, width: Math.max(0.5, w - 0.6), y: f.y(held), height: f.y(0) - f.y(held) }));
      if (free) f.inside.append(svg("rect", { class: "rrm-bar rrm-free", x: a, width: Math.max(0.5, w - 0.6), y: f.y(held + free), height: f.y(held) - f.y(held + free) }));
    });
    if (Number.isFinite(ref.values[0])) f.inside.append(upright(f, ref.values[0], "rrm-reference"));
    f.inside.append(upright(f, one.history.at(-1)[0], "rrm-mine"));
    return [f.root, (name === "toy" ? "Blue: captured within T. Orange: still searching. " : "") + "Thick: the chosen start. Dashed: long run. The outermost bars hold the rest."];
  }

  // The sentence under the controls: everything the pictures say, in numbers.
  function say(name, s, one, many, ref) {
    const T = s.steps, mine = one.history.at(-1), sorted = many.last.slice().sort((a, b) => a - b), what = name === "linear" ? "start directions" : "starts";
    const out = [];
    if (one.away) out.push(`The chosen start has run away: it has no exponent at T = ${T}.`);
    else out.push(`Chosen start: ${number(mine[0])}${mine.length > 1 ? ` and ${number(mine[1])}` : ""} nats a step at T = ${T}.`);
    const sums = one.history.map(([h], t) => (t + 1) * h), vanished = sums.some((sum, t) => sum - (t ? sums[t - 1] : 0) < Math.log(FLOOR) + 1);
    if (vanished && !one.away) out.push(`A step that shortens its tangent to nothing counts as ln 10⁻³⁰, ${number(Math.log(FLOOR))}.`);
    out.push(`${sorted.length} ${what}: median ${number(quantile(sorted, 0.5))}, middle 90 % from ${number(quantile(sorted, 0.05))} to ${number(quantile(sorted, 0.95))}${many.lost ? ` (${many.lost} more ran away)` : ""}.`);
    out.push(`Long run: ${ref.values.map((v) => number(v)).join(" and ")} (${ref.why})${Number.isFinite(ref.values[0]) ? `; the chosen start is off by ${signed(mine[0] - ref.values[0])}` : ""}.`);
    if (name === "linear") out.push(`Exact at this T, from the tangent multiplied by the matrix ${T} times: ${number(linearExact(s.values, s.angle, T))}.`);
    if (name === "toy") {
      const held = many.last.filter((_, i) => many.captured[i] !== null), free = many.last.filter((_, i) => many.captured[i] === null);
      const middle = (v) => number(quantile(v.slice().sort((a, b) => a - b), 0.5));
      out.push(`Captured within T: ${held.length} of ${sorted.length}, median ${middle(held)}; still searching: ${free.length}${free.length ? `, median ${middle(free)}; AUC of the lower exponent for captured: ${number(auc(held.map((v) => -v), free.map((v) => -v)))}` : ""}.`);
      out.push(`The paper's formula, ln 2 for each step of search and ln ½ after, gives ${number(toyFormula(one.captured, T))} for the chosen start.`);
    }
    return out.join(" ");
  }

  // --- the component ---

  // Before the page is printed, what was out of sight is painted; the listener does not keep a playground that is gone.
  function onPaper(container) {
    const weak = new WeakRef(container);
    addEventListener("beforeprint", function heard() {
      const there = weak.deref();
      if (there) there.paintAll();
      else removeEventListener("beforeprint", heard);
    });
  }

  // Build the playground in `container`. options: {systems: {...} from rrm_companion.playground, first: name, onChange(state) | null}.
  rrm.playground = function (container, options) {
    const systems = options.systems, state = { system: options.first || Object.keys(systems)[0], values: {}, start: [], angle: 0, steps: 16, members: 400 };
    let request = 0, result = null, linked = false, resting = 0;

    const pick = el("select", { "aria-label": "map", onchange: () => choose(pick.value) }, ...Object.entries(systems).map(([key, s]) => el("option", { value: key }, s.label)));
    const controls = el("div", { class: "rrm-sliders" }), presets = el("div", { class: "rrm-presets", role: "group", "aria-label": "worth a look" });
    const about = el("p", { class: "rrm-about" }), status = el("p", { class: "rrm-status" }), told = el("p", { class: "rrm-told", "aria-live": "polite" });
    const figures = Object.fromEntries(["growth", "orbit", "spread"].map((key) => [key, el("figure", { class: `rrm-${key}` }, el("div"), el("figcaption"))]));
    const inputs = {};

    function slider(key, c, get, set) {
      const shown = el("output", { "aria-hidden": "true" }), digits = Math.max(0, -Math.floor(Math.log10(c.step) + 1e-9));
      const input = el("input", { type: "range", min: c.min, max: c.max, step: c.step, "aria-label": c.label, oninput: () => { set(Number(input.value)); label(); later(); } });
      const label = () => { shown.textContent = (c.unit === "°" ? get().toFixed(0) + "°" : number(get(), digits)); input.setAttribute("aria-valuetext", shown.textContent); };
      inputs[key] = () => { input.value = get(); label(); };
      return el("label", {}, el("span", {}, c.label, shown), input);
    }

    function choose(name, values) {
      const s = systems[name];
      Object.assign(state, { system: name, values: {}, start: s.start.map((c) => c.value), angle: s.angle ? s.angle.value : 0 });
      for (const c of s.parameters) state.values[c.key] = c.value;
      pick.value = name;
      about.textContent = s.about;
      for (const key of Object.keys(inputs)) delete inputs[key];
      controls.replaceChildren(
        ...s.parameters.map((c) => slider(c.key, c, () => state.values[c.key], (v) => (state.values[c.key] = v))),
        ...s.start.map((c, i) => slider(`start${i}`, c, () => state.start[i], (v) => (state.start[i] = v))),
        ...(s.angle ? [slider("angle", s.angle, () => state.angle, (v) => (state.angle = v))] : []),
        slider("steps", options.steps, () => state.steps, (v) => (state.steps = v)),
        slider("members", options.members, () => state.members, (v) => (state.members = v)));
      presets.replaceChildren(...s.presets.map((preset) => el("button", { type: "button", onclick: () => { apply(preset.set); show(); } }, preset.label)));
      apply(values || {});
      show();
    }

    // Set any of the controls by name: a parameter, start (list), angle, steps, members.
    function apply(values) {
      for (const [key, value] of Object.entries(values)) {
        if (key in state.values) state.values[key] = value;
        else if (key === "start") state.start = [...value];
        else if (["angle", "steps", "members"].includes(key)) state[key] = value;
        else throw new Error(`rrm: the map ${state.system} has no control ${key}`);
      }
      for (const refresh of Object.values(inputs)) refresh();
    }

    // Many slider events may fall into one frame: draw once.
    function later() { if (!request) request = requestAnimationFrame(() => { request = 0; show(); }); }

    function show() {
      const name = state.system, one = exponents(name, state.values, state.start, state.angle, state.steps);
      const many = ensemble(name, state.values, state.angle, state.members, state.steps), ref = reference(name, state.values, state.angle);
      result = { one, many, ref, of: structuredClone(state) }; // a picture may come near while the next values wait for their frame
      status.textContent = say(name, state, one, many, ref);
      clearTimeout(resting); // those who listen hear a result once, when the slider rests; what the page begins with is not news
      if (container.contains(document.activeElement)) resting = setTimeout(() => { if (container.contains(document.activeElement)) told.textContent = status.textContent; }, 700);
      draw();
      if (options.onChange) options.onChange(structuredClone(state));
    }

    // A picture far from the screen is drawn when it comes near, or when the page is printed.
    const PICTURES = { growth: ({ of, one, many, ref }, w) => drawGrowth(of.system, of, one, many, ref, w), orbit: ({ of, one }, w) => drawOrbit(of.system, of, one, w), spread: ({ of, one, many, ref }, w) => drawSpread(of.system, of, one, many, ref, w) };
    const far = new Set(), stale = new Set(), widths = {};
    function draw() {
      for (const key of Object.keys(figures)) {
        if (far.has(key)) stale.add(key);
        else paint(key);
      }
    }
    function paint(key) {
      stale.delete(key);
      const [picture, text] = PICTURES[key](result, Math.max(220, widths[key] || 320)), { firstChild, lastChild } = figures[key];
      firstChild.replaceChildren(picture);
      if (lastChild.textContent !== text) lastChild.textContent = text;
    }
    const paintAll = () => { for (const key of stale) paint(key); };

    container.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to us
    container.replaceChildren(el("fieldset", {}, el("label", { class: "rrm-pick" }, el("span", {}, "map"), pick), about, controls, presets), status, told, figures.growth, el("div", { class: "rrm-pair" }, figures.orbit, figures.spread),
      ...(options.note ? [el("p", { class: "rrm-note" }, options.note)] : []));
    const measure = () => { for (const key of Object.keys(figures)) widths[key] = Math.floor(figures[key].firstChild.clientWidth); };
    measure();
    choose(state.system);
    new ResizeObserver(() => { measure(); if (linked) draw(); linked = true; }).observe(container);
    const watch = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) {
        const key = Object.keys(figures).find((k) => figures[k] === target);
        if (!isIntersecting) far.add(key);
        else if (far.delete(key) && stale.has(key)) paint(key);
      }
    }, { rootMargin: "200px" });
    for (const figure of Object.values(figures)) watch.observe(figure);
    container.paintAll = paintAll;
    onPaper(container);
    return { choose, set: (values) => { apply(values); show(); }, get state() { return structuredClone(state); }, get result() { return result; } };
  };

  // Start every playground of the page.
  rrm.playgrounds = function () {
    for (const place of document.querySelectorAll(".rrm-playground")) {
      const script = place.querySelector("script");
      if (place.playground || !script) continue;
      place.dataset.live = "no";
      try {
        place.playground = rrm.playground(place, JSON.parse(script.textContent));
        place.append(script); // what a saved page starts from
        place.dataset.live = "yes";
      } catch (error) {
        console.error("rrm: the playground could not start; the table of the page stays", error);
      }
    }
  };
  if (typeof document !== "undefined") {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", rrm.playgrounds);
    else rrm.playgrounds();
  }
})();
