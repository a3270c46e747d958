// The browser's storage as a worker sees it: asynchronous, shared with the storefront's scripts, and perhaps refused.

/** The storefront tracker's session, and the pixel's where there is no tracker. */
export const SESSION_KEY = "shoptrail.session";
/** The last popup that the tracker showed or held out. */
export const DECISION_KEY = "shoptrail.decision";
/** There after the visitor opted out. */
export const OFF_KEY = "shoptrail.off";
/** What the pixel alone writes. */
export const STATE_KEY = "shoptrail.pixel";

/** @typedef {ReturnType<typeof openStorage>} Storage */

/**
 * @typedef {object} State
 * @property {string | undefined} session the session that the pixel last recorded for
 * @property {number} at ms, when it did
 * @property {import("./events.js").Message[]} out messages that were not acknowledged
 * @property {number} tries attempts that failed in a row
 * @property {number} until ms, before which nothing is sent
 */

/**
 * Never rejects. Where storage is refused or full, what was written is kept in memory: for as long as the page lives.
 * @param {import("@shopify/web-pixels-extension").BrowserLocalStorage} localStorage
 */
export function openStorage(localStorage) {
  /** @type {Map<string, string>} */
  const memory = new Map();
  let updates = Promise.resolve();

  /** @param {string} key */
  async function read(key) {
    try {
      return (await localStorage.getItem(key)) ?? memory.get(key) ?? null;
    } catch {
      return memory.get(key) ?? null;
    }
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  async function write(key, value) {
    try {
      await localStorage.setItem(key, value);
      memory.delete(key);
    } catch {
      memory.set(key, value);
    }
  }

  /** @param {string} key */
  async function remove(key) {
    memory.delete(key);
    try {
      await localStorage.removeItem(key);
    } catch {
      // What could not be written need not be removed.
    }
  }

  /**
   * The object under the key; an empty one for anything else.
   * @param {string} key
   * @returns {Promise<Record<string, unknown>>}
   */
  async function readObject(key) {
    try {
      const value = JSON.parse((await read(key)) ?? "null");
      return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
    } catch {
      return {};
    }
  }

  /** Only what is well-formed: other scripts of the shop can write there too. */
  async function readState() {
    const { session, at, out, tries, until } = await readObject(STATE_KEY);
    return /** @type {State} */ ({
      session: typeof session === "string" ? session : undefined,
      at: number(at),
      out: Array.isArray(out) ? out.filter(isMessage) : [],
      tries: number(tries),
      until: number(until),
    });
  }

  /**
   * One after the other, since reading and writing are two steps.
   * @param {(state: State) => State | null} change to the same object leaves it, to null removes it
   */
  function updateState(change) {
    updates = updates.then(async () => {
      const before = await readState();
      const after = change(before);
      if (after === null) await remove(STATE_KEY);
      else if (after !== before) await write(STATE_KEY, JSON.stringify(after));
    });
    return updates;
  }

  return { read, write, remove, readObject, readState, updateState };
}

/** @param {unknown} value */
function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

/** @param {any} value */
function isMessage(value) {
  return [value?.id, value?.path, value?.body].every((text) => typeof text === "string") && number(value.at) > 0;
}
