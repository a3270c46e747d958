// The session that the pixel shares with the storefront's tracker.
//
// The tracker's session is never written to: where both write at once, one would undo the other. That the pixel
// used it, it notes under its own key. Only where there is none, or an expired one, it makes one.

import { SESSION_KEY } from "./storage.js";

/** A session ends after this long without an event, as the tracker's does. */
export const IDLE_MS = 30 * 60 * 1000;

/** Visits are counted together until a pause of this length. */
const DAY_MS = 24 * 60 * 60 * 1000;
/** How many visits of the day a session names, for Ask AI's limit of popups a day. */
const EARLIER = 4;

/** @typedef {{ id: string, tracker: boolean }} Session `tracker`: whether a tracker is at work in it */

/**
 * @param {import("./storage.js").Storage} storage
 * @param {() => number} now ms
 */
export function openSessions(storage, now) {
  /** @param {number} at ms; in the future after a clock was set back */
  const isLive = (at) => Math.abs(now() - at) < IDLE_MS;

  /**
   * The session that goes on, if one does.
   * @returns {Promise<Session | null>}
   */
  async function find() {
    const { id, at, tracker } = await storage.readObject(SESSION_KEY);
    if (!isId(id) || typeof at !== "number") return null;
    const state = await storage.readState();
    const isFresh = isLive(at);
    const isOurs = state.session === id && isLive(state.at);
    if (!isFresh && !isOurs) return null;
    // A tracker that wrote nothing for so long is not there any more.
    return { id, tracker: isFresh && tracker === 1 };
  }

  /** The session that goes on, or a new one; its time is noted. */
  async function use() {
    const id = (await find())?.id ?? (await begin());
    await storage.updateState((state) => ({ ...state, session: id, at: now() }));
    return id;
  }

  /** In the form of the tracker's, which goes on with it if it comes to run. */
  async function begin() {
    const last = await storage.readObject(SESSION_KEY);
    const before = Array.isArray(last.earlier) ? last.earlier : [];
    const isRecent = isId(last.id) && now() - Number(last.at) < DAY_MS;
    const earlier = isRecent ? [last.id, ...before].filter(isId).slice(0, EARLIER) : [];
    const id = randomId();
    await storage.write(SESSION_KEY, JSON.stringify({ id, at: now(), earlier }));
    return id;
  }

  /** Forgets what the pixel stored; a tracker's session is the tracker's to forget. */
  async function forget() {
    const { tracker } = await storage.readObject(SESSION_KEY);
    if (tracker !== 1) await storage.remove(SESSION_KEY);
  }

  return { find, use, forget };
}

/**
 * @param {unknown} id
 * @returns {id is string}
 */
function isId(id) {
  return typeof id === "string" && /^[A-Za-z0-9_.:-]{1,128}$/.test(id);
}

/** A UUID, also where the browser makes none. */
function randomId() {
  if (typeof crypto !== "undefined" && crypto.randomUUID) return crypto.randomUUID();
  const bytes = new Uint8Array(16);
  if (typeof crypto !== "undefined" && crypto.getRandomValues) crypto.getRandomValues(bytes);
  else bytes.forEach((_, index) => (bytes[index] = Math.random() * 256));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
