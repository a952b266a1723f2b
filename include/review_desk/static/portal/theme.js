// Runs before the first paint, so that a remembered theme does not flash.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("desk.theme");
  } catch {
    // Storage is disabled: the browser's own preference applies.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
