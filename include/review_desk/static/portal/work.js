/** The task page: one task after another, in a frame that is not trusted. Puts the other modules together. */

import { call, Gone, insist, Refused, serverNow, SignedOut, StalePage } from "./api.js";
import { TaskClock } from "./clock.js";
import { setUpControls } from "./controls.js";
import { cover } from "./covers.js";
import { closeDialog, dialogOpen, onDialogClosed, openDialog, setUpDecline } from "./dialogs.js";
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
import { draftFor, forgetDraft, saveDraft } from "./store.js";
import { onTheme, shownTheme } from "./themes.js";

const at = (id) => document.getElementById(id);
const correcting = new URLSearchParams(location.search).get("correct");
const SLOW_FRAME_MS = 12_000;

/** loading | working | saving | paused | empty | over */
let state = "loading";
/** @type {object|null} */
let task = null;
let slow = 0;

const stage = new Stage(at("stage"), hear);
const clock = new TaskClock({
  onElapsed: (text) => put("elapsed", text),
  onWarning: (seconds) => tellTimeLeft(seconds, task.limit, correcting !== null),
  onOver: () => over(correcting ? "The time for corrections is over: the answer stands as it was." : undefined),
  onHeartbeat: () => correcting === null && ask("heartbeat").catch(fail),
});

function put(id, text) {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
}

/** POST for the task at hand. */
function ask(action, body = {}) {
  return call("POST", `/tasks/${encodeURIComponent(task.task)}/${action}`, body);
}

function enter(next) {
  state = next;
  for (const id of ["pause", "to-decline", "to-return"]) {
    at(id).disabled = correcting !== null || !(state === "working" || state === "paused");
  }
  put("pause", state === "paused" ? "Resume" : "Pause");
}

function troubled(seconds) {
  tellTrouble(state === "saving", seconds);
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
  if (state === "over" || task === null) return;
  const { task: key, loop } = task;
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
  task = given;
  clearNotices();
  put("title", task.title);
  put("place", task.flow);
  document.title = `${task.title} · Review Desk`;
  const kept = draftFor(task.task, task.loop);
  stage.show(task);
  clock.start(task, kept?.pausedMs ?? 0);
  enter("working");
  cover(null);
  clearTimeout(slow);
  slow = setTimeout(tellSlow, SLOW_FRAME_MS);
  if (stage.frame.loaded) startFrame();
  if (stage.frame.ready) settle();
  if (task.paused) {
    clock.pause();
    covered();
  }
  if (correcting === null) countWaiting();
}

/** The frame's script runs: tell it what to show. */
function startFrame() {
  clearTimeout(slow);
  unnotice("slow");
  const kept = draftFor(task.task, task.loop);
  const draft = kept?.draft ?? null;
  stage.frame.post("start", { draft, answer: task.answerContent ?? kept?.answer ?? null, theme: shownTheme() });
  if (draft || kept?.answer) notice("restored", "Your changes from before are back.", { level: "good" });
  if (state === "working" && !dialogOpen()) showFrame();
}

function showFrame() {
  stage.frame?.focus();
  stage.frame?.post("shown");
}

/** Everything of this task is there: time to load the next. */
function settle() {
  if (correcting === null) stage.lookAhead();
}

async function countWaiting() {
  const shown = task;
  try {
    const queue = await call("GET", "/queue");
    if (task === shown) put("place", `${task.flow} · ${queue.waiting}${queue.more ? "+" : ""} more waiting`);
  } catch {
    // The workflow's name says enough.
  }
}

async function nothing() {
  task = null;
  stage.clear();
  stage.forgetAhead();
  clearNotices();
  put("title", "No task");
  put("place", "");
  document.title = "No task · Review Desk";
  enter("empty");
  await idle(() => state === "empty", fail);
}

/** Save, whatever it takes; then the next. */
async function save(answer) {
  if (state !== "working") {
    stage.frame?.post("refused", { message: state === "paused" ? "Resume first." : "" });
    return;
  }
  const { task: key, loop } = task;
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
    if (state === "saving") enter("working");
    fail(error);
  }
}

