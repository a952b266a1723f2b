/** Everything but saving that a person can do with a task: pause and resume, decline, hand back. */

import { insist } from "./api.js";
import { cover } from "./covers.js";
import { closeDialog } from "./dialogs.js";
import { put } from "./dom.js";
import { moment } from "./format.js";
import { unnotice } from "./notices.js";
import { forgetDraft, saveDraft } from "./store.js";
import { ask, correcting, enter, held, turn } from "./turn.js";

/**
 * @param {object} page
 * @param {import("./clock.js").TaskClock} page.clock
 * @param {() => void} page.showFrame
 * @param {() => Promise<void>} page.next shows the next task
 * @param {(seconds: number) => void} page.troubled the desk cannot be reached
 * @param {(error: Error) => void} page.fail the desk refused
 */
export function makeBreaks({ clock, showFrame, next, troubled, fail }) {
  /** Cover a task that is paused. */
  function covered() {
    enter("paused");
    put("paused-until", turn.task.limit ? ` until ${moment(turn.task.limit)}` : "");
    cover("paused");
  }

  async function pause() {
    if (turn.state !== "working" || correcting) return;
    const paused = turn.task;
    clock.pause();
    covered();
    await tellDesk("pause", () => turn.state === "paused" && turn.task === paused);
  }

  async function resume() {
    if (turn.state !== "paused") return;
    const resumed = turn.task;
    clock.resume();
    saveDraft(resumed.task, { loop: resumed.loop, pausedMs: clock.pausedMs });
    enter("working");
    cover(null);
    showFrame();
    await tellDesk("resume", () => turn.state === "working" && turn.task === resumed);
  }

  /** Tell the desk until it has acknowledged, or until it no longer applies. */
  async function tellDesk(action, stillSo) {
    try {
      await insist(async () => (stillSo() ? ask(action) : null), troubled);
      unnotice("trouble");
    } catch (error) {
      fail(error);
    }
  }

  /** Give the task up, then call `afterwards`. */
  async function leave(action, body, afterwards) {
    if (!held()) return;
    enter("loading");
    try {
      await insist(() => ask(action, body), troubled);
      await afterwards();
    } catch (error) {
      enter("working");
      fail(error);
    }
  }

  function decline(reason) {
    const { task, loop } = turn.task;
    return leave("decline", { reason }, () => {
      forgetDraft(task, loop);
      return next();
    });
  }

  function handBack() {
    closeDialog("return");
    return leave("return", {}, () => location.assign("/"));
  }

  return { covered, pause, resume, decline, handBack };
}
