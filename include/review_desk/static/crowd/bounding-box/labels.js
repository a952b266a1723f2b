/** The label picker: type to filter, arrows and Enter or a tap to choose. */

import { make } from "./dom.js";
import { lookOf } from "./palette.js";

/** With fewer labels a search field only gets in the way of a finger. */
const SEARCH_FROM = 8;

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

/** Labels that hold the typed words; first those that begin with the typed text, then those that hold all of it. */
export function matching(labels, typed) {
  const text = plain(typed).trim();
  const words = text.split(/\s+/);
  const rank = (label) => {
    const at = plain(label).indexOf(text);
    return at === 0 ? 0 : at > 0 ? 1 : 2;
  };
  const found = labels.filter((label) => words.every((word) => plain(label).includes(word)));
  return text ? found.sort((one, other) => rank(one) - rank(other)) : found;
}

/** A square in the colour and line of a label. */
export function swatch(index) {
  const look = lookOf(index);
  const node = make("span", { class: "bb-swatch", "aria-hidden": "true" });
  node.style.setProperty("--color", look.color);
  node.style.setProperty("--line", look.line);
  return node;
}

/** The key that chooses a label, or "". */
export const keyOf = (index) => (index < 9 ? String(index + 1) : index === 9 ? "0" : "");

export class LabelPicker {
  /** @param {string[]} labels @param {(label: string) => void} onchoose @param {() => void} onclose */
  constructor(labels, onchoose, onclose) {
    Object.assign(this, { labels, onchoose, onclose });
    this.input = make("input", {
      class: "bb-search",
      type: "text",
      role: "combobox",
      "aria-expanded": "true",
      "aria-controls": "bb-labels",
      "aria-autocomplete": "list",
      "aria-label": "Search a label",
      placeholder: "Search a label",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.filter(),
    });
    this.options = make("ul", { class: "bb-options", id: "bb-labels", role: "listbox", "aria-label": "Labels" });
    this.none = make("p", { class: "bb-none", role: "status", hidden: true }, "No matching label.");
    this.node = make(
      "div",
      { class: "bb-picker", role: "dialog", "aria-label": "Choose a label", hidden: true },
      this.input,
      this.options,
      this.none,
    );
    this.labelsChanged();
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("focusout", (event) => {
      if (!this.node.contains(event.relatedTarget)) this.close(false);
    });
  }

  labelsChanged() {
    this.items = new Map(this.labels.map((label, index) => [label, this.item(label, index)]));
  }

  item(label, index) {
    return make(
      "li",
      { role: "option", class: "bb-option", id: `bb-label-${index}`, "aria-selected": "false", onpointerdown: (event) => event.preventDefault(), onclick: () => this.choose(label) },
      swatch(index),
      make("span", { dir: "auto", class: "bb-option-text" }, label),
      make("kbd", {}, keyOf(index)),
    );
  }

  /** @param {string} current label to begin at @param {DOMRect} beside in coordinates of the editor @param {boolean} touch */
  open(current, beside, touch) {
    this.node.hidden = false;
    this.input.value = "";
    this.input.inputMode = touch && this.labels.length < SEARCH_FROM * 2 ? "none" : "text";
    this.filter(current);
    const room = this.node.offsetParent.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.node;
    const left = Math.min(Math.max(beside.left - room.left, 8), room.width - width - 8);
    const below = beside.bottom - room.top + 4;
    const top = below + height <= room.height - 8 ? below : Math.max(Math.min(beside.top - room.top - height - 4, room.height - height - 8), 8);
    this.node.style.translate = `${Math.max(left, 8)}px ${top}px`;
    this.input.focus({ preventScroll: true });
  }

  get isOpen() {
    return !this.node.hidden;
  }

  close(refocus = true) {
    if (this.node.hidden) return;
    this.node.hidden = true;
    if (refocus) this.onclose();
  }

  filter(current = null) {
    this.shown = matching(this.labels, this.input.value);
    this.options.replaceChildren(...this.shown.map((label) => this.items.get(label)));
    this.none.hidden = this.shown.length > 0;
    this.mark(Math.max(this.shown.indexOf(current), 0));
  }

  mark(at) {
    this.at = at;
    for (const [label, item] of this.items) item.setAttribute("aria-selected", label === this.shown[at]);
    const item = this.items.get(this.shown[at]);
    this.input.setAttribute("aria-activedescendant", item?.id ?? "");
    item?.scrollIntoView({ block: "nearest" });
  }

  key(event) {
    const count = this.shown.length;
    if (event.key === "ArrowDown" && count) this.mark((this.at + 1) % count);
    else if (event.key === "ArrowUp" && count) this.mark((this.at - 1 + count) % count);
    else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) this.choose(this.shown[this.at]);
    else if (event.key === "Escape" || event.key === "Tab") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  choose(label) {
    if (label === undefined) return;
    this.close();
    this.onchoose(label);
  }
}
