/** What the task page tells people, and what they can do about it. */

import { serverNow, tryNow } from "./api.js";
import { openDialog } from "./dialogs.js";
import { duration, moment } from "./format.js";
import { notice, unnotice } from "./notices.js";

const SAVED_MS = 30_000;
const RELOAD_MS = 20_000;
let savedTimer = 0;

/** Take away all that belongs to one task. */
export function clearNotices() {
  for (const key of ["trouble", "refused", "warning", "problem", "restored", "slow"]) unnotice(key);
}

/** The desk does not answer. @param {boolean} saving @param {number} seconds until the next attempt */
export function tellTrouble(saving, seconds) {
  const text = saving ? "Not saved yet: no connection." : "No connection to the Review Desk.";
  notice("trouble", `${text} Trying again in ${seconds} s.`, {
    level: "busy",
    actions: [{ label: "Try now", run: tryNow }],
  });
}

/** @param {number} seconds @param {string} limit ISO time @param {boolean} correcting */
export function tellTimeLeft(seconds, limit, correcting) {
  // A clock that ticks by the second comes a little late: it is still a minute.
  const left = `${duration(seconds > 50 ? Math.round(seconds / 60) * 60 : seconds)} left, until ${moment(limit)}`;
  notice("warning", correcting ? `${left}, to correct this.` : `${left}: save the task or hand it back.`, {
    level: "busy",
    actions: correcting ? [] : [{ label: "Hand back…", run: () => openDialog("return") }],
  });
}

/** The last answer is saved, and can be corrected for a while. @param {string} task @param {string|null} until */
export function tellSaved(task, until) {
  const leftMs = Date.parse(until ?? "") - serverNow();
  unnotice("saved");
  if (!(leftMs > 1_000)) return;
  clearTimeout(savedTimer);
  savedTimer = setTimeout(() => unnotice("saved"), Math.min(leftMs, SAVED_MS));
  const href = `/work?correct=${encodeURIComponent(task)}`;
  notice("saved", "Saved.", { level: "good", actions: [{ label: "Correct it", href }] });
}

/** @param {string} message from the frame @param {{declinable: boolean, again: boolean}} ways on */
export function tellProblem(message, { declinable, again }) {
  notice("problem", message || "Something of this task did not load.", {
    level: "bad",
    actions: [
      ...(again ? [{ label: "Load again", run: () => location.reload() }] : []),
      ...(declinable ? [{ label: "Decline…", run: () => openDialog("decline") }] : []),
    ],
  });
}

/** The frame has not said anything for long. */
export function tellSlow() {
  notice("slow", "The page of this task does not show.", {
    level: "busy",
    actions: [{ label: "Load again", run: () => location.reload() }],
  });
}

/** Another session has replaced the one of this page: a fresh page knows it. But not again and again. */
export function reload() {
  const last = Number(sessionStorage.getItem("desk.reloaded"));
  if (Date.now() - last < RELOAD_MS) {
    notice("stale", "This page is out of date: reload it.", { level: "bad" });
    return;
  }
  sessionStorage.setItem("desk.reloaded", String(Date.now()));
  location.reload();
}
