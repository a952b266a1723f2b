/**
 * Colours of the classes: Okabe and Ito's eight, which people with any common colour blindness tell apart
 * ("Color Universal Design", 2008). From the ninth class on they repeat with another line style; every box shows
 * its label's text as well.
 */

const COLORS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#000000"];
const LINES = ["solid", "double", "dotted", "groove"];
const UNKNOWN = { color: "#ffffff", ink: "#000000", casing: "#a4161a", line: "dotted" };

/** Red, green and blue's part in luminance (WCAG 2.2, relative luminance). */
function luminance(color) {
  const parts = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16) / 255);
  const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/**
 * How boxes of a class look.
 * @param {number} index of the label in `labels`; -1 for a label that is not among them
 * @returns {{color: string, ink: string, casing: string, line: string}} text colour on `color`, second stroke, line
 */
export function lookOf(index) {
  if (index < 0) return UNKNOWN;
  const color = COLORS[index % COLORS.length];
  const light = luminance(color);
  return {
    color,
    ink: light > 0.179 ? "#000000" : "#ffffff",
    casing: light > 0.179 ? "#000000" : "#ffffff",
    line: LINES[Math.floor(index / COLORS.length) % LINES.length],
  };
}
