/**
 * From attributes, drafts and answers to boxes and back: the editor's input and output.
 *
 * The model's boxes come back number for number as they were given, fractions included, until the person changes
 * them; every box a person made or changed is whole pixels. Boxes that extend beyond the image are clipped
 * to it. Boxes that cannot be drawn are named in a notice, never dropped silently.
 */

import { clipBox, samePlace } from "./geometry.js";
import { EMPTY, newBox } from "./model.js";

const SIDES = ["left", "top", "width", "height"];
const MOST_NAMED = 3;

/**
 * The labels of the `labels` attribute, each once.
 * @param {unknown} list strings, or objects with a `label` as Ground Truth has them
 */
export function readLabels(list) {
  if (!Array.isArray(list)) return [];
  const names = list.map((item) => (item !== null && typeof item === "object" ? item.label : item));
  const usable = names.filter((name) => ["string", "number", "boolean"].includes(typeof name)).map(String);
  return [...new Set(usable.filter((name) => name.trim() !== ""))];
}

/**
 * The model's boxes.
 * @param {unknown} value the literal in `initial-value`
 * @returns {{given: object[]|null, boxes: object[], notices: string[]}} `given` is null without an initial value
 */
export function readInitial(value, size, labels) {
  if (value === null || value === undefined) return { given: null, boxes: [], notices: [] };
  const list = Array.isArray(value) ? value : value.boundingBoxes;
  if (!Array.isArray(list)) {
    return { given: [], boxes: [], notices: ["The model's boxes could not be read: initial-value is not a list."] };
  }
  const boxes = [];
  const bad = [];
  const cut = [];
  list.forEach((item, index) => {
    const { box, fault } = readBox(item, index, size);
    if (box) boxes.push(box);
    if (fault) (box ? cut : bad).push(`box ${index + 1} ${fault}`);
  });
  const strange = [...new Set(boxes.map((box) => box.label).filter((label) => !labels.includes(label)))];
  const notices = [
    bad.length && `Some of the model's boxes cannot be shown: ${named(bad)}. Draw what is missing.`,
    cut.length && `Clipped to the image: ${named(cut)}.`,
    strange.length && `The model used ${strange.length > 1 ? "labels" : "a label"} that cannot be chosen here: ${named(strange.map((label) => `“${label}”`))}. Please relabel or delete.`,
  ].filter(Boolean);
  return { given: list, boxes, notices };
}

function readBox(item, index, size) {
  if (item === null || typeof item !== "object") return { fault: "is not an object" };
  const place = Object.fromEntries(SIDES.map((side) => [side, numberOf(item[side])]));
  const missing = SIDES.find((side) => !Number.isFinite(place[side]));
  if (missing) return { fault: `has no number as ${missing}` };
  if (place.width <= 0 || place.height <= 0) return { fault: `is ${place.width} wide and ${place.height} high` };
  const inside = clipBox(place, size);
  if (!inside) return { fault: "is outside the image" };
  const whole = insideOf(place, size);
  const label = typeof item.label === "string" ? item.label : String(item.label ?? "");
  return { box: newBox(label, whole ? place : inside, index), fault: whole ? null : "extends beyond it" };
}

const numberOf = (value) => (typeof value === "string" && value.trim() !== "" ? Number(value) : value);

const insideOf = ({ left, top, width, height }, size) =>
  left >= 0 && top >= 0 && left + width <= size.width && top + height <= size.height;

function named(faults) {
  const more = faults.length - MOST_NAMED;
  return faults.slice(0, MOST_NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** The element's value in answerContent. */
export function toAnswer(state, size, given) {
  const boundingBoxes = state.boxes.map(({ height, label, left, top, width }) => ({ height, label, left, top, width }));
  const answer = { boundingBoxes, inputImageProperties: { height: size.height, width: size.width } };
  if (given !== null) answer.initialValueModified = !sameAsGiven(boundingBoxes, given);
  return answer;
}

function sameAsGiven(boxes, given) {
  return boxes.length === given.length && boxes.every((box, index) => sameBox(box, given[index]));
}

function sameBox(box, item) {
  if (item === null || typeof item !== "object" || box.label !== String(item.label ?? "")) return false;
  return SIDES.every((side) => box[side] === numberOf(item[side]));
}

/** The state as plain data, for the portal to keep. */
export function toDraft(state) {
  const boxes = state.boxes.map(({ label, left, top, width, height, given, touched }) => {
    return { label, left, top, width, height, given, touched };
  });
  return { boxes, nothing: state.nothing };
}

/** The state of a draft; null when it is none. Its untouched boxes are the model's own again. */
export function fromDraft(draft, initialBoxes, size) {
  if (draft === null || typeof draft !== "object" || !Array.isArray(draft.boxes)) return null;
  const boxes = draft.boxes.map((item) => {
    const mine = item?.given === null ? null : initialBoxes.find((box) => box.given === item?.given);
    if (mine && item.touched === false) return mine;
    const place = placeOf(item, size);
    return place && newBox(String(item.label ?? ""), place, mine?.given ?? null, true);
  });
  const usable = boxes.filter(Boolean);
  return { boxes: usable, nothing: draft.nothing === true && usable.length === 0 };
}

/** The state of an answer given before; boxes equal to the model's are the model's. */
export function fromAnswer(answer, initialBoxes, size) {
  if (answer === null || typeof answer !== "object" || !Array.isArray(answer.boundingBoxes)) return null;
  const left = [...initialBoxes];
  const boxes = answer.boundingBoxes.map((item) => {
    const place = placeOf(item, size);
    if (!place) return null;
    const label = String(item.label ?? "");
    const index = left.findIndex((box) => box.label === label && samePlace(box, place));
    return index < 0 ? newBox(label, place, null, true) : left.splice(index, 1)[0];
  });
  const usable = boxes.filter(Boolean);
  return usable.length ? { boxes: usable, nothing: false } : { ...EMPTY, nothing: true };
}

function placeOf(item, size) {
  if (item === null || typeof item !== "object" || !SIDES.every((side) => Number.isFinite(item[side]))) return null;
  return clipBox(item, size);
}
