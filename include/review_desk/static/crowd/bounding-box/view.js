/** The boxes on the image: one node each, touched only when its box changes. */

import { HANDLES } from "./geometry.js";
import { isModels } from "./model.js";
import { make, setText } from "./dom.js";
import { lookOf } from "./palette.js";

/** With more boxes than this, labels are no wider than their boxes. */
const DENSE_FROM = 40;
const CHIP_HEIGHT = 18;

/** What a screen reader says of a box. */
export function nameOf(box, index, count) {
  const whose = isModels(box) ? ", the model’s" : "";
  const round = (value) => Math.round(value);
  return (
    `${box.label || "no label"}, box ${index + 1} of ${count}${whose}, left ${round(box.left)}, ` +
    `top ${round(box.top)}, width ${round(box.width)}, height ${round(box.height)}`
  );
}

export class BoxLayer {
  /** @param {HTMLElement} layer @param {string[]} labels */
  constructor(layer, labels) {
    this.layer = layer;
    this.entries = new Map();
    this.labelsChanged(labels);
    this.count = 0;
    this.selectedId = null;
    this.handles = make("span", { class: "bb-handles", "aria-hidden": "true" });
    this.handles.append(...HANDLES.map((name) => make("i", { class: `bb-handle bb-${name}` })));
    this.sketch = make("div", { class: "bb-box bb-sketch", hidden: true, "aria-hidden": "true" }, make("span", { class: "bb-chip" }));
    this.layer.append(this.sketch);
  }

  /** The labels have changed: the next render redraws all boxes. */
  labelsChanged(labels) {
    for (const [id, entry] of this.entries) this.drop(id, entry);
    this.order = new Map(labels.map((label, index) => [label, index]));
  }

  lookOfLabel(label) {
    return lookOf(this.order.get(label) ?? -1);
  }

  nodeOf(id) {
    return this.entries.get(id)?.node ?? null;
  }

  /** Show these boxes; nodes of boxes that are the same as before stay untouched. */
  render(boxes, selectedId, zoom) {
    const present = new Set(boxes.map((box) => box.id));
    for (const [id, entry] of this.entries) {
      if (!present.has(id)) this.drop(id, entry);
    }
    let next = this.layer.firstChild;
    boxes.forEach((box, index) => {
      const entry = this.entries.get(box.id) ?? this.add(box);
      if (entry.box !== box || entry.index !== index || this.count !== boxes.length) {
        this.draw(entry, box, index, boxes.length, zoom);
      }
      if (entry.node === next) next = next.nextSibling;
      else this.layer.insertBefore(entry.node, next);
    });
    this.count = boxes.length;
    this.layer.classList.toggle("bb-dense", boxes.length > DENSE_FROM);
    this.select(selectedId);
  }

  add(box) {
    const text = make("span", { class: "bb-text", dir: "auto" });
    const chip = make("span", { class: "bb-chip" }, text, make("span", { class: "bb-by" }, "model"));
    const node = make("div", { class: "bb-box", role: "button", tabindex: "0", "aria-pressed": "false" }, chip);
    node.dataset.id = box.id;
    const entry = { node, text, box: null, index: -1 };
    this.entries.set(box.id, entry);
    return entry;
  }

  drop(id, entry) {
    entry.node.remove();
    this.entries.delete(id);
    if (this.selectedId === id) this.selectedId = null;
  }

  draw(entry, box, index, count, zoom) {
    const { node, text } = entry;
    const before = entry.box;
    entry.box = box;
    entry.index = index;
    this.place(node, box, zoom);
    node.setAttribute("aria-label", nameOf(box, index, count));
    if (before && before.label === box.label && before.touched === box.touched) return;
    setText(text, box.label || "no label");
    this.dress(node, box.label);
    node.classList.toggle("bb-model", isModels(box));
    node.classList.toggle("bb-unknown", !this.order.has(box.label));
  }

  dress(node, label) {
    const look = this.lookOfLabel(label);
    node.style.setProperty("--color", look.color);
    node.style.setProperty("--ink", look.ink);
    node.style.setProperty("--casing", look.casing);
    node.style.setProperty("--line", look.line);
  }

  place(node, { left, top, width, height }, zoom) {
    node.style.setProperty("--left", left);
    node.style.setProperty("--top", top);
    node.style.setProperty("--width", width);
    node.style.setProperty("--height", height);
    node.classList.toggle("bb-inside", top * zoom < CHIP_HEIGHT);
    node.classList.toggle("bb-tiny", Math.min(width, height) * zoom < 28);
  }

  select(id) {
    if (this.selectedId !== id) {
      for (const [other, on] of [[this.selectedId, false], [id, true]]) {
        const node = this.nodeOf(other);
        node?.classList.toggle("bb-selected", on);
        node?.setAttribute("aria-pressed", on);
      }
    }
    this.selectedId = id;
    const node = this.nodeOf(id);
    if (!node) this.handles.remove();
    else if (this.handles.parentNode !== node) node.append(this.handles);
  }

  /** Show a box elsewhere while a gesture lasts; `id` null is a box that does not exist yet. */
  preview(id, place, label, zoom) {
    if (id !== null) {
      this.place(this.nodeOf(id), place, zoom);
      return;
    }
    this.dress(this.sketch, label);
    setText(this.sketch.firstChild, label);
    this.sketch.hidden = false;
    this.place(this.sketch, place, zoom);
  }

  /** End of a gesture: put every box where the state has it. */
  endPreview(id, zoom) {
    this.sketch.hidden = true;
    const entry = this.entries.get(id);
    if (entry) this.place(entry.node, entry.box, zoom);
  }

  /** Another zoom: labels of boxes at the top edge go inside, and so on. */
  zoomed(zoom) {
    for (const { node, box } of this.entries.values()) {
      node.classList.toggle("bb-inside", box.top * zoom < CHIP_HEIGHT);
      node.classList.toggle("bb-tiny", Math.min(box.width, box.height) * zoom < 28);
    }
  }
}
