/** The current task and its state, shared by all parts of the task page. */

import { call } from "./api.js";
import { at, put } from "./dom.js";

/** The task whose answer is being corrected; null: new tasks, one after another. */
export const correcting = new URLSearchParams(location.search).get("correct");

/**
 * `state` is changed by `enter` alone.
 * @type {{state: "loading"|"working"|"saving"|"paused"|"empty"|"over", task: object|null}}
 */
export const turn = { state: "loading", task: null };

/** Whether the task is the person's to work on, be it paused. */
export function held() {
  return turn.state === "working" || turn.state === "paused";
}

/** @param {"loading"|"working"|"saving"|"paused"|"empty"|"over"} state */
export function enter(state) {
  turn.state = state;
  for (const id of ["pause", "to-decline", "to-return"]) at(id).disabled = correcting !== null || !held();
  put("pause", state === "paused" ? "Resume" : "Pause");
}

/** POST for the task at hand. @param {string} action @param {object} [body] */
export function ask(action, body = {}) {
  return call("POST", `/tasks/${encodeURIComponent(turn.task.task)}/${action}`, body);
}
