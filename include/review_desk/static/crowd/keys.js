/** Keys of the task page: the same ones in the portal and in the frame. Imports nothing, as both load it. */

const LETTERS = { p: "pause", x: "decline", "?": "help" };

/**
 * What a key asks the task page for.
 * @param {KeyboardEvent} event
 * @returns {"next"|"pause"|"decline"|"help"|null} "next" is save and next; letters count outside of text fields
 */
export function shortcutOf(event) {
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "Enter" && command) return "next";
  if (command || event.altKey || event.defaultPrevented || isInTextField(event)) return null;
  const letter = event.key.toLowerCase();
  return Object.hasOwn(LETTERS, letter) ? LETTERS[letter] : null;
}

/**
 * Whether a key event belongs to a text field, in whichever shadow root: single-letter shortcuts do not apply there.
 * @param {KeyboardEvent} event
 * @returns {boolean}
 */
export function isInTextField(event) {
  const target = event.composedPath()[0];
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) {
    return true;
  }
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button", "submit", "range"].includes(target.type);
}
