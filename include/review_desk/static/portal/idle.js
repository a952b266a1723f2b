/** The queue is empty: check now and then, but take no task until the person asks for one. */

import { call } from "./api.js";
import { cover } from "./covers.js";
import { counted } from "./format.js";

const LOOK_MS = 5_000;
const title = document.getElementById("empty-title");
const text = document.getElementById("empty-text");
const start = document.getElementById("go-on");
let timer = 0;

/**
 * Cover the page and look every few seconds, while `idling()`.
 * @param {() => boolean} idling @param {(error: Error) => void} onError
 */
export async function idle(idling, onError) {
  title.textContent = "Nothing is waiting for you";
  text.textContent = "This page checks again every few seconds.";
  start.hidden = true;
  cover("empty");
  const look = async () => {
    if (!idling()) clearInterval(timer);
    else if (document.visibilityState === "visible") await showQueue(idling, onError);
  };
  clearInterval(timer);
  timer = setInterval(look, LOOK_MS);
  await look();
}

async function showQueue(idling, onError) {
  try {
    const queue = await call("GET", "/queue");
    if (idling()) show(queue);
  } catch (error) {
    onError(error);
  }
}

function show(queue) {
  const count = queue.waiting + queue.mine;
  const done = `You answered ${queue.answered_today} today.`;
  title.textContent = count ? `${counted(count, "task", "tasks")} for you` : "Nothing is waiting for you";
  text.textContent = count ? done : `${done} This page checks again every few seconds.`;
  const appears = count > 0 && start.hidden;
  start.hidden = count === 0;
  if (appears) start.focus();
}
