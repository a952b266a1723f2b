/** A task's clock: time spent, a warning before the limit, and heartbeats to the desk. */

import { serverNow } from "./api.js";

const TICK_MS = 1_000;
const HEARTBEAT_MS = 45_000;
const WARN_SECONDS = [300, 60];

/** Runs while a task is shown. */
export class TaskClock {
  /**
   * @param {{onElapsed: (text: string) => void, onWarning: (secondsLeft: number) => void, onOver: () => void,
   *   onHeartbeat: () => void}} listeners
   */
  constructor(listeners) {
    this._on = listeners;
    this._timer = 0;
    this._task = null;
  }

  /**
   * @param {{accepted: string, limit: string}} task
   * @param {number} pausedMs how long it was paused before
   */
  start(task, pausedMs) {
    this.stop();
    const acceptedMs = Date.parse(task.accepted);
    const limitMs = Date.parse(task.limit);
    const seconds = (limitMs - acceptedMs) / 1000;
    const warnings = WARN_SECONDS.filter((left) => left <= seconds / 2);
    this._task = { acceptedMs, limitMs, warnings: warnings.length ? warnings : [seconds / 3] };
    this.pausedMs = pausedMs;
    this._pausedSince = null;
    this._beatMs = serverNow();
    this._timer = setInterval(() => this._tick(), TICK_MS);
    this._tick();
  }

  stop() {
    clearInterval(this._timer);
    this._task = null;
  }

  pause() {
    this._pausedSince ??= serverNow();
  }

  resume() {
    if (this._pausedSince !== null) this.pausedMs += serverNow() - this._pausedSince;
    this._pausedSince = null;
    this._beatMs = serverNow();
  }

  _tick() {
    const task = this._task;
    const now = serverNow();
    const left = (task.limitMs - now) / 1000;
    if (left <= 0) {
      this.stop();
      this._on.onOver();
      return;
    }
    const due = task.warnings.filter((seconds) => left <= seconds);
    if (due.length) {
      task.warnings = task.warnings.filter((seconds) => left > seconds);
      this._on.onWarning(left);
    }
    if (this._pausedSince !== null) return;
    this._on.onElapsed(inMinutes(now - task.acceptedMs - this.pausedMs));
    if (now - this._beatMs >= HEARTBEAT_MS) {
      this._beatMs = now;
      this._on.onHeartbeat();
    }
  }
}

function inMinutes(elapsedMs) {
  const minutes = Math.floor(elapsedMs / 60_000);
  return minutes < 1 ? "under 1 min" : `${minutes} min`;
}
