/**
 * Where the image is on the screen: zoom (CSS pixels per image pixel), offset, and conversions between the two.
 *
 * Image and boxes lie in two layers. A pan moves both by transform; a zoom scales the image and sets one custom
 * property, from which CSS places every box, so that lines, handles and labels keep their size on the screen.
 */

const MARGIN = 14;
const STEP = 1.25;
const FURTHEST_IN = 32;
/** From this zoom on, single image pixels are visible. */
const SHARP_FROM = 3;

export class Viewport {
  /**
   * @param {HTMLElement} stage what is seen
   * @param {HTMLElement} picture layer of the image
   * @param {HTMLElement} layer layer of the boxes
   * @param {() => void} changed after each change of zoom or offset, once per frame
   */
  constructor(stage, picture, layer, changed) {
    this.stage = stage;
    this.picture = picture;
    this.layer = layer;
    this.changed = changed;
    this.zoom = 1;
    this.x = 0;
    this.y = 0;
    this.size = { width: 0, height: 0 };
    this.room = { width: 0, height: 0, left: 0, top: 0 };
    this.fitted = true;
    this.frame = 0;
  }

  /** The image is known: show all of it. */
  show(size) {
    this.size = size;
    this.measure();
    this.fit();
  }

  /** Measure where the stage is in the window. */
  measure() {
    const { left, top, width, height } = this.stage.getBoundingClientRect();
    this.room = { left, top, width, height };
  }

  /** The stage has another size: keep the whole image in view, or what is in the middle. */
  resized() {
    const before = this.room;
    this.measure();
    if (!this.size.width || !this.room.width) return;
    if (this.fitted) {
      this.fit();
    } else {
      this.place(this.x + (this.room.width - before.width) / 2, this.y + (this.room.height - before.height) / 2);
    }
  }

  get fitZoom() {
    const across = (this.room.width - 2 * MARGIN) / this.size.width;
    const down = (this.room.height - 2 * MARGIN) / this.size.height;
    return Math.max(Math.min(across, down, FURTHEST_IN), 0.005);
  }

  fit() {
    this.zoom = this.fitZoom;
    this.fitted = true;
    this.place(
      (this.room.width - this.size.width * this.zoom) / 2,
      (this.room.height - this.size.height * this.zoom) / 2,
    );
  }

  /** Zoom to `zoom`; what is at (x, y) of the window, by default the middle of the stage, stays there. */
  zoomTo(zoom, x = this.room.left + this.room.width / 2, y = this.room.top + this.room.height / 2) {
    const at = this.toImage(x, y);
    const least = Math.min(this.fitZoom, 1) / 2;
    this.zoom = Math.min(Math.max(zoom, least), FURTHEST_IN);
    this.fitted = false;
    this.place(x - this.room.left - at.x * this.zoom, y - this.room.top - at.y * this.zoom);
  }

  zoomBy(steps, x, y) {
    this.zoomTo(this.zoom * STEP ** steps, x, y);
  }

  panBy(dx, dy) {
    this.fitted = false;
    this.place(this.x + dx, this.y + dy);
  }

  /** Whether there is more image than stage in a direction ("width" or "height"). */
  overflows(side) {
    return this.size[side] * this.zoom > this.room[side] + 1;
  }

  /** Bring a box into view, at most as far as needed. */
  reveal(box) {
    const near = (start, length, offset, room) => {
      const low = start * this.zoom + offset;
      const high = low + length * this.zoom;
      if (low >= MARGIN && high <= room - MARGIN) return 0;
      if (length * this.zoom > room - 2 * MARGIN) return low > room - 40 || high < 40 ? room / 2 - (low + high) / 2 : 0;
      return low < MARGIN ? MARGIN - low : room - MARGIN - high;
    };
    const dx = near(box.left, box.width, this.x, this.room.width);
    const dy = near(box.top, box.height, this.y, this.room.height);
    if (dx || dy) this.panBy(dx, dy);
  }

  /** The point of the image at a point of the window, in image pixels with fractions. */
  toImage(clientX, clientY) {
    return { x: (clientX - this.room.left - this.x) / this.zoom, y: (clientY - this.room.top - this.y) / this.zoom };
  }

  /** The edges of the visible part, in image pixels. */
  get visible() {
    const start = this.toImage(this.room.left, this.room.top);
    const end = this.toImage(this.room.left + this.room.width, this.room.top + this.room.height);
    return { left: start.x, top: start.y, right: end.x, bottom: end.y };
  }

  /** Set the offset: whole pixels, with the image always in sight. */
  place(x, y) {
    const keep = (value, length, room) => {
      const spare = Math.min(room / 2, 120);
      return Math.round(Math.min(Math.max(value, Math.min(spare - length, 0)), Math.max(room - spare, room - length)));
    };
    this.x = keep(x, this.size.width * this.zoom, this.room.width);
    this.y = keep(y, this.size.height * this.zoom, this.room.height);
    this.frame ||= requestAnimationFrame(() => this.apply());
  }

  apply() {
    this.frame = 0;
    this.picture.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`;
    this.picture.classList.toggle("bb-sharp", this.zoom >= SHARP_FROM);
    this.layer.style.transform = `translate(${this.x}px, ${this.y}px)`;
    if (this.shownZoom !== this.zoom) this.layer.style.setProperty("--zoom", this.zoom);
    this.shownZoom = this.zoom;
    this.changed();
  }
}
