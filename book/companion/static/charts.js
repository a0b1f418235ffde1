// Draws Vega-Lite charts that stand in the page as JSON, in the page's light or dark theme. Classic script: works from disk.
(function () {
  "use strict";
  const rrm = (window.rrm = window.rrm || {});
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

  function config(node) {
    const text = rrm.dark() ? "#e6e6e6" : "#222222", grid = rrm.dark() ? "#3a3a3a" : "#e2e2e2";
    return {
      background: ground(node),
      view: { stroke: grid },
      axis: { labelColor: text, titleColor: text, gridColor: grid, domainColor: grid, tickColor: grid, labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal" },
      legend: { labelColor: text, titleColor: text, labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal" },
      title: { color: text, subtitleColor: text, fontSize: 13, subtitleFontSize: 11 },
      boxplot: { median: { color: text }, rule: { color: text } },
    };
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
    const result = await window.vegaEmbed(container, spec, { actions: { export: true, source: false, compiled: false, editor: false }, scaleFactor: 2, downloadFileName: name(spec), renderer: "canvas", config: config(container), tooltip: { theme: rrm.dark() ? "dark" : "light" } });
    container.querySelector("summary").setAttribute("aria-label", "save this chart as a picture");
    drawn.set(container, { spec, view: result.view });
    await result.view.runAsync();
    return result.view;
  };

  let running = false, again = false;
  rrm.drawAll = async function () {
    if (running) { again = true; return; }
    running = true;
    for (const figure of document.querySelectorAll("figure.rrm-chart:not([data-live])")) {
      figure.dataset.live = "no";
      try {
        await rrm.draw(figure.querySelector(".rrm-view"), JSON.parse(figure.querySelector("script").textContent));
        figure.dataset.live = "yes";
      } catch (error) {
        console.error("rrm: a chart could not be drawn; its still picture stays", error);
      }
    }
    running = false;
    if (again) { again = false; rrm.drawAll(); }
  };

  let dark = null;
  const theme = new MutationObserver(async () => { // the book's, or JupyterLab's
    if (rrm.dark() === dark) return;
    dark = rrm.dark();
    for (const [container, chart] of [...drawn]) if (container.isConnected) await rrm.draw(container, chart.spec);
  });
  theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  if (document.body) theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", rrm.drawAll);
  else rrm.drawAll();
})();
