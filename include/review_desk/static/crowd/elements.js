/** Which element is which: the one place that defines them. */

import { CrowdElement } from "./base.js";
import { CrowdBoundingBox } from "./bounding-box/element.js";
import { CrowdCheckbox, CrowdRadioButton, CrowdRadioGroup } from "./choices.js";
import { CrowdClassifier, CrowdImageClassifier, listenForDigits } from "./classifiers.js";
import { CrowdForm } from "./form.js";
import { CrowdAlert, CrowdButton, FullInstructions, IronIcon, ShortInstructions, UnknownElement } from "./furniture.js";
import { CrowdSlider } from "./slider.js";
import { CrowdInput, CrowdTextArea } from "./text.js";

/** @type {Array<[string, typeof HTMLElement]>} */
const KNOWN = [
  ["crowd-alert", CrowdAlert],
  ["crowd-button", CrowdButton],
  ["iron-icon", IronIcon],
  ["short-instructions", ShortInstructions],
  ["full-instructions", FullInstructions],
  ["crowd-input", CrowdInput],
  ["crowd-text-area", CrowdTextArea],
  ["crowd-checkbox", CrowdCheckbox],
  ["crowd-radio-button", CrowdRadioButton],
  ["crowd-radio-group", CrowdRadioGroup],
  ["crowd-slider", CrowdSlider],
  ["crowd-bounding-box", CrowdBoundingBox],
  ["crowd-classifier", CrowdClassifier],
  ["crowd-image-classifier", CrowdImageClassifier],
  ["crowd-form", CrowdForm],
];

/** Define the elements, and every other crowd element as unknown, also those that scripts add later. */
export function defineAll() {
  for (const [name, element] of KNOWN) define(name, element);
  const defineUnknown = () => {
    for (const element of document.querySelectorAll(":not(:defined)")) {
      if (element.localName.startsWith("crowd-")) define(element.localName, class extends UnknownElement {});
    }
  };
  defineUnknown();
  new MutationObserver(defineUnknown).observe(document.documentElement, { childList: true, subtree: true });
  listenForDigits();
}

function define(name, element) {
  if (customElements.get(name) === undefined) customElements.define(name, element);
}

/**
 * The input elements in a document.
 * @param {Document} root
 * @returns {CrowdElement[]}
 */
export function inputs(root) {
  return [...root.querySelectorAll("*")].filter((element) => element instanceof CrowdElement);
}

/** @param {Element} element @returns {boolean} whether it should get the focus when the task appears */
export function takesFocus(element) {
  if (element instanceof UnknownElement || element.disabled) return false;
  return element instanceof CrowdElement || element.matches("input:not([type=hidden]), textarea, select");
}