function covered() {
  enter("paused");
  put("paused-until", task.limit ? ` until ${moment(task.limit)}` : "");
  cover("paused");
}

async function pause() {
  if (state !== "working" || correcting) return;
  const paused = task;
  clock.pause();
  covered();
  await tellDesk("pause", () => state === "paused" && task === paused);
}

async function resume() {
  if (state !== "paused") return;
  const resumed = task;
  clock.resume();
  saveDraft(task.task, { loop: task.loop, pausedMs: clock.pausedMs });
  enter("working");
  cover(null);
  showFrame();
  await tellDesk("resume", () => state === "working" && task === resumed);
}

/** Tell the desk until it knows, or until it is no longer so. */
async function tellDesk(action, stillSo) {
  try {
    await insist(async () => (stillSo() ? ask(action) : null), troubled);
    unnotice("trouble");
  } catch (error) {
    fail(error);
  }
}

async function decline(reason) {
  if (state !== "working" && state !== "paused") return;
  const { task: key, loop } = task;
  enter("loading");
  try {
    await insist(() => ask("decline", { reason }), troubled);
    forgetDraft(key, loop);
    await next();
  } catch (error) {
    enter("working");
    fail(error);
  }
}

async function handBack() {
  closeDialog("return");
  if (state !== "working" && state !== "paused") return;
  enter("loading");
  try {
    await insist(() => ask("return"), troubled);
    location.assign("/");
  } catch (error) {
    enter("working");
    fail(error);
  }
}

/** What the frame says; only the one that is shown may ask for anything. */
function hear(frame, type, content) {
  if (frame !== stage.frame) return;
  if (type === "loaded") startFrame();
  else if (type === "ready") settle();
  else if (type === "draft") keepDraft(content.draft);
  else if (type === "submit") save(content.answer);
  else if (type === "shortcut") shortcut(content.name);
  else if (type === "problem") tellProblem(content.message, correcting === null);
}

function keepDraft(draft) {
  unnotice("restored");
  if (state === "working" || state === "paused") saveDraft(task.task, { loop: task.loop, draft });
}

function shortcut(name) {
  if (dialogOpen()) return;
  if (name === "help") {
    // Without the editor's keys the list is shorter, and still right.
    completeKeys().catch(() => {});
    openDialog("help");
  } else if (name === "pause") state === "paused" ? resume() : pause();
  else if (name === "decline" && !at("to-decline").disabled) openDialog("decline");
  else if (name === "next" && state === "working") stage.frame?.post("submit");
}

async function correct(key) {
  try {
    const given = await insist(() => call("GET", `/tasks/${encodeURIComponent(key)}`), troubled);
    unnotice("trouble");
    if (given.state !== "answered" || !given.correctable_until) {
      task = given;
      await over("The time for corrections is over: the answer stands as it was.");
      return;
    }
    begin({ ...given, accepted: new Date(serverNow()).toISOString(), limit: given.correctable_until, paused: false });
    put("place", `${task.flow} · correct until ${moment(task.correctable_until)}`);
  } catch (error) {
    if (error instanceof Gone) notice("refused", error.message, { level: "bad", actions: [{ label: "My answers", href: "/answers" }] });
    else fail(error);
  }
}

async function open() {
  try {
    const outcomes = await deliverUnsent((_count, seconds) => {
      state = "saving";
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
  resume,
  handBack,
  goOn: next,
  afterOver: () => (correcting ? location.assign("/work") : next()),
});
at("sign-in-again").href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
at("signed-out").addEventListener("cancel", (event) => event.preventDefault());
setUpDecline(decline);
onDialogClosed(() => {
  if (state === "working") showFrame();
  else if (state === "paused") at("resume").focus();
});
onTheme(() => stage.frame?.post("theme", { theme: shownTheme() }));
open();
