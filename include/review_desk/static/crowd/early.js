// Runs before the template: records what was refused, what did not load and which scripts failed, for notices.js and
// obstacles.js to report.
(() => {
  const MOST = 50;
  // Chrome and Firefox report a late layout as an error, and a stopped player as a rejection. Both are harmless.
  const HARMLESS = /^(Uncaught )?(Error: )?ResizeObserver loop/;
  const PLAYER = new Set(["AbortError", "NotAllowedError"]);
  const early = {
    // {directive, address} of the Content-Security-Policy's refusals.
    refused: [],
    // Elements whose src did not load, scripts even when they are gone again.
    failed: new Set(),
    // {message, atLoad} of scripts that threw or rejected, each kind once; and how often any of them did.
    thrown: [],
    throws: 0,
    // Set by main.js: what is thrown from then on was not thrown at load.
    loaded: false,
  };
  Object.defineProperty(window, "crowdEarly", { value: early });
  const told = new Set();

  function tell() {
    document.dispatchEvent(new Event("crowd-trouble"));
  }

  function threw(message, place) {
    early.throws += 1;
    if (told.has(message + place) || early.thrown.length >= MOST) return;
    told.add(message + place);
    early.thrown.push({ message, atLoad: !early.loaded });
    tell();
  }

  document.addEventListener("securitypolicyviolation", (event) => {
    const counts = /^(script|connect)-src/.test(event.effectiveDirective);
    if (early.refused.length >= (counts ? 2 * MOST : MOST)) return;
    early.refused.push({ directive: event.effectiveDirective, address: event.blockedURI });
    tell();
  });
  window.addEventListener(
    "error",
    (event) => {
      if (event.target instanceof Element) {
        early.failed.add(event.target);
        tell();
      } else if (!HARMLESS.test(event.message ?? "")) {
        threw(String(event.message ?? ""), `${event.filename}:${event.lineno}:${event.colno}`);
      }
    },
    true,
  );
  window.addEventListener("unhandledrejection", (event) => {
    const reason = event.reason;
    if (reason instanceof DOMException && PLAYER.has(reason.name)) return;
    threw(reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason), "rejected");
  });
  document.addEventListener(
    "load",
    (event) => {
      if (early.failed.delete(event.target)) tell();
    },
    true,
  );
})();
