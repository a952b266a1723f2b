/** What covers the frame when there is nothing to work on: loading, paused, nothing left, not yours any more. */

const NAMES = ["loading", "paused", "empty", "over"];
const main = document.getElementById("main");

/** Show one cover, or with null the task itself. @param {"loading"|"paused"|"empty"|"over"|null} name */
export function cover(name) {
  main.classList.toggle("covered", name !== null && name !== "loading");
  for (const other of NAMES) document.getElementById(`cover-${other}`).hidden = other !== name;
  const button = name && document.querySelector(`#cover-${name} .primary:not([hidden])`);
  if (button) button.focus();
}
