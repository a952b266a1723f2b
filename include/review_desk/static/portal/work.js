/** The task page: one task after another, in a frame that is not trusted. Puts the other modules together. */

import { call, Gone, insist, Refused, serverNow, SignedOut, StalePage } from "./api.js";
import { makeBreaks } from "./breaks.js";
import { TaskClock } from "./clock.js";
import { setUpControls } from "./controls.js";
import { cover } from "./covers.js";
import { dialogOpen, onDialogClosed, openDialog, setUpDecline } from "./dialogs.js";
import { at, put } from "./dom.js";
import { moment } from "./format.js";
import { completeKeys } from "./help.js";
import { idle } from "./idle.js";
import { notice, unnotice } from "./notices.js";
import { deliver, deliverUnsent } from "./outbox.js";
import { whyGone } from "./reasons.js";
import {
  clearNotices, reload, tellProblem, tellSaved, tellSlow, tellTimeLeft, tellTrouble,
} from "./sentences.js";
import { Stage } from "./stage.js";
import { draftFor, forgetDraft, keepPreference, preferences, saveDraft } from "./store.js";
import { onTheme, shownTheme } from "./themes.js";
import { ask, correcting, enter, held, turn } from "./turn.js";

const SLOW_FRAME_MS = 12_000;

let slow = 0;

const stage = new Stage(at("stage"), hear);
const clock = new TaskClock({
  onElapsed: (text) => put("elapsed", text),
  onWarning: (seconds) => tellTimeLeft(seconds, turn.task.limit, correcting !== null),
  onOver: () => over(correcting ? "The time for corrections is over: the answer stays as it was." : undefined),
  onHeartbeat: () => correcting === null && ask("heartbeat").catch(fail),
});
const breaks = makeBreaks({ clock, showFrame, next, troubled, fail });

function troubled(seconds) {
  tellTrouble(turn.state === "saving", seconds);
}

/** What the desk's refusals mean for the page. */
function fail(error) {
  if (error instanceof SignedOut) {
    // Without this Ctrl+Enter in the frame would wait for ever.
    stage.frame?.post("refused", { message: "Sign in to save this." });
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    openDialog("signed-out");
  } else if (error instanceof StalePage) reload();
  else if (error instanceof Gone) over();
  else if (error instanceof Refused) notice("refused", error.message, { level: "bad" });
}

/** The task is not ours any more: say why, in one sentence, and what comes next. */
async function over(reason) {
  if (turn.state === "over" || turn.task === null) return;
  const { task: key, loop } = turn.task;
  clock.stop();
  enter("over");
  clearNotices();
  let now = null;
  try {
    now = (await call("GET", `/tasks/${encodeURIComponent(key)}`))?.state;
  } catch {
    // Then without the reason.
  }
  if (now === "answered" && !correcting) forgetDraft(key, loop);
  put("over-text", reason ?? whyGone(now));
  put("over-title", correcting ? "This answer is final" : "This task is no longer yours");
  put("over-next", correcting ? "Back to the tasks" : "Next task");
  stage.clear();
  cover("over");
}

/** Take the next task and show it. */
async function next() {
  enter("loading");
  clock.stop();
  put("elapsed", "");
  cover("loading");
  try {
    const given = await insist(() => call("POST", "/tasks/next", { view: "frame" }), troubled);
    unnotice("trouble");
    if (given) begin(given);
    else await nothing();
  } catch (error) {
    fail(error);
  }
}

function begin(given) {
  turn.task = given;
  clearNotices();
  put("title", turn.task.title);
  put("place", turn.task.flow);
  document.title = `${turn.task.title} · Review Desk`;
  const kept = draftFor(turn.task.task, turn.task.loop);
  stage.show(turn.task);
  clock.start(turn.task, kept?.pausedMs ?? 0);
  enter("working");
  cover(null);
  clearTimeout(slow);
  slow = setTimeout(tellSlow, SLOW_FRAME_MS);
  if (stage.frame.loaded) startFrame();
  if (stage.frame.ready) settle();
  if (turn.task.paused) {
    clock.pause();
    breaks.covered();
  }
  if (correcting === null) countWaiting();
}

/** The frame's script runs: tell it what to show. */
function startFrame() {
  clearTimeout(slow);
  unnotice("slow");
  const kept = draftFor(turn.task.task, turn.task.loop);
  const draft = kept?.draft ?? null;
  const answer = turn.task.answerContent ?? kept?.answer ?? null;
  stage.frame.post("start", { draft, answer, theme: shownTheme(), preferences: preferences() });
  if (draft || kept?.answer) notice("restored", "Your changes from before are back.", { level: "good" });
  if (turn.state === "working" && !dialogOpen()) showFrame();
}

function showFrame() {
  stage.frame?.focus();
  stage.frame?.post("shown");
}

