/** Buttons and keys of the task page itself; those of the frame come as messages. */

import { dialogOpen, openDialog } from "./dialogs.js";

const KEYS = { p: "pause", x: "decline", "?": "help" };

/**
 * @param {{shortcut: (name: string) => void, resume: () => void, handBack: () => void, goOn: () => void,
 *   afterOver: () => void}} run what each control does
 */
export function setUpControls(run) {
  const clicks = {
    pause: () => run.shortcut("pause"),
    resume: run.resume,
    "to-decline": () => openDialog("decline"),
    "to-return": () => openDialog("return"),
    "to-help": () => run.shortcut("help"),
    "return-now": run.handBack,
    "go-on": run.goOn,
    "over-next": run.afterOver,
  };
  for (const [id, listener] of Object.entries(clicks)) document.getElementById(id).addEventListener("click", listener);
  document.addEventListener("keydown", (event) => onKey(event, run.shortcut));
}

function onKey(event, shortcut) {
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "Enter" && command) {
    if (!dialogOpen()) shortcut("next");
    return;
  }
  const writing = event.target.closest?.("input, textarea, select, dialog");
  if (command || event.altKey || writing || !Object.hasOwn(KEYS, event.key.toLowerCase())) return;
  event.preventDefault();
  shortcut(KEYS[event.key.toLowerCase()]);
}
