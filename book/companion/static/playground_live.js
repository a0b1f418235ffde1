// The playground as an anywidget: its settings go to the kernel. Appended to playground.js.
function render({ model, el }) {
  const box = document.createElement("div");
  box.className = "rrm-playground";
  box.dataset.live = "yes";
  el.append(box);
  let timer = null, was = model.get("state"); // as it was when the page was left
  box.playground = globalThis.rrm.playground(box, {
    ...model.get("options"),
    onChange(state) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        model.set("state", state);
        model.save_changes();
      }, 60);
    },
  });
  if (was && was.system) {
    const { system, values, ...rest } = was;
    box.playground.choose(system, { ...values, ...rest });
  }
}
export default { render };
