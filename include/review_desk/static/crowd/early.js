// Runs before anything of the template: remembers what the Content-Security-Policy refused, for notices.js to tell.
(() => {
  const refused = [];
  Object.defineProperty(window, "crowdRefused", { value: refused });
  document.addEventListener("securitypolicyviolation", (event) => {
    if (refused.length < 20) {
      refused.push({ directive: event.effectiveDirective, address: event.blockedURI });
      document.dispatchEvent(new Event("crowd-refused"));
    }
  });
})();
