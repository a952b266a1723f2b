/**
 * Entry of the crowd elements: defines them, then connects the form with the portal around the frame.
 *
 * Messages are those of portal.js. Opened outside the portal the page says so, and keeps what is typed.
 */

import { CrowdForm } from "./form.js";
import * as elements from "./elements.js";
import * as fields from "./fields.js";
import { shortcutOf } from "./keys.js";
import { notice, watchRefusals } from "./notices.js";
import * as portal from "./portal.js";

const DRAFT_PAUSE_MS = 300;

// Elements read their children when they are defined: wait until the document has them all.
if (document.readyState === "loading") {
  await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
}
elements.defineAll();
const form = document.querySelector("crowd-form");
let draftTimer = 0;
let draftWaits = false;
let attempts = 0;

watchRefusals();
if (form instanceof CrowdForm) connect(form);
else notice("Nothing to submit:", "the worker template has no crowd-form. Decline the task and tell who made it.");
document.addEventListener("click", keepOnPage);
document.addEventListener("submit", keepForm);
document.dispatchEvent(new Event("all-crowd-elements-ready"));
if (!portal.isFramed()) {
  notice("Opened by itself:", "this page belongs into the Review Desk. What you enter stays here but cannot be sent.");
}
portal.tell("loaded");
document.addEventListener("crowd-retry", tellWhenShown);
tellWhenShown();

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
    refused: (message) => form.release(String(message.message ?? "The Review Desk did not take the answer.")),
    shown: () => focusFirst(),
    flush: () => flushDraft(),
  });
}

/** The first change is told at once, what follows it closely every DRAFT_PAUSE_MS: little is lost with the page. */
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

/** Links would lead the frame away from the task: tell the address instead. */
function keepOnPage(event) {
  const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement && node.hasAttribute("href"));
  if (link === undefined || event.defaultPrevented) return;
  const href = link.getAttribute("href");
  if (href.startsWith("#") || href.startsWith("javascript:")) return;
  event.preventDefault();
  notice("Not opened:", `links do not lead out of a task. The address is ${href.slice(0, 300)}`);
}

/** A native form in the template cannot be sent anywhere: it submits the task, once the template's scripts agree. */
function keepForm(event) {
  if (!(event.target instanceof HTMLFormElement) || event.target.method === "dialog") return;
  const prevented = event.defaultPrevented;
  event.preventDefault();
  if (!prevented && form?.contains(event.target)) form.requestSubmit();
}

/** Tell the portal once that all is shown, or what is missing; again after the user tried again. */
async function tellWhenShown() {
  attempts += 1;
  const attempt = attempts;
  try {
    await whenShown();
    if (attempt === attempts) portal.tell("ready");
  } catch (error) {
    if (attempt === attempts) portal.tell("problem", { message: error.message });
  }
}

async function whenShown() {
  const images = [...document.images].map((image) => imageShown(image));
  await Promise.all([...elements.inputs(document).map((element) => element.ready), ...images]);
}

function imageShown(image) {
  return image.decode().catch(() => {
    throw new Error("An image of this task did not load.");
  });
}
