// The stored truth: what the backend has of a session, read through its own read routes.

import assert from "node:assert/strict";
import { eventually, pause } from "./wait.js";

/** Long enough for a second copy of a message, were there one under way, to arrive. */
const SETTLE_MS = 250;

async function getJson(url, headers = {}) {
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(5_000) });
  if (answer.status === 404) return null;
  assert.equal(answer.status, 200, `GET ${new URL(url).pathname} answered ${answer.status}`);
  return answer.json();
}

/** The session's record, or null. */
export function findSession(gateway, session) {
  return getJson(`${gateway.url}/sessions/${encodeURIComponent(session)}`, { "x-api-key": gateway.key });
}

/** What the demo's side panel reads: cart events, generations, decisions with their outcomes. */
export function findActivity(gateway, session) {
  return getJson(`${gateway.url}/demo/api/sessions/${encodeURIComponent(session)}`);
}

/** Waits until the session's record passes `check`, which throws or returns false while it does not. */
export function sessionWhere(gateway, session, what, check, timeoutMs) {
  return eventually(
    `the stored session ${session}: ${what}`,
    async () => {
      const record = await findSession(gateway, session);
      assert.ok(record, "there is no such session");
      return (await check(record)) === false ? false : record;
    },
    timeoutMs,
  );
}

/** All events of a record, each with its page, oldest first. */
export function eventsOf(record, type) {
  return Object.entries(record.events)
    .flatMap(([page, events]) => events.map((event) => ({ page, ...event })))
    .filter((event) => type === undefined || event.type === type)
    .sort((a, b) => a.ts - b.ts);
}

/**
 * Waits until the session holds exactly these events, as counts per type, and sees that it stays so: each event once,
 * under an id of its own. Returns the record.
 */
export async function recordedExactly(gateway, session, byType, timeoutMs) {
  const check = (record) => {
    assert.deepEqual(record.totals.byType, byType);
    assert.equal(record.totals.events, Object.values(byType).reduce((sum, count) => sum + count, 0));
  };
  await sessionWhere(gateway, session, JSON.stringify(byType), check, timeoutMs);
  await pause(SETTLE_MS);
  const record = await findSession(gateway, session);
  check(record);
  const ids = eventsOf(record).map((event) => event.eventId);
  assert.ok(ids.every((id) => typeof id === "string" && id.length > 0), "every event has an eventId");
  assert.equal(new Set(ids).size, ids.length, "no two events share an eventId");
  assert.equal(ids.length, record.totals.events, "the events that were counted are those that are kept");
  return record;
}

/** Waits until the session has exactly these cart events (oldest first, as `check` wants them) and that it stays so. */
export async function cartEventsExactly(gateway, session, count, timeoutMs) {
  const check = (activity) => {
    assert.ok(activity, "the gateway knows the session");
    assert.equal(activity.cartEvents.length, count, JSON.stringify(activity.cartEvents));
  };
  await eventually(
    `${count} cart events of ${session}`,
    async () => {
      check(await findActivity(gateway, session));
      return true;
    },
    timeoutMs,
  );
  await pause(SETTLE_MS);
  const activity = await findActivity(gateway, session);
  check(activity);
  return activity.cartEvents.toReversed();
}
