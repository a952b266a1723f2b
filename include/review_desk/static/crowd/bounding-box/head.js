/** Everything above the toolbar: the header, the template's instructions behind one button, and notices. */

import { icon, make } from "./dom.js";

/**
 * The header and the instructions, kept small: the space belongs to the image.
 * @param {HTMLElement} host the custom element
 * @param {HTMLElement} stage a press on it closes the instructions
 */
export function makeHead(host, stage) {
  const title = make("h1", { dir: "auto" }, host.getAttribute("header") ?? "");
  if (host.querySelector("short-instructions, full-instructions") === null) return make("div", { class: "bb-head" }, title);
  const panel = make("div", { class: "bb-instructions", id: "bb-instructions", hidden: true }, make("slot"));
  const attributes = { type: "button", class: "bb-button", "aria-expanded": "false", "aria-controls": "bb-instructions" };
  const button = make("button", { ...attributes, onclick: () => toggle(panel.hidden) }, "Instructions", icon("down"));
  const toggle = (open) => {
    panel.hidden = !open;
    button.setAttribute("aria-expanded", open);
  };
  panel.addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && (toggle(false), button.focus()));
  host.addEventListener("pointerdown", (event) => event.composedPath().includes(stage) && toggle(false));
  return make("div", { class: "bb-head" }, title, button, panel);
}

/** Sentences about this task that stay until they are dismissed. */
export class Notices {
  constructor() {
    this.node = make("div", { class: "bb-notices", role: "status" });
  }

  /** @param {string} text */
  add(text) {
    if ([...this.node.children].some((other) => other.textContent === text)) return;
    const dismiss = make("button", { type: "button", class: "bb-button", "aria-label": "Dismiss", onclick: () => notice.remove() }, icon("close"));
    const notice = make("p", { class: "bb-notice", dir: "auto" }, icon("warn"), make("span", {}, text), dismiss);
    this.node.append(notice);
  }
}
