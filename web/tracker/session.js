// The visit: one id for all tabs, until nothing has happened for half an hour.

import { uuid } from "./random.js";
import { read, remove, write } from "./storage.js";

const KEY = "session";
/** The pause that ends a visit, as analytics programs have it. */
export const IDLE_MS = 30 * 60_000;
// Ask AI is told the visits just before this one, for its limit of popups a day.
const EARLIER = 4;
const DAY_MS = 24 * 60 * 60_000;

// Anything may have written there. What is shorter than 16 characters is none of our ids, nor is "undefined".
const isLive = (session) =>
  /^[\w.:-]{16,128}$/.test(session?.id) && Math.abs(Date.now() - session.at) < IDLE_MS;

/** The running visit's id; null where there is none. */
export const find = () => {
  const session = read(KEY);
  return isLive(session) ? session.id : null;
};

/** The running visit's id; of a new one where there is none. Something has happened in it. */
export const current = () => {
  const now = Date.now();
  const last = read(KEY);
  const session = isLive(last)
    ? last
    : { id: uuid(), earlier: now - last?.at < DAY_MS ? [last.id, ...(last.earlier ?? [])].slice(0, EARLIER) : [] };
  // `tracker` tells the pixel, whose visit it may be, that it need not record what is recorded here.
  write(KEY, { ...session, at: now, tracker: 1 });
  return session.id;
};

/** The visits before the running one, newest first, back to a pause of a day. */
export const earlier = () => read(KEY)?.earlier;

/** Somebody is there, though nothing is recorded of it. */
export const touch = () => find() && current();

/** Ends the visit, and leaves no trace of it for the next one. */
export const forget = () => remove(KEY);
