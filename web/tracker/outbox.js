// Messages on their way. Each is kept until the backend has acknowledged it, over reloads and closed tabs; what arrives
// twice counts once there, so a message is sent again, word for word, whenever nobody knows whether it arrived.

import { allowed } from "./consent.js";
import { guarded, on } from "./guard.js";
import { uuid } from "./random.js";
import { endpoint } from "./settings.js";
import { keys, read, remove, write } from "./storage.js";

/** The page's own, before it is watched for what it does to the cart. */
export const fetch = window.fetch?.bind(window);
const START = "out.";
const HOLD = "hold";
const ANSWER_MS = 25_000;
const FIRST_PAUSE_MS = 3_000;
const LONGEST_PAUSE_MS = 30 * 60_000;
// Less than the three days for which an erasure stops what comes late.
const LONGEST_LIFE_MS = 24 * 60 * 60_000;
// As large as messages may be, these are all that a browser lets a shop store.
const MOST_MESSAGES = 100;

// What this page has put there and nobody has tried to send yet.
const unsent = new Set();
// Whether the page has ended, which ends its requests as well and is no failure of the backend.
let isLeft;
let running = Promise.resolve();
let timer;

/** Keeps `body` for `path` and sends it as soon as may be. */
export const post = (path, body) => {
  const now = Date.now();
  const key = START + now + "." + uuid();
  unsent.add(key);
  write(key, { path, body, at: now });
  return deliver();
};

/** Sends what waits, one message after the other; resolves to whether nothing waits any more. */
export const deliver = () => (running = running.then(drain).catch(() => false));

const drain = async () => {
  for (const key of waiting()) {
    if (isLeft || resting() > 0 || navigator.onLine === false || !allowed()) {
      break;
    }
    await send(key);
  }
  clearTimeout(timer);
  if (resting() > 0) {
    timer = setTimeout(deliver, resting());
  }
  return !keys(START).length;
};

/** For how long the backend is to be left alone yet, in ms. */
const resting = () => (read(HOLD)?.until ?? 0) - Date.now();

/**
 * Keys of all messages, also of those that another tab has put there or that may have arrived: what is sent once too often
 * counts once. Those that are too old or too many are given up.
 */
const waiting = () => {
  const now = Date.now();
  const all = keys(START);
  return all.filter((key, index) => {
    const message = read(key);
    // What others have written there is no message.
    const isKept = now - message?.at < LONGEST_LIFE_MS && index >= all.length - MOST_MESSAGES;
    return isKept || remove(key);
  });
};

const send = async (key) => {
  const message = read(key);
  unsent.delete(key);
  if (!message) {
    return;
  }
  let answer;
  try {
    answer = await request(message.path, message.body);
    // Until it is read it counts among the 64 KiB that a page may have under way.
    await answer.text();
  } catch {
    // Some pages and blockers break one way of sending and not the other. This one brings no answer: the message stays.
    beacon(message);
  }
  const status = answer?.status;
  // Acknowledged, or refused for good; a shop behind a password leads to another page.
  if ((answer?.ok && !answer.redirected) || (status >= 400 && status < 500 && status !== 429)) {
    remove(key);
    remove(HOLD);
  } else if (!isLeft) {
    hold(answer);
  }
};

/** Leaves the backend alone for a while: longer each time, never as long for two shoppers, and as long as it asks. */
const hold = (answer) => {
  const tries = read(HOLD)?.tries | 0;
  const pause = Math.min(LONGEST_PAUSE_MS / 2, FIRST_PAUSE_MS * 2 ** tries) * (1 + Math.random());
  const wanted = answer?.headers.get("Retry-After");
  const asked = wanted ? wanted * 1_000 || Date.parse(wanted) - Date.now() || 0 : 0;
  write(HOLD, { until: Date.now() + Math.max(pause, asked), tries: tries + 1, unreached: !answer });
};

/** One request; of plain text, so that a browser need not ask the backend's leave beforehand. */
export const request = async (path, body) =>
  fetch(endpoint + path, {
    method: "POST",
    headers: { "Content-Type": "text/plain;charset=UTF-8" },
    body,
    keepalive: true,
    signal: AbortSignal.timeout?.(ANSWER_MS),
  });

const beacon = guarded(({ path, body }) => navigator.sendBeacon(endpoint + path, body));

/** The page ends: sends all that was not sent yet at once, and waits for no answer. */
export const leave = () => {
  isLeft = true;
  // What the backend asks for is obeyed; where it could not be reached, this may be the last chance.
  if (allowed() && (!(resting() > 0) || read(HOLD).unreached)) {
    for (const key of unsent) {
      const message = read(key);
      if (message && !beacon(message)) {
        request(message.path, message.body).catch(() => {});
      }
    }
    unsent.clear();
  }
};

// Also a page that comes back from the browser's cache.
on(window, "pageshow", () => (isLeft = false));

on(window, "online", () => {
  if (read(HOLD)?.unreached) {
    remove(HOLD);
  }
  deliver();
});
