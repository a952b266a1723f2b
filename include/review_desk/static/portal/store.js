/**
 * What the browser remembers: drafts, answers that are not saved yet, how long a task was paused, preferences.
 *
 * Everything is in localStorage under `desk.`, so that a reload, a crash or another sign-in loses nothing.
 * Entries carry the person they belong to: on a shared computer no one sends or sees another person's.
 */

const DAY_MS = 24 * 3600 * 1000;
const DRAFT = "desk.draft.";
const UNSENT = "desk.unsent.";
const PREFERENCES = "desk.preferences.";
const ENTRY_CHARACTERS = 2_000_000;
const person = document.querySelector('meta[name="person"]')?.content ?? "";

// Used when localStorage is disabled or full: lost with the page, but the page keeps working.
const memory = new Map();

function read(key) {
  let text = memory.get(key) ?? null;
  try {
    text = text ?? localStorage.getItem(key);
  } catch {
    // Only memory, then.
  }
  if (text === null) return null;
  try {
    const entry = JSON.parse(text);
    return entry && typeof entry === "object" && entry.person === person ? entry : null;
  } catch {
    return null;
  }
}

function write(key, entry) {
  const text = JSON.stringify({ ...entry, person });
  if (text.length > ENTRY_CHARACTERS) return;
  try {
    localStorage.setItem(key, text);
    memory.delete(key);
  } catch {
    memory.set(key, text);
  }
}

function remove(key) {
  memory.delete(key);
  try {
    localStorage.removeItem(key);
  } catch {
    // It was only in memory.
  }
}

function keys(prefix) {
  const found = new Set([...memory.keys()].filter((key) => key.startsWith(prefix)));
  try {
    for (let index = 0; index < localStorage.length; index += 1) {
      const key = localStorage.key(index);
      if (key?.startsWith(prefix)) found.add(key);
    }
  } catch {
    // Only memory, then.
  }
  return [...found];
}

/**
 * Keep the editor's content. `answer`: one that came too late; `pausedMs`: how long the task was paused so far.
 * @param {string} task @param {{loop: string, draft?: object|null, answer?: object, pausedMs?: number}} entry
 */
export function saveDraft(task, entry) {
  write(DRAFT + task, { ...read(DRAFT + task), ...entry, savedMs: Date.now() });
}

/**
 * The draft of this task, or of an earlier turn at the same loop that ran out of time.
 * @param {string} task @param {string} loop
 * @returns {{draft?: object|null, answer?: object, pausedMs?: number}|null}
 */
export function draftFor(task, loop) {
  forgetOldDrafts();
  const own = read(DRAFT + task);
  if (own?.draft || own?.answer) return own;
  const earlier = keys(DRAFT)
    .map((key) => read(key))
    .filter((entry) => entry?.loop === loop && (entry.draft || entry.answer))
    .sort((one, other) => other.savedMs - one.savedMs)[0];
  return earlier ? { ...earlier, pausedMs: own?.pausedMs } : own;
}

/** Forget what was kept for this task, and for earlier turns at its loop. @param {string} task @param {string} [loop] */
export function forgetDraft(task, loop) {
  remove(DRAFT + task);
  for (const key of loop ? keys(DRAFT) : []) {
    if (read(key)?.loop === loop) remove(key);
  }
}

/** Forget all drafts on sign-out. Answers that are not saved yet stay until they are. */
export function forgetDrafts() {
  for (const key of keys(DRAFT)) remove(key);
}

/** Keep an answer until the desk has it. @param {string} task @param {{loop: string, answer: object, correction: boolean}} entry */
export function keepUnsent(task, entry) {
  write(UNSENT + task, { ...entry, task, keptMs: Date.now() });
}

/** The desk has the answer, or refused it. @param {string} task */
export function dropUnsent(task) {
  remove(UNSENT + task);
}

/** This person's answers that the desk has not acknowledged, oldest first. */
export function unsentAnswers() {
  return keys(UNSENT)
    .map((key) => read(key))
    .filter((entry) => typeof entry?.task === "string")
    .sort((one, other) => one.keptMs - other.keptMs);
}

/** What this person chose for all tasks. @returns {Object<string, boolean>} */
export function preferences() {
  return read(PREFERENCES + person)?.chosen ?? {};
}

/** @param {string} name @param {boolean} value */
export function keepPreference(name, value) {
  write(PREFERENCES + person, { chosen: { ...preferences(), [name]: value } });
}

function forgetOldDrafts() {
  for (const key of keys(DRAFT)) {
    try {
      const savedMs = JSON.parse(memory.get(key) ?? localStorage.getItem(key)).savedMs;
      if (!(Date.now() - savedMs < DAY_MS)) remove(key);
    } catch {
      remove(key);
    }
  }
}
