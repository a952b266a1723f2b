/** The list of boxes beside or below the image: select, relabel, delete; also what a screen reader may prefer. */

import { isModels } from "./model.js";
import { icon, make, setText } from "./dom.js";
import { swatch } from "./labels.js";
import { nameOf } from "./view.js";

export class BoxList {
  /**
   * @param {string[]} labels
   * @param {object} actions select(id), relabel(id, button), remove(id), close()
   */
  constructor(labels, actions) {
    this.actions = actions;
    this.entries = new Map();
    this.labelsChanged(labels);
    this.count = -1;
    this.title = make("h2", { class: "bb-list-title", id: "bb-list-title" });
    this.items = make("ul", { class: "bb-items", "aria-labelledby": "bb-list-title" });
    this.hint = make("p", { class: "bb-none" }, "Drag on the image, or press N, to draw a box.");
    const close = make("button", { type: "button", class: "bb-button bb-close", "aria-label": "Close the list", onclick: () => actions.close() }, icon("close"));
    this.node = make(
      "section",
      { class: "bb-list", "aria-labelledby": "bb-list-title" },
      make("div", { class: "bb-list-head" }, this.title, close),
      make("div", { class: "bb-list-body" }, this.items, this.hint),
    );
    this.items.addEventListener("keydown", (event) => this.key(event));
  }

  /** The labels have changed: the next render redraws all entries. */
  labelsChanged(labels) {
    for (const entry of this.entries.values()) entry.node.remove();
    this.entries.clear();
    this.order = new Map(labels.map((label, index) => [label, index]));
  }

  render(boxes, selectedId) {
    const present = new Set(boxes.map((box) => box.id));
    for (const [id, entry] of this.entries) {
      if (!present.has(id)) {
        entry.node.remove();
        this.entries.delete(id);
      }
    }
    let next = this.items.firstChild;
    boxes.forEach((box, index) => {
      const entry = this.entries.get(box.id) ?? this.add(box.id);
      if (entry.box !== box || entry.index !== index || this.count !== boxes.length) this.draw(entry, box, index, boxes.length);
      if (entry.node === next) next = next.nextSibling;
      else this.items.insertBefore(entry.node, next);
    });
    this.heading(boxes);
    this.select(selectedId);
  }

  heading(boxes) {
    this.count = boxes.length;
    this.hint.hidden = boxes.length > 0;
    const models = boxes.filter(isModels).length;
    const of = models ? `, ${models} by model` : "";
    setText(this.title, `${boxes.length} ${boxes.length === 1 ? "box" : "boxes"}${of}`);
  }

  add(id) {
    const text = make("span", { class: "bb-item-text", dir: "auto" });
    const size = make("span", { class: "bb-item-size" });
    const main = make("button", { type: "button", class: "bb-item-main", tabindex: "-1", onclick: () => this.actions.select(id) }, text, size);
    const relabel = make("button", { type: "button", class: "bb-button", tabindex: "-1", onclick: () => this.actions.relabel(id, relabel) }, icon("tag"));
    const remove = make("button", { type: "button", class: "bb-button", tabindex: "-1", onclick: () => this.removed(id) }, icon("remove"));
    const node = make("li", { class: "bb-item" }, main, relabel, remove);
    const entry = { node, main, text, size, relabel, remove, box: null };
    this.entries.set(id, entry);
    return entry;
  }

  draw(entry, box, index, count) {
    const before = entry.box;
    entry.box = box;
    entry.index = index;
    const name = nameOf(box, index, count);
    entry.main.setAttribute("aria-label", name);
    entry.relabel.setAttribute("aria-label", `Relabel ${name}`);
    entry.remove.setAttribute("aria-label", `Delete ${name}`);
    entry.relabel.title = "Relabel";
    entry.remove.title = "Delete";
    const round = (value) => Math.round(value);
    setText(entry.size, `${round(box.width)} × ${round(box.height)}${isModels(box) ? " · model" : ""}`);
    if (before?.label === box.label) return;
    setText(entry.text, box.label || "no label");
    if (before) entry.main.firstChild.remove();
    entry.main.prepend(swatch(this.order.get(box.label) ?? -1));
  }

  select(id) {
    const before = this.entries.get(this.selectedId);
    const after = this.entries.get(id);
    this.selectedId = id;
    if (before !== after) {
      before?.node.classList.remove("bb-current");
      before?.main.removeAttribute("aria-current");
      after?.node.classList.add("bb-current");
      after?.main.setAttribute("aria-current", "true");
      if (after && this.node.offsetParent !== null) after.node.scrollIntoView({ block: "nearest" });
    }
    const reachable = after ?? this.entries.values().next().value;
    if (reachable === this.reachable) return;
    this.reach(this.reachable, "-1");
    this.reach(reachable, "0");
    this.reachable = reachable;
  }

  /** One box of the list is in the tab order: the selected one, else the first. */
  reach(entry, tabindex) {
    for (const button of entry ? [entry.main, entry.relabel, entry.remove] : []) button.setAttribute("tabindex", tabindex);
  }

  removed(id) {
    const order = [...this.items.children];
    const at = order.indexOf(this.entries.get(id).node);
    this.actions.remove(id);
    const next = this.items.children[Math.min(at, this.items.children.length - 1)];
    (next?.lastChild ?? this.node.querySelector(".bb-close")).focus({ preventScroll: true });
  }

  key(event) {
    const item = event.target.closest(".bb-item");
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const other = event.key === "ArrowDown" ? item.nextSibling : event.key === "ArrowUp" ? item.previousSibling : null;
    if (other) {
      const id = [...this.entries].find(([, entry]) => entry.node === other)[0];
      this.actions.select(id);
      other.firstChild.focus();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.removed([...this.entries].find(([, entry]) => entry.node === item)[0]);
    } else {
      return;
    }
    event.preventDefault();
  }
}
