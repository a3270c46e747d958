// What happened since the last message, and the making of the next one.

import { allowed } from "./consent.js";
import { guarded } from "./guard.js";
import { post } from "./outbox.js";
import { uuid } from "./random.js";
import { current, find } from "./session.js";
import { store } from "./settings.js";

const MOST_EVENTS = 150;
// Browsers send 64 KiB on behalf of a page that ends; a fifth is left to others.
const MOST_BYTES = 0.8 * 64 * 1_024;
// The envelope around the events, and the name of a page that has time but no event.
const ENVELOPE_BYTES = 4_096;
// The rest of an event that is larger than this is no description of it.
const EVENT_BYTES = 8_192;
// Time alone is worth a message after a minute; at the end of a page, after a second.
const NEWS_MS = 60_000;
const LAST_NEWS_MS = 1_000;

// With a number behind it, an id that no other event of the visit has.
const page = uuid().slice(0, 8);
// The backend takes 16 levels, of which the message around an event has five.
const MOST_LEVELS = 10;
const depth = (value) => (Object(value) === value ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0);
const size = (text) => new TextEncoder().encode(text).length;
let count = 0;
let seq = 0;
let open;
let last;
let renewed = () => {};

/** A page was looked at: what each visit begins with. */
export const VIEW = "page_view";

/** Calls `task` when the visit is another one than before, and begins with something else than a page. */
export const onNewSession = (task) => (renewed = task);

/** Remembers that `type` happened on the page `name`. */
export const record = (name, type, data, at = Date.now()) => {
  if (!allowed() || !type) {
    return;
  }
  const fields = { type: `${type}`.slice(0, 100), ts: at, eventId: page + "-" + count++ };
  let json = guarded(() => depth(data) < MOST_LEVELS && JSON.stringify({ ...data, ...fields }))();
  if (!json || size(json) > EVENT_BYTES) {
    json = JSON.stringify({ ...fields, cut: true });
  }
  const message = opened(type);
  // Its page's name stands before it only once, so this is rather too much.
  const bytes = size(json) + size(JSON.stringify(name)) + 32;
  if (message.bytes + bytes > MOST_BYTES - ENVELOPE_BYTES) {
    seal("size");
    return record(name, type, data, at);
  }
  message.bytes += bytes;
  (message.events[name] ??= []).push(json);
  if (++message.count >= MOST_EVENTS) {
    seal("threshold_" + MOST_EVENTS);
  }
};

/** Adds time during which the page `name` was seen, in ms. */
export const addTime = (name, ms) => {
  // Time alone neither begins a visit nor keeps it alive.
  const session = allowed() && find();
  if (session) {
    const message = opened("time", session);
    message.time[name] = Math.round((message.time[name] ?? 0) + ms);
    message.ms += ms;
  }
};

/** Remembers how many items are in the cart. */
export const setItems = (items) => {
  if (allowed()) {
    opened().items = items;
  }
};

/** The message that is being filled: of the running visit. */
const opened = (type, session = current()) => {
  if (session !== last) {
    const isAnother = last;
    last = session;
    seal("session_end");
    open = undefined;
    if (isAnother && type !== VIEW) {
      renewed();
    }
  }
  return (open ??= { session, events: {}, time: {}, items: undefined, count: 0, bytes: 0, ms: 0 });
};

/** Whether there is something to tell. */
export const hasNews = (ms = NEWS_MS) => open && (open.count > 0 || open.items !== undefined || open.ms >= ms);

/** Makes a message of what there is, and sends it. */
export const seal = (reason) => {
  if (!hasNews(LAST_NEWS_MS)) {
    return;
  }
  const { session, events, time, items } = open;
  open = undefined;
  const pages = Object.entries(events).map(([name, list]) => JSON.stringify(name) + `:[${list}]`);
  const state = { session, itemsInCart: items, timeOnPage: time };
  const message = { reason, ts: Date.now(), session, storeName: store, seq: ++seq, state };
  // The events are JSON already: they take the place of the last brace of `state`, and of the message's.
  return post("ingest", JSON.stringify(message).slice(0, -2) + `,"events":{${pages}}}}`);
};

/** Forgets what was not sealed. */
export const discard = () => (open = undefined);
