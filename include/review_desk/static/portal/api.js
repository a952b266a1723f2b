/** The worker API, as this page may call it: session cookie and CSRF token. */

const REQUEST_MS = 20_000;
const csrf = document.querySelector('meta[name="csrf"]')?.content ?? "";

/** No response, or an unusable one: worth trying again. */
export class Unreachable extends Error {}
/** The session is over. */
export class SignedOut extends Error {}
/** The page belongs to a session that another one has replaced. */
export class StalePage extends Error {}
/** The task is no longer this person's (HTTP 404 or 409). */
export class Gone extends Error {}
/** The desk refuses this request, however often it is sent; the message says why. */
export class Refused extends Error {}

const KINDS = { 401: SignedOut, 403: StalePage, 404: Gone, 409: Gone };

/**
 * Ask the desk.
 * @param {string} method @param {string} path below /worker @param {object} [body]
 * @returns {Promise<any>} the answer's JSON; null when there is nothing (204)
 */
export async function call(method, path, body) {
  let response, text;
  try {
    response = await fetch(`/worker${path}`, {
      method,
      headers: { "X-CSRF-Token": csrf, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_MS),
      cache: "no-store",
    });
    text = await response.text();
  } catch (error) {
    throw new Unreachable("The Review Desk cannot be reached.", { cause: error });
  }
  noteServerTime(response.headers.get("date"));
  const answer = parse(text);
  if (response.ok && answer !== undefined) return answer;
  const message = typeof answer?.error === "string" ? answer.error : `The Review Desk answered ${response.status}.`;
  const retry = response.ok || response.status >= 500 || response.status === 429;
  throw new (retry ? Unreachable : (KINDS[response.status] ?? Refused))(message);
}

function parse(text) {
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    // Not from the desk: from a gateway, or a page that was cut off.
    return undefined;
  }
}

const WAITS_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/**
 * Repeat `request` while the desk cannot be reached; other errors pass through.
 * @template T
 * @param {() => Promise<T>} request
 * @param {(seconds: number) => void} onTrouble told before each wait
 * @returns {Promise<T>}
 */
export async function insist(request, onTrouble) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      const waitMs = WAITS_MS[Math.min(attempt, WAITS_MS.length - 1)];
      onTrouble(waitMs / 1000);
      await patience(waitMs);
    }
  }
}

const impatient = new EventTarget();

/** Let everything that waits in `insist` try right away. */
export function tryNow() {
  impatient.dispatchEvent(new Event("now"));
}

window.addEventListener("online", tryNow);

function patience(waitMs) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      impatient.removeEventListener("now", done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    impatient.addEventListener("now", done);
  });
}

let aheadMs = 0;

function noteServerTime(date) {
  const serverMs = Date.parse(date ?? "");
  // The header counts whole seconds: half of one is the best guess.
  if (Number.isFinite(serverMs)) aheadMs = serverMs + 500 - Date.now();
}

/** Now by the desk's clock, in milliseconds since 1970; good to about a second. */
export function serverNow() {
  return Date.now() + aheadMs;
}
