/** The help with the keys, and a question before boxes are removed. */

import { make } from "./dom.js";
import { HELP } from "./keyboard.js";

/** The help, which also holds the one switch of the editor. */
export class Help {
  /** @param {(on: boolean) => void} onwheel the person chose whether the plain wheel zooms */
  constructor(onwheel) {
    const rows = HELP.flatMap(([keys, meaning]) => [make("dt", {}, make("kbd", {}, keys)), make("dd", {}, meaning)]);
    this.scrolls = make("input", { type: "checkbox", onchange: () => onwheel(!this.scrolls.checked) });
    this.node = make(
      "dialog",
      { class: "bb-dialog", "aria-labelledby": "bb-help-title" },
      make("h2", { id: "bb-help-title" }, "Mouse, touch and keys"),
      make("p", {}, "Drag on the image to draw a box. Drag a box to move it, its edges to resize it. With a finger, tap a box first; two fingers zoom and pan. Double-click a box to choose its label."),
      make("dl", { class: "bb-help" }, ...rows),
      make("label", { class: "bb-nothing" }, this.scrolls, make("span", {}, "Plain wheel scrolls (zoom with Ctrl and wheel)")),
      make("form", { method: "dialog" }, make("button", { class: "bb-plain bb-first" }, "Close")),
    );
    this.node.addEventListener("click", (event) => event.target === this.node && this.node.close());
  }

  open() {
    this.node.showModal();
  }

  set wheelZooms(on) {
    this.scrolls.checked = !on;
  }
}

/** A question with two answers. */
export class Question {
  constructor() {
    this.text = make("p", { id: "bb-question" });
    this.yes = make("button", { value: "yes", class: "bb-plain bb-first" });
    const no = make("button", { value: "no", class: "bb-plain" }, "Keep them");
    this.node = make(
      "dialog",
      { class: "bb-dialog", role: "alertdialog", "aria-labelledby": "bb-question" },
      this.text,
      make("form", { method: "dialog", class: "bb-answers" }, this.yes, no),
    );
  }

  /** @returns {Promise<boolean>} */
  ask(question, yes) {
    this.text.textContent = question;
    this.yes.textContent = yes;
    this.node.returnValue = "";
    this.node.showModal();
    return new Promise((resolve) => {
      this.node.addEventListener("close", () => resolve(this.node.returnValue === "yes"), { once: true });
    });
  }
}
