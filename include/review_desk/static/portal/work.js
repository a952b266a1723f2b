/** The task page: one task after another, in a frame that is not trusted. Puts the other modules together. */

import { call, Gone, insist, Refused, serverNow, SignedOut, StalePage, tryNow } from "./api.js";
import { TaskClock } from "./clock.js";
import { cover } from "./covers.js";
import { closeDialog, dialogOpen, onDialogClosed, openDialog, setUpDecline } from "./dialogs.js";
import { counted, moment } from "./format.js";
import { notice, unnotice } from "./notices.js";
import { deliver, deliverUnsent } from "./outbox.js";
import { Stage } from "./stage.js";
import { draftFor, forgetDraft, saveDraft } from "./store.js";
import { onTheme, shownTheme } from "./themes.js";

const at = (id) => document.getElementById(id);
const correcting = new URLSearchParams(location.search).get("correct");
const LOOK_MS = 5_000;
const SLOW_FRAME_MS = 12_000;
const SAVED_MS = 30_000;

/** loading | working | saving | paused | empty | over */
let state = "loading";
/** @type {object|null} */
let task = null;
let slow = 0;
let looking = 0;
let savedTimer = 0;

const stage = new Stage(at("stage"), hear);
const clock = new TaskClock({
  onElapsed: (text) => put("elapsed", text),
  onWarning: warn,
  onOver: () => over(correcting ? "The time for corrections is over: the answer stands as it was." : undefined),
  onHeartbeat: () => ask("heartbeat").catch(fail),
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
  const text = state === "saving" ? "Not saved yet: no connection." : "No connection to the Review Desk.";
  notice("trouble", `${text} Trying again in ${seconds} s.`, {
    level: "busy",
    actions: [{ label: "Try now", run: tryNow }],
  });
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

/** Another session has replaced the one of this page: a fresh page knows it. But not again and again. */
function reload() {
  const last = Number(sessionStorage.getItem("desk.reloaded"));
  if (Date.now() - last < 20_000) {
    notice("stale", "This page is out of date: reload it.", { level: "bad" });
    return;
  }
  sessionStorage.setItem("desk.reloaded", String(Date.now()));
  location.reload();
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
  put("over-text", reason ?? WHY[now] ?? WHY.expired);
  put("over-title", correcting ? "This answer is final" : "This task is no longer yours");
  put("over-next", correcting ? "Back to the tasks" : "Next task");
  stage.clear();
  cover("over");
}

const KEPT = " Your changes stay in this browser for a day, should you get it again.";
const WHY = {
  answered: "You answered it already, perhaps in another window: the first answer stands.",
  declined: "You declined it, perhaps in another window: other people get it.",
  returned: `You handed it back, perhaps in another window: it waits in the queue again.${KEPT}`,
  withdrawn: "Whoever asked for it has withdrawn it: nothing more is needed.",
  expired: `Its time ran out and it went back to the queue.${KEPT}`,
};

function clearNotices() {
  for (const key of ["trouble", "refused", "warning", "problem", "restored"]) unnotice(key);
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
  countWaiting();
}

/** The frame's script runs: tell it what to show. */
function startFrame() {
  clearTimeout(slow);
  unnotice("slow");
  const kept = draftFor(task.task, task.loop);
  const draft = kept?.draft ?? null;
  stage.frame.post("start", { draft, answer: task.answerContent ?? null, theme: shownTheme() });
  if (draft) notice("restored", "Your changes from before are back.", { level: "good" });
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

function tellSlow() {
  notice("slow", "The page of this task does not show.", {
    level: "busy",
    actions: [{ label: "Load again", run: () => location.reload() }],
  });
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

/** Nothing waits: look now and then, but take nothing before somebody asks for it. */
async function nothing() {
  task = null;
  stage.clear();
  stage.forgetAhead();
  clearNotices();
  put("title", "No task");
  put("place", "");
  document.title = "No task · Review Desk";
  put("empty-text", "You are done. This page looks again every few seconds.");
  at("go-on").hidden = true;
  enter("empty");
  cover("empty");
  clearInterval(looking);
  looking = setInterval(look, LOOK_MS);
  await look();
}

async function look() {
  if (state !== "empty" || document.visibilityState !== "visible") return;
  try {
    const queue = await call("GET", "/queue");
    if (state !== "empty") return;
    const some = queue.waiting + queue.mine;
    const done = `You answered ${queue.answered_today} today.`;
    put("empty-title", some ? `${counted(some, "task", "tasks")} for you` : "Nothing waits for you now");
    put("empty-text", some ? done : `${done} This page looks again every few seconds.`);
    if (some && at("go-on").hidden) {
      at("go-on").hidden = false;
      at("go-on").focus();
    } else if (!some) at("go-on").hidden = true;
  } catch (error) {
    fail(error);
  }
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

function tellSaved(key, until) {
  const leftMs = Date.parse(until ?? "") - serverNow();
  if (!(leftMs > 1_000)) return;
  clearTimeout(savedTimer);
  savedTimer = setTimeout(() => unnotice("saved"), Math.min(leftMs, SAVED_MS));
  unnotice("saved");
  notice("saved", "Saved.", { level: "good", actions: [{ label: "Correct it", href: correctAddress(key) }] });
}

function correctAddress(key) {
  return `/work?correct=${encodeURIComponent(key)}`;
}

function warn(seconds) {
  const left = seconds > 90 ? `${Math.round(seconds / 60)} minutes` : `${Math.ceil(seconds)} seconds`;
  const handBack = { label: "Hand back…", run: () => openDialog("return") };
  notice("warning", correcting ? `${left} left to correct this.` : `${left} left for this task: save it or hand it back.`, {
    level: "busy",
    actions: correcting ? [] : [handBack],
  });
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
  else if (type === "problem") {
    const reason = content.message || "Something of this task did not load.";
    notice("problem", reason, { level: "bad", actions: [{ label: "Decline…", run: () => openDialog("decline") }] });
  }
}

function keepDraft(draft) {
  unnotice("restored");
  if (state === "working" || state === "paused") saveDraft(task.task, { loop: task.loop, draft });
}

function shortcut(name) {
  if (dialogOpen()) return;
  if (name === "help") openDialog("help");
  else if (name === "pause") state === "paused" ? resume() : pause();
  else if (name === "decline" && !at("to-decline").disabled) openDialog("decline");
  else if (name === "next" && state === "working") stage.frame?.post("submit");
}

/** The desk's page itself has the focus. */
function onKey(event) {
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "Enter" && command) {
    if (!dialogOpen()) shortcut("next");
    return;
  }
  const writing = event.target.closest?.("input, textarea, select, dialog");
  if (command || event.altKey || writing) return;
  const name = { p: "pause", x: "decline", "?": "help" }[event.key];
  if (!name) return;
  event.preventDefault();
  shortcut(name);
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

at("pause").addEventListener("click", () => shortcut("pause"));
at("resume").addEventListener("click", resume);
at("to-decline").addEventListener("click", () => openDialog("decline"));
at("to-return").addEventListener("click", () => openDialog("return"));
at("to-help").addEventListener("click", () => openDialog("help"));
at("return-now").addEventListener("click", handBack);
at("go-on").addEventListener("click", next);
at("over-next").addEventListener("click", () => (correcting ? location.assign("/work") : next()));
at("sign-in-again").href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
at("signed-out").addEventListener("cancel", (event) => event.preventDefault());
setUpDecline(decline);
onDialogClosed(() => {
  if (state === "working") showFrame();
  else if (state === "paused") at("resume").focus();
});
onTheme(() => stage.frame?.post("theme", { theme: shownTheme() }));
document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", look);
open();
