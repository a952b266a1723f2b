/** The one line above the image: undo, labels, zoom, "Nothing to label", help, list. */

import { icon, iconButton, make, setText } from "./dom.js";
import { keyOf, swatch } from "./labels.js";

/** At most this many labels get a button of their own where there is room; the picker has them all. */
const MOST_DIRECT = 10;

export class Toolbar {
  /**
   * @param {string[]} labels
   * @param {object} actions undo, redo, remove, choose(label), openLabels(button), zoom(steps), fit, actualSize,
   *   toggleDrawOver, setNothing(on), toggleHelp, toggleList
   */
  constructor(labels, actions) {
    Object.assign(this, { labels, actions });
    this.undo = iconButton("undo", "Undo (Ctrl+Z)", actions.undo);
    this.redo = iconButton("redo", "Redo (Ctrl+Y)", actions.redo);
    this.remove = iconButton("remove", "Delete the box (Delete)", actions.remove);
    this.row = make("div", { class: "bb-direct" });
    this.mark = make("span", { class: "bb-mark" });
    this.current = make("span", { class: "bb-label-text", dir: "auto" });
    this.pick = make(
      "button",
      { type: "button", class: "bb-button bb-pick", "aria-haspopup": "dialog", title: "Search a label (L)", onclick: () => actions.openLabels(this.pick) },
      this.mark,
      this.current,
      icon("down"),
    );
    this.percent = make("button", { type: "button", class: "bb-button bb-percent", title: "Show at 100 % (Z)", onclick: actions.actualSize }, "100 %");
    this.over = iconButton("over", "Draw over boxes (D, or hold Shift)", actions.toggleDrawOver, { "aria-pressed": "false" });
    this.fit = iconButton("fit", "Fit the image (F)", actions.fit);
    this.nothing = make("input", { type: "checkbox", id: "bb-nothing", onchange: () => actions.setNothing(this.nothing.checked) });
    this.list = make("button", { type: "button", class: "bb-button bb-list-button", title: "List of boxes (B)", "aria-expanded": "false", onclick: actions.toggleList }, icon("list"));
    this.count = make("span", { class: "bb-count" });
    this.list.append(this.count);
    const zoom = [iconButton("minus", "Zoom out (−)", () => actions.zoom(-1)), this.percent, iconButton("plus", "Zoom in (+)", () => actions.zoom(1)), this.fit];
    this.node = make(
      "div",
      { class: "bb-toolbar", role: "toolbar", "aria-label": "Box editor" },
      make("div", { class: "bb-group" }, this.undo, this.redo, this.remove),
      make("div", { class: "bb-labels", role: "group", "aria-label": "Label" }, this.row, this.pick),
      make("div", { class: "bb-group bb-zoom" }, ...zoom, this.over),
      make("label", { class: "bb-nothing", for: "bb-nothing" }, this.nothing, make("span", {}, "Nothing to label")),
      make("div", { class: "bb-group" }, iconButton("keys", "Keys (K)", actions.toggleHelp, { class: "bb-button bb-keys" }), this.list),
    );
    this.labelsChanged();
  }

  /** The list of labels has changed: rebuild their buttons. */
  labelsChanged() {
    this.direct = this.labels.slice(0, MOST_DIRECT).map((label, index) => this.labelButton(label, index));
    this.row.replaceChildren(...this.direct);
    this.node.classList.toggle("bb-many", this.labels.length > MOST_DIRECT);
    this.shown = null;
  }

  labelButton(label, index) {
    const key = keyOf(index);
    const attributes = { type: "button", class: "bb-button bb-label", "aria-pressed": "false", title: key ? `${label} (${key})` : label, "aria-keyshortcuts": key || null };
    const text = make("span", { class: "bb-label-text", dir: "auto" }, label);
    return make("button", { ...attributes, onclick: () => this.actions.choose(label) }, swatch(index), text, make("kbd", { "aria-hidden": true }, key));
  }

  /** @param {import("./editor.js").Editor} editor */
  render(editor) {
    const { history, selected, state } = editor;
    this.undo.disabled = history.past.length === 0;
    this.redo.disabled = history.future.length === 0;
    this.remove.disabled = selected === null;
    const label = selected?.label ?? editor.label;
    if (this.shown !== label) this.show(label);
    this.nothing.checked = state.nothing;
    setText(this.count, String(state.boxes.length));
    this.list.setAttribute("aria-label", `List of boxes, ${state.boxes.length}`);
  }

  show(label) {
    this.shown = label;
    const index = this.labels.indexOf(label);
    this.direct.forEach((button, at) => button.setAttribute("aria-pressed", at === index));
    this.mark.replaceChildren(swatch(index));
    setText(this.current, label || "no label");
    this.pick.setAttribute("aria-label", `Label ${label || "missing"}, search another`);
  }

  zoomed(zoom) {
    const percent = zoom * 100;
    setText(this.percent, `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`);
    this.percent.setAttribute("aria-label", `Zoom ${this.percent.textContent}, show at 100 %`);
  }
}
