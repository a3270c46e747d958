// Waiting with a bound: a test says what it waits for, and fails with the last thing it saw.

import { setTimeout as pause } from "node:timers/promises";

/** How long anything may take that a shopper would notice: a loaded machine with two cores included. */
export const PATIENCE_MS = 10_000;
/** Between two looks: short, because most of what is waited for is there at once. */
const EVERY_MS = 25;

/**
 * Calls `probe` until it returns something truthy, which is returned. An error that it throws counts as "not yet".
 * Fails after `timeoutMs` with what the probe complained of last.
 */
export async function eventually(what, probe, timeoutMs = PATIENCE_MS) {
  const end = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = new Error(`it was ${JSON.stringify(value)}`);
    } catch (error) {
      last = error;
    }
    if (Date.now() >= end) {
      throw new Error(`waited ${timeoutMs} ms for ${what}: ${last.message}`, { cause: last });
    }
    await pause(EVERY_MS);
  }
}

export { pause };
