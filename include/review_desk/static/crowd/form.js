/** crowd-form: collects the answer, checks it, sends it to the portal once. */

import { commonSheet, make, sheet } from "./base.js";
import * as fields from "./fields.js";
import { early, failure, firstObstacle } from "./obstacles.js";

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
  #anyway { flex: none; }
  kbd { font: inherit; font-size: .8125rem; opacity: .85; }
  @media (pointer: coarse) { kbd { display: none; } .primary { flex: 1 1 auto; min-height: 44px; } }
`);

const SUBMITS = 'crowd-button[form-action="submit"], crowd-button[type="submit"]';
const RESETS = 'crowd-button[form-action="reset"], crowd-button[type="reset"]';

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
  #anyway = make("button", { type: "button", id: "anyway", class: "button", hidden: true }, "Submit anyway");
  #button = null;
  // How many failures of the template's scripts the person has seen and dismissed.
  #overruled = 0;

  connectedCallback() {
    if (this.shadowRoot !== null) return;
    const shadow = this.attachShadow({ mode: "open" });
    this.tabIndex = -1;
    shadow.adoptedStyleSheets = [commonSheet, styles];
    const bar = make("div", { id: "bar", part: "bar" }, this.#message, this.#anyway);
    this.#anyway.addEventListener("click", () => {
      this.#overruled = early().thrown.length;
      this.requestSubmit();
    });
    if (this.querySelector(SUBMITS) === null) {
      this.#button = make("button", { type: "button", class: "button primary" }, "Submit");
      this.#button.append(make("kbd", { "aria-hidden": true }, "Ctrl+Enter"));
      this.#button.setAttribute("aria-keyshortcuts", "Control+Enter");
      this.#button.addEventListener("click", () => this.requestSubmit());
      bar.append(this.#button);
    }
    shadow.append(make("div", { id: "content", part: "content" }, make("slot")), bar);
    this.classList.toggle("fills", this.querySelector(":scope > crowd-bounding-box") !== null);
    this.addEventListener("click", (event) => this.#onClick(event));
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
    // What its handlers throw is not a load failure, however early the form is submitted.
    early().loaded = true;
    const before = early().throws;
    const event = new SubmitEvent("submit", { bubbles: true, cancelable: true });
    if (this.dispatchEvent(event) && !this.#failedSince(before)) this.#send();
  }

  /** Submit without the event, as an HTML form's submit() does; what is required stays required. */
  submit() {
    if (!this.#busy && this.#complete()) this.#send();
  }

  /** Reset to the template's initial state. */
  reset() {
    if (this.#busy || !this.dispatchEvent(new Event("reset", { bubbles: true, cancelable: true }))) return;
    fields.reset(this);
    this.dispatchEvent(new CustomEvent("crowd-change", { bubbles: true }));
  }

  /**
   * The portal accepted the answer, or refused it with a sentence: the form can be used again.
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
    this.#anyway.hidden = true;
  }

  /** The first reason why nothing can be submitted, whatever is entered. */
  get obstacle() {
    return firstObstacle(this, this.#overruled);
  }

  #complete() {
    const fault = this.obstacle ?? fields.firstProblem(this);
    if (fault === null) return true;
    this.#refuse(fault.message);
    this.#anyway.hidden = !fault.overrulable;
    if (fault.overrulable) this.#anyway.focus();
    else fault.element?.focus();
    return false;
  }

  #refuse(message) {
    this.say(message);
    this.onInvalid?.(message);
  }

  /** Whether a script failed while the answer was put together: its part would be missing. */
  #failedSince(before) {
    const { throws, thrown } = early();
    if (throws === before) return false;
    // Another answer may work.
    this.#overruled = thrown.length;
    const why = failure(thrown.at(-1)?.message ?? "");
    this.#refuse(`A script of this task failed when you submitted${why}, so nothing was sent: try again or decline this task.`);
    return true;
  }

  #send() {
    this.say("");
    this.#setBusy(true);
    const before = early().throws;
    // An asynchronous handler fails in a task of its own, after this one.
    setTimeout(() => {
      setTimeout(() => {
        this.#busy = false;
        if (this.#failedSince(before)) this.#setBusy(false);
        else this.#hand();
      });
    });
  }

  #hand() {
    this.#busy = true;
    this.onAnswer?.(fields.collect(this));
  }

  #setBusy(busy) {
    this.#busy = busy;
    this.toggleAttribute("aria-busy", busy);
    if (this.#button !== null) {
      this.#button.disabled = busy;
      this.#button.firstChild.data = busy ? "Submitting…" : "Submit";
    }
    for (const button of this.querySelectorAll(SUBMITS)) button.toggleAttribute("loading", busy);
  }

  /** Submit and reset buttons, ours and the template's own, unless a script of the template prevents it. */
  #onClick(event) {
    const button = event.target.closest?.("crowd-button, button[type], input[type=submit], input[type=reset]");
    if (!button || event.defaultPrevented || button.disabled) return;
    const native = button.localName !== "crowd-button";
    if (native ? button.type === "submit" : button.matches(SUBMITS)) {
      event.preventDefault();
      this.requestSubmit();
    } else if (native ? button.type === "reset" : button.matches(RESETS)) {
      event.preventDefault();
      this.reset();
    }
  }
}
