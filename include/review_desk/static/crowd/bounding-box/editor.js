/**
 * The one place where the editor's state changes: every gesture, key and button ends in a method here.
 *
 * It holds the history, the selection and the label that new boxes get, shows them through its views, and calls
 * `changed` after each change by the person. The views know nothing of each other.
 */

import { boxFromEdges, moveBox, resizeBox } from "./geometry.js";
import * as model from "./model.js";

export class Editor {
  /**
   * @param {{width: number, height: number}} size of the image in its own pixels
   * @param {string[]} labels
   * @param {object} parts layer, list, toolbar, viewport, stage; `announce(text)`; `confirm(question)`; `changed()`
   */
  constructor(size, labels, parts) {
    this.size = size;
    this.labels = labels;
    this.parts = parts;
    this.history = model.startHistory(model.EMPTY);
    this.selectedId = null;
    this.label = labels[0] ?? "";
    /** Where [ and ] go on from when nothing is selected. */
    this.cursor = -1;
    /** The box being made by keys: until Enter all its changes are one step. */
    this.freshId = null;
    this.presses = 0;
    this.gesture = null;
  }

  get state() {
    return this.history.present;
  }

  get selected() {
    return model.boxById(this.state, this.selectedId);
  }

  /** Begin again with this state; nothing of it can be undone. */
  begin(state) {
    this.history = model.startHistory(state);
    this.selectedId = null;
    this.freshId = null;
    this.cursor = -1;
    this.show();
  }

  show() {
    if (this.selected === null) this.selectedId = null;
    const { layer, list, toolbar, viewport } = this.parts;
    layer.render(this.state.boxes, this.selectedId, viewport.zoom);
    list.render(this.state.boxes, this.selectedId);
    toolbar.render(this);
  }

  /** Apply a new state as one step, and announce what was done. */
  step(state, what, token = null) {
    if (state === this.state) return false;
    this.history = model.commit(this.history, state, what, token);
    this.show();
    this.parts.announce(what);
    this.parts.changed();
    return true;
  }

  /** @param {number|null} id @param {{focus?: boolean, reveal?: boolean}} how */
  select(id, { focus = true, reveal = false } = {}) {
    if (id !== this.selectedId) {
      this.finish();
      this.selectedId = id;
      if (id !== null) this.cursor = model.indexOfBox(this.state, id);
      this.show();
    }
    if (reveal && this.selected) this.parts.viewport.reveal(this.selected);
    if (focus) (this.parts.layer.nodeOf(id) ?? this.parts.stage).focus({ preventScroll: true });
  }

  /** Select the box `steps` further in the list, wrapping around. */
  selectNext(steps) {
    const { boxes } = this.state;
    if (!boxes.length) return;
    const from = this.selectedId === null && steps > 0 ? this.cursor : Math.max(this.cursor, 0);
    const index = this.selectedId === null && this.cursor < 0 && steps < 0 ? boxes.length - 1 : from + steps;
    this.select(boxes.at(((index % boxes.length) + boxes.length) % boxes.length).id, { reveal: true });
  }

  add(place) {
    const box = model.newBox(this.label, place, null, true);
    this.finish();
    this.selectedId = box.id;
    this.cursor = this.state.boxes.length;
    this.step(model.addBox(this.state, box), `Drew ${box.label}, ${sizeOf(box)}`);
    this.select(box.id);
    return box;
  }

  /** Add a box in the middle of the visible part, to be placed by keys. */
  addByKeys() {
    const { left, top, right, bottom } = this.parts.viewport.visible;
    const seen = {
      left: Math.max(left, 0),
      top: Math.max(top, 0),
      right: Math.min(right, this.size.width),
      bottom: Math.min(bottom, this.size.height),
    };
    const side = Math.max(Math.min(seen.right - seen.left, seen.bottom - seen.top) / 5, 2);
    const x = (seen.left + seen.right) / 2;
    const y = (seen.top + seen.bottom) / 2;
    const edges = { left: x - side / 2, top: y - side / 2, right: x + side / 2, bottom: y + side / 2 };
    const box = this.add(boxFromEdges(edges, this.size));
    this.freshId = box.id;
    this.history = { ...this.history, token: `fresh ${box.id}` };
    this.parts.announce(`New box ${box.label}: arrows move it, Alt and arrows size it, Enter keeps it, Escape drops it`);
  }

  /** Keep the box being made by keys. */
  finish() {
    const was = this.freshId;
    this.freshId = null;
    this.history = model.seal(this.history);
    return was !== null;
  }

