/**
 * Geometry of boxes in image pixels; pure functions that know nothing of the page.
 *
 * A box is {left, top, width, height}. A size is {width, height} of the image. Gestures give whole pixels
 * inside the image; edges are rounded, not origin and size, so that an edge that the gesture did not grab stays
 * where it is.
 */

export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

/** Screen pixels around the outline within which an edge can be grabbed, for each kind of pointer. */
const GRIP = {
  mouse: { selected: { outside: 7, inside: 7 }, other: { outside: 2, inside: 4 } },
  touch: { selected: { outside: 22, inside: 14 }, other: { outside: 8, inside: 0 } },
};

const between = (value, low, high) => Math.min(Math.max(value, low), high);

/** The four edges of a box. */
export function edgesOf(box) {
  return { left: box.left, top: box.top, right: box.left + box.width, bottom: box.top + box.height };
}

/** The box between two pairs of edges, in whichever order they come, whole pixels, at least one wide and high. */
export function boxFromEdges({ left, top, right, bottom }, size) {
  const [x, width] = span(left, right, size.width);
  const [y, height] = span(top, bottom, size.height);
  return { left: x, top: y, width, height };
}

function span(one, other, limit) {
  const low = between(Math.round(Math.min(one, other)), 0, limit - 1);
  const high = between(Math.round(Math.max(one, other)), low + 1, limit);
  return [low, high - low];
}

/** The box between two points. */
export function boxFromPoints(from, to, size) {
  return boxFromEdges({ left: from.x, top: from.y, right: to.x, bottom: to.y }, size);
}

/** The box moved by (dx, dy) and no further than the border of the image; its size stays. */
export function moveBox(box, dx, dy, size) {
  const whole = boxFromEdges(edgesOf(box), size);
  return {
    ...whole,
    left: between(Math.round(whole.left + dx), 0, size.width - whole.width),
    top: between(Math.round(whole.top + dy), 0, size.height - whole.height),
  };
}

/** The box with the edges that `handle` names moved by (dx, dy); an edge may be pulled over the opposite one. */
export function resizeBox(box, handle, dx, dy, size) {
  const edges = edgesOf(box);
  if (handle.includes("w")) edges.left += dx;
  if (handle.includes("e")) edges.right += dx;
  if (handle.includes("n")) edges.top += dy;
  if (handle.includes("s")) edges.bottom += dy;
  return boxFromEdges(edges, size);
}

/** The part of a box inside the image, fractions kept; null when nothing of it is inside. */
export function clipBox(box, size) {
  const edges = edgesOf(box);
  const left = Math.max(edges.left, 0);
  const top = Math.max(edges.top, 0);
  const width = Math.min(edges.right, size.width) - left;
  const height = Math.min(edges.bottom, size.height) - top;
  return width > 0 && height > 0 ? { left, top, width, height } : null;
}

/** Whether two boxes have the same place and size. */
export function samePlace(one, other) {
  return one.left === other.left && one.top === other.top && one.width === other.width && one.height === other.height;
}

/** Whether `outer` holds all of `inner` ({left, top, right, bottom}). */
function covers(outer, inner) {
  const edges = edgesOf(outer);
  return edges.left <= inner.left && edges.top <= inner.top && edges.right >= inner.right && edges.bottom >= inner.bottom;
}

/** "move", the handle at `point`, or null outside the box. A small box keeps its middle half for moving. */
function partAt(box, point, outside, inside) {
  const { left, top, right, bottom } = edgesOf(box);
  const { x, y } = point;
  if (x < left - outside || x > right + outside || y < top - outside || y > bottom + outside) return null;
  const across = Math.min(inside, box.width / 4);
  const down = Math.min(inside, box.height / 4);
  const vertical = y < top + down ? "n" : y > bottom - down ? "s" : "";
  const horizontal = x < left + across ? "w" : x > right - across ? "e" : "";
  return vertical + horizontal || "move";
}

/**
 * The boxes under a point, the one to take first: the edges of the selected box, then the smallest box.
 *
 * A box whose edges are all out of sight does not count: a drag inside it draws.
 * @returns {{id: number, part: string}[]}
 */
export function boxesAt(boxes, point, { zoom, selectedId = null, touch = false, visible }) {
  const grips = touch ? GRIP.touch : GRIP.mouse;
  const hits = [];
  for (const box of boxes) {
    const selected = box.id === selectedId;
    const { outside, inside } = selected ? grips.selected : grips.other;
    const part = partAt(box, point, outside / zoom, inside / zoom);
    if (part === null || (part === "move" && covers(box, visible))) continue;
    hits.push({ id: box.id, part, first: selected && part !== "move", selected, area: box.width * box.height });
  }
  hits.sort((a, b) => b.first - a.first || a.area - b.area || b.selected - a.selected);
  return hits.map(({ id, part }) => ({ id, part }));
}
