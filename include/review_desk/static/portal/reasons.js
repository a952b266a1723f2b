/** Why a person no longer has a task, in one sentence, and what happens to it. */

const KEPT = " Your changes stay in this browser for a day, in case you get it again.";
const WHY = {
  answered: "You answered it already, perhaps in another window: the first answer counts.",
  declined: "You declined it, perhaps in another window: someone else will get it.",
  returned: `You handed it back, perhaps in another window: it is back in the queue.${KEPT}`,
  withdrawn: "It was withdrawn: nothing more is needed.",
  expired: `Its time ran out and it went back to the queue.${KEPT}`,
};

/** @param {string|null} state what the desk says of the task; anything unknown counts as run out */
export function whyGone(state) {
  return Object.hasOwn(WHY, state ?? "") ? WHY[state] : WHY.expired;
}
