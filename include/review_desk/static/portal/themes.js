/** Light or dark: the browser's preference, unless a person chose. */

const KEY = "desk.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

/** @returns {"auto"|"light"|"dark"} what the person chose */
export function rememberedTheme() {
  const theme = document.documentElement.dataset.theme;
  return theme === "light" || theme === "dark" ? theme : "auto";
}

/** @returns {"light"|"dark"} what is shown */
export function shownTheme() {
  const theme = rememberedTheme();
  return theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
}

/** @param {"auto"|"light"|"dark"} theme */
export function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage is disabled: the theme applies to this page only.
  }
  tell();
}

/** Call `listener` after each change. @param {() => void} listener */
export function onTheme(listener) {
  listeners.add(listener);
}

function tell() {
  for (const listener of listeners) listener();
}

dark.addEventListener("change", tell);