  /** Move or resize a box. */
  put(id, place, what, token = null) {
    const box = model.boxById(this.state, id);
    const fresh = id === this.freshId ? `fresh ${id}` : token;
    return this.step(model.changeBox(this.state, id, place), `${what} ${box.label}, ${placeOf(place)}`, fresh);
  }

  /** Move the selected box by keys. While a key repeats (`held`), its moves are one step. */
  nudge(dx, dy, held) {
    const box = this.selected;
    if (box) this.put(box.id, moveBox(box, dx, dy, this.size), "Moved", this.pressToken(held));
    if (box) this.parts.viewport.reveal(this.selected);
  }

  /** Move the right and bottom edges of the selected box by keys. */
  grow(dx, dy, held) {
    const box = this.selected;
    if (!box) return;
    const most = { x: Math.max(dx, 1 - Math.round(box.width)), y: Math.max(dy, 1 - Math.round(box.height)) };
    this.put(box.id, resizeBox(box, "se", most.x, most.y, this.size), "Resized", this.pressToken(held));
    this.parts.viewport.reveal(this.selected);
  }

  pressToken(held) {
    if (!held) this.presses += 1;
    return `press ${this.presses}`;
  }

  /** The list of labels has changed. */
  labelsChanged() {
    if (!this.labels.includes(this.label)) this.label = this.labels[0] ?? "";
    this.show();
  }

  /** The label for new boxes; a selected box gets it too. */
  chooseLabel(label) {
    this.label = label;
    const box = this.selected;
    const token = box?.id === this.freshId && box ? `fresh ${box.id}` : null;
    const state = box ? model.changeBox(this.state, box.id, { label }) : this.state;
    if (!this.step(state, `Labelled ${label}`, token)) {
      this.show();
      this.parts.announce(`New boxes: ${label}`);
    }
  }

  relabel(id, label) {
    this.step(model.changeBox(this.state, id, { label }), `Labelled ${label}`);
  }

  remove(id = this.selectedId, { focus = true } = {}) {
    const box = model.boxById(this.state, id);
    if (!box) return;
    this.finish();
    this.cursor = model.indexOfBox(this.state, id) - 1;
    if (this.selectedId === id) this.selectedId = null;
    this.step(model.removeBox(this.state, id), `Deleted ${box.label}`);
    if (focus) this.parts.stage.focus({ preventScroll: true });
  }

  undo() {
    this.travel(model.undo(this.history), "Undid", this.history.what);
  }

  redo() {
    const history = model.redo(this.history);
    this.travel(history, "Redid", history.what);
  }

  travel(history, verb, what) {
    this.gesture?.cancel();
    this.freshId = null;
    if (history === this.history) {
      this.parts.announce(verb === "Undid" ? "Nothing to undo" : "Nothing to redo");
      return;
    }
    const before = this.state;
    this.history = history;
    const other = this.state.boxes.find((box) => !before.boxes.includes(box));
    this.selectedId = other?.id ?? this.selectedId;
    this.show();
    const held = this.parts.layer.nodeOf(this.selectedId) ?? this.parts.stage;
    if (!this.parts.focusElsewhere()) held.focus({ preventScroll: true });
    this.parts.announce(`${verb}: ${what}`);
    this.parts.changed();
  }

  /** Escape: drop a gesture or a box being made by keys, else deselect. */
  cancel() {
    if (this.gesture?.cancel()) return;
    if (this.freshId !== null) {
      this.freshId = null;
      this.history = model.takeBack(this.history);
      this.select(null);
      this.show();
      this.parts.announce("Dropped the new box");
      this.parts.changed();
      return;
    }
    this.select(null);
  }

  /** Tick or untick "Nothing to label"; asks before it removes boxes. */
  async setNothing(nothing) {
    const count = this.state.boxes.length;
    if (nothing && count) {
      const question = `Remove ${count === 1 ? "the box" : `all ${count} boxes`}? Undo brings them back.`;
      if (!(await this.parts.confirm(question, count === 1 ? "Remove the box" : "Remove the boxes"))) {
        this.show();
        return;
      }
    }
    this.finish();
    this.step(model.setNothing(this.state, nothing), nothing ? "Ticked Nothing to label" : "Unticked Nothing to label");
  }
}

const sizeOf = ({ width, height }) => `${width} by ${height}`;
const placeOf = (place) => `left ${place.left}, top ${place.top}, ${sizeOf(place)}`;
