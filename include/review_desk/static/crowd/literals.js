/**
 * Reader of the array and object literals in crowd element attributes, as lenient as AWS's own.
 *
 * The SageMaker documentation writes `labels="['Cat', 'Dog']"` and initial values with unquoted keys and trailing
 * commas: JavaScript, not JSON. This reads both and evaluates nothing. The desk reads the same texts in
 * worker_templates/literals.py; tests hold the two together.
 */

const TOKEN = new RegExp(
  String.raw`\s*(?:([\[\]{},:])|('(?:[^'\\]|\\[^])*'|"(?:[^"\\]|\\[^])*")` +
    String.raw`|(-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([\p{L}_$][\p{L}\p{N}_$-]*))`,
  "uy",
);
const WORDS = new Map([["true", true], ["false", false], ["null", null], ["undefined", null]]);
const ESCAPES = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" };
const MAX_DEPTH = 32;

/** The attribute is neither JSON nor a JavaScript literal; the message says where. */
export class LiteralError extends Error {}

/**
 * The value that `text` denotes.
 * @param {string} text
 * @returns {*} what JSON can hold
 * @throws {LiteralError}
 */
export function parseLiteral(text) {
  try {
    return JSON.parse(text);
  } catch {
    const reader = new Reader(text);
    const value = reader.value(0);
    reader.end();
    return value;
  }
}

/**
 * The list of texts in an attribute such as `labels` or `categories`.
 * @param {string|null} text
 * @returns {string[]} without doubles; empty when the attribute is missing
 * @throws {LiteralError} when it is something else than a list of texts or numbers
 */
export function parseTexts(text) {
  if (text === null || text.trim() === "") return [];
  const value = parseLiteral(text);
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string" && typeof item !== "number")) {
    throw new LiteralError("It must be a list of strings, for example ['Cat', 'Dog'].");
  }
  return [...new Set(value.map(String))];
}

class Reader {
  constructor(text) {
    this.text = text.trimEnd();
    this.position = 0;
  }

  value(depth) {
    if (depth > MAX_DEPTH) throw new LiteralError("It is nested too deeply.");
    const token = this.take();
    if (token.mark === "[") return this.array(depth);
    if (token.mark === "{") return this.object(depth);
    if (token.string !== undefined) return unquote(token.string);
    if (token.number !== undefined) return this.number(token.number);
    if (token.word !== undefined && WORDS.has(token.word)) return WORDS.get(token.word);
    throw new LiteralError(`Unexpected text before position ${this.position}.`);
  }

  number(text) {
    const value = Number(text);
    if (!Number.isFinite(value)) throw new LiteralError(`The number before position ${this.position} is too large.`);
    return value;
  }

  array(depth) {
    const items = [];
    while (!this.accepts("]")) {
      items.push(this.value(depth + 1));
      if (!this.accepts(",")) {
        this.expect("]");
        break;
      }
    }
    return items;
  }

  object(depth) {
    const members = [];
    while (!this.accepts("}")) {
      const token = this.take();
      if (token.mark !== undefined) throw new LiteralError(`A key is missing before position ${this.position}.`);
      const key = token.string === undefined ? token.number ?? token.word : unquote(token.string);
      this.expect(":");
      members.push([key, this.value(depth + 1)]);
      if (!this.accepts(",")) {
        this.expect("}");
        break;
      }
    }
    // fromEntries defines own properties, so that a key such as __proto__ stays data.
    return Object.fromEntries(members);
  }

  match() {
    TOKEN.lastIndex = this.position;
    return TOKEN.exec(this.text);
  }

  take() {
    const match = this.match();
    if (match === null) throw new LiteralError(`Unexpected text at position ${this.position}.`);
    this.position = TOKEN.lastIndex;
    const [, mark, string, number, word] = match;
    return { mark, string, number, word };
  }

  accepts(mark) {
    if (this.match()?.[1] !== mark) return false;
    this.position = TOKEN.lastIndex;
    return true;
  }

  expect(mark) {
    if (!this.accepts(mark)) throw new LiteralError(`"${mark}" is missing at position ${this.position}.`);
  }

  end() {
    if (this.position !== this.text.length) throw new LiteralError(`Unexpected text at position ${this.position}.`);
  }
}

function unquote(token) {
  return token.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|[^])/gu, (_, escape) =>
    escape.length === 5 && escape[0] === "u"
      ? String.fromCharCode(Number.parseInt(escape.slice(1), 16))
      : ESCAPES[escape] ?? escape,
  );
}
