// Draws Vega-Lite charts that stand in the page as JSON, in the page's light or dark theme. Classic script: works from disk.
(function () {
  "use strict";
  const rrm = (window.rrm = window.rrm || {});
  if (rrm.drawAll) return; // a notebook may carry this file twice: what is drawn is known to the first
  const drawn = new Map(); // container -> {spec, view}

  const root = () => document.documentElement.dataset.content_root || "./";

  // Load a script of the book's _static folder once; resolves when it has run.
  const loading = {};
  rrm.load = function (path) {
    loading[path] = loading[path] || new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = root() + "_static/rrm/" + path;
      script.onload = resolve;
      script.onerror = () => {
        delete loading[path]; // another try may find it
        reject(new Error("could not load " + script.src));
      };
      document.head.append(script);
    });
    return loading[path];
  };

  rrm.dark = function () {
    const html = document.documentElement, body = document.body;
    if (body && body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
    if (html.dataset.theme) return html.dataset.theme === "dark";
    return false;
  };

  // How large the page's letters are, of 16 pixels: those in plots grow with them, to twice their size.
  rrm.unit = () => Math.min(2, Math.max(1, parseFloat(getComputedStyle(document.documentElement).fontSize) / 16));

  // Colours of the theme, sizes of the letters (at 16 pixels those of LETTERS in charts.py). Where the reader has set colours, a chart stays as the picture is.
  function config(node) {
    const forced = matchMedia("(forced-colors: active)").matches, dark = rrm.dark() && !forced, text = dark ? "#e6e6e6" : "#222222", grid = dark ? "#3a3a3a" : "#e2e2e2", u = rrm.unit();
    return {
      background: forced ? "#ffffff" : ground(node),
      view: { stroke: grid },
      axis: { labelColor: text, titleColor: text, gridColor: grid, domainColor: grid, tickColor: grid, labelFontSize: 11 * u, titleFontSize: 12 * u, titleFontWeight: "normal", labelSeparation: 4 },
      legend: { labelColor: text, titleColor: text, labelFontSize: 11 * u, titleFontSize: 11 * u, labelLimit: 160 * u, titleFontWeight: "normal" },
      title: { color: text, subtitleColor: text, fontSize: 13 * u, subtitleFontSize: 11 * u },
      boxplot: { median: { color: text }, rule: { color: text } },
    };
  }

  // A specification for a narrow place: panels in one column with their own labels, legends in two (or as many as given), nothing wider than `most`; as `stacked` in charts.py.
  const MOST = 245, NARROW = 600; // pixels; two panels stand beside each other from here
  function stacked(part, most, columns = 2) {
    if (Array.isArray(part)) return part.map((child) => stacked(child, most, columns));
    if (part === null || typeof part !== "object" || "values" in part) return part;
    const whole = {};
    for (const [key, value] of Object.entries(part)) {
      if (key === "labels" && value === false) continue; // the panel that had them stood at the left
      whole[key === "hconcat" ? "vconcat" : key] = key === "datasets" ? value : key === "width" && value > most ? most : stacked(value, most, columns);
    }
    if (part.concat) whole.columns = 1;
    if (part.orient === "bottom") whole.columns = columns;
    return whole;
  }

  // What a saved picture is called: the title and subtitle of its chart, or of the first one in a grid.
  function name(spec) {
    const { title } = [spec, ...(spec.concat || spec.hconcat || spec.vconcat || [])].find((part) => part.title) || { title: "chart" };
    return [title.text || title, title.subtitle || ""].flat().join(" ").trim().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/-$/, "").toLowerCase();
  }

  // The colour behind `node`, so that a saved picture can be read wherever it goes.
  function ground(node) {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== "transparent" && !/, 0\)$/.test(colour)) return colour;
    }
    return rrm.dark() ? "#121212" : "#ffffff";
  }

  // Draw `spec` in `container`; a promise of the Vega view.
  rrm.draw = async function (container, spec) {
    if (!window.vegaEmbed) await rrm.load("vega.js");
    if (drawn.has(container)) drawn.get(container).view.finalize();
    const room = container.closest(".rrm-chart")?.clientWidth || Infinity, narrow = room < NARROW;
    const options = { actions: { export: true, source: false, compiled: false, editor: false }, scaleFactor: 2, downloadFileName: name(spec), renderer: "canvas", config: config(container), tooltip: { theme: rrm.dark() ? "dark" : "light" } };
    const embed = async (...how) => (await window.vegaEmbed(container, narrow ? stacked(spec, ...how) : spec, options)).view;
    let view = await embed(MOST);
    const over = container.querySelector("canvas").clientWidth - (container.closest(".rrm-view")?.clientWidth || room);
    if (narrow && over > 0) { view.finalize(); view = await embed(MOST - over, 1); } // what stands beside the plot, or under it, needs more
    const hand = view._handler, picked = hand.pickEvent; // it takes a distance on the screen for one in the chart, and slides are enlarged
    hand.pickEvent = function (event) {
      const zoom = container.currentCSSZoom || 1, at = event.changedTouches?.[0] || event;
      if (zoom === 1) return picked.call(this, event);
      const box = this.canvas().getBoundingClientRect(), x = (at.clientX - box.left) / zoom, y = (at.clientY - box.top) / zoom;
      return this.pick(this._scene, x, y, x - this._origin[0], y - this._origin[1]);
    };
    container.querySelector("summary").setAttribute("aria-label", "save this chart as a picture");
    drawn.set(container, { spec, view, narrow });
    await view.runAsync();
    return view;
  };

  // Resolves when what was drawn is on the screen; a hidden page has no frames.
  const painted = () => new Promise((done) => (document.hidden ? setTimeout(done) : requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))));

  const waiting = [], known = new WeakSet();
  let drawing = false;
  async function drawWaiting() {
    if (drawing) return;
    drawing = true;
    for (let figure; (figure = waiting.shift()); ) {
      const view = figure.querySelector(".rrm-view"), place = view.querySelector(".rrm-live") || view.appendChild(document.createElement("div"));
      place.classList.add("rrm-live");
      try {
        await rrm.draw(place, JSON.parse(figure.querySelector("script").textContent));
        figure.dataset.live = "yes";
      } catch (error) {
        console.error("rrm: a chart could not be drawn; its still picture stays", error);
      }
      await painted(); // a reader may use it, and a hand on a slider goes first
    }
    drawing = false;
  }

  // A chart is drawn when it comes near the screen; where it gets another width, in one column or in two.
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) { near.unobserve(target); waiting.push(target); }
    drawWaiting();
  }, { rootMargin: "800px" });
  const width = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const place = target.querySelector(".rrm-live"), chart = drawn.get(place);
      if (chart && target.clientWidth > 0 && target.clientWidth < NARROW !== chart.narrow) rrm.draw(place, chart.spec);
    }
  });
  function watch(begin) {
    for (const figure of document.querySelectorAll("figure.rrm-chart")) {
      if (known.has(figure)) continue;
      known.add(figure); // not by its data-live: in a saved page that is there already
      figure.dataset.live = "no";
      begin(figure);
    }
  }
  rrm.drawAll = () => watch((figure) => { near.observe(figure); width.observe(figure); });

  // Draw every chart of the page now, near or not.
  rrm.drawEvery = function () {
    rrm.drawAll();
    for (const figure of document.querySelectorAll("figure.rrm-chart[data-live='no']")) { near.unobserve(figure); waiting.push(figure); }
    drawWaiting();
  };

  // The picture hides under its live chart by a sheet of the script's, which a saved page does not keep.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("@media screen { figure.rrm-chart[data-live='yes'] .rrm-view > img { display: none; } }");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

  let dark = null, printing = false;
  const theme = new MutationObserver(async () => { // the book's, or JupyterLab's
    if (printing || rrm.dark() === dark) return;
    dark = rrm.dark();
    for (const [container, chart] of [...drawn]) if (container.isConnected) await rrm.draw(container, chart.spec);
  });
  theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  if (document.body) theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });

  // Paper is light.
  const shown = document.documentElement.dataset;
  addEventListener("beforeprint", () => { if (shown.theme === "dark") { printing = true; shown.theme = "light"; } });
  addEventListener("afterprint", () => { if (printing) { shown.theme = "dark"; setTimeout(() => { printing = false; }); } });

  // Widgets start first: their rows hold up the page's load event, and charts wait for it.
  if (document.readyState === "complete") rrm.drawAll();
  else addEventListener("load", rrm.drawAll);
})();
