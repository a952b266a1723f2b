/**
 * crowd-bounding-box: boxes with labels around what an image shows.
 *
 * Attributes `name`, `src`, `header`, `labels`, `initial-value` and output as in the SageMaker Developer Guide,
 * crowd-bounding-box (sms-ui-template-crowd-bounding-box): {boundingBoxes: [{height, label, left, top, width}],
 * inputImageProperties: {height, width}, initialValueModified}, in pixels of the image file; the last only with an
 * initial value. What is read and written how, see intake.js.
 *
 * Coordinates refer to the image file, as on AWS: EXIF orientation is ignored where the browser allows it (picture.js).
 */

import { CrowdElement, deferred } from "../base.js";
import { parseLiteral } from "../literals.js";
import { Help, Question } from "./dialogs.js";
import { make } from "./dom.js";
import { Editor } from "./editor.js";
import { Gestures } from "./gestures.js";
import { makeHead, Notices } from "./head.js";
import { fromAnswer, fromDraft, readInitial, readLabels, toAnswer, toDraft } from "./intake.js";
import { Keyboard } from "./keyboard.js";
import { LabelPicker } from "./labels.js";
import { BoxList } from "./list.js";
import { Picture } from "./picture.js";
import { Toolbar } from "./toolbar.js";
import { BoxLayer } from "./view.js";
import { Viewport } from "./viewport.js";

const STYLES = new URL("bounding-box.css", import.meta.url).href;
/** Editors at least this wide show their list from the start. */
const WIDE = 900;

export class CrowdBoundingBox extends CrowdElement {
  #ready = deferred();
  #pending = null;
  /** @type {string[]} shared with all parts of the editor */
  #labels = [];
  #size = null;
  #wantsFocus = false;
  #wheelZooms = true;
  #initial = { given: null, boxes: [], notices: [] };
  /** @type {Editor|null} */
  #editor = null;

  build(shadow) {
    this.classList.toggle("bb-fills", this.parentElement?.matches("crowd-form") ?? false);
    this.#loadStyles(shadow);
    this.#labels = readLabels(this.#literal("labels") ?? []);
    this.#buildShell(shadow);
    if (!this.labels.length) this.notices.add("This task has no labels, so no box can be drawn. Please decline it.");
    new ResizeObserver(() => this.#laidOut()).observe(this.stage);
    this.#loadImage();
  }

  #loadStyles(shadow) {
    const link = make("link", { rel: "stylesheet", href: STYLES });
    this.styled = new Promise((resolve) => {
      link.addEventListener("load", resolve);
      link.addEventListener("error", resolve);
    });
    shadow.append(link);
  }

