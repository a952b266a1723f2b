/** crowd-form: collects the answer, checks it, hands it to the portal once. */

import { commonSheet, make, sheet } from "./base.js";
import * as fields from "./fields.js";

const styles = sheet(`
  :host { display: flex; flex-direction: column; min-height: 100vh; min-height: 100dvh; }
  #content { flex: 1 1 auto; min-height: 0; padding: 16px; }
  :host(.fills) #content { display: flex; flex-direction: column; padding: 0; }
  #bar {
    position: sticky; bottom: 0; z-index: 5; display: flex; flex-wrap: wrap; align-items: center; gap: 8px 16px;
    padding: 8px 16px; border-top: 1px solid var(--crowd-line); background: var(--crowd-paper);
  }
  #message { flex: 1 1 12rem; min-width: 0; }
  #message:empty { visibility: hidden; }
  kbd { font: inherit; font-size: .8125rem; opacity: .85; }
  @media (pointer: coarse) { kbd { display: none; } .primary { flex: 1 1 auto; min-height: 44px; } }
`);

/**
 * The form of a task. SageMaker Developer Guide, crowd-form: without a crowd-button whose form-action is submit it
 * gets one; `onsubmit` and the cancelable `submit` event are those of an HTML form.
 *
 * `onAnswer` is set by the page: called with answerContent, once, until `release` is called.
 */
export class CrowdForm extends HTMLElement {
  /** @type {?function(Object): void} */
  onAnswer = null;
  /** @type {?function(string): void} */
  onInvalid = null;
  #busy = false;
  #message = make("div", { id: "message", role: "alert", class: "bad" });
  #button = null;

  connectedCallback() {
    if (this.shadowRoot !== null) return;
    const shadow = this.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [commonSheet, styles];
    const bar = make("div", { id: "bar", part: "bar" }, this.#message);
    if (this.querySelector('crowd-button[form-action="submit"]') === null) {
      this.#button = make("button", { type: "button", class: "button primary" }, "Submit");
      this.#button.append(make("kbd", { "aria-hidden": true }, "Ctrl+Enter"));
      this.#button.setAttribute("aria-keyshortcuts", "Control+Enter");
      this.#button.addEventListener("click", () => this.requestSubmit());
      bar.append(this.#button);
    }
    shadow.append(make("div", { id: "content", part: "content" }, make("slot")), bar);
    this.classList.toggle("fills", this.querySelector(":scope > crowd-bounding-box") !== null);
    this.addEventListener("click", (event) => this.#nativeButton(event));
    this.addEventListener("crowd-change", () => this.say(""));
    this.addEventListener("input", () => this.say(""));
  }

  /** The form itself: templates reach for `.form` as on AWS. */
  get form() {
    return this;
  }

  /** answerContent as it would be submitted now. */
  get value() {
    return fields.collect(this);
  }

  get busy() {
    return this.#busy;
  }

  /** Check, fire `submit`, and submit unless a script prevents it: what the button and Ctrl+Enter do. */
  requestSubmit() {
    if (this.#busy || !this.#complete()) return;
    const event = new SubmitEvent("submit", { bubbles: true, cancelable: true });
    if (this.dispatchEvent(event)) this.#send();
  }

  /** Submit without the event, as an HTML form's submit() does; what is required stays required. */
  submit() {
    if (!this.#busy && this.#complete()) this.#send();
  }

  /** Back to what the template asked for. */
  reset() {
    if (this.#busy || !this.dispatchEvent(new Event("reset", { bubbles: true, cancelable: true }))) return;
    fields.reset(this);
    this.dispatchEvent(new CustomEvent("crowd-change", { bubbles: true }));
  }

  /**
   * The portal took the answer, or refused it with a sentence: the form can be used again.
   * @param {string} [message]
   */
  release(message = "") {
    this.#setBusy(false);
    this.say(message);
  }

  /**
   * Show one sentence beside the button.
   * @param {string} message
   */
  say(message) {
    if (this.#message.textContent !== message) this.#message.textContent = message;
  }

  #complete() {
    const fault = fields.firstProblem(this);
    if (fault === null) return true;
    this.say(fault.message);
    fault.element.focus();
    this.onInvalid?.(fault.message);
    return false;
  }

  #send() {
    this.say("");
    this.#setBusy(true);
    this.onAnswer?.(fields.collect(this));
  }

  #setBusy(busy) {
    this.#busy = busy;
    this.toggleAttribute("aria-busy", busy);
    if (this.#button !== null) {
      this.#button.disabled = busy;
      this.#button.firstChild.data = busy ? "Submitting…" : "Submit";
    }
    for (const button of this.querySelectorAll('crowd-button[form-action="submit"]')) button.toggleAttribute("loading", busy);
  }

  /** A template's own <button type="submit"> works as in any form. */
  #nativeButton(event) {
    const button = event.target.closest?.("button[type], input[type=submit], input[type=reset]");
    if (button === null || button === undefined || event.defaultPrevented) return;
    if (button.type === "submit") {
      event.preventDefault();
      this.requestSubmit();
    } else if (button.type === "reset") {
      event.preventDefault();
      this.reset();
    }
  }
}

