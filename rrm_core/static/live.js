// The explorer as an anywidget: rows from the kernel, threshold back to it. Appended to charts.js and explorer.js.
function render({ model, el }) {
  const rrm = globalThis.rrm;
  Object.assign(rrm.rows, model.get("rows"));
  const box = document.createElement("div");
  box.className = "rrm-explorer";
  el.append(box);
  let timer = null;
  rrm.explorer(box, {
    runs: Object.keys(model.get("rows")),
    charts: null,
    onChange({ run, state, tau }) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        model.set({ run, state, tau });
        model.save_changes();
      }, 60);
    },
  });
}
export default { render };
