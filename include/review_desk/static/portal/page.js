/** What every page has: the theme button, and a sign-out that forgets drafts. */

import { onTheme, rememberedTheme, setTheme } from "./themes.js";
import { forgetDrafts } from "./store.js";

const NAMES = { auto: "auto", light: "light", dark: "dark" };

function setUpThemeButton() {
  const button = document.getElementById("theme");
  if (!button) return;
  const show = () => {
    button.textContent = `Theme: ${NAMES[rememberedTheme()]}`;
  };
  button.addEventListener("click", () => {
    const order = ["auto", "light", "dark"];
    setTheme(order[(order.indexOf(rememberedTheme()) + 1) % order.length]);
  });
  onTheme(show);
  show();
  button.hidden = false;
}

setUpThemeButton();
document.getElementById("sign-out")?.addEventListener("submit", forgetDrafts);
