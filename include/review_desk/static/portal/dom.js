/** Small helpers for the pages; text always goes in as text. */

/** @param {string} id @returns {HTMLElement} */
export const at = (id) => document.getElementById(id);

/** Set the text of an element only where it differs: no flicker, and nothing for screen readers to repeat. */
export function put(id, text) {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
}

/** An element with text or another node in it. @param {string} name @param {string|Node} content @param {string} [className] */
export function make(name, content, className = "") {
  const element = document.createElement(name);
  element.className = className;
  element.append(content);
  return element;
}
