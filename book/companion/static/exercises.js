// Exercises check themselves: what is typed into the box of a .rrm-exercise is held against its data-answer. Classic script.
(function () {
  "use strict";
  const rrm = (globalThis.rrm = globalThis.rrm || {});
  if (rrm.checkAnswer) return; // a notebook may carry this file twice

  // "0.12", "12 %", "3/25", "1,234", "−0.4" as a number; NaN when it is none.
  rrm.asNumber = function (text) {
    let plain = text.replace(/[\s\u202f\u00a0]/g, "").replace(/\u2212/g, "-").replace(/^(-?[1-9]\d{0,2})((?:,\d{3})+)(?=\D|$)/, (_, a, b) => a + b.replace(/,/g, ""));
    const percent = plain.endsWith("%");
    if (percent) plain = plain.slice(0, -1);
    const [over, under, ...more] = plain.split("/").map((part) => (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(part) ? Number(part) : NaN));
    const value = more.length ? NaN : under === undefined ? over : over / under;
    return percent ? value / 100 : value;
  };

  // What to say of `given` when `wanted` (a number, or one of some choices) is right; empty for no answer.
  rrm.checkAnswer = function (given, wanted, tolerance, choice) {
    if (!given.trim()) return "";
    if (choice) return given === wanted ? "Right." : "Not this one.";
    const value = rrm.asNumber(given), right = Number(wanted);
    if (!Number.isFinite(value)) return "Type a number: 0.12, 3/25 or 12 %.";
    const share = right > 0 && right < 1 && value > 1 && !given.includes("%") && value > 10 * right; // 12 for 12 %: nearer to it, as a factor, than 12 is
    const off = (share ? value / 100 : value) - right;
    return Math.abs(off) <= Number(tolerance) + 1e-9 ? "Right." : off < 0 ? "Too small." : "Too large.";
  };

  function check(event) {
    const box = event.target, exercise = box.closest?.(".rrm-exercise");
    if (!exercise || !box.matches("input, select")) return;
    const { answer, tolerance } = exercise.dataset, said = exercise.querySelector("output");
    said.textContent = rrm.checkAnswer(box.value, answer, tolerance, box.matches("select"));
    said.dataset.right = said.textContent === "Right.";
  }
  if (typeof document !== "undefined") document.addEventListener("change", check); // Enter, or the next field
})();
