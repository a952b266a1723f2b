/**
 * Which crowd elements answer. The desk warns of the same ones beforehand (worker_templates/crowd.py); a test holds
 * the two together.
 */

/** Elements of ours that a worker enters something into: each needs a name. */
const ANSWERING = new Set([
  "crowd-bounding-box",
  "crowd-checkbox",
  "crowd-classifier",
  "crowd-image-classifier",
  "crowd-input",
  "crowd-radio-button",
  "crowd-slider",
  "crowd-text-area",
]);
const SILENT = new Set(["crowd-alert", "crowd-button", "crowd-form", "crowd-radio-group"]);
/** Elements of AWS that show something and answer nothing (SageMaker Developer Guide); ours show their content. */
const FURNITURE = /^crowd-(badge|card|fab|icon.*|instructions|modal|tab|tabs|toast)$/;

/**
 * @param {string} tag of a crowd element, in small letters
 * @returns {"answers"|"silent"|"furniture"|"unknown"} unknown: AWS's that answer, and any other
 */
export function kindOf(tag) {
  if (ANSWERING.has(tag)) return "answers";
  if (SILENT.has(tag)) return "silent";
  return FURNITURE.test(tag) ? "furniture" : "unknown";
}
