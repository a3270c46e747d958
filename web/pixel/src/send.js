// Sends messages, repeats what failed, and keeps it for the next page.

/** @typedef {import("./events.js").Message} Message */
/** @typedef {import("./storage.js").State} State */

/** The pause after the first failure; it doubles with each further one. */
export const FIRST_PAUSE_MS = 3_000;
/** The longest pause, also for a server that asks for a longer one: as the tracker's. */
export const LONGEST_PAUSE_MS = 30 * 60 * 1000;
/** Messages kept for later; a message is about 1 KB, and storage is the shop's. The oldest go first. */
export const KEPT_MESSAGES = 50;
/** Messages are not sent any more after this long. */
export const KEPT_MS = 24 * 60 * 60 * 1000;
/** Kept messages that are sent at once: as many as a browser sends to one server anyway. */
const SENT_TOGETHER = 6;

/**
 * @param {object} options
 * @param {string} options.endpoint without a slash at its end
 * @param {import("./storage.js").Storage} options.storage
 * @param {() => number} options.now ms
 * @param {() => boolean} options.isAllowed whether anything may be sent or stored
 */
export function openOutbox({ endpoint, storage, now, isAllowed }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let isDraining = false;

  /**
   * Sends new messages, and after them what was kept.
   * @param {Message[]} messages
   */
  async function send(messages) {
    if (isHeld(await storage.readState())) await keep(messages);
    else if (!(await attempt(messages))) return schedule();
    await drain();
  }

  /** Sends what was kept, if it is time to. */
  async function drain() {
    if (isDraining) return;
    isDraining = true;
    try {
      for (;;) {
        const state = await storage.readState();
        const kept = bounded(state.out, now()).slice(0, SENT_TOGETHER);
        if (!kept.length || isHeld(state) || !(await attempt(kept))) break;
      }
    } finally {
      isDraining = false;
    }
    await schedule();
  }

  /**
   * Whether all messages are done with: acknowledged, or refused for good.
   * @param {Message[]} messages
   */
  async function attempt(messages) {
    if (!isAllowed()) return false;
    const pauses = await Promise.all(messages.map(post));
    // Consent may have gone while the answer was on its way.
    if (!isAllowed()) return false;
    const failed = messages.filter((_, index) => pauses[index] !== null);
    const done = new Set(messages.filter((message) => !failed.includes(message)).map(({ id }) => id));
    await storage.updateState((state) => {
      if (!failed.length && !state.tries && !state.out.some(({ id }) => done.has(id))) return state;
      const out = bounded(merged(state.out, failed).filter(({ id }) => !done.has(id)), now());
      if (!failed.length) return { ...state, out, tries: 0, until: 0 };
      const tries = state.tries + 1;
      const asked = Math.max(...pauses.map((pause) => pause ?? 0));
      return { ...state, out, tries, until: now() + Math.max(asked, pauseAfter(tries)) };
    });
    return !failed.length;
  }

  /**
   * The pause in ms that the server asks for before the next attempt, or null if there is to be none.
   * @param {Message} message
   */
  async function post({ path, body }) {
    try {
      const response = await fetch(endpoint + path, {
        method: "POST",
        // A simple request: no preflight, which would not outlive the page.
        headers: { "Content-Type": "text/plain;charset=UTF-8" },
        body,
        keepalive: true,
      });
      if (response.status !== 429 && response.status < 500) return null;
      const seconds = Number(response.headers.get("Retry-After"));
      return Math.min(seconds > 0 ? seconds * 1000 : 0, LONGEST_PAUSE_MS);
    } catch {
      return 0;
    }
  }

  /** @param {Message[]} messages */
  async function keep(messages) {
    if (!isAllowed()) return;
    await storage.updateState((state) => ({ ...state, out: bounded(merged(state.out, messages), now()) }));
  }

  /** Comes back when the pause is over, if the page lives for so long. */
  async function schedule() {
    const { out, until } = await storage.readState();
    if (timer !== undefined || !isAllowed() || !bounded(out, now()).length) return;
    timer = setTimeout(() => {
      timer = undefined;
      // Nothing above rejects: fetch and storage are caught where they are called.
      void drain();
    }, Math.min(Math.max(until - now(), 0), LONGEST_PAUSE_MS));
  }

  /**
   * Whether the server, or a failure, asked for a pause that is not over; on a clock that was set back, it is.
   * @param {State} state
   */
  function isHeld({ until }) {
    return until > now() && until - now() <= LONGEST_PAUSE_MS;
  }

  function stop() {
    clearTimeout(timer);
    timer = undefined;
  }

  return { send, stop };
}

/**
 * Half of the pause is chance, so that the browsers of a shop do not come back all at once.
 * @param {number} tries
 */
function pauseAfter(tries) {
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(tries - 1, 20), LONGEST_PAUSE_MS);
  return pause / 2 + (pause / 2) * Math.random();
}

/**
 * @param {Message[]} kept
 * @param {Message[]} added
 */
function merged(kept, added) {
  return [...kept, ...added.filter(({ id }) => !kept.some((message) => message.id === id))];
}

/**
 * @param {Message[]} messages
 * @param {number} now ms
 */
function bounded(messages, now) {
  return messages.filter(({ at }) => now - at < KEPT_MS).slice(-KEPT_MESSAGES);
}
