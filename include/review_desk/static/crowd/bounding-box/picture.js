/**
 * The editor's image, and the sentence shown in its place until it has loaded.
 *
 * The image is requested with CORS first, which lets the browser ignore an EXIF rotation; if its server does not
 * allow CORS, it is shown without.
 */

import { icon, make } from "./dom.js";

const FAILED = "The image did not load. Try again; if that does not help, decline the task and say so.";
const MAY_BE_TURNED = "The image’s server does not allow CORS: a photo with an EXIF rotation may be shown rotated.";

export class Picture {
  /** @param {string} source @param {() => void} onretry the person asks for another attempt */
  constructor(source, onretry) {
    Object.assign(this, { source, onretry });
    this.image = make("img", { class: "bb-image", alt: "", draggable: "false" });
    this.message = make("div", { class: "bb-message", role: "status" });
  }

  /**
   * Load the image; `shown` takes the message away.
   * @returns {Promise<string|null>} what the person should know about it
   * @throws {Error} with a sentence, which is shown too
   */
  async load() {
    this.message.replaceChildren(make("p", {}, "Loading the image …"));
    try {
      if (this.source.trim() === "") throw new Error("no src");
      return await this.#show("anonymous").catch(async () => {
        await this.#show(null);
        return /\.jpe?g($|\?)/i.test(this.source) ? MAY_BE_TURNED : null;
      });
    } catch {
      this.#failed();
      throw new Error(FAILED);
    }
  }

  shown() {
    this.message.hidden = true;
  }

  /** Pixels of the file. Browsers turn naturalWidth and naturalHeight by EXIF in any case; the layout does as told. */
  get size() {
    const { offsetWidth, offsetHeight, naturalWidth, naturalHeight } = this.image;
    return offsetWidth ? { width: offsetWidth, height: offsetHeight } : { width: naturalWidth, height: naturalHeight };
  }

  async #show(crossOrigin) {
    this.image.removeAttribute("src");
    this.image.crossOrigin = crossOrigin;
    this.image.src = this.source;
    await this.image.decode();
    return null;
  }

  #failed() {
    const retry = make("button", { type: "button", class: "bb-plain bb-first", onclick: () => this.onretry() }, "Try again");
    this.message.replaceChildren(icon("warn"), make("p", {}, FAILED), retry);
  }
}
