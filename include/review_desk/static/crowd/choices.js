/** crowd-checkbox, crowd-radio-button and crowd-radio-group: `{"<name>": {"<value>": true or false}}`. */

import { CrowdElement, make, sheet } from "./base.js";
import { isPlain } from "./fields.js";

const styles = sheet(`
  :host { display: inline-block; max-width: 100%; margin: 0 16px 0 0; }
  label { display: inline-flex; align-items: flex-start; gap: 8px; min-height: 40px; padding: 8px 0; cursor: pointer; }
  input { flex: none; width: 20px; height: 20px; margin: 2px 0 0; accent-color: var(--crowd-accent); }
  input:disabled + span { color: var(--crowd-soft); cursor: not-allowed; }
`);
const groupStyles = sheet(":host { display: block; }");

class ChoiceElement extends CrowdElement {
  build(shadow) {
    shadow.adoptedStyleSheets.push(styles);
    this.box = make("input", { type: this.kind, checked: this.hasAttribute("checked") });
    const text = make("span", {}, make("slot"));
    shadow.append(make("label", {}, this.box, text));
    if (!this.textContent.trim()) this.box.setAttribute("aria-label", this.getAttribute("label") || this.#key || this.name);
    this.box.addEventListener("change", () => this.picked());
  }

  picked() {
    this.changed();
    // Templates listen to `change` on the element as on an input; the one in the shadow root does not come through.
    this.dispatchEvent(new Event("change", { bubbles: true }));
  }

  get #key() {
    return this.getAttribute("value") ?? "on";
  }

  get checked() {
    return this.box ? this.box.checked : this.hasAttribute("checked");
  }

  set checked(on) {
    this.box.checked = Boolean(on);
  }

  get value() {
    return { [this.#key]: this.checked };
  }

  set value(text) {
    this.setAttribute("value", text);
  }

  getDraft() {
    return this.checked;
  }

  setDraft(draft) {
    this.checked = draft === true;
  }

  setAnswer(value) {
    this.checked = isPlain(value) && value[this.#key] === true;
  }

  reset() {
    this.checked = this.hasAttribute("checked");
  }

  get caption() {
    return this.textContent.trim().slice(0, 80) || this.name;
  }
}

/** crowd-checkbox; several of one name share one object (sms-ui-template-crowd-checkbox). */
export class CrowdCheckbox extends ChoiceElement {
  get kind() {
    return "checkbox";
  }

  problem() {
    return this.required && !this.checked ? `“${this.caption}” must be ticked.` : null;
  }
}

/** crowd-radio-button: one of its group at most is checked (sms-ui-template-crowd-radio-button). */
export class CrowdRadioButton extends ChoiceElement {
  get kind() {
    return "radio";
  }

  get checked() {
    return super.checked;
  }

  set checked(on) {
    super.checked = on;
    if (on) this.#clearOthers();
  }

  picked() {
    this.#clearOthers();
    super.picked();
  }

  #clearOthers() {
    const group = this.closest("crowd-radio-group");
    for (const other of group?.querySelectorAll("crowd-radio-button") ?? []) {
      if (other !== this && other.box) other.box.checked = false;
    }
  }
}

/** crowd-radio-group: holds radio buttons together, answers nothing itself (sms-ui-template-crowd-radio-group). */
export class CrowdRadioGroup extends CrowdElement {
  build(shadow) {
    shadow.adoptedStyleSheets.push(groupStyles);
    shadow.append(make("slot"));
    if (!this.hasAttribute("role")) this.setAttribute("role", "radiogroup");
    this.addEventListener("keydown", (event) => this.#onKey(event));
  }

  problem() {
    if (!this.required || this.#buttons().some((button) => button.checked)) return null;
    return "Choose one of the options.";
  }

  focus(options) {
    this.#buttons()[0]?.focus(options);
  }

  #buttons() {
    return [...this.querySelectorAll("crowd-radio-button")].filter((button) => !button.disabled);
  }

  #onKey(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const buttons = this.#buttons();
    const at = buttons.indexOf(event.target.closest("crowd-radio-button"));
    if (step === undefined || at < 0) return;
    event.preventDefault();
    const next = buttons[(at + step + buttons.length) % buttons.length];
    next.checked = true;
    next.focus();
    next.picked();
  }
}
