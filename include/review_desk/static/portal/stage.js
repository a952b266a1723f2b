/** The frame that is shown, and hidden behind it the next one. */

import { call } from "./api.js";
import { TaskFrame } from "./frame.js";

// Links to images in a frame expire.
const AHEAD_MS = 10 * 60 * 1000;
const ADDRESS = /^\/frames\/[A-Za-z0-9_\-/]+$/;

/** Shows tasks one after another, reusing frames that were loaded ahead. */
export class Stage {
  /** @param {HTMLElement} element @param {(frame: TaskFrame, type: string, content: object) => void} onMessage */
  constructor(element, onMessage) {
    this._element = element;
    this._onMessage = onMessage;
    /** @type {TaskFrame|null} */
    this.frame = null;
    /** @type {{loop: string, frame: TaskFrame}|null} */
    this._ahead = null;
  }

  /**
   * Show a task; the frame is the one loaded ahead when it holds this loop.
   * @param {{loop: string, frame: string, title: string}} task
   */
  show(task) {
    this.clear();
    const ahead = this._ahead;
    this._ahead = null;
    if (ahead && ahead.loop === task.loop && usable(ahead.frame)) {
      this.frame = ahead.frame;
    } else {
      ahead?.frame.remove();
      this.frame = new TaskFrame(address(task.frame), this._element, this._onMessage);
    }
    this.frame.element.title = `Task: ${task.title}`;
    this.frame.setVisible(true);
  }

  /** Remove the current frame. */
  clear() {
    this.frame?.remove();
    this.frame = null;
  }

  /** Load the loop that would come next, if there is one. A failure only costs time. */
  async lookAhead() {
    if (this._ahead && usable(this._ahead.frame)) return;
    this.forgetAhead();
    const present = this.frame;
    try {
      const next = await call("POST", "/tasks/ahead", {});
      if (!next || this._ahead || this.frame !== present) return;
      const frame = new TaskFrame(address(next.frame), this._element, this._onMessage);
      this._ahead = { loop: next.loop, frame };
    } catch {
      // The next task is then loaded when it is needed.
    }
  }

  /** Discard what was loaded ahead. */
  forgetAhead() {
    this._ahead?.frame.remove();
    this._ahead = null;
  }
}

function usable(frame) {
  return !frame.failed && Date.now() - frame.madeMs < AHEAD_MS;
}

function address(path) {
  if (!ADDRESS.test(path)) throw new Error("The address of a frame lies outside of /frames/.");
  return path;
}
