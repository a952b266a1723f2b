/** crowd-image-classifier and crowd-classifier: one category out of several, `{"<name>": {"label": "<category>"}}`. */

import { CrowdElement, deferred, make, sheet } from "./base.js";
import { isPlain } from "./fields.js";
import { isInTextField } from "./keys.js";
import { parseTexts } from "./literals.js";
import { drawOverlay } from "./overlay.js";

const styles = sheet(`
  :host { display: block; container-type: inline-size; }
  #all { display: grid; gap: 16px; align-items: start; }
  #target { min-width: 0; }
  #side { min-width: 0; }
  @container (min-width: 44rem) { #all { grid-template-columns: minmax(0, 1fr) minmax(15rem, 20rem); } }
  h1 { margin-bottom: 16px; }
  #picture { position: relative; display: inline-block; max-width: 100%; background: var(--crowd-shade); }
  #picture img { display: block; max-width: 100%; max-height: 72vh; }
  @container (max-width: 43.99rem) { #picture img { max-height: 50vh; } }
  #picture .over { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
  fieldset { margin: 8px 0; padding: 0; border: 0; display: grid; gap: 8px; }
  legend { padding: 0 0 8px; font-weight: 600; }
  label {
    display: flex; align-items: center; gap: 12px; min-height: 44px; padding: 8px 12px; border-radius: 8px;
    border: 1px solid var(--crowd-edge); cursor: pointer;
  }
  label:hover { background: var(--crowd-shade); }
  label:has(:checked) { border-color: var(--crowd-accent); box-shadow: inset 0 0 0 1px var(--crowd-accent); font-weight: 600; }
  label:has(:focus-visible) { outline: 3px solid var(--crowd-focus); outline-offset: 2px; }
  label input { flex: none; width: 18px; height: 18px; margin: 0; accent-color: var(--crowd-accent); outline: none; }
  label bdi { flex: 1; min-width: 0; }
  kbd { flex: none; min-width: 24px; border: 1px solid var(--crowd-line); border-radius: 4px; color: var(--crowd-soft); font: inherit; font-size: .8125rem; text-align: center; }
  @media (pointer: coarse) { kbd { display: none; } }
  ::slotted(classification-target) { display: block; overflow-wrap: anywhere; }
  textarea { display: block; margin-top: 8px; }
  summary { min-height: 40px; padding: 8px 0; color: var(--crowd-accent); cursor: pointer; }
`);

// What there is to see without a text.
const SEEN = "img, picture, svg, canvas, video, audio, iframe, object, embed, input, textarea, select";

class Classifier extends CrowdElement {
  build(shadow) {
    shadow.adoptedStyleSheets.push(styles);
    const header = this.getAttribute("header");
    if (header) shadow.append(make("h1", { id: "header" }, make("bdi", {}, header)));
    this.choices = this.#makeChoices();
    const side = make("div", { id: "side" }, make("slot"), this.choices);
    const comment = this.#makeComment();
    if (comment) side.append(comment);
    shadow.append(make("div", { id: "all" }, make("div", { id: "target" }, this.makeTarget()), side));
  }

  /** The chosen category, and the comment if there is one. */
  get value() {
    const chosen = this.#inputs().find((input) => input.checked);
    if (chosen === undefined) return undefined;
    const comment = this.comment?.value.trim();
    return { label: chosen.value, ...(comment ? { workerComment: comment } : {}) };
  }

  getDraft() {
    return { label: this.value?.label ?? null, workerComment: this.comment?.value ?? "" };
  }

  setAnswer(value) {
    if (!isPlain(value)) return;
    for (const input of this.#inputs()) input.checked = input.value === value.label;
    if (this.comment && typeof value.workerComment === "string") {
      this.comment.value = value.workerComment;
      this.comment.parentElement.open = value.workerComment !== "";
    }
  }

  reset() {
    this.setAnswer({ label: null, workerComment: "" });
  }

  problem() {
    if (this.categories.length === 0) return "This task has no categories to choose from: decline it.";
    return this.targetProblem() ?? (this.value === undefined ? "Choose a category." : null);
  }

  focus(options) {
    const inputs = this.#inputs();
    (inputs.find((input) => input.checked) ?? inputs[0])?.focus(options);
  }

  /**
   * Choose a category by its place.
   * @param {number} index from 0
   * @returns {boolean} whether there is one
   */
  choose(index) {
    const input = this.#inputs()[index];
    if (input === undefined || this.disabled) return false;
    input.checked = true;
    input.focus();
    this.changed();
    return true;
  }

  #inputs() {
    return [...(this.choices?.querySelectorAll("input") ?? [])];
  }

