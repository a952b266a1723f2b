/**
 * What all crowd elements share.
 *
 * An input element extends CrowdElement; answerContent has its value under its `name`. Attributes and outputs are
 * those of the SageMaker Developer Guide, "Crowd HTML Elements Reference" (sms-ui-template-reference).
 */

/** Styles of every element's shadow root: what is in there follows the theme and not the template's own CSS. */
export const commonSheet = sheet(`
  :host { box-sizing: border-box; color: var(--crowd-ink); font: 16px/1.5 system-ui, sans-serif; }
  :host([hidden]), [hidden] { display: none !important; }
  *, *::before, *::after { box-sizing: border-box; }
  button, input, textarea, select { font: inherit; color: inherit; }
  :focus-visible { outline: 3px solid var(--crowd-focus); outline-offset: 2px; }
  .button {
    display: inline-flex; align-items: center; justify-content: center; gap: 8px; min-height: 40px; margin: 0;
    padding: 8px 16px; border: 1px solid var(--crowd-line); border-radius: 8px; background: var(--crowd-paper);
    color: var(--crowd-ink); cursor: pointer; text-align: center; text-decoration: none; overflow-wrap: anywhere;
  }
  .button:hover { background: var(--crowd-shade); }
  .button.primary {
    border-color: var(--crowd-accent); background: var(--crowd-accent); color: var(--crowd-on-accent); font-weight: 600;
  }
  .button.primary:hover { filter: brightness(.92); }
  .button:disabled { opacity: .55; cursor: not-allowed; }
  .link {
    min-height: 40px; padding: 8px 0; border: 0; background: none; color: var(--crowd-accent); cursor: pointer;
    text-decoration: underline; text-align: start;
  }
  .field {
    width: 100%; min-height: 40px; padding: 8px 12px; border: 1px solid var(--crowd-edge); border-radius: 8px;
    background: var(--crowd-paper); color: var(--crowd-ink);
  }
  .field:disabled { background: var(--crowd-shade); color: var(--crowd-soft); }
  ::placeholder { color: var(--crowd-soft); opacity: 1; }
  .soft { color: var(--crowd-soft); font-size: .875rem; }
  .bad { color: var(--crowd-bad); }
  .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  h1 { margin: 0; font-size: 1.125rem; line-height: 1.35; overflow-wrap: anywhere; }
  bdi { overflow-wrap: anywhere; }
`);

/**
 * A style sheet for shadow roots.
 * @param {string} text
 * @returns {CSSStyleSheet}
 */
export function sheet(text) {
  const made = new CSSStyleSheet();
  made.replaceSync(text);
  return made;
}

/**
 * Make an element. Children that are texts become text nodes: never HTML.
 * @param {string} tag
 * @param {Object<string, *>} [attributes] true sets the bare attribute; false, null and undefined leave it away
 * @param {...(Node|string)} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/**
 * A promise with its resolve and reject functions.
 * @returns {{promise: Promise<*>, resolve: function(*): void, reject: function(Error): void}}
 */
export function deferred() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  // No one may be listening, which is not an error of the page.
  result.promise.catch(() => {});
  return result;
}

/**
 * What a script set before the element was defined: it would hide the element's own properties.
 * @param {HTMLElement} element
 * @returns {Object<string, *>} to be set again
 */
export function takeEarlyProperties(element) {
  const early = {};
  for (const name of Object.keys(element)) {
    if (name in Object.getPrototypeOf(element)) {
      early[name] = element[name];
      delete element[name];
    }
  }
  return early;
}

/**
 * Base of the elements a worker answers with.
 *
 * Subclasses write `build(shadow)`, called once, when the element and its children are in the document; `value`;
 * `getDraft`/`setDraft`; `setAnswer`; `problem`. They call `this.changed()` after each change by the user.
 */
export class CrowdElement extends HTMLElement {
  static observedAttributes = ["disabled"];

  connectedCallback() {
    if (this.shadowRoot !== null) return;
    const shadow = this.attachShadow({ mode: "open", delegatesFocus: true });
    shadow.adoptedStyleSheets = [commonSheet];
    const early = takeEarlyProperties(this);
    this.build(shadow);
    this.attributeChangedCallback();
    Object.assign(this, early);
  }

  attributeChangedCallback() {
    for (const control of this.shadowRoot?.querySelectorAll("input, textarea, button") ?? []) {
      control.disabled = this.disabled;
    }
  }

  /**
   * Fill the shadow root.
   * @param {ShadowRoot} _shadow
   */
  build(_shadow) {}

  /** The key in answerContent; empty when the element is not part of the answer. */
  get name() {
    return this.getAttribute("name") ?? "";
  }

  set name(value) {
    this.setAttribute("name", value);
  }

  get required() {
    return this.hasAttribute("required");
  }

  set required(on) {
    this.toggleAttribute("required", Boolean(on));
  }

  get disabled() {
    return this.hasAttribute("disabled");
  }

  set disabled(on) {
    this.toggleAttribute("disabled", Boolean(on));
  }

  /** The value under `name` in answerContent; undefined: none. */
  get value() {
    return undefined;
  }

  /** The submitted value, where that is not `value`; undefined: nothing. */
  get submitted() {
    return this.value;
  }

  /** The name under which many templates for AWS read `value`. */
  get _submittableValue() {
    return this.value;
  }

  /** Settles when everything the worker needs is shown; rejects with a sentence when it cannot be, until `retried`. */
  get ready() {
    return Promise.resolve();
  }

  /** JSON from which `setDraft` restores the present state, finished or not. */
  getDraft() {
    return this.value ?? null;
  }

  /** @param {*} draft what getDraft returned, perhaps from an older version or damaged */
  setDraft(draft) {
    this.setAnswer(draft);
  }

  /** @param {*} _value the value under `name` in an earlier answer */
  setAnswer(_value) {}

  /** @returns {string|null} one sentence when this cannot be submitted yet */
  problem() {
    return null;
  }

  /** What the element is called in a sentence. */
  get caption() {
    return this.getAttribute("label") || this.getAttribute("header") || this.name;
  }

  /** Reset to the template's initial state. */
  reset() {}

  /**
   * Take over what this person prefers, as `preferred` told it before.
   * @param {Object<string, boolean>} _preferences
   */
  setPreferences(_preferences) {}

  /**
   * Remember a choice for later tasks.
   * @param {string} name one that the portal knows (portal/store.js)
   * @param {boolean} value
   */
  preferred(name, value) {
    this.dispatchEvent(new CustomEvent("crowd-preference", { bubbles: true, composed: true, detail: { name, value } }));
  }

  /** Tell the page that `ready` is a new promise: the user tries again to load what failed. */
  retried() {
    this.dispatchEvent(new CustomEvent("crowd-retry", { bubbles: true, composed: true }));
  }

  /** Tell form and template scripts that the user changed something. */
  changed() {
    this.dispatchEvent(new CustomEvent("crowd-change", { bubbles: true, composed: true }));
  }
}