/** Everything of this task is there: time to load the next. */
function settle() {
  unnotice("problem");
  if (correcting === null) stage.lookAhead();
}

async function countWaiting() {
  const shown = turn.task;
  try {
    const queue = await call("GET", "/queue");
    if (turn.task === shown) put("place", `${turn.task.flow} · ${queue.waiting}${queue.more ? "+" : ""} more waiting`);
  } catch {
    // The workflow's name says enough.
  }
}

async function nothing() {
  turn.task = null;
  stage.clear();
  stage.forgetAhead();
  clearNotices();
  put("title", "No task");
  put("place", "");
  document.title = "No task · Review Desk";
  enter("empty");
  await idle(() => turn.state === "empty", fail);
}

/** Save, whatever it takes; then the next. */
async function save(answer) {
  if (turn.state !== "working") {
    stage.frame?.post("refused", { message: turn.state === "paused" ? "Resume first." : "" });
    return;
  }
  const { task: key, loop } = turn.task;
  enter("saving");
  unnotice("restored");
  unnotice("refused");
  try {
    const outcome = await deliver({ task: key, loop, answer, correction: correcting !== null }, troubled);
    unnotice("trouble");
    if (outcome.kind === "gone") {
      // What was drawn is kept with the loop, in case it comes again.
      await over(correcting ? outcome.message : undefined);
    } else if (outcome.kind === "refused") {
      enter("working");
      stage.frame.post("refused", { message: outcome.message });
    } else {
      stage.frame.post("accepted");
      if (correcting) location.assign("/answers");
      else {
        await next();
        tellSaved(key, outcome.correctableUntil);
      }
    }
  } catch (error) {
    if (turn.state === "saving") enter("working");
    fail(error);
  }
}

/** What the frame says; only the one that is shown may ask for anything. */
function hear(frame, type, content) {
  if (frame !== stage.frame) return;
  if (type === "loaded") startFrame();
  else if (type === "ready") settle();
  else if (type === "draft") keepDraft(content.draft);
  else if (type === "preference") keepPreference(content.name, content.value);
  else if (type === "submit") save(content.answer);
  else if (type === "shortcut") shortcut(content.name);
  else if (type === "problem") tellProblem(content.message, { declinable: correcting === null, again: !content.final });
}

function keepDraft(draft) {
  unnotice("restored");
  if (held()) saveDraft(turn.task.task, { loop: turn.task.loop, draft });
}

function shortcut(name) {
  if (dialogOpen()) return;
  if (name === "help") {
    // Without the editor's keys the list is shorter, and still right.
    completeKeys().catch(() => {});
    openDialog("help");
  } else if (name === "pause") turn.state === "paused" ? breaks.resume() : breaks.pause();
  else if (name === "decline" && !at("to-decline").disabled) openDialog("decline");
  else if (name === "next" && turn.state === "working") stage.frame?.post("submit");
}

async function correct(key) {
  try {
    const given = await insist(() => call("GET", `/tasks/${encodeURIComponent(key)}`), troubled);
    unnotice("trouble");
    if (given.state !== "answered" || !given.correctable_until) {
      turn.task = given;
      await over("The time for corrections is over: the answer stays as it was.");
      return;
    }
    begin({ ...given, accepted: new Date(serverNow()).toISOString(), limit: given.correctable_until, paused: false });
    put("place", `${turn.task.flow} · correct until ${moment(turn.task.correctable_until)}`);
  } catch (error) {
    if (error instanceof Gone) notice("refused", error.message, { level: "bad", actions: [{ label: "My answers", href: "/answers" }] });
    else fail(error);
  }
}

async function open() {
  try {
    const outcomes = await deliverUnsent((_count, seconds) => {
      enter("saving");
      troubled(seconds);
    });
    clearNotices();
    const lost = outcomes.find((outcome) => outcome.kind !== "saved");
    if (correcting !== null) await correct(correcting);
    else await next();
    if (lost) notice("refused", `An earlier answer could not be saved: ${lost.message}`, { level: "bad" });
    else if (outcomes.length) notice("refused", "The answer that was not saved before is saved now.", { level: "good" });
  } catch (error) {
    fail(error);
  }
}

setUpControls({
  shortcut,
  resume: breaks.resume,
  handBack: breaks.handBack,
  goOn: next,
  afterOver: () => (correcting ? location.assign("/work") : next()),
});
at("sign-in-again").href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
at("signed-out").addEventListener("cancel", (event) => event.preventDefault());
setUpDecline(breaks.decline);
onDialogClosed(() => {
  if (turn.state === "working") showFrame();
  else if (turn.state === "paused") at("resume").focus();
});
// What was drawn last is told before the page may end.
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && stage.frame?.post("flush"));
window.addEventListener("pagehide", () => stage.frame?.post("flush"));
onTheme(() => stage.frame?.post("theme", { theme: shownTheme() }));
open();
