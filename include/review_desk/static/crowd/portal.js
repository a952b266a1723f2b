/**
 * The connection between this frame and the portal around it: `{desk: 1, type, ...}` by postMessage, in both directions.
 *
 * Only messages of the parent window are accepted. The frame has an opaque origin, so nothing else connects the two.
 */

const framed = window.parent !== window;

/** Whether a portal may be around this page. */
export function isFramed() {
  return framed;
}

/**
 * Tell the portal.
 * @param {string} type loaded, ready, problem, draft, submit, invalid, shortcut or preference
 * @param {Object} [members]
 */
export function tell(type, members = {}) {
  if (framed) window.parent.postMessage({ desk: 1, type, ...members }, "*");
}

/**
 * Listen to the portal.
 * @param {Object<string, function(Object): void>} handlers by message type: start, submit, accepted, refused, shown, theme, flush
 */
export function listen(handlers) {
  window.addEventListener("message", (event) => {
    const data = event.data;
    if (!framed || event.source !== window.parent || typeof data !== "object" || data === null || data.desk !== 1) return;
    if (Object.hasOwn(handlers, data.type)) handlers[data.type](data);
  });
}
