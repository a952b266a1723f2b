/** My last answers, and until when each can be corrected. */

import { call, insist, serverNow, SignedOut, StalePage } from "./api.js";
import { at, make } from "./dom.js";
import { counted, duration, moment } from "./format.js";

/** @type {{cell: HTMLElement, answer: object, untilMs: number, left: HTMLElement}[]} */
let correctable = [];

function row(answer) {
  const line = document.createElement("tr");
  const when = make("time", moment(answer.submitted));
  when.dateTime = answer.submitted;
  const state = document.createElement("td");
  const title = make("td", answer.title);
  title.dir = "auto";
  line.append(title, make("td", answer.flow, "extra"), make("td", when), make("td", duration(answer.seconds), "number"), state);
  showState(state, answer);
  return line;
}

function showState(cell, answer) {
  const untilMs = Date.parse(answer.correctable_until ?? "");
  if (!(untilMs > serverNow())) {
    cell.replaceChildren(answer.corrections > 0 ? "corrected, final" : "final");
    return;
  }
  const link = make("a", "Correct", "button");
  link.href = `/work?correct=${encodeURIComponent(answer.task)}`;
  link.setAttribute("aria-label", `Correct ${answer.title}, answered ${moment(answer.submitted)}`);
  const left = make("span", "", "soft");
  cell.replaceChildren(link, " ", left);
  correctable.push({ cell, answer, untilMs, left });
}

function countDown() {
  const now = serverNow();
  for (const { cell, answer, untilMs, left } of correctable) {
    if (untilMs > now) left.textContent = `${duration(Math.ceil((untilMs - now) / 1000))} left`;
    else showState(cell, answer);
  }
  correctable = correctable.filter((entry) => entry.untilMs > now);
}

try {
  const { answers } = await insist(
    () => call("GET", "/answers"),
    () => {
      at("summary").textContent = "The Review Desk cannot be reached just now; trying again.";
    },
  );
  at("summary").textContent = answers.length
    ? `${counted(answers.length, "answer", "answers")}, newest first. For a short while each can be corrected.`
    : "You have not answered anything yet.";
  at("answers").replaceChildren(...answers.map(row));
  at("answers-part").hidden = answers.length === 0;
  countDown();
  setInterval(countDown, 1_000);
} catch (error) {
  if (error instanceof SignedOut || error instanceof StalePage) location.assign("/sign-in?next=%2Fanswers");
  else at("summary").textContent = error.message;
}
