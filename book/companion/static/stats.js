// Intervals of shares and AUCs as rrm_core.analysis.stats has them: exact for independent puzzles, over solution grids where puzzles share one.
// No DOM. Sources as there; the incomplete beta function by DLMF 8.17.22 and its symmetry.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  const Z = 1.959963984540054; // normal quantile at 0.975
  const GRIDS = 10; // shared solution grids that an interval needs

  // ln of the gamma function, x > 0: Stirling's series, shifted to where it is exact to rounding.
  function lnGamma(x) {
    let shift = 0;
    while (x < 15) shift += Math.log(x++);
    return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / x ** 2) / x ** 2) / x ** 2) / x - shift;
  }

  // The regularised incomplete beta function I_x(a, b).
  function beta(x, a, b) {
    if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
    if (x > (a + 1) / (a + b + 2)) return 1 - beta(1 - x, b, a);
    let fraction = 1;
    for (let m = Math.ceil(30 + 3 * Math.sqrt(a + b)); m > 0; m--) {
      fraction = 1 + (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)) / fraction;
      fraction = 1 - ((a + m - 1) * (a + b + m - 1) * x) / ((a + 2 * m - 2) * (a + 2 * m - 1)) / fraction;
    }
    return Math.exp(a * Math.log(x) + b * Math.log1p(-x) + lnGamma(a + b) - lnGamma(a) - lnGamma(b)) / (a * fraction);
  }

  // The x at which I_x(a, b) is p.
  function quantile(p, a, b) {
    let low = 0, high = 1;
    for (let k = 0; k < 60; k++) {
      const middle = (low + high) / 2;
      if (beta(middle, a, b) < p) low = middle; else high = middle;
    }
    return (low + high) / 2;
  }

  // [low, high]: exact 95 % bounds of k of n, which may be no whole numbers.
  const exact = (k, n) => [k > 0 ? quantile(0.025, k, n - k + 1) : 0, k < n ? quantile(0.975, k + 1, n - k) : 1];

  // Quantile of Student's t at 0.975.
  const known = new Map();
  function student(free) {
    if (!known.has(free)) { const x = quantile(0.05, free / 2, 0.5); known.set(free, Math.sqrt((free * (1 - x)) / x)); }
    return known.get(free);
  }

  // {low, high, worth} of a share: hits and sizes by grid, where grids repeat; `worth` independent puzzles would know as much.
  function share(hits, sizes) {
    const G = sizes.length, sum = (values) => values.reduce((a, b) => a + b, 0), n = sum(sizes), k = sum(hits), value = k / n, spread = (value * (1 - value)) / n;
    if (G === n) { const [low, high] = exact(k, n); return { low, high, worth: n }; }
    const free = Math.max(G - 1, 1), variance = (hits.reduce((all, hit, g) => all + (hit - value * sizes[g]) ** 2, 0) / n ** 2) * (G / free);
    const worth = spread ? n / Math.max(1, variance / spread) / (student(free) / student(n - 1)) ** 2 : G;
    const [low, high] = exact(value * worth, worth);
    return { low, high, worth };
  }

  // [low, high] of an AUC with a variance; where nothing varies that of a share of the smaller class.
  function around(value, variance, least) {
    if (value === 0 || value === 1 || least < 2 || !(variance > 1e-15)) {
      const half = value * least, k = half % 1 === 0.5 ? 2 * Math.round(half / 2) : Math.round(half), [low, high] = exact(k, least); // halves to even
      return [Math.min(low, value), Math.max(high, value)];
    }
    const half = (Z * Math.sqrt(variance)) / (value * (1 - value)), logit = Math.log(value / (1 - value)), expit = (x) => 1 / (1 + Math.exp(-x));
    return [expit(logit - half), expit(logit + half)];
  }

  // One-sided exact 95 % upper bound of a share of which none of n was seen.
  const zeroBound = (n) => 1 - 0.05 ** (1 / n);

  rrm.stats = { GRIDS, exact, share, around, student, zeroBound };
})();
