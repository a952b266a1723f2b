/**
 * The sandboxed frame with a worker template, and the messages it may send.
 *
 * The template is untrusted code: its messages are data, of known types and limited size and rate, and are
 * accepted only from the window that this object made.
 */

const MESSAGE_CHARACTERS = 1_500_000;
const SENTENCE_CHARACTERS = 300;
const SHORTCUT_MS = 300;
const MESSAGES_PER_SECOND = 60;
const PREFERENCES = new Set(["wheelZooms"]);
const SHORTCUTS = new Set(["decline", "pause", "help", "next"]);

/** The part of a message that is passed on, by its type; null: nothing, the message is malformed. */
const READERS = {
  loaded: () => ({}),
  ready: () => ({}),
  problem: (data) => ({ message: sentence(data.message), final: data.final === true }),
  invalid: (data) => ({ message: sentence(data.message) }),
  draft: (data) => withObject("draft", data.draft),
  submit: (data) => withObject("answer", data.answer),
  shortcut: (data) => (SHORTCUTS.has(data.name) ? { name: data.name } : null),
  preference: (data) => (PREFERENCES.has(data.name) && typeof data.value === "boolean" ? { name: data.name, value: data.value } : null),
};

/** A frame; `onMessage(frame, type, content)` is called with its messages. */
export class TaskFrame {
  /** @param {string} address @param {HTMLElement} stage @param {(frame: TaskFrame, type: string, content: object) => void} onMessage */
  constructor(address, stage, onMessage) {
    this.loaded = false;
    this.ready = false;
    this.failed = false;
    this.madeMs = Date.now();
    this._onMessage = onMessage;
    this._second = 0;
    this._messages = 0;
    this._shortcutMs = 0;
    this.element = document.createElement("iframe");
    this.element.setAttribute("sandbox", "allow-scripts allow-forms");
    this.element.setAttribute("referrerpolicy", "no-referrer");
    this.element.title = "Next task";
    this.setVisible(false);
    this._listener = (event) => this._receive(event);
    window.addEventListener("message", this._listener);
    this.element.src = address;
    stage.append(this.element);
  }

  /** Hidden frames keep their size, so that an image is laid out before it is shown. @param {boolean} visible */
  setVisible(visible) {
    this.element.classList.toggle("ahead", !visible);
    this.element.inert = !visible;
    this.element.tabIndex = visible ? 0 : -1;
    if (visible) this.element.removeAttribute("aria-hidden");
    else this.element.setAttribute("aria-hidden", "true");
  }

  /** @param {string} type @param {object} [content] */
  post(type, content = {}) {
    this.element.contentWindow?.postMessage({ desk: 1, type, ...content }, "*");
  }

  focus() {
    this.element.focus({ preventScroll: true });
  }

  remove() {
    window.removeEventListener("message", this._listener);
    this.element.remove();
  }

  _receive(event) {
    if (event.source === null || event.source !== this.element.contentWindow) return;
    const data = event.data;
    if (data === null || typeof data !== "object" || data.desk !== 1) return;
    if (!Object.hasOwn(READERS, data.type) || !this._inPace(data.type)) return;
    const content = READERS[data.type](data);
    if (content === null) {
      // The form in the frame waits for a reply to its answer.
      if (data.type === "submit") this.post("refused", { message: "The answer is too large or not an object." });
      return;
    }
    if (data.type === "loaded") this.loaded = true;
    if (data.type === "ready") Object.assign(this, { ready: true, failed: false });
    if (data.type === "problem") this.failed = true;
    this._onMessage(this, data.type, content);
  }

  _inPace(type) {
    const now = performance.now();
    if (now - this._second > 1000) {
      this._second = now;
      this._messages = 0;
    }
    this._messages += 1;
    if (this._messages > MESSAGES_PER_SECOND) return false;
    if (type !== "shortcut") return true;
    const paced = now - this._shortcutMs > SHORTCUT_MS;
    if (paced) this._shortcutMs = now;
    return paced;
  }
}

function sentence(text) {
  return typeof text === "string" ? text.slice(0, SENTENCE_CHARACTERS) : "";
}

/** A copy by way of JSON, so that only data is left; null when it is not an object or too large. */
function withObject(name, value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  try {
    const text = JSON.stringify(value);
    return text.length <= MESSAGE_CHARACTERS ? { [name]: JSON.parse(text) } : null;
  } catch {
    // A cycle or a BigInt.
    return null;
  }
}
