/** Which element is which: the one place that defines them. */

import { CrowdElement } from "./base.js";
import { CrowdForm } from "./form.js";

/** @type {Array<[string, typeof HTMLElement]>} */
const KNOWN = [["crowd-form", CrowdForm]];

/** Define the elements. */
export function defineAll() {
  for (const [name, element] of KNOWN) {
    if (customElements.get(name) === undefined) customElements.define(name, element);
  }
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
  return element instanceof CrowdElement && !element.disabled;
}
