/** Buttons and keys of the task page itself; those of the frame come as messages. */

import { shortcutOf } from "../crowd/keys.js";
import { dialogOpen, openDialog } from "./dialogs.js";

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
  const name = shortcutOf(event);
  if (name === null || dialogOpen()) return;
  event.preventDefault();
  shortcut(name);
}
