/**
 * Why an answer must not be submitted: something would be missing from it, and no one would notice.
 *
 * Elements whose values are not collected, scripts that were refused or failed, and objects under review that did
 * not load. The instructions are not checked. An obstacle is a sentence for the person, who can always decline the task.
 */

import { kindOf } from "./kinds.js";

const INSTRUCTIONS = "short-instructions, full-instructions, crowd-instructions";
const OBJECTS = "img, image, video, audio, iframe, object, embed";
const ENTRY = 'input:not([type="hidden"], [type="submit"], [type="reset"], [type="button"], [type="image"]), textarea, select';
const NO_SOURCE = 3;

/**
 * @typedef {{message: string, element?: HTMLElement, overrulable?: boolean, final?: boolean}} Obstacle
 * overrulable: only the person can tell whether it matters; final: loading the page again changes nothing
 */

/** What early.js has recorded. */
export function early() {
  return window.crowdEarly;
}

/**
 * @param {HTMLElement} form
 * @param {number} overruled so many of the failures of scripts the person knows of and goes on all the same
 * @returns {?Obstacle} the first
 */
export function firstObstacle(form, overruled = 0) {
  return uncollected(form) ?? refusedScript() ?? thrownAtLoad() ?? missingObject() ?? thrownLater(overruled);
}

/** @param {string} text of an error */
export function failure(text) {
  const said = text.replace(/^Uncaught /, "").trim().slice(0, 120);
  return said ? ` (${said})` : "";
}

function uncollected(form) {
  const scripted = hasScripts();
  for (const element of document.querySelectorAll("*")) {
    if (element.disabled) continue;
    const why = element.localName.startsWith("crowd-") ? crowdFault(element, form, scripted) : nativeFault(element, form, scripted);
    if (why) return { message: why, element, final: true };
  }
  return null;
}

function crowdFault(element, form, scripted) {
  const tag = `<${element.localName}>`;
  const kind = kindOf(element.localName);
  if (kind === "unknown") return `${tag} is not known to the Review Desk, so your answer would be incomplete: decline this task.`;
  if (kind !== "answers") return null;
  if (!element.getAttribute("name")) return lost(`${tag} has no name in the worker template`);
  return form.contains(element) || scripted ? null : lost(`${tag} is outside of the form in the worker template`);
}

/** Fields of the template's own, where it has no script that could read them. */
function nativeFault(element, form, scripted) {
  if (scripted || !element.matches(ENTRY) || element.readOnly || element.closest(INSTRUCTIONS)) return null;
  if (element.type === "file") return element.files.length ? "A file cannot be part of an answer: take it out again." : null;
  const what = element.labels?.[0]?.textContent.trim().slice(0, 80) || element.placeholder || `<${element.localName}>`;
  if (!element.name) return lost(`“${what}” has no name in the worker template`);
  return form.contains(element) ? null : lost(`“${what}” is outside of the form in the worker template`);
}

const lost = (why) => `${why}, so what you enter there would be lost: decline this task.`;

function hasScripts() {
  const scripts = [...document.scripts].filter((script) => /^$|javascript|^module$/.test(script.type));
  if (scripts.some((script) => !script.src || !isOurs(script.src))) return true;
  return [...document.querySelectorAll("*")].some((element) => element.getAttributeNames().some((name) => name.startsWith("on")));
}

function isOurs(address) {
  return address.startsWith(new URL("./", import.meta.url).href);
}

function refusedScript() {
  const script = [...early().failed].find((element) => element instanceof HTMLScriptElement);
  if (script) return scriptObstacle(hostOf(script.src));
  const refusal = early().refused.find(({ directive }) => /^(script|connect)-src/.test(directive));
  if (!refusal) return null;
  if (refusal.directive.startsWith("script")) return scriptObstacle(hostOf(refusal.address));
  const host = hostOf(refusal.address);
  return { message: `A script of this task could not load something${host && ` from ${host}`}, so your answer may be incomplete: decline this task.` };
}

function scriptObstacle(host) {
  return { message: `A script${host && ` from ${host}`} did not load, so your answer may be incomplete: decline this task.` };
}

function hostOf(address) {
  try {
    return new URL(address).host;
  } catch {
    return "";
  }
}

function thrownAtLoad() {
  const first = early().thrown.find(({ atLoad }) => atLoad);
  if (!first) return null;
  const why = `A script of this task failed while the page loaded${failure(first.message)}`;
  return { message: `${why}, so your answer may be incomplete: load the page again or decline this task.` };
}

function thrownLater(overruled) {
  const first = early().thrown.slice(overruled).find(({ atLoad }) => !atLoad);
  if (!first) return null;
  const why = `A script of this task failed${failure(first.message)}`;
  return { message: `${why}: check that nothing is missing before you submit, or decline this task.`, overrulable: true };
}

/** @returns {?Obstacle} something to judge that is not to be seen */
export function missingObject() {
  for (const element of document.querySelectorAll(OBJECTS)) {
    if (element.closest(INSTRUCTIONS)) continue;
    const what = missing(element);
    if (what === "loading") return { message: "An image of this task is still loading: wait a moment.", element };
    if (what) return { message: `${what} of this task did not load: load the page again or decline this task.`, element };
  }
  return null;
}

function missing(element) {
  if (element instanceof HTMLImageElement) return missingImage(element);
  if (element instanceof HTMLMediaElement) return missingMedia(element);
  if (element instanceof SVGElement) return early().failed.has(element) ? "An image" : null;
  // The frame's policy refuses embedded pages from anywhere, and does not report which ones.
  const address = element.getAttribute(element.localName === "object" ? "data" : "src");
  if (address === null || element.hasAttribute("srcdoc")) return null;
  return /^(about|javascript):/i.test(address.trim()) ? null : "An embedded page";
}

function missingImage(image) {
  if (!image.hasAttribute("src") && !image.hasAttribute("srcset")) return null;
  if (early().failed.has(image)) return "An image";
  if (!image.complete) return "loading";
  // One that failed before it was inserted. Some browsers report no size for an SVG.
  const shown = image.naturalWidth > 0 || /\.svg\b|^data:image\/svg/i.test(image.currentSrc);
  return shown ? null : "An image";
}

function missingMedia(media) {
  if (!media.hasAttribute("src") && media.querySelector("source") === null) return null;
  const failed = media.error !== null || media.networkState === NO_SOURCE;
  const what = media.localName === "video" ? "A video" : "A sound recording";
  return failed ? what : null;
}
