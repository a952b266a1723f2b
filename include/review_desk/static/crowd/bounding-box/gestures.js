/**
 * Mouse, pen and touch on the stage: draw, move, resize, pan, pinch, wheel.
 *
 * One pointer edits, two pan and zoom. Mouse and pen grab any box directly; a finger, less exact, taps a box
 * first and draws elsewhere, even inside boxes that are not selected. Moves are processed once per frame and shown
 * as a preview; the state changes by one step when the pointer is lifted.
 */

import { boxesAt, boxFromPoints, moveBox, resizeBox } from "./geometry.js";
import { boxById } from "./model.js";

/** Screen pixels before a press becomes a drag, and the least side of a drawn box. */
const SLACK = { mouse: 3, pen: 4, touch: 8 };
const LEAST_SIDE = 3;
const LINE = 16;

export class Gestures {
  /** @param {HTMLElement} stage @param {import("./editor.js").Editor} editor */
  constructor(stage, editor, viewport, layer) {
    Object.assign(this, { stage, editor, viewport, layer });
    this.pointers = new Map();
    this.drag = null;
    this.pinch = null;
    this.frame = 0;
    this.spaceHeld = false;
    this.drawOver = false;
    this.wheelZooms = true;
    /** @type {(id: number) => void} a double click on a box */
    this.onpick = () => {};
    const on = (type, listener, options) => stage.addEventListener(type, listener, options);
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.lost(event));
    on("lostpointercapture", (event) => this.lost(event));
    on("wheel", (event) => this.wheel(event), { passive: false });
    on("dblclick", (event) => this.pick(event));
    on("contextmenu", (event) => event.preventDefault());
    on("auxclick", (event) => event.preventDefault());
    editor.gesture = this;
  }

  down(event) {
    this.viewport.measure();
    if (event.target.closest?.("button")) return;
    event.preventDefault();
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.capture(event.pointerId);
    if (this.pointers.size === 2) {
      this.cancel();
      this.pinch = this.grip();
    } else if (this.pointers.size === 1 && event.button <= 1) {
      this.begin(event);
    }
  }

  capture(pointerId) {
    try {
      this.stage.setPointerCapture(pointerId);
    } catch {
      // The pointer is gone already: the gesture ends by itself.
    }
  }

  begin(event) {
    const kind = event.pointerType === "touch" ? "touch" : event.pointerType === "pen" ? "pen" : "mouse";
    const start = this.viewport.toImage(event.clientX, event.clientY);
    const drag = { pointerId: event.pointerId, kind, start, from: { x: event.clientX, y: event.clientY }, live: false };
    if (event.button === 1 || this.spaceHeld) Object.assign(drag, { mode: "pan", live: true });
    else Object.assign(drag, this.intent(start, kind, event.shiftKey));
    this.drag = drag;
    // Keys after a touch go nowhere unless the press takes the focus.
    if (!this.stage.contains(this.stage.getRootNode().activeElement)) this.stage.focus({ preventScroll: true });
    this.setCursor(drag.mode === "pan" ? "grabbing" : null);
  }

  /** What a drag from here would do: draw, or move or resize a box. */
  intent(point, kind, over) {
    const { editor, viewport } = this;
    const touch = kind === "touch";
    const hits = boxesAt(editor.state.boxes, point, {
      zoom: viewport.zoom,
      selectedId: editor.selectedId,
      touch,
      visible: viewport.visible,
    });
    const grabbed = over || this.drawOver ? null : hits.find(({ id }) => !touch || id === editor.selectedId);
    if (!grabbed) return { mode: "draw", hits };
    return { mode: grabbed.part === "move" ? "move" : "resize", id: grabbed.id, part: grabbed.part, hits };
  }

  move(event) {
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) {
      if (event.pointerType !== "touch") this.hover(event);
      return;
    }
    const before = { ...pointer };
    Object.assign(pointer, { x: event.clientX, y: event.clientY });
    if (this.pinch) this.pinched();
    else if (this.drag?.pointerId === event.pointerId) this.dragged(pointer, before);
  }

  dragged(pointer, before) {
    const { drag } = this;
    if (drag.mode === "pan") {
      this.viewport.panBy(pointer.x - before.x, pointer.y - before.y);
      return;
    }
    const far = Math.max(Math.abs(pointer.x - drag.from.x), Math.abs(pointer.y - drag.from.y));
    if (!drag.live && far >= SLACK[drag.kind]) {
      drag.live = true;
      if (drag.id !== undefined) this.editor.select(drag.id);
      else this.editor.select(null);
      this.stage.classList.add("bb-dragging");
    }
    if (drag.live) this.frame ||= requestAnimationFrame(() => this.preview());
  }

  /** Where the dragged box is now; null for one too small to be intended. */
  placeNow() {
    const { drag, viewport, editor } = this;
    const { x, y } = this.pointers.get(drag.pointerId);
    const point = viewport.toImage(x, y);
    if (drag.mode === "draw") {
      const place = boxFromPoints(drag.start, point, editor.size);
      const least = Math.min(Math.abs(x - drag.from.x), Math.abs(y - drag.from.y));
      const outside = [drag.start, point].map(({ x: across, y: down }) => [sideOf(across, editor.size.width), sideOf(down, editor.size.height)]);
      const missed = [0, 1].some((axis) => outside[0][axis] !== 0 && outside[0][axis] === outside[1][axis]);
      return least < LEAST_SIDE || missed ? null : place;
    }
    const box = boxById(editor.state, drag.id);
    const [dx, dy] = [point.x - drag.start.x, point.y - drag.start.y];
    return drag.mode === "move" ? moveBox(box, dx, dy, editor.size) : resizeBox(box, drag.part, dx, dy, editor.size);
  }

  preview() {
    this.frame = 0;
    if (!this.drag?.live || this.drag.mode === "pan") return;
    const place = this.placeNow();
    if (place) this.layer.preview(this.drag.id ?? null, place, this.editor.label, this.viewport.zoom);
  }

  up(event) {
    const pointer = this.pointers.get(event.pointerId);
    const { drag } = this;
    if (pointer && drag?.pointerId === event.pointerId) {
      Object.assign(pointer, { x: event.clientX, y: event.clientY });
      const place = drag.live && drag.mode !== "pan" ? this.placeNow() : null;
      this.end();
      if (!drag.live) this.click(drag, event);
      else if (drag.mode === "draw" && place) this.editor.add(place);
      else if (place) this.editor.put(drag.id, place, drag.mode === "move" ? "Moved" : "Resized");
    }
    this.forget(event.pointerId);
    if (event.pointerType !== "touch") this.hover(event);
  }

  /** A press without a drag selects the smallest box there, the next larger one when that is selected already. */
  click(drag, event) {
    if (event.button > 0) return;
    const ids = drag.hits.map(({ id }) => id);
    const again = event.detail < 2 && this.lastClick === ids.join() ? ids.indexOf(this.editor.selectedId) + 1 : 0;
    this.lastClick = ids.join();
    this.editor.select(ids.length ? ids[again % ids.length] : null);
  }

  lost(event) {
    if (!this.pointers.has(event.pointerId)) return;
    if (this.drag?.pointerId === event.pointerId) this.cancel();
    this.forget(event.pointerId);
  }

  forget(pointerId) {
    this.pointers.delete(pointerId);
    if (this.pointers.size < 2) this.pinch = null;
  }

  /** Drop the gesture; true when there was one. */
  cancel() {
    const live = Boolean(this.drag?.live);
    this.end();
    return live;
  }

  end() {
    const { drag } = this;
    this.drag = null;
    if (this.frame) cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.stage.classList.remove("bb-dragging");
    this.setCursor(null);
    if (drag) this.layer.endPreview(drag.id ?? null, this.viewport.zoom);
  }

  /** Middle and distance of two fingers. */
  grip() {
    const [one, other] = [...this.pointers.values()];
    const apart = Math.max(Math.hypot(one.x - other.x, one.y - other.y), 1);
    return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, apart };
  }

  pinched() {
    if (this.pointers.size !== 2) return;
    const now = this.grip();
    this.viewport.panBy(now.x - this.pinch.x, now.y - this.pinch.y);
    this.viewport.zoomTo((this.viewport.zoom * now.apart) / this.pinch.apart, now.x, now.y);
    this.pinch = now;
  }

  wheel(event) {
    event.preventDefault();
    if (this.drag?.live) return;
    this.viewport.measure();
    const unit = event.deltaMode === 1 ? LINE : event.deltaMode === 2 ? this.viewport.room.height : 1;
    const [dx, dy] = event.shiftKey && !event.deltaX ? [event.deltaY, 0] : [event.deltaX, event.deltaY];
    if (event.ctrlKey || event.metaKey || (this.wheelZooms && !event.shiftKey && Math.abs(dy) >= Math.abs(dx))) {
      // One wheel notch is about 100; a trackpad pinch sends small steps, each of which counts for more.
      const steps = (-dy * unit) / (event.ctrlKey && Math.abs(dy) < 40 ? 22 : 100);
      this.viewport.zoomBy(Math.min(Math.max(steps, -3), 3), event.clientX, event.clientY);
    } else {
      this.viewport.panBy(-dx * unit, -dy * unit);
    }
  }

  pick(event) {
    const { hits } = this.intent(this.viewport.toImage(event.clientX, event.clientY), "mouse", false);
    if (hits.length) this.onpick(this.editor.selectedId ?? hits[0].id);
  }

  /** Show by the cursor what a press would do. */
  hover(event) {
    if (this.drag) return;
    if (this.spaceHeld) {
      this.setCursor("grab");
      return;
    }
    const { mode, part, id } = this.intent(this.viewport.toImage(event.clientX, event.clientY), "mouse", event.shiftKey);
    this.setCursor(mode === "draw" ? null : mode === "move" ? "move" : `${part}-resize`);
    const hovered = mode === "draw" ? null : this.layer.nodeOf(id);
    if (hovered === this.hovered) return;
    this.hovered?.classList.remove("bb-hover");
    hovered?.classList.add("bb-hover");
    this.hovered = hovered;
  }

  setCursor(cursor) {
    const shown = cursor ?? (this.spaceHeld ? "grab" : "");
    if (this.cursor !== shown) this.stage.style.cursor = shown;
    this.cursor = shown;
  }

  holdSpace(held) {
    this.spaceHeld = held;
    if (!this.drag) this.setCursor(null);
  }
}

const sideOf = (value, limit) => (value <= 0 ? -1 : value >= limit ? 1 : 0);