  #makeChoices() {
    const set = make("fieldset", {}, make("legend", {}, "Categories"));
    try {
      this.categories = parseTexts(this.getAttribute("categories"));
    } catch (error) {
      this.categories = [];
      set.append(make("p", { class: "bad" }, `The categories of this task cannot be read. ${error.message}`));
    }
    this.categories.forEach((category, index) => {
      const input = make("input", { type: "radio", name: "category", value: category });
      const label = make("label", {}, input, make("bdi", {}, category));
      if (index < 9) label.append(make("kbd", { "aria-hidden": true }, String(index + 1)));
      set.append(label);
    });
    set.addEventListener("change", () => this.changed());
    return set;
  }

  /** worker-comment: asks why (sms-ui-template-crowd-image-classifier). */
  #makeComment() {
    const region = this.querySelector(":scope > worker-comment");
    if (region === null) return null;
    region.slot = "comment";
    const title = region.getAttribute("header") || "Add a comment";
    this.comment = make("textarea", {
      class: "field",
      rows: 3,
      "aria-label": title,
      placeholder: region.getAttribute("placeholder"),
    });
    this.comment.addEventListener("input", () => this.changed());
    const summary = make("summary", {}, make("bdi", {}, region.getAttribute("link-text") || "Add a comment"));
    return make("details", {}, summary, make("slot", { name: "comment" }), this.comment);
  }
}

/** crowd-classifier: shows the content of its classification-target (sms-ui-template-crowd-classifier). */
export class CrowdClassifier extends Classifier {
  makeTarget() {
    for (const target of this.querySelectorAll(":scope > classification-target")) target.slot = "target";
    return make("slot", { name: "target" });
  }

  targetProblem() {
    const targets = [...this.querySelectorAll(":scope > classification-target")];
    const empty = targets.length > 0 && targets.every((one) => !one.textContent.trim() && one.querySelector(SEEN) === null);
    return empty ? "There is nothing to classify in this task: decline it." : null;
  }
}

/** crowd-image-classifier: one image, with the boxes or the mask of an earlier task over it if `overlay` says so. */
export class CrowdImageClassifier extends Classifier {
  #shown = deferred();

  makeTarget() {
    this.image = make("img", { alt: this.getAttribute("header") || "The image to classify" });
    this.picture = make("div", { id: "picture" }, this.image);
    this.fault = make("p", { class: "bad", role: "alert" });
    this.image.addEventListener("load", () => this.#loaded());
    this.image.addEventListener("error", () => this.#failed());
    this.image.src = this.getAttribute("src") ?? "";
    if (!this.getAttribute("src")) this.#failed();
    return make("div", {}, this.picture, this.fault);
  }

  get ready() {
    return this.#shown.promise;
  }

  targetProblem() {
    if (this.fault.textContent) return this.fault.firstChild.data.trim();
    return this.image.complete ? null : "The image is still loading: wait a moment.";
  }

  #loaded() {
    const onfail = () => this.#failed("The overlay of this task did not load. Try again, or decline the task. ");
    this.fault.textContent = drawOverlay(this.picture, this.image, this.getAttribute("overlay"), onfail) ?? "";
    this.#shown.resolve();
  }

  #failed(sentence = "The image did not load. Try again, or decline the task. ") {
    this.fault.textContent = sentence;
    const again = make("button", { type: "button", class: "button" }, "Try again");
    again.addEventListener("click", () => {
      this.fault.textContent = "";
      this.#shown = deferred();
      this.retried();
      this.image.src = this.getAttribute("src") ?? "";
    });
    this.fault.append(again);
    const fault = new Error("The image of this task did not load.");
    this.#shown.reject(fault);
    // It may have been shown before, and only its overlay is missing.
    this.#shown = deferred();
    this.#shown.reject(fault);
    this.retried();
  }
}

/** 1 to 9 choose a category: in the classifier that has the focus, else in the first without an answer. */
export function listenForDigits() {
  window.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.defaultPrevented;
    if (!plain || !/^[1-9]$/.test(event.key) || isInTextField(event)) return;
    const all = [...document.querySelectorAll("crowd-image-classifier, crowd-classifier")];
    const focused = document.activeElement?.closest("crowd-image-classifier, crowd-classifier");
    const classifier = focused ?? all.find((one) => one.value === undefined) ?? all[0];
    if (classifier?.choose?.(Number(event.key) - 1)) event.preventDefault();
  });
}
