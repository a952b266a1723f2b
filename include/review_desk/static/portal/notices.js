/**
 * Short sentences about the task, each under a key so that it can be replaced or taken away.
 *
 * Notices that need attention are shown above the task, which makes room for them; good news covers its lower edge
 * for a while, so that nothing moves under the pointer.
 */

import { at } from "./dom.js";

const shown = new Map();

/**
 * @param {string} key
 * @param {string} text
 * @param {{level?: ""|"good"|"busy"|"bad", actions?: {label: string, run?: () => void, href?: string}[]}} [options]
 */
export function notice(key, text, { level = "", actions = [] } = {}) {
  const old = shown.get(key);
  if (old?.dataset.text === text) return;
  const element = document.createElement("div");
  element.className = `notice ${level}`;
  element.dataset.key = key;
  element.dataset.text = text;
  const sentence = document.createElement("span");
  sentence.textContent = text;
  element.append(sentence, ...actions.map(control));
  old?.remove();
  at(level === "good" ? "news" : "concerns").append(element);
  shown.set(key, element);
}

/** @param {string} key */
export function unnotice(key) {
  shown.get(key)?.remove();
  shown.delete(key);
}

function control({ label, run, href }) {
  const element = document.createElement(href ? "a" : "button");
  element.textContent = label;
  if (href) element.href = href;
  else {
    element.type = "button";
    element.addEventListener("click", run);
  }
  return element;
}
