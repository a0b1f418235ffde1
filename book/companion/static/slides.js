// A chapter as slides: with ?slides in the address, its figures one at a time, each under its heading, by keys or buttons.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  const FIGURES = "figure.rrm-chart, .rrm-explorer, .rrm-viewer, .rrm-motion";

  // The nearest heading above a node in the article.
  function heading(node, article) {
    let found = null;
    for (const h of article.querySelectorAll("h1, h2")) if (h.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING) found = h;
    return found ? [...found.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE || !n.classList.contains("headerlink")).map((n) => n.textContent).join("") : document.title;
  }

  rrm.slides = function () {
    const { el } = rrm, article = document.querySelector(".bd-article"), figures = article ? [...article.querySelectorAll(FIGURES)].filter((f) => !f.closest("details")) : [];
    if (!figures.length || document.querySelector(".rrm-slides")) return;
    let at = -1, place = null; // place: where the figure on the stage belongs
    const title = el("h2"), stage = el("div", { class: "rrm-screen" }), count = el("span", { "aria-live": "polite" });
    const step = (by) => show(Math.min(Math.max(at + by, 0), figures.length - 1));
    const back = el("button", { type: "button", onclick: () => step(-1) }, "back"), next = el("button", { type: "button", onclick: () => step(1) }, "next");
    const leave = el("a", { href: location.pathname }, "leave the slides");
    const view = el("section", { class: "rrm-slides", role: "dialog", "aria-modal": "true", "aria-label": "slides", tabindex: "-1" }, title, stage, el("nav", {}, back, count, next, leave));

    // As large as half again, or as large as may be seen whole; what would be too small scrolls, as all does on a phone.
    function fit() {
      const figure = figures[at], tall = figure.getBoundingClientRect().height / (figure.currentCSSZoom || 1);
      const whole = Math.min(1.5, (stage.clientHeight - 4) / tall);
      figure.style.zoom = innerWidth > 900 && whole > 0.8 ? whole : "";
    }
    const sized = new ResizeObserver(fit);

    function show(k) {
      if (place) {
        sized.unobserve(figures[at]);
        figures[at].style.zoom = "";
        place.replaceWith(figures[at]);
      }
      at = k;
      place = el("div");
      figures[at].replaceWith(place);
      stage.replaceChildren(figures[at]);
      sized.observe(figures[at]); // what comes alive may grow
      title.textContent = heading(place, article);
      count.textContent = `${at + 1} of ${figures.length}`;
      back.disabled = at === 0;
      next.disabled = at === figures.length - 1;
      const focused = document.activeElement; // it went back with its figure, or is a button that ends here
      if (view.isConnected && (!view.contains(focused) || focused.disabled)) view.focus();
    }

    view.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own
      if (event.key === "Escape") return leave.click();
      if (event.target.matches("input, select")) return; // they need the arrows themselves
      const by = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 }[event.key];
      if (by) { event.preventDefault(); step(by); }
    });
    for (const behind of document.body.children) behind.inert = true; // hidden by the stage: no keys go there
    document.body.append(view);
    sized.observe(stage);
    show(0);
    view.focus();
  };

  if (typeof location !== "undefined" && new URLSearchParams(location.search).has("slides")) rrm.whenReady(rrm.slides);
})();
