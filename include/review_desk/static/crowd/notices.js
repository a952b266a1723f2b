/** Plain notices at the top of the frame: what the worker should know about this page, not about the task. */

import { make } from "./base.js";

let shelf = null;
const said = new Set();

/**
 * Show a sentence unless it is shown already.
 * @param {string} lead a few words in bold
 * @param {string} text
 */
export function notice(lead, text) {
  if (said.has(lead + text)) return;
  said.add(lead + text);
  if (shelf === null) {
    shelf = make("div", { role: "status" });
    const close = make("button", { type: "button" }, "Close");
    const whole = make("div", { class: "crowd-notices" }, shelf, close);
    close.addEventListener("click", () => {
      whole.remove();
      shelf = null;
      said.clear();
    });
    document.body.prepend(whole);
  }
  shelf.append(make("p", { class: "crowd-notice" }, make("strong", {}, lead), " ", text));
}

/** Report what the Content-Security-Policy refused, grouped by kind and host. */
export function watchRefusals() {
  let told = 0;
  const tell = () => {
    const { refused } = window.crowdEarly;
    for (; told < refused.length; told += 1) {
      const { directive, address } = refused[told];
      notice("Left out:", `${what(directive)} ${where(address)}. Tasks in the Review Desk load nothing from outside.`);
    }
  };
  document.addEventListener("crowd-trouble", tell);
  tell();
}

/** Report why images are missing when the desk could not sign links to them (web/frames.py). */
export function tellLinkFaults() {
  const faults = document.querySelector('meta[name="crowd-link-faults"]')?.content;
  if (faults) notice("Images are missing:", faults);
}

function what(directive) {
  const kind = directive.replace(/-(elem|attr)$/, "");
  const names = {
    "script-src": "a script",
    "style-src": "a style sheet",
    "img-src": "an image",
    "font-src": "a font",
    "media-src": "sound or video",
    "connect-src": "a connection",
    "frame-src": "an embedded page",
    "form-action": "a form sent",
  };
  return names[kind] ?? "something";
}

function where(address) {
  try {
    const host = new URL(address).host;
    return host ? `from ${host}` : "of the template";
  } catch {
    return "of the template";
  }
}
