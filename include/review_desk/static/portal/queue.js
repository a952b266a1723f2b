/** The queue page: how much is waiting, refreshed every few seconds while the page is visible. */

import { call, SignedOut, StalePage } from "./api.js";
import { at, make, put } from "./dom.js";
import { counted, duration } from "./format.js";
import { deliverUnsent } from "./outbox.js";

const LOOK_MS = 4_000;

const start = at("start");
let focused = false;

function show(queue) {
  const many = queue.more ? "+" : "";
  put("waiting", `${queue.waiting}${many}`);
  put("mine", String(queue.mine));
  put("typical", duration(queue.typical_seconds));
  put("answered", String(queue.answered_today));
  put("turn", turn(queue, many));
  const something = queue.mine > 0 || queue.waiting > 0;
  put("start", queue.mine > 0 ? "Continue" : "Start");
  start.hidden = !something;
  at("hint").hidden = !something;
  // Only once, so that Enter starts right away but the page never steals the focus.
  if (something && !focused && document.activeElement === document.body) {
    focused = true;
    start.focus();
  }
  showFlows(queue.flows);
}

function turn(queue, many) {
  if (queue.mine > 0) return `You hold ${counted(queue.mine, "task", "tasks")}: pick up where you left off.`;
  if (queue.waiting > 0) {
    const tasks = queue.waiting === 1 && !many ? "task is" : "tasks are";
    return `${queue.waiting}${many} ${tasks} waiting for you, oldest first.`;
  }
  const done = queue.answered_today > 0 ? ` You answered ${queue.answered_today} today.` : "";
  return `Nothing is waiting for you.${done} This page checks again every few seconds.`;
}

function showFlows(flows) {
  at("flows-part").hidden = flows.length === 0;
  const body = at("flows");
  const text = JSON.stringify(flows);
  if (body.dataset.shown === text) return;
  body.dataset.shown = text;
  body.replaceChildren(
    ...flows.map((flow) => {
      const row = document.createElement("tr");
      const name = make("a", flow.flow);
      name.href = `/flows/${encodeURIComponent(flow.flow)}`;
      row.append(cell(flow.title), cell(name), cell(String(flow.waiting), "number"));
      return row;
    }),
  );
}

function cell(content, className = "") {
  const element = make("td", content, className);
  element.dir = "auto";
  return element;
}

async function look() {
  if (document.visibilityState !== "visible") return;
  try {
    show(await call("GET", "/queue"));
    if (at("trouble").dataset.from === "look") trouble("");
  } catch (error) {
    if (error instanceof SignedOut || error instanceof StalePage) location.assign("/sign-in?next=%2F");
    else trouble("The Review Desk cannot be reached just now; trying again.", "look");
  }
}

function trouble(text, from = "") {
  put("trouble", text);
  at("trouble").dataset.from = from;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target === document.body && !start.hidden) start.click();
});
document.addEventListener("visibilitychange", look);
setInterval(look, LOOK_MS);

await look();
deliverUnsent((count, seconds) =>
  trouble(`${counted(count, "answer is", "answers are")} not saved yet, trying again in ${seconds} s.`, "unsent"),
).then(
  (outcomes) => {
    if (outcomes.some((outcome) => outcome.kind === "saved")) {
      trouble("An answer from earlier has now been saved.", "unsent");
      look();
    } else if (outcomes.length) trouble(`An answer could not be saved: ${outcomes[0].message}`, "unsent");
  },
  () => {},
);
