// The explorer as an anywidget: rows from the kernel, threshold back to it, boards on request. Appended to the scripts of the page.
function render({ model, el }) {
  const rrm = globalThis.rrm;
  const rows = JSON.parse(model.get("rows"));
  rrm.rows = Object.assign(rrm.rows || {}, rows);
  const box = document.createElement("div");
  box.className = "rrm-explorer";
  el.append(box);

  const asked = new Map(); // "run/block" -> {promise, done}
  model.on("msg:custom", ({ run, block, examples }) => {
    const waiting = asked.get(run + "/" + block);
    if (waiting && examples) waiting.done(examples);
  });
  function ask(run, block) {
    const key = run + "/" + block;
    if (!asked.has(key)) {
      const entry = {};
      entry.promise = new Promise((done) => { entry.done = done; });
      asked.set(key, entry);
      model.send({ run, block });
    }
    return asked.get(key).promise;
  }

  let timer = null;
  const [run, state, tau] = ["run", "state", "tau"].map((name) => model.get(name)); // as they were when the page was left
  box.explorer = rrm.explorer(box, {
    runs: Object.keys(rows),
    view: { run, state, tau },
    labels: model.get("labels"),
    ask,
    onChange({ run, state, tau }) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        model.set({ run, state, tau });
        model.save_changes();
      }, 60);
    },
  });
  box.dataset.live = "yes";
}
export default { render };
