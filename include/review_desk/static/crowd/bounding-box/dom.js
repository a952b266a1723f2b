/** Small helpers for building the page; text always goes in as text. */

import { make as makePlain } from "../base.js";

const SVG = "http://www.w3.org/2000/svg";

/** Outlines on a 24 x 24 grid. */
const ICONS = {
  undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "m15 14 5-5-5-5M20 9H10a6 6 0 0 0 0 12h3",
  remove: "M4 7h16M10 11v6M14 11v6M6 7l1 13h10l1-13M9 7V4h6v3",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  over: "M4 4h11v11H4zM10 10h10v10H10z",
  keys: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M17 14h.01M7 14h7",
  list: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  down: "m6 9 6 6 6-6",
  close: "M6 6l12 12M18 6 6 18",
  tag: "M3 12V4h8l10 10-8 8zM7.5 8h.01",
  warn: "M12 4 2.5 20h19zM12 10v4M12 17h.01",
};

/**
 * An element with attributes, listeners (`onclick`: function) and children (nodes, strings; null is left out).
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const plain = {};
  const listeners = [];
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") listeners.push([name.slice(2), value]);
    else plain[name] = value;
  }
  const node = makePlain(tag, plain, ...children.filter((child) => child !== null && child !== undefined));
  for (const [type, listener] of listeners) node.addEventListener(type, listener);
  return node;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("bb-icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button with an icon whose name is read out and shown as a tooltip, with its key. */
export function iconButton(name, title, onclick, attributes = {}) {
  return make("button", { type: "button", class: "bb-button", title, "aria-label": title, onclick, ...attributes }, icon(name));
}

/** Set the text of a node only where it differs. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
