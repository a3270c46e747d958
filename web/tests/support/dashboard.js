// The dashboard under test: data to look at, the page with that data, and what the API says of it.

import assert from "node:assert/strict";
import { openProfile } from "./browser.js";

export const STORE = "demo-shop.myshopify.com";
export const DESKTOP = { viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" };
export const PHONE = { viewport: { width: 360, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, reducedMotion: "reduce" };
/** What the page keeps its key under. */
export const KEY_NAME = "shoptrail.dashboard.key";
/** What a browser prints of an answer that is no success, whatever the page makes of it. */
const FAILED_REQUEST = /^Failed to load resource/;
/** The page waits for a busy server a few times, for as long as it says. */
const LOADED_MS = 60_000;
/** On a loaded machine the database takes its time now and then, and says so; the page waits and asks again. */
const BUSY = /^Failed to load resource: .* status of 503/;

async function post(gateway, path, body) {
  const answer = await fetch(gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": gateway.key },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200, `POST ${path} answered ${answer.status}: ${await answer.clone().text()}`);
  return answer.json();
}

/** Stores cart events; each needs only what differs from an add-to-cart of the demo shop. */
export async function trackEvents(gateway, events) {
  for (let start = 0; start < events.length; start += 100) {
    const batch = events.slice(start, start + 100).map((event) => ({ storeName: STORE, ...event }));
    const { data } = await post(gateway, "/api/cart-tracking/batch", { events: batch });
    assert.equal(data.rejected, 0, JSON.stringify(data));
  }
}

/** Stores a visit. */
export function trackVisit(gateway, session, { events = {}, itemsInCart = 0, timeOnPage = {} } = {}) {
  return post(gateway, "/ingest", { session, storeName: STORE, itemsInCart, timeOnPage, events });
}

/** Stores a try-on. */
export function trackGeneration(gateway, generation) {
  return post(gateway, "/api/image-generations/track", { storeName: STORE, ...generation });
}

export const askAi = (gateway, session) => post(gateway, "/askai", { session });
export const reportOutcome = (gateway, session, decisionId, outcome) => post(gateway, "/askai/outcome", { session, decisionId, outcome });

/** What the API answers to the same question, asked with the key of the page. */
export async function readData(gateway, path, query) {
  const url = new URL(`/api/cart-tracking/${path}`, gateway.url);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const answer = await fetch(url, { headers: { "x-api-key": gateway.key } });
  assert.equal(answer.status, 200, `GET ${path} answered ${answer.status}`);
  return (await answer.json()).data;
}

/**
 * Opens the dashboard in a fresh profile that reaches no origin but the page's own, and ends the test with a look at what
 * the browser complained of. `query` is the address's, `key` the key that the tab already has (null: none), `prepare` is
 * called with the page before it opens, `failures` says that answers which are no success belong to the test.
 */
export async function openDashboard(t, browser, gateway, options = {}) {
  const { profile = DESKTOP, query = { store: STORE, range: "7d" }, key = gateway.key, prepare, failures = false } = options;
  const { context, complaints } = await openProfile(browser, { timezoneId: "Europe/Berlin", ...profile });
  const strangers = [];
  await context.route(
    (url) => url.origin !== new URL(gateway.url).origin && url.protocol !== "data:" && url.protocol !== "blob:",
    (route) => {
      strangers.push(route.request().url());
      return route.abort();
    },
  );
  await context.addInitScript(() => {
    globalThis.violations = [];
    addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => violations.push(`${violatedDirective} ${blockedURI}`));
  });
  if (key !== null) {
    await context.addInitScript(([name, key]) => {
      // Not in the empty page that comes first; and once, so that a key that the page forgets is not put back by a reload.
      if (location.protocol === "about:" || sessionStorage.getItem("test.started")) return;
      sessionStorage.setItem("test.started", "yes");
      sessionStorage.setItem(name, key);
    }, [KEY_NAME, key]);
  }
  const page = await context.newPage();
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog opened: ${dialog.message()}`);
    return dialog.dismiss();
  });
  t.after(async () => {
    const violations = page.isClosed() ? [] : await page.evaluate(() => globalThis.violations ?? []);
    await context.close();
    assert.deepEqual(complaints.filter((text) => !(failures ? FAILED_REQUEST : BUSY).test(text)), [], "the browser complains of nothing");
    assert.deepEqual(violations, [], "the page keeps to its policy");
    assert.deepEqual(strangers, [], "the page asks no other origin");
  });
  await prepare?.(page);
  await page.goto(`${gateway.url}/dashboard?${new URLSearchParams(query)}`);
  return page;
}

/** Waits until every card that is seen has what it shows. */
export async function loaded(page) {
  await page.locator("#board").waitFor();
  await page.waitForFunction(() => document.querySelector("#board .card-body:not(:empty)") && !document.querySelector('#board :is([aria-busy="true"], .comparing)'), null, { timeout: LOADED_MS });
}

/** The text of each cell of a table's body, row by row. */
export function rowsOf(table) {
  return table.locator("tbody tr").evaluateAll((rows) =>
    rows.map((row) => [...row.children].map((cell) => [...cell.childNodes].map((node) => node.textContent).join(" ").replace(/\s+/g, " ").trim())),
  );
}
