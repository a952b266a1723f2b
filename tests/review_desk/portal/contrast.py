"""Which texts of a page are hard to read, by what the browser computed."""

from __future__ import annotations

# Text whose contrast is below WCAG 2.2 AA (1.4.3): 4.5, or 3 where it is large (24 px, or 18.66 px bold).
# Looks into open shadow roots. Left out are disabled controls, as WCAG does, and what is for screen readers.
LOW_CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, under) => top.slice(0, 3).map((c, i) => (c * top[3] + under[i] * (255 - top[3])) / 255);
  const light = (color) => {
    const [r, g, b] = color.map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const outer = (element) =>
    element.assignedSlot ?? element.parentElement ?? element.getRootNode().host ?? null;
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = outer(at)) layers.unshift(rgba(getComputedStyle(at).backgroundColor));
    return layers.reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const opacity = (element) => {
    let product = 1;
    for (let at = element; at; at = outer(at)) product *= Number(getComputedStyle(at).opacity);
    return product;
  };
  const all = (root) =>
    [...root.querySelectorAll("*")].flatMap((e) => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
  const found = [];
  let count = 0;
  for (const element of all(document.body)) {
    const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
    const seen = element.checkVisibility({ visibilityProperty: true });
    const style = getComputedStyle(element);
    const unseen = element.matches(":disabled, :disabled *, script, style") || style.clipPath !== "none";
    if (!text || !seen || unseen) continue;
    const ground = behind(element);
    const [red, green, blue, alpha] = rgba(style.color);
    const ink = over([red, green, blue, alpha * opacity(element)], ground);
    const [one, two] = [light(ink), light(ground)].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    count += 1;
    if (ratio < (large ? 3 : 4.5)) found.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return { seen: count, found };
}
"""
