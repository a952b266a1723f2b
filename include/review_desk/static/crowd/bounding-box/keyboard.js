/** Keys of the editor. They work while the focus is in the editor or nowhere, and no text field has it. */

import { isInTextField } from "../keys.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FAR = 10;

/** What the help shows: keys and what they do. */
export const HELP = [
  ["N", "new box in the middle, then arrows, Alt+arrows, Enter"],
  ["Tab  ]  ·  Shift+Tab  [", "next box · previous box"],
  ["Arrows", "move by 1 pixel, with Shift by 10"],
  ["Alt+Arrows", "resize by 1 pixel, with Shift by 10"],
  ["1 … 9, 0", "label of the selected and of new boxes"],
  ["L", "search a label"],
  ["Delete", "delete the box"],
  ["Ctrl+Z · Ctrl+Y", "undo · redo (also Ctrl+Shift+Z)"],
  ["Escape", "cancel, deselect"],
  ["+  −", "zoom in and out (also wheel, pinch)"],
  ["F · Z", "fit the image (also 0) · 100 %"],
  ["Space+drag", "pan (also middle button, two fingers, Shift+wheel)"],
  ["Shift+drag", "draw over boxes (D turns it on)"],
  ["H", "hide the boxes while held"],
  ["B", "list of boxes"],
  ["Ctrl+Enter", "save and next"],
];

export class Keyboard {
  /**
   * @param {HTMLElement} host the custom element
   * @param {HTMLElement} stage
   * @param {object} actions editor, viewport, gestures; openLabels, toggleDrawOver, toggleList, toggleHelp, hide(on)
   */
  constructor(host, stage, actions) {
    Object.assign(this, { host, stage, actions });
    const { editor, viewport } = actions;
    this.letters = {
      n: () => editor.addByKeys(),
      "]": () => editor.selectNext(1),
      "[": () => editor.selectNext(-1),
      l: () => actions.openLabels(),
      f: () => viewport.fit(),
      z: () => viewport.zoomTo(1, ...this.middle()),
      "+": () => viewport.zoomBy(1, ...this.middle()),
      "=": () => viewport.zoomBy(1, ...this.middle()),
      "-": () => viewport.zoomBy(-1, ...this.middle()),
      d: () => actions.toggleDrawOver(),
      b: () => actions.toggleList(),
      k: () => actions.toggleHelp(),
    };
    this.down = (event) => this.pressed(event);
    this.up = (event) => this.released(event);
    this.blur = () => this.release();
  }

  connect() {
    document.addEventListener("keydown", this.down);
    document.addEventListener("keyup", this.up);
    window.addEventListener("blur", this.blur);
  }

  disconnect() {
    document.removeEventListener("keydown", this.down);
    document.removeEventListener("keyup", this.up);
    window.removeEventListener("blur", this.blur);
  }

  /** Zoom by keys goes towards the selected box. */
  middle() {
    const { editor, viewport } = this.actions;
    const box = editor.selected;
    if (!box) return [];
    const { room, zoom, x, y } = viewport;
    return [room.left + x + (box.left + box.width / 2) * zoom, room.top + y + (box.top + box.height / 2) * zoom];
  }

  pressed(event) {
    const path = event.composedPath();
    const inside = path.includes(this.host);
    if (event.defaultPrevented || !(inside || path[0] === document.body) || isInTextField(event)) return;
    if (path.some((node) => node instanceof HTMLDialogElement || node.role === "dialog")) return;
    const onStage = !inside || path.includes(this.stage);
    if (this.withControl(event) || this.anywhere(event) || (onStage && this.onStage(event))) event.preventDefault();
  }

  withControl(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return false;
    const { editor } = this.actions;
    const key = event.key.toLowerCase();
    if (key === "z") event.shiftKey ? editor.redo() : editor.undo();
    else if (key === "y") editor.redo();
    else return false;
    return true;
  }

  anywhere(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (/^[0-9]$/.test(key)) return this.digit(Number(key));
    if (key === "h") this.actions.hide(true);
    else if (key === "Escape") this.actions.editor.cancel();
    else if (event.repeat && !"+-=[]".includes(key)) return Object.hasOwn(this.letters, key);
    else if (Object.hasOwn(this.letters, key)) this.letters[key]();
    else return false;
    return true;
  }

  digit(number) {
    const { editor, viewport } = this.actions;
    const label = editor.labels[number === 0 ? 9 : number - 1];
    if (label !== undefined) editor.chooseLabel(label);
    else if (number === 0) viewport.fit();
    return true;
  }

  onStage(event) {
    const { editor, gestures } = this.actions;
    if (event.ctrlKey || event.metaKey) return false;
    if (Object.hasOwn(ARROWS, event.key)) return this.arrow(event);
    if (event.key === "Delete" || event.key === "Backspace") editor.remove();
    else if (event.key === " ") gestures.holdSpace(true);
    else if (event.key === "Enter") return this.enter();
    else return false;
    return true;
  }

  enter() {
    const { editor } = this.actions;
    if (editor.finish()) editor.parts.announce("Kept the new box");
    return true;
  }

  arrow(event) {
    const { editor, viewport } = this.actions;
    const [dx, dy] = ARROWS[event.key].map((step) => step * (event.shiftKey ? FAR : 1));
    if (!editor.selected) viewport.panBy(-dx * 40, -dy * 40);
    else if (event.altKey) editor.grow(dx, dy, event.repeat);
    else editor.nudge(dx, dy, event.repeat);
    return true;
  }

  released(event) {
    if (event.key === " ") this.actions.gestures.holdSpace(false);
    if (event.key.toLowerCase() === "h") this.actions.hide(false);
  }

  /** The window lost the focus: assume that no key is held any more. */
  release() {
    this.actions.gestures.holdSpace(false);
    this.actions.hide(false);
  }
}
