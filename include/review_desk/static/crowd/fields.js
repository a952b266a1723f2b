/**
 * The named fields of a form, crowd elements and native inputs alike, and the answer they make.
 *
 * Fields of one name whose values are objects are merged: `{"blurry": true, "dim": false}` for two check boxes
 * (SageMaker Developer Guide, crowd-checkbox). Native check boxes and radio buttons answer as those of AWS do.
 */

import { CrowdElement } from "./base.js";

const NATIVE = "input[name], textarea[name], select[name]";
const SILENT = new Set(["submit", "reset", "button", "image", "file"]);

/**
 * The fields in document order.
 * @param {Element} form
 * @returns {Array<{element: HTMLElement, name: string}>}
 */
function fieldsOf(form) {
  const found = [];
  for (const element of form.querySelectorAll("*")) {
    if (element instanceof CrowdElement ? element.name : element.matches(NATIVE) && element.name && !SILENT.has(element.type)) {
      found.push({ element, name: element.name });
    }
  }
  return found;
}

/**
 * answerContent.
 * @param {Element} form
 * @returns {Object<string, *>}
 */
export function collect(form) {
  const answer = new Map();
  for (const { element, name } of fieldsOf(form)) {
    if (element.disabled) continue;
    const value = element instanceof CrowdElement ? element.submitted : nativeValue(element);
    if (value === undefined) continue;
    if (typeof value === "string") {
      answer.set(name, storable(value));
      continue;
    }
    const before = answer.get(name);
    answer.set(name, isPlain(before) && isPlain(value) ? { ...before, ...value } : value);
  }
  return Object.fromEntries(answer);
}

/**
 * The first field that cannot be submitted, with a sentence.
 * @param {Element} form
 * @returns {?{element: HTMLElement, message: string}}
 */
export function firstProblem(form) {
  for (const element of form.querySelectorAll("*")) {
    if (element.disabled) continue;
    const message = element instanceof CrowdElement ? element.problem() : nativeProblem(element);
    if (message) return { element, message };
  }
  return null;
}

/**
 * What restores the present state of all fields.
 * @param {Element} form
 * @returns {{version: 1, fields: Object<string, Array>}} per name the drafts of its fields, in document order
 */
export function draft(form) {
  const drafts = new Map();
  for (const { element, name } of fieldsOf(form)) {
    const state = element instanceof CrowdElement ? element.getDraft() : nativeDraft(element);
    drafts.set(name, [...(drafts.get(name) ?? []), state ?? null]);
  }
  return { version: 1, fields: Object.fromEntries(drafts) };
}

/**
 * Restore a draft as far as it fits; what does not fit is left as it is.
 * @param {Element} form
 * @param {*} saved
 */
export function restoreDraft(form, saved) {
  const drafts = isPlain(saved) && isPlain(saved.fields) ? saved.fields : {};
  const seen = new Map();
  for (const { element, name } of fieldsOf(form)) {
    const index = seen.get(name) ?? 0;
    seen.set(name, index + 1);
    const states = Object.hasOwn(drafts, name) ? drafts[name] : null;
    if (!Array.isArray(states) || index >= states.length) continue;
    tolerate(() => {
      if (element instanceof CrowdElement) element.setDraft(states[index]);
      else setNativeDraft(element, states[index]);
    });
  }
}

/**
 * Show an earlier answer for correction.
 * @param {Element} form
 * @param {*} answer answerContent
 */
export function restoreAnswer(form, answer) {
  for (const { element, name } of fieldsOf(form)) {
    if (!isPlain(answer) || !Object.hasOwn(answer, name)) continue;
    tolerate(() => {
      if (element instanceof CrowdElement) element.setAnswer(answer[name]);
      else setNativeAnswer(element, answer[name]);
    });
  }
}

/** @param {Element} form */
export function reset(form) {
  for (const element of form.querySelectorAll("*")) {
    if (element instanceof CrowdElement) element.reset();
    else if (element.matches("input, textarea, select")) resetNative(element);
  }
}

/** @param {*} value @returns {boolean} */
export function isPlain(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tolerate(restore) {
  try {
    restore();
  } catch (error) {
    console.warn("A field could not be restored.", error);
  }
}

/** Text that JSON and databases accept: without NUL and lone surrogates, which are invisible anyway. */
function storable(text) {
  return text.replaceAll("\0", "").toWellFormed();
}

function isTicked(element) {
  return element.type === "checkbox" || element.type === "radio";
}

function nativeValue(element) {
  if (isTicked(element)) return { [element.value]: element.checked };
  if (element.type === "select-multiple") return [...element.selectedOptions].map((option) => option.value);
  return element.value;
}

function nativeProblem(element) {
  if (!element.matches("input, textarea, select") || element.checkValidity()) return null;
  const label = element.labels?.[0]?.textContent.trim() || element.placeholder || element.name;
  return label ? `${label}: ${element.validationMessage}` : element.validationMessage;
}

function nativeDraft(element) {
  return isTicked(element) ? element.checked : nativeValue(element);
}

function setNativeDraft(element, state) {
  if (isTicked(element)) element.checked = state === true;
  else setNativeAnswer(element, state);
}

function setNativeAnswer(element, value) {
  if (isTicked(element)) element.checked = isPlain(value) && value[element.value] === true;
  else if (element.type === "select-multiple") {
    for (const option of element.options) option.selected = Array.isArray(value) && value.includes(option.value);
  } else if (typeof value === "string" || typeof value === "number") element.value = String(value);
}

function resetNative(element) {
  if (element.type === "hidden") return;
  if (isTicked(element)) element.checked = element.defaultChecked;
  else if (element.options) for (const option of element.options) option.selected = option.defaultSelected;
  else element.value = element.defaultValue;
}
