/** Short sentences at the upper edge of the task, each under a key so that it can be replaced or taken away. */

const shelf = document.getElementById("notices");
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
  if (old) old.replaceWith(element);
  else shelf.append(element);
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
