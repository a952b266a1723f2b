/**
 * Entry of the crowd elements: defines them, then connects the form with the portal around the frame.
 *
 * Messages are those of portal.js. Opened outside the portal the page says so, and keeps what is typed.
 */

import { CrowdForm } from "./form.js";
import * as elements from "./elements.js";
import * as fields from "./fields.js";
import { shortcutOf } from "./keys.js";
import { early, missingObject } from "./obstacles.js";
import { notice, tellLinkFaults, watchRefusals } from "./notices.js";
import * as portal from "./portal.js";

const DRAFT_PAUSE_MS = 300;
// Rejections of promises made at load are reported in tasks of their own.
const SETTLED_MS = 250;
const TROUBLE_PAUSE_MS = 50;

// Elements read their children when they are defined: wait until the document has them all.
if (document.readyState === "loading") {
  await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
}
elements.defineAll();
const form = document.querySelector("crowd-form");
let draftTimer = 0;
let draftWaits = false;
let attempts = 0;
let troubleTimer = 0;

watchRefusals();
tellLinkFaults();
if (form instanceof CrowdForm) connect(form);
else notice("Nothing to submit:", "the worker template has no crowd-form. Decline the task and tell its author.");
document.addEventListener("click", keepOnPage);
document.addEventListener("submit", keepForm);
document.dispatchEvent(new Event("all-crowd-elements-ready"));
if (!portal.isFramed()) {
  notice("Opened on its own:", "this page is meant to be shown inside the Review Desk. What you enter stays here but cannot be sent.");
}
portal.tell("loaded");
document.addEventListener("crowd-retry", tellWhenShown);
document.addEventListener("crowd-trouble", onTrouble);
tellWhenShown();
settle();

/** @param {CrowdForm} form */
function connect(form) {
  form.onAnswer = (answer) => {
    draftWaits = false;
    if (portal.isFramed()) portal.tell("submit", { answer });
    else form.release("Not sent: this page is open outside the Review Desk. What you entered is still here.");
  };
  form.onInvalid = (message) => portal.tell("invalid", { message });
  for (const type of ["crowd-change", "input", "change"]) form.addEventListener(type, tellDraft);
  form.addEventListener("crowd-preference", (event) => portal.tell("preference", event.detail));
  document.addEventListener("visibilitychange", flushDraft);
  window.addEventListener("pagehide", flushDraft);
  window.addEventListener("keydown", onKey);
  portal.listen({
    start: (message) => {
      setTheme(message.theme);
      for (const element of elements.inputs(form)) element.setPreferences(message.preferences ?? {});
      if (message.draft) fields.restoreDraft(form, message.draft);
      else if (message.answer) fields.restoreAnswer(form, message.answer);
    },
    theme: (message) => setTheme(message.theme),
    submit: () => form.requestSubmit(),
    accepted: () => form.release(),
    refused: (message) => form.release(String(message.message ?? "The Review Desk did not accept the answer.")),
    shown: () => focusFirst(),
    flush: () => flushDraft(),
  });
}

/** The first change is sent at once, later ones every DRAFT_PAUSE_MS, so that little is lost with the page. */
function tellDraft() {
  draftWaits = true;
  if (draftTimer === 0) flushDraft();
}

function flushDraft() {
  window.clearTimeout(draftTimer);
  draftTimer = 0;
  if (!draftWaits) return;
  draftWaits = false;
  if (!form.busy) portal.tell("draft", { draft: fields.draft(form) });
  draftTimer = window.setTimeout(flushDraft, DRAFT_PAUSE_MS);
}

function onKey(event) {
  const name = shortcutOf(event);
  if (name === null) return;
  event.preventDefault();
  if (name === "next") form.requestSubmit();
  else portal.tell("shortcut", { name });
}

function setTheme(theme) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}

function focusFirst() {
  const first = [...form.querySelectorAll("*")].find((element) => elements.takesFocus(element));
  (first ?? form).focus({ preventScroll: true });
}

/** Links would lead the frame away from the task: show the address instead. */
function keepOnPage(event) {
  const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement && node.hasAttribute("href"));
  if (link === undefined || event.defaultPrevented) return;
  const href = link.getAttribute("href");
  if (href.startsWith("#") || href.startsWith("javascript:")) return;
  event.preventDefault();
  notice("Not opened:", `links cannot leave a task. The address is ${href.slice(0, 2_000)}`);
}

/** A native form in the template cannot be sent anywhere: it submits the task, once the template's scripts agree. */
function keepForm(event) {
  if (!(event.target instanceof HTMLFormElement) || event.target.method === "dialog") return;
  const prevented = event.defaultPrevented;
  event.preventDefault();
  if (!prevented && form?.contains(event.target)) form.requestSubmit();
}

/** What scripts throw from now on was not thrown at load. */
async function settle() {
  if (document.readyState !== "complete") {
    await new Promise((resolve) => window.addEventListener("load", resolve, { once: true }));
  }
  await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
  early().loaded = true;
}

/** Something failed to load, or has loaded now, or a script failed: report it to the portal. */
function onTrouble() {
  window.clearTimeout(troubleTimer);
  troubleTimer = window.setTimeout(tellWhenShown, TROUBLE_PAUSE_MS);
}

/**
 * Tell the portal that everything is shown, or what is missing, and what else prevents an answer; again whenever the
 * user tries again or something changes.
 */
async function tellWhenShown() {
  attempts += 1;
  const attempt = attempts;
  try {
    await whenShown();
    if (attempt === attempts) portal.tell("ready");
  } catch (error) {
    if (attempt === attempts) portal.tell("problem", { message: error.message });
    return;
  }
  const obstacle = form instanceof CrowdForm ? form.obstacle : null;
  if (obstacle && attempt === attempts) {
    portal.tell("problem", { message: obstacle.message, final: obstacle.final === true });
  }
}

async function whenShown() {
  const images = [...document.images].map((image) => imageSettled(image));
  await Promise.all([...elements.inputs(document).map((element) => element.ready), ...images]);
  const missing = missingObject();
  if (missing) throw new Error(missing.message);
}

/** Shown or failed, which missingObject tells apart. Links end: an image further down is loaded now too. */
function imageSettled(image) {
  image.loading = "eager";
  return image.decode().catch(() => {});
}
