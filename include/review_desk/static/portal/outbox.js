/** Answers on their way to the desk: kept in the browser until the desk has them, sent as often as needed. */

import { call, Gone, insist, Refused } from "./api.js";
import { dropUnsent, forgetDraft, keepUnsent, saveDraft, unsentAnswers } from "./store.js";

/**
 * @typedef {object} Outcome
 * @property {"saved"|"gone"|"refused"} kind
 * @property {string} [message] why it was refused or is gone
 * @property {string|null} [correctableUntil]
 */

/**
 * Send one answer until the desk has accepted or refused it. Sending the same answer twice is safe.
 * @param {{task: string, loop: string, answer: object, correction: boolean}} entry
 * @param {(seconds: number) => void} onTrouble
 * @returns {Promise<Outcome>}
 */
export async function deliver(entry, onTrouble) {
  keepUnsent(entry.task, entry);
  const path = `/tasks/${encodeURIComponent(entry.task)}/answer`;
  const send = () =>
    entry.correction
      ? call("PUT", path, { answerContent: entry.answer })
      : call("POST", path, { answerContent: entry.answer, correctable: true });
  try {
    const saved = await insist(send, onTrouble);
    dropUnsent(entry.task);
    forgetDraft(entry.task, entry.loop);
    return { kind: "saved", correctableUntil: saved?.correctable_until ?? null };
  } catch (error) {
    if (error instanceof Gone || error instanceof Refused) {
      dropUnsent(entry.task);
      // Too late: keep the person's work in case the loop comes again.
      if (!entry.correction) saveDraft(entry.task, { loop: entry.loop, draft: null, answer: entry.answer });
      return { kind: error instanceof Gone ? "gone" : "refused", message: error.message };
    }
    // Signed out, or another session took over: the answer stays for the next sign-in.
    throw error;
  }
}

/**
 * Send everything that an earlier page left.
 * @param {(count: number, seconds: number) => void} onTrouble
 * @returns {Promise<Outcome[]>}
 */
export async function deliverUnsent(onTrouble) {
  const outcomes = [];
  const entries = unsentAnswers();
  for (const [index, entry] of entries.entries()) {
    outcomes.push(await deliver(entry, (seconds) => onTrouble(entries.length - index, seconds)));
  }
  return outcomes;
}
