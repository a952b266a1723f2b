/** The answer of an earlier task over an image that is to be judged (crowd-image-classifier, attribute `overlay`). */

import { make } from "./base.js";
import { isPlain } from "./fields.js";
import { parseLiteral } from "./literals.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * Draw the boxes of `boundingBox`, or the mask of `semanticSegmentation` and `instanceSegmentation`.
 * @param {HTMLElement} picture holds the image, and is where the overlay goes
 * @param {HTMLImageElement} image loaded
 * @param {?string} text the attribute
 * @param {function(): void} onfail the mask did not load
 * @returns {?string} one sentence when it could not be shown
 */
export function drawOverlay(picture, image, text, onfail) {
  for (const old of picture.querySelectorAll(".over")) old.remove();
  if (!text || !text.trim()) return null;
  let overlay;
  try {
    overlay = parseLiteral(text);
  } catch (error) {
    return `The overlay of this task cannot be read. ${error.message}`;
  }
  if (isPlain(overlay) && isPlain(overlay.boundingBox) && Array.isArray(overlay.boundingBox.value)) {
    picture.append(boxes(image, overlay.boundingBox.value));
    return null;
  }
  const mask = isPlain(overlay) ? overlay.semanticSegmentation ?? overlay.instanceSegmentation : null;
  if (isPlain(mask) && typeof mask.src === "string") {
    const layer = make("img", { class: "over", alt: "", src: mask.src });
    layer.addEventListener("error", onfail);
    layer.style.opacity = "0.5";
    picture.append(layer);
    return null;
  }
  return "The overlay of this task is of a kind that the Review Desk does not show.";
}

function boxes(image, list) {
  const { naturalWidth, naturalHeight } = image;
  const svg = draw("svg", { class: "over", viewBox: `0 0 ${naturalWidth} ${naturalHeight}`, role: "img" });
  svg.setAttribute("aria-label", `${list.length} boxes of an earlier task`);
  // As large as text around it, whatever the image is scaled to.
  const size = (14 * naturalWidth) / Math.max(1, image.clientWidth);
  for (const box of list.filter(isPlain)) {
    const sides = { x: box.left, y: box.top, width: box.width, height: box.height };
    if (Object.values(sides).some((side) => !Number.isFinite(side) || side < 0)) continue;
    for (const stroke of ["#000", "#ffd23f"]) {
      const width = (size / 6) * (stroke === "#000" ? 1.8 : 1);
      svg.append(draw("rect", { ...sides, fill: "none", stroke, "stroke-width": width }));
    }
    const name = draw("text", { x: sides.x, y: Math.max(size, sides.y - size / 3), "font-size": size, fill: "#ffd23f" });
    name.setAttribute("style", "paint-order:stroke;stroke:#000;stroke-width:.25em");
    name.textContent = typeof box.label === "string" ? box.label : "";
    svg.append(name);
  }
  return svg;
}

function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
