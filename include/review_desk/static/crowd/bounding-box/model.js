/**
 * What the person has made of the image: immutable states, operations on them, and their history.
 *
 * State: {boxes, nothing}. `nothing` is the ticked "Nothing to label"; it and boxes exclude each other.
 * Box: {id, label, left, top, width, height, given, touched}. `given` is the index in initial-value, null for a
 * box of the person's; `touched` says whether the person has changed it. A box that did not change is the same
 * object in the next state, so that a view can tell by identity what to draw again.
 */

import { samePlace } from "./geometry.js";

const MOST_STEPS = 2000;

export const EMPTY = Object.freeze({ boxes: Object.freeze([]), nothing: false });

let lastId = 0;

/** A new box; `given` and `touched` as above. */
export function newBox(label, place, given = null, touched = false) {
  const { left, top, width, height } = place;
  return Object.freeze({ id: ++lastId, label, left, top, width, height, given, touched });
}

/** Whether the box is the model's, as the model drew it. */
export const isModels = (box) => box.given !== null && !box.touched;

export const boxById = (state, id) => state.boxes.find((box) => box.id === id) ?? null;

export const indexOfBox = (state, id) => state.boxes.findIndex((box) => box.id === id);

export function addBox(state, box) {
  return { boxes: [...state.boxes, box], nothing: false };
}

/** The state with other place or label of a box; the same state when nothing differs. */
export function changeBox(state, id, change) {
  const index = indexOfBox(state, id);
  if (index < 0) return state;
  const before = state.boxes[index];
  const after = Object.freeze({ ...before, ...change, touched: true });
  if (samePlace(before, after) && before.label === after.label) return state;
  return { ...state, boxes: state.boxes.with(index, after) };
}

export function removeBox(state, id) {
  const boxes = state.boxes.filter((box) => box.id !== id);
  return boxes.length === state.boxes.length ? state : { ...state, boxes };
}

/** Tick or untick "Nothing to label"; ticking removes the boxes. */
export function setNothing(state, nothing) {
  return { boxes: nothing ? EMPTY.boxes : state.boxes, nothing };
}

/** A history that begins with `state`. */
export function startHistory(state) {
  return { past: [], present: state, future: [], what: null, token: null };
}

/**
 * One step on. Steps with the same `token` (a key held down, a box being made by keys) become one.
 * @param {string} what what was done, for "Undo ..."
 */
export function commit(history, state, what, token = null) {
  if (state === history.present) return history;
  if (token !== null && token === history.token) return { ...history, present: state, future: [] };
  const past = [...history.past, { state: history.present, what: history.what }].slice(-MOST_STEPS);
  return { past, present: state, future: [], what, token };
}

/** Start a new step with the next change. */
export function seal(history) {
  return history.token === null ? history : { ...history, token: null };
}

export function undo(history) {
  if (!history.past.length) return history;
  const { state, what } = history.past.at(-1);
  const future = [{ state: history.present, what: history.what }, ...history.future];
  return { past: history.past.slice(0, -1), present: state, future, what, token: null };
}

export function redo(history) {
  if (!history.future.length) return history;
  const [{ state, what }, ...future] = history.future;
  const past = [...history.past, { state: history.present, what: history.what }];
  return { past, present: state, future, what, token: null };
}

/** The history without the step just made, as if it had never been. */
export function takeBack(history) {
  return { ...undo(history), future: [] };
}
