/** Buttons, alerts and instructions, and the notice for elements that the Review Desk does not have. */

import { CrowdElement, commonSheet, make, sheet, takeEarlyProperties } from "./base.js";
import { kindOf } from "./kinds.js";

// Browsers send no mouse events for a disabled button. On AWS the surrounding element receives them, and templates
// enable and disable their buttons by that.
const buttonStyles = sheet(`
  :host { display: inline-block; }
  button:disabled { pointer-events: none; }
  :host([disabled]) { cursor: not-allowed; }
`);
const alertStyles = sheet(`
  :host { display: block; margin: 8px 0; }
  #box {
    display: flex; align-items: center; gap: 16px; padding: 8px 16px; border: 1px solid var(--crowd-line);
    border-inline-start: 4px solid var(--tone, var(--crowd-accent)); border-radius: 8px; background: var(--crowd-shade);
  }
  #box > div { flex: 1; min-width: 0; }
  .success { --tone: var(--crowd-good); }
  .warning { --tone: var(--crowd-busy); }
  .error { --tone: var(--crowd-bad); }
`);
const instructionStyles = sheet(`
  :host { display: block; margin: 0 0 8px; }
  summary { min-height: 40px; padding: 8px 0; font-weight: 600; cursor: pointer; }
  dialog {
    width: min(46rem, calc(100vw - 32px)); max-height: calc(100vh - 32px); padding: 0; overflow: auto;
    border: 1px solid var(--crowd-line); border-radius: 8px; background: var(--crowd-paper); color: var(--crowd-ink);
  }
  dialog::backdrop { background: rgb(0 0 0 / .5); }
  dialog header {
    position: sticky; top: 0; display: flex; align-items: center; gap: 16px; padding: 8px 16px;
    border-bottom: 1px solid var(--crowd-line); background: var(--crowd-shade);
  }
  dialog header h1 { flex: 1; }
  .text { padding: 0 16px 16px; }
  ::slotted(*) { max-width: 100%; }
`);
const unknownStyles = sheet(`
  :host { display: block; margin: 8px 0; }
  [role="note"] { margin: 0; padding: 8px 16px; border-radius: 8px; border: 1px dashed var(--crowd-busy); background: var(--crowd-shade); }
  h1 { margin: 8px 0; }
  img { display: block; max-width: 100%; max-height: 72vh; margin: 8px 0; background: var(--crowd-shade); }
  #object { margin: 8px 0; overflow-wrap: anywhere; white-space: pre-wrap; }
`);

class Furniture extends HTMLElement {
  connectedCallback() {
    if (this.shadowRoot !== null) return;
    const shadow = this.attachShadow({ mode: "open", delegatesFocus: true });
    shadow.adoptedStyleSheets = [commonSheet];
    const early = takeEarlyProperties(this);
    this.build(shadow);
    Object.assign(this, early);
  }
}

/**
 * crowd-button (sms-ui-template-crowd-button). `form-action` submit and reset are the form's business. The icon set of
 * AWS is not available: a button with only an icon shows the icon's name.
 */
export class CrowdButton extends Furniture {
  static observedAttributes = ["disabled", "loading"];

  build(shadow) {
    shadow.adoptedStyleSheets.push(buttonStyles);
    const primary = (this.getAttribute("variant") ?? "primary") === "primary";
    const look = this.getAttribute("variant") === "link" ? "link" : primary ? "button primary" : "button";
    const href = this.getAttribute("href");
    this.control = href === null ? make("button", { type: "button", class: look }) : make("a", { href, class: look });
    if (this.getAttribute("icon-url")) {
      this.control.append(make("img", { src: this.getAttribute("icon-url"), alt: "", width: 20, height: 20 }));
    }
    this.control.append(make("slot", {}, iconName(this.getAttribute("icon"))));
    shadow.append(this.control);
    this.addEventListener("click", (event) => this.disabled && event.stopImmediatePropagation(), true);
    this.attributeChangedCallback();
  }

  attributeChangedCallback() {
    if (!this.control) return;
    const loading = this.hasAttribute("loading");
    this.control.disabled = this.disabled || loading;
    this.control.setAttribute("aria-busy", String(loading));
  }

