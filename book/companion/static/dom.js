// What the components of a page share: making elements, numbers in words, boards, the theme. Classic script: works from disk.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  const SVG = "http://www.w3.org/2000/svg";

  // An element; keys that start with "on" are listeners, null and undefined values are left out.
  rrm.el = function (tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value !== null && value !== undefined) node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  };
  rrm.svg = function (tag, attributes, ...children) {
    const node = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };

  rrm.percent = (x) => (100 * x).toFixed(x < 0.1 ? 2 : 1) + "\u00a0%";
  rrm.number = (x, digits) => (x === null ? "–" : (x < 0 ? "−" : "") + Math.abs(x).toFixed(digits));

  // How many cells of two boards differ.
  rrm.differing = (text, other) => [...text].filter((c, i) => c !== other[i]).length;

  // A board as a table; givens bold, cells that differ from `solution` (if given) marked.
  rrm.board = function (text, caption, shape, given, solution) {
    const { el } = rrm, side = shape.side, width = side / shape.box_rows, body = el("tbody");
    for (let r = 0; r < side; r++) {
      const row = el("tr");
      for (let c = 0; c < side; c++) {
        const i = r * side + c, wrong = solution && text[i] !== solution[i], names = [];
        if (given[i] !== ".") names.push("rrm-given");
        if (wrong) names.push("rrm-wrong");
        if ((c + 1) % width === 0 && c + 1 < side) names.push("rrm-right");
        if ((r + 1) % shape.box_rows === 0 && r + 1 < side) names.push("rrm-below");
        row.append(el("td", { class: names.join(" "), title: wrong ? "wrong: should be " + solution[i] : null }, text[i] === "." ? "" : text[i]));
      }
      body.append(row);
    }
    return el("figure", {}, el("figcaption", {}, caption), el("table", { class: "rrm-board rrm-side-" + side, "aria-label": caption }, body));
  };

  // Give the reader `text` as a file of that name.
  rrm.save = function (name, text) {
    const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    rrm.el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000); // some browsers read it after the click
  };

  // Call `redraw` whenever the page's theme changes (the book's, or JupyterLab's), for as long as `node` is in the page.
  rrm.onTheme = function (node, redraw) {
    const watch = new MutationObserver(() => (node.isConnected ? redraw() : watch.disconnect()));
    watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    if (document.body) watch.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  };

  // Resolves when the rows of a run are there: with the page's output, from the kernel, or from _static/rrm/rows.
  rrm.rowsFor = async function (run) {
    if (!(rrm.rows || {})[run]) await rrm.load("rows/" + run + ".js");
  };

  // The select of a component's runs; `chosen(name)` is called once the rows of the chosen one are there.
  rrm.runPicker = function (options, chosen) {
    const label = (name) => (options.labels || {})[name] || rrm.rows[name].label;
    let shown = options.runs[0];
    const pick = rrm.el("select", { "aria-label": "model", onchange: () => pick.choose(pick.value) }, ...options.runs.map((name) => rrm.el("option", { value: name }, label(name))));
    pick.choose = async function (name) {
      pick.value = name;
      try {
        await rrm.rowsFor(name);
      } catch (error) { // a file that is not there: what was shown stays
        console.error(`rrm: ${name} cannot be shown`, error);
        pick.value = shown;
        return;
      }
      if (pick.value === name) chosen((shown = name)); // another may have been chosen meanwhile
    };
    return pick;
  };

  // Start every component of a class in the page with `build(node, options)`, once the rows of its first run are there.
  rrm.start = async function (name, build) {
    for (const node of document.querySelectorAll(`.rrm-${name}:not([data-live])`)) {
      const script = node.querySelector("script[type='application/json']");
      if (!script) continue; // the kernel's: it starts its own
      node.dataset.live = "no";
      const options = JSON.parse(script.textContent);
      try {
        await rrm.rowsFor(options.runs[0]);
        node[name] = build(node, options);
        node.dataset.live = "yes";
      } catch (error) {
        console.error(`rrm: the ${name} could not start; what the page shows without scripts stays`, error);
      }
    }
  };
  rrm.whenReady = function (start) {
    if (typeof document === "undefined") return;
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
    else start();
  };
})();
