/** crowd-input and crowd-text-area: one text each. */

import { CrowdElement, make, sheet } from "./base.js";

const styles = sheet(`
  :host { display: block; margin: 8px 0; max-width: 60rem; }
  label { display: block; margin-bottom: 4px; }
  textarea { resize: vertical; line-height: 1.5; }
  @supports (field-sizing: content) { textarea { field-sizing: content; } }
  #error::first-letter { text-transform: uppercase; }
  #below { display: flex; justify-content: space-between; gap: 16px; }
  [aria-invalid="true"] { border-color: var(--crowd-bad); }
`);
const TYPES = new Set(["text", "date", "datetime-local", "email", "month", "number", "password", "search", "tel", "time", "url", "week"]);

class TextElement extends CrowdElement {
  #touched = false;

  build(shadow) {
    shadow.adoptedStyleSheets.push(styles);
    this.field = this.makeField();
    const label = this.getAttribute("label");
    if (label) {
      shadow.append(make("label", { for: "field" }, make("bdi", {}, label), this.required ? " *" : ""));
    } else {
      this.field.setAttribute("aria-label", this.getAttribute("placeholder") || this.name);
    }
    this.error = make("div", { id: "error", class: "bad", "aria-live": "polite" });
    this.counter = make("div", { class: "soft", hidden: !this.hasAttribute("char-counter") });
    shadow.append(this.field, make("div", { id: "below" }, this.error, this.counter));
    this.field.value = this.getAttribute("value") ?? "";
    this.#show();
    this.field.addEventListener("beforeinput", (event) => this.#filter(event));
    this.field.addEventListener("input", () => {
      this.#show();
      this.changed();
    });
    this.field.addEventListener("change", () => {
      this.#touched = true;
      this.#show();
    });
    if (this.hasAttribute("auto-focus") && this.getAttribute("auto-focus") !== "false") this.field.autofocus = true;
  }

  /** The text in the field. */
  get value() {
    return this.field ? this.field.value : this.getAttribute("value") ?? "";
  }

  set value(text) {
    this.field.value = text ?? "";
    this.#show();
  }

  getDraft() {
    return this.field.value;
  }

  setAnswer(text) {
    this.value = typeof text === "string" ? text : "";
  }

  /** By hand, so that the caret stays where it was: delegated focus selects the text, and typing would replace it. */
  focus(options) {
    this.field.focus(options);
  }

  reset() {
    this.#touched = false;
    this.value = this.getAttribute("value");
  }

  problem() {
    const message = this.#fault();
    this.#touched = true;
    this.#show();
    return message && (this.caption ? `${this.caption}: ${message}` : message);
  }

  commonAttributes() {
    return {
      id: "field",
      class: "field",
      placeholder: this.getAttribute("placeholder"),
      maxlength: this.getAttribute("max-length"),
      minlength: this.getAttribute("min-length"),
      required: this.required,
      autocomplete: "off",
      "aria-describedby": "error",
    };
  }

  #fault() {
    const text = this.field.value;
    const own = this.getAttribute("error-message");
    if (this.required && !text.trim()) return own || "fill this in.";
    // The browser checks lengths only of what was typed, not of what a template or draft put there.
    const least = Number(this.getAttribute("min-length") ?? 0);
    if (text && text.length < least) return own || `at least ${least} characters are needed.`;
    if (!this.field.validity.valid) return own || this.field.validationMessage;
    if (text && this.hasAttribute("auto-validate") && ![...text].every((character) => this.#allows(character))) {
      return own || "there are characters that are not allowed here.";
    }
    return null;
  }

  #show() {
    const fault = this.#touched ? this.#fault() : null;
    this.error.textContent = fault ?? "";
    this.field.setAttribute("aria-invalid", String(fault !== null));
    this.counter.textContent = String(this.field.value.length);
  }

  /** With auto-validate, characters that allowed-pattern does not fit are ignored as they are typed. */
  #filter(event) {
    if (!this.hasAttribute("auto-validate") || !event.data || event.isComposing) return;
    if (![...event.data].every((character) => this.#allows(character))) event.preventDefault();
  }

  #allows(character) {
    const pattern = this.getAttribute("allowed-pattern");
    if (!pattern || character === "\n") return true;
    try {
      return new RegExp(pattern, "u").test(character);
    } catch {
      return true;
    }
  }
}

/**
 * crowd-input: `{"<name>": "<text>"}`; without input it does not appear in the output (SageMaker Developer Guide,
 * sms-ui-template-crowd-input). A file cannot be part of an answer: `type="file"` is a text field here.
 */
export class CrowdInput extends TextElement {
  makeField() {
    const type = (this.getAttribute("type") ?? "text").toLowerCase();
    const attributes = { min: this.getAttribute("min"), max: this.getAttribute("max"), step: this.getAttribute("step") };
    return make("input", { type: TYPES.has(type) ? type : "text", ...this.commonAttributes(), ...attributes });
  }

  get submitted() {
    return this.value === "" ? undefined : this.value;
  }
}

/**
 * crowd-text-area: `{"<name>": "<text>"}` with line ends as \n (sms-ui-template-crowd-text-area). Grows with its text
 * up to `max-rows`.
 */
export class CrowdTextArea extends TextElement {
  makeField() {
    const field = make("textarea", { rows: this.getAttribute("rows") ?? 2, ...this.commonAttributes() });
    const rows = Number(this.getAttribute("rows") ?? 2);
    field.style.minBlockSize = `calc(${rows > 0 ? Math.min(rows, 40) : 2} * 1.5em + 18px)`;
    const most = Number(this.getAttribute("max-rows"));
    if (most > 0) field.style.maxBlockSize = `calc(${most} * 1.5em + 18px)`;
    return field;
  }
}