  get disabled() {
    return this.hasAttribute("disabled");
  }

  set disabled(on) {
    this.toggleAttribute("disabled", Boolean(on));
  }
}

/** iron-icon, which templates put into buttons: the name of the icon, as its picture is not available. */
export class IronIcon extends Furniture {
  build(shadow) {
    shadow.append(make("span", {}, iconName(this.getAttribute("icon"))));
  }
}

function iconName(icon) {
  return (icon ?? "").split(":").at(-1).replaceAll("-", " ");
}

/** crowd-alert: info, success, warning or error (sms-ui-template-crowd-alert). */
export class CrowdAlert extends Furniture {
  build(shadow) {
    shadow.adoptedStyleSheets.push(alertStyles);
    const type = this.getAttribute("type") ?? "info";
    const urgent = type === "error" || type === "warning";
    const box = make("div", { id: "box", class: type, role: urgent ? "alert" : "status" }, make("div", {}, make("slot")));
    if (this.hasAttribute("dismissible")) {
      const close = make("button", { type: "button", class: "link" }, "Close");
      close.addEventListener("click", () => this.remove());
      box.append(close);
    }
    shadow.append(box);
  }
}

/** short-instructions: beside the task, folded away where there is little room. */
export class ShortInstructions extends Furniture {
  build(shadow) {
    shadow.adoptedStyleSheets.push(instructionStyles);
    const open = window.matchMedia("(min-width: 40rem)").matches;
    const title = this.getAttribute("header") || "Instructions";
    shadow.append(make("details", { open }, make("summary", {}, make("bdi", {}, title)), make("slot")));
  }
}

/** full-instructions: behind a button, in a dialog. */
export class FullInstructions extends Furniture {
  build(shadow) {
    shadow.adoptedStyleSheets.push(instructionStyles);
    const title = this.getAttribute("header") || "Full instructions";
    const opener = make("button", { type: "button", class: "link", "aria-haspopup": "dialog" }, "View full instructions");
    const close = make("button", { type: "button", class: "button" }, "Close");
    const heading = make("h1", { id: "title" }, make("bdi", {}, title));
    this.dialog = make(
      "dialog",
      { "aria-labelledby": "title" },
      make("header", {}, heading, close),
      make("div", { class: "text" }, make("slot")),
    );
    opener.addEventListener("click", () => this.open());
    close.addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    shadow.append(opener, this.dialog);
  }

  /** Show the dialog. */
  open() {
    this.dialog.showModal();
  }
}

/**
 * Any other crowd element: a plain notice, what it is about, and its content. Where it may be part of the answer
 * nothing can be submitted (obstacles.js): the answer would be incomplete.
 */
export class UnknownElement extends CrowdElement {
  build(shadow) {
    shadow.adoptedStyleSheets.push(unknownStyles);
    const end =
      kindOf(this.localName) === "unknown"
        ? "this task cannot be answered here. Decline it, and tell the person who made it."
        : "its content is shown as it is.";
    shadow.append(make("p", { role: "note" }, make("code", {}, `<${this.localName}>`), ` is not known to the Review Desk: ${end}`));
    const title = this.getAttribute("header") || this.getAttribute("heading");
    if (title) shadow.append(make("h1", {}, make("bdi", {}, title)));
    const source = this.getAttribute("src") || this.getAttribute("image");
    if (source) shadow.append(this.#object(source));
    if (this.getAttribute("text")) shadow.append(make("p", { id: "object" }, make("bdi", {}, this.getAttribute("text"))));
    shadow.append(make("slot"));
  }

  /** A picture, or a link where it is none: a document, a sound, a point cloud, or it did not load. */
  #object(source) {
    const picture = make("img", { src: source, alt: "What this task is about" });
    picture.addEventListener("error", () => {
      this.fault = "An image of this task did not load: load the page again or decline this task.";
      picture.replaceWith(make("p", { id: "object" }, make("a", { href: source }, source.split(/[?#]/)[0])));
    });
    return picture;
  }

  problem() {
    return this.fault ?? null;
  }
}
