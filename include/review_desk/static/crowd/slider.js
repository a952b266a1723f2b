/** crowd-slider: a number. */

import { CrowdElement, make, sheet } from "./base.js";

const styles = sheet(`
  :host { display: block; max-width: 40rem; margin: 8px 0; }
  .row { display: flex; align-items: center; gap: 16px; min-height: 40px; }
  input[type="range"] { flex: 1; min-width: 0; height: 32px; margin: 0; accent-color: var(--crowd-accent); }
  input[type="number"] { width: 7rem; flex: none; }
  output { flex: none; min-width: 3ch; text-align: end; font-variant-numeric: tabular-nums; font-weight: 600; }
`);

/**
 * crowd-slider: `{"<name>": <number>}` (sms-ui-template-crowd-slider; the guide shows no output, tasks on AWS give the
 * number). Without input it answers its `value`, else its minimum. The value is always shown, with `pin` or without;
 * `editable` adds a number field.
 */
export class CrowdSlider extends CrowdElement {
  build(shadow) {
    shadow.adoptedStyleSheets.push(styles);
    const label = this.getAttribute("label") || this.name || "Value";
    const range = { min: this.#attribute("min", 0), max: this.#attribute("max", 100), step: this.#step() };
    this.slide = make("input", { type: "range", "aria-label": label, ...range });
    this.exact = this.hasAttribute("editable")
      ? make("input", { type: "number", class: "field", "aria-label": `${label}, exactly`, ...range })
      : make("output", {});
    shadow.append(make("div", { class: "row" }, this.slide, this.exact));
    this.reset();
    this.slide.addEventListener("input", () => this.#take(this.slide.value));
    this.exact.addEventListener("change", () => this.#take(this.exact.value));
  }

  get value() {
    return this.slide ? Number(this.slide.value) : this.#attribute("value", this.#attribute("min", 0));
  }

  set value(number) {
    this.slide.value = String(number);
    this.exact.value = this.slide.value;
  }

  setAnswer(number) {
    if (typeof number === "number" && Number.isFinite(number)) this.value = number;
  }

  reset() {
    this.value = this.#attribute("value", this.#attribute("min", 0));
  }

  #take(text) {
    this.value = text;
    this.changed();
  }

  #step() {
    const step = this.#attribute("step", 1);
    return step > 0 ? step : 1;
  }

  #attribute(name, otherwise) {
    const text = this.getAttribute(name);
    const number = Number(text);
    return text !== null && text.trim() !== "" && Number.isFinite(number) ? number : otherwise;
  }
}
