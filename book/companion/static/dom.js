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

  // Another text for an element, where it is another: an element that is touched is laid out anew.
  rrm.put = function (node, text) {
    if (node.textContent !== String(text)) node.textContent = text;
  };

  rrm.percent = (x) => (100 * x).toFixed(x < 0.1 ? 2 : 1) + "\u00a0%";
  rrm.number = function (x, digits) {
    const size = x === null ? "–" : Math.abs(x).toFixed(digits);
    return (x < 0 && Number(size) ? "−" : "") + size; // a zero has no sign
  };

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
    return el("figure", {}, el("figcaption", {}, caption), el("table", { class: "rrm-board rrm-side-" + side, "aria-label": caption, translate: "no" }, body));
  };

  // A line for those who listen: says what was said to it last, once nothing has followed for a moment, while `host` is being worked at.
  rrm.teller = function (host) {
    const node = rrm.el("p", { class: "rrm-told", "aria-live": "polite" });
    let timer = 0;
    node.say = (text) => {
      clearTimeout(timer);
      if (!host.contains(document.activeElement)) return; // what the page begins with is not news to who comes to work at it
      timer = setTimeout(() => { if (host.contains(document.activeElement) && node.textContent !== text) node.textContent = text; }, 700);
    };
    return node;
  };

  // Give the reader `text` as a file of that name.
  rrm.save = function (name, text) {
    const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    rrm.el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000); // some browsers read it after the click
  };

  // Call `handle` on events of `target` for as long as `node` exists, in the page or scrolled out of a notebook. The listener holds neither, so that a cell
  // that runs again leaves nothing behind.
  const handlers = (rrm.handlers = rrm.handlers || new WeakMap()); // node -> what it hears
  rrm.listen = function (node, target, kind, handle) {
    if (!handlers.has(node)) handlers.set(node, []);
    const place = handlers.get(node).push(handle) - 1, weak = new WeakRef(node);
    target.addEventListener(kind, function heard(event) {
      const there = weak.deref();
      if (there) handlers.get(there)[place](event);
      else target.removeEventListener(kind, heard);
    });
  };

  // Call `redraw` whenever the page's theme changes.
  rrm.onTheme = (node, redraw) => rrm.listen(node, document, "rrm:theme", redraw);

  // Resolves when the rows of a run are there: with the page's output, from the kernel, or from _static/rrm/rows.
  rrm.rowsFor = async function (run) {
    if (!(rrm.rows || {})[run]) await rrm.load("rows/" + run + ".js");
  };

  // The select of a component's runs; `chosen(name)` is called once the rows of the chosen one are there.
  rrm.runPicker = function (options, chosen) {
    const label = (name) => (options.labels || {})[name] || rrm.rows[name].label;
    let shown = (options.view || {}).run || options.runs[0];
    const pick = rrm.el("select", { "aria-label": "model", onchange: () => pick.choose(pick.value) }, ...options.runs.map((name) => rrm.el("option", { value: name }, label(name))));
    pick.value = shown;
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
  const started = (rrm.started = rrm.started || new WeakSet()); // not by data-live: in a saved page that is there already
  rrm.start = async function (name, build) {
    for (const node of document.querySelectorAll(`.rrm-${name}`)) {
      const script = node.querySelector("script[type='application/json']");
      if (!script || started.has(node)) continue; // without one it is the kernel's, which starts its own
      started.add(node);
      node.dataset.live = "no";
      const options = JSON.parse(script.textContent);
      try {
        await rrm.rowsFor(options.runs[0]);
        node[name] = build(node, options);
        node.append(script); // what a saved page starts from
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

  // --- habits of a page, set once ---

  if (typeof document === "undefined" || rrm.habits) return;
  rrm.habits = true;

  // The theme is the book's, or JupyterLab's.
  const theme = new MutationObserver(() => document.dispatchEvent(new Event("rrm:theme")));
  theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  if (document.body) theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });

  // A finger that scrolls moves no slider: when the browser takes a touch for a scroll, the slider goes back to where it was, and stays.
  let held = null; // {slider, value, lost}
  document.addEventListener("pointerdown", (event) => {
    const slider = event.target.closest?.("input[type=range]");
    held = slider && event.pointerType === "touch" ? { slider, value: slider.value, lost: false } : null;
  }, true);
  document.addEventListener("pointercancel", () => {
    if (!held) return;
    const moved = held.slider.value !== held.value;
    held.slider.value = held.value;
    if (moved) held.slider.dispatchEvent(new Event("input", { bubbles: true }));
    held.lost = true;
  }, true);
  document.addEventListener("keydown", () => { held = null; }, true); // the finger is gone
  for (const kind of ["input", "change"]) document.addEventListener(kind, (event) => {
    if (!held?.lost || event.target !== held.slider) return;
    held.slider.value = held.value;
    event.stopImmediatePropagation();
  }, true);

  // Paper cannot be unfolded: what is folded is open there, but for the hints and answers of exercises.
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details:not([open])"))
      if (!fold.parentElement.closest("details.rrm-exercise")) { fold.open = true; fold.dataset.printed = ""; }
  });
  addEventListener("afterprint", () => {
    for (const fold of document.querySelectorAll("details[data-printed]")) { fold.open = false; delete fold.dataset.printed; }
  });

  // The theme gives scrolling code a tab stop whenever the window changes; on paper nothing scrolls, so it is asked again afterwards.
  matchMedia("print").addEventListener("change", ({ matches }) => { if (!matches) dispatchEvent(new Event("resize")); });

  // A copied table has hyphens where the page shows minus signs, so that a spreadsheet reads numbers.
  document.addEventListener("copy", (event) => {
    const chosen = getSelection(), plain = (text) => text.replace(/\u2212(?=[\d.])/g, "-"), text = chosen.toString();
    if (plain(text) === text || chosen.isCollapsed) return;
    const box = document.createElement("div"), part = chosen.getRangeAt(0).cloneContents();
    box.append(...(part.querySelector("td, th") && !part.querySelector("table") ? [rrm.el("table", {}, part)] : [part]));
    event.clipboardData.setData("text/plain", plain(text));
    event.clipboardData.setData("text/html", plain(box.innerHTML));
    event.preventDefault();
  });
})();
