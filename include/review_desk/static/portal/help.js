/** The list of keys: the box editor's own come from the editor, so that the list cannot get out of date. */

const part = document.getElementById("editor-keys");

/** Fill in the editor's keys, once. */
export async function completeKeys() {
  if (!part.hidden) return;
  const { HELP } = await import("../crowd/bounding-box/keyboard.js");
  part.querySelector("dl").replaceChildren(...HELP.filter(([keys]) => keys !== "Ctrl+Enter").flatMap(row));
  part.hidden = false;
}

function row([keys, meaning]) {
  const term = document.createElement("dt");
  const key = document.createElement("kbd");
  key.textContent = keys;
  term.append(key);
  const text = document.createElement("dd");
  text.textContent = meaning;
  return [term, text];
}