  #literal(attribute) {
    const text = this.getAttribute(attribute);
    if (text === null || text.trim() === "") return null;
    try {
      return parseLiteral(text);
    } catch (error) {
      return { unreadable: error.message };
    }
  }

  #buildShell(shadow) {
    this.picture = new Picture(this.getAttribute("src") ?? "", () => this.#tryAgain());
    this.layerNode = make("div", { class: "bb-layer" });
    this.stage = make(
      "div",
      { class: "bb-stage", tabindex: "0", role: "application", "aria-roledescription": "image with boxes", "aria-label": "Image: drag, or press N, to draw a box" },
      this.picture.image,
      this.layerNode,
      this.picture.message,
    );
    this.layer = new BoxLayer(this.layerNode, this.labels);
    this.viewport = new Viewport(this.stage, this.picture.image, this.layerNode, () => this.#viewChanged());
    this.list = new BoxList(this.labels, this.#listActions());
    this.toolbar = new Toolbar(this.labels, this.#toolActions());
    this.picker = new LabelPicker(this.labels, (label) => this.#picked(label), () => this.#focusBox());
    this.question = new Question();
    this.help = new Help((on) => this.#chooseWheel(on));
    this.live = make("div", { class: "bb-live", role: "status", "aria-live": "polite" });
    this.notices = new Notices();
    this.root = make(
      "div",
      { class: "bb-root", "data-list": "closed" },
      makeHead(this, this.stage),
      this.notices.node,
      this.toolbar.node,
      make("div", { class: "bb-body" }, this.stage, this.list.node),
      this.picker.node,
      this.live,
      this.help.node,
      this.question.node,
    );
    // After a click on a button the keys belong to the image again; a button reached by Tab keeps the focus.
    this.toolbar.node.addEventListener("click", (event) => event.detail > 0 && !this.picker.isOpen && this.#focusBox());
    this.root.addEventListener("pointerdown", (event) => (this.touch = event.pointerType === "touch"), true);
    shadow.append(this.root);
    this.#openList(window.innerWidth >= WIDE);
    this.toolbar.node.inert = true;
    this.list.node.inert = true;
  }

  #toolActions() {
    return {
      undo: () => this.#editor.undo(),
      redo: () => this.#editor.redo(),
      remove: () => this.#editor.remove(),
      choose: (label) => this.#editor.chooseLabel(label),
      openLabels: (button) => this.#openLabels(null, button),
      zoom: (steps) => this.viewport.zoomBy(steps),
      fit: () => this.viewport.fit(),
      actualSize: () => this.viewport.zoomTo(1),
      toggleDrawOver: () => this.#toggleDrawOver(),
      setNothing: (on) => this.#editor.setNothing(on),
      toggleHelp: () => this.help.open(),
      toggleList: () => this.#openList(this.root.dataset.list !== "open"),
    };
  }

  #listActions() {
    return {
      select: (id) => this.#editor.select(id, { focus: false, reveal: true }),
      relabel: (id, button) => this.#openLabels(id, button),
      remove: (id) => this.#editor.remove(id, { focus: false }),
      close: () => this.#openList(false),
    };
  }

  #openList(open) {
    this.root.dataset.list = open ? "open" : "closed";
    this.toolbar.list.setAttribute("aria-expanded", open);
  }

  #toggleDrawOver() {
    this.gestures.drawOver = !this.gestures.drawOver;
    this.toolbar.over.setAttribute("aria-pressed", this.gestures.drawOver);
    this.#announce(this.gestures.drawOver ? "Dragging always draws" : "Dragging a box moves it");
  }

  /** Open the labels for a box (`id`), or for the selected one and new ones (null). */
  #openLabels(id, button) {
    if (!this.labels.length) return;
    this.pickingFor = id;
    const box = this.#editor.state.boxes.find((other) => other.id === (id ?? this.#editor.selectedId));
    this.picker.open(box?.label ?? this.#editor.label, button.getBoundingClientRect(), this.touch);
  }

  #picked(label) {
    if (this.pickingFor === null) this.#editor.chooseLabel(label);
    else this.#editor.relabel(this.pickingFor, label);
  }

  #focusBox() {
    (this.layer.nodeOf(this.#editor?.selectedId) ?? this.stage).focus({ preventScroll: true });
  }

  #announce(text) {
    this.live.textContent = text;
  }

  #viewChanged() {
    this.toolbar.zoomed(this.viewport.zoom);
    this.layer.zoomed(this.viewport.zoom);
  }

  async #loadImage() {
    try {
      const advice = await this.picture.load();
      if (advice) this.notices.add(advice);
    } catch (error) {
      this.#ready.reject(error);
      return;
    }
    await this.styled;
    this.picture.shown();
    this.#start(this.picture.size);
    this.#ready.resolve();
  }

  #tryAgain() {
    this.#ready = deferred();
    this.#loadImage();
    this.retried();
  }

  /** The stage has a new size, perhaps its first: a hidden frame that is loaded ahead has no layout. */
  #laidOut() {
    this.viewport.resized();
    const { size } = this.picture;
    if (this.#editor && size.width !== this.#size.width) this.#start(size);
  }

  #start(size) {
    this.#size = size;
    this.#initial = readInitial(this.#literal("initial-value"), size, this.labels);
    for (const text of this.#initial.notices) this.notices.add(text);
    if (!this.#editor) this.#makeEditor(size);
    this.#editor.size = size;
    this.viewport.show(size);
    this.toolbar.node.inert = false;
    this.list.node.inert = false;
    this.#begin();
    if (this.#wantsFocus) this.focus();
  }

  #makeEditor(size) {
    const { layer, list, toolbar, viewport, stage } = this;
    this.#editor = new Editor(size, this.labels, {
      ...{ layer, list, toolbar, viewport, stage },
      announce: (text) => this.#announce(text),
      confirm: (question, yes) => this.question.ask(question, yes),
      changed: () => this.changed(),
      focusElsewhere: () => this.list.node.contains(this.shadowRoot.activeElement),
    });
    this.gestures = new Gestures(stage, this.#editor, viewport, layer);
    this.gestures.wheelZooms = this.#wheelZooms;
    this.gestures.onpick = (id) => this.#openLabels(null, layer.nodeOf(id));
    stage.addEventListener("focusin", (event) => this.#focused(event));
    this.keyboard = new Keyboard(this, stage, this.#keyActions());
    this.keyboard.connect();
  }

  #keyActions() {
    return {
      editor: this.#editor,
      viewport: this.viewport,
      gestures: this.gestures,
      openLabels: () => this.#openLabels(null, this.layer.nodeOf(this.#editor.selectedId) ?? this.toolbar.pick),
      toggleDrawOver: () => this.#toggleDrawOver(),
      toggleList: () => this.#openList(this.root.dataset.list !== "open"),
      toggleHelp: () => this.help.open(),
      hide: (on) => this.layerNode.classList.toggle("bb-hidden", on),
    };
  }

  /** The focus came to a box by Tab: it is the selected one. */
  #focused(event) {
    const id = Number(event.target.dataset?.id);
    if (id && id !== this.#editor.selectedId) this.#editor.select(id, { focus: false, reveal: true });
  }

  /** Show what was asked for before the image was there, else the model's boxes. */
  #begin() {
    const initial = { boxes: this.#initial.boxes, nothing: false };
    const { draft, answer } = this.#pending ?? {};
    const restored = draft !== undefined ? fromDraft(draft, initial.boxes, this.#size) : null;
    this.#editor.begin(restored ?? (answer === undefined ? null : fromAnswer(answer, initial.boxes, this.#size)) ?? initial);
    if (this.labels.includes(draft?.label)) this.#editor.chooseLabel(draft.label);
  }

  #chooseWheel(zooms) {
    this.setPreferences({ wheelZooms: zooms });
    this.preferred("wheelZooms", zooms);
  }

  setPreferences({ wheelZooms }) {
    if (typeof wheelZooms !== "boolean") return;
    this.#wheelZooms = wheelZooms;
    this.help.wheelZooms = wheelZooms;
    if (this.gestures) this.gestures.wheelZooms = wheelZooms;
  }

  connectedCallback() {
    super.connectedCallback();
    this.keyboard?.connect();
  }

  disconnectedCallback() {
    this.keyboard?.disconnect();
  }

  /** The image takes the focus, so that every key works at once. */
  focus() {
    this.#wantsFocus = this.#editor === null;
    if (this.#editor) this.#focusBox();
  }

  get ready() {
    return this.#ready.promise;
  }

  /** The labels to choose from; scripts in AWS's own samples add to them while the task is shown. */
  get labels() {
    return this.#labels;
  }

  set labels(list) {
    this.#labels.splice(0, this.#labels.length, ...readLabels(list));
    for (const part of [this.layer, this.list, this.toolbar, this.picker]) part.labelsChanged(this.#labels);
    this.#editor?.labelsChanged();
  }

  get value() {
    if (!this.#editor) return undefined;
    return toAnswer(this.#editor.state, this.#size, this.#initial.given);
  }

  getDraft() {
    if (!this.#editor) return this.#pending?.draft ?? null;
    return { ...toDraft(this.#editor.state), label: this.#editor.label };
  }

  setDraft(draft) {
    this.#pending = { draft };
    if (this.#editor) this.#begin();
  }

  setAnswer(answer) {
    this.#pending = { answer };
    if (this.#editor) this.#begin();
  }

  reset() {
    this.#pending = null;
    if (this.#editor) this.#begin();
  }

  problem() {
    if (!this.#editor) return "The image has not loaded, so there is nothing to submit yet.";
    const { boxes, nothing } = this.#editor.state;
    if (!boxes.length && !nothing) return "Draw at least one box or tick Nothing to label.";
    const strange = boxes.findIndex((box) => !this.labels.includes(box.label));
    if (strange < 0) return null;
    this.#editor.select(boxes[strange].id, { focus: false, reveal: true });
    return `Box ${strange + 1} is labelled “${boxes[strange].label}”, which is not one of the labels: choose one or delete the box.`;
  }
}
