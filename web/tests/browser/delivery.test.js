// Whatever happens to tabs, networks and backends: what the shopper did is stored, once.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { startGateway } from "../support/gateway.js";
import { recordedExactly } from "../support/records.js";
import { openShop } from "../support/shop.js";
import { beginHidden, setVisibility } from "../support/visibility.js";
import { eventually, pause } from "../support/wait.js";

const shop = await openShop();
/** What Chromium prints of a request that failed, which these tests make them do. */
const FAILED = /Failed to load resource|net::ERR_/;
const posts = (wire) => wire.requests.filter(({ method }) => method === "POST");

test("a click whose tab is closed at once is stored", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  const session = await visit.session();
  await visit.page.click("#plain");
  await visit.page.close();
  await visit.recorded({ page_view: 1, click: 1 }, { session });
});

test("a click that leaves the page is stored, and so is the page after it", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  await visit.page.click("#to-about");
  await visit.page.waitForURL("**/pages/about");
  const session = await visit.session();
  await visit.page.close();
  const record = await visit.recorded({ page_view: 2, click: 1 }, { session });
  assert.deepEqual(Object.keys(record.events).sort(), ["/", "/pages/about"]);
});

test("what is sent while a page goes away outlives it", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  const session = await visit.session();
  // An answer that takes longer than the page lives.
  visit.wire.fault = ({ path }) => (path === "/ingest" ? pause(400).then(() => undefined) : undefined);
  await visit.page.click("#plain");
  await visit.page.goto("about:blank");
  const record = await visit.recorded({ page_view: 1, click: 1 }, { session });
  assert.ok(record.timeOnPage["/"] > 0, "the time until then is told too");
});

test("a page that goes away while a message is under way is no failure of the backend", async (t) => {
  const visit = await shop.visit(t);
  visit.wire.fault = ({ path }) => (path === "/api/cart-tracking/track" ? pause(300).then(() => undefined) : undefined);
  await visit.goto("/products/linen-shirt");
  const session = await visit.session();
  await visit.page.click("#add");
  await visit.page.waitForURL("**/cart");
  await pause(500);
  const { local } = await visit.kept();
  assert.equal(local["shoptrail.hold"], undefined, "the next page need not wait");
  await visit.flush();
  await visit.carted(1, { session });
  await visit.recorded({ page_view: 2, product_view: 1, click: 1, add_to_cart: 1 }, { session });
});

test("what happened offline is stored once the browser is online", async (t) => {
  const visit = await shop.visit(t, { complaints: FAILED });
  await visit.goto("/");
  await visit.flush();
  await visit.recorded({ page_view: 1 });
  await visit.context.setOffline(true);
  for (let i = 0; i < 3; i += 1) await visit.page.click("#plain");
  await visit.flush();
  await visit.page.click("#swatch");
  await pause(200);
  const sent = posts(visit.wire).length;
  await visit.context.setOffline(false);
  await eventually("a retry as soon as the browser is online", () => posts(visit.wire).length > sent);
  await visit.flush();
  await visit.settled();
  await visit.recorded({ page_view: 1, click: 4 });
});

test("what happened while the backend was down is stored once it is up", async (t) => {
  const data = mkdtempSync(path.join(tmpdir(), "shoptrail-data-"));
  let gateway = await startGateway({ data });
  t.after(async () => {
    await gateway.stop();
    rmSync(data, { recursive: true, force: true });
  });
  const visit = await shop.visit(t, { tracker: `${gateway.url}/tracker.js`, clock: true, complaints: FAILED });
  await visit.goto("/");
  await visit.page.click("#plain");
  await visit.flush();
  const session = await visit.session();
  await recordedExactly(gateway, session, { page_view: 1, click: 1 });

  await gateway.kill();
  await visit.page.click("#plain");
  await visit.flush();
  await visit.page.click("#plain");
  await visit.flush();
  gateway = await startGateway({ data, port: gateway.port });
  await eventually("the retry", async () => {
    await visit.page.clock.fastForward(5_000);
    const keys = await visit.page.evaluate(() => Object.keys(localStorage));
    return !keys.some((key) => key.startsWith("shoptrail.out."));
  });
  await recordedExactly(gateway, session, { page_view: 1, click: 3 });
});

test("what was not acknowledged is kept over reloads and navigations", async (t) => {
  const visit = await shop.visit(t, { clock: true, complaints: FAILED });
  visit.wire.fault = ({ path }) => (path === "/ingest" ? "refuse" : undefined);
  await visit.goto("/");
  const session = await visit.session();
  await visit.page.click("#plain");
  await visit.page.reload();
  await visit.page.click("#plain");
  await visit.flush();
  await visit.page.click("#to-about");
  await visit.page.waitForURL("**/pages/about");
  await visit.page.click("#plain");
  await visit.flush();
  await eventually("a failed try", () => posts(visit.wire).length > 0);
  visit.wire.fault = undefined;
  await eventually("all messages to be acknowledged", async () => {
    await visit.page.clock.fastForward(20_000);
    await visit.flush();
    const keys = await visit.page.evaluate(() => Object.keys(localStorage));
    return !keys.some((key) => key.startsWith("shoptrail.out."));
  });
  assert.equal(await visit.session(), session);
  await visit.recorded({ page_view: 3, click: 4 });
});

test("a message whose answer got lost is sent again word for word, and counts once", async (t) => {
  const visit = await shop.visit(t, { clock: true, complaints: FAILED });
  await visit.goto("/");
  await visit.page.clock.runFor(10_000);
  const tries = () => visit.wire.to("/ingest").filter(({ body }) => body.includes('"click"'));
  visit.wire.fault = ({ path }) => (path === "/ingest" && tries().length <= 3 ? "lose" : undefined);
  await visit.page.click("#plain");
  await visit.flush();
  await eventually("an answer to be read", async () => {
    await visit.page.clock.fastForward(5_000);
    return tries().length > 3;
  });
  await visit.settled();
  await visit.flush();
  const record = await visit.recorded({ page_view: 1, click: 1 });
  assert.equal(new Set(tries().map(({ body }) => body)).size, 1, "the same body each time");
  const now = await visit.page.evaluate(() => performance.now());
  assert.ok(record.timeOnPage["/"] <= now + 50, `${record.timeOnPage["/"]} ms of ${now} ms`);
});

test("a cart event whose answer got lost counts once", async (t) => {
  const visit = await shop.visit(t, { clock: true, complaints: FAILED });
  let lost = 0;
  visit.wire.fault = ({ path }) => (path === "/api/cart-tracking/track" && (lost += 1) <= 1 ? "lose" : undefined);
  await visit.goto("/products/linen-shirt");
  await visit.page.evaluate(() => fetch("/cart/add.js", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ id: 4100000000011, quantity: 1 }) }));
  await eventually("the second try", async () => {
    await visit.page.clock.fastForward(5_000);
    await visit.flush();
    return lost > 1;
  });
  await visit.carted(1);
  await visit.flush();
  await visit.settled();
  await visit.recorded({ page_view: 1, product_view: 1, add_to_cart: 1 });
});

test("two tabs are one session, and count each thing once", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/products/linen-shirt");
  const second = await visit.context.newPage();
  await visit.goto("/", second);
  const session = await visit.session();
  assert.equal(await visit.session(second), session);
  await visit.page.evaluate(() => fetch("/cart/add.js", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ id: 4100000000011, quantity: 1 }) }));
  for (let i = 0; i < 5; i += 1) {
    await second.click("#plain");
    await visit.page.click("#quantity");
    await second.click("#swatch");
  }
  await Promise.all([visit.flush(), visit.flush(second)]);
  await visit.page.close();
  await second.close();
  await visit.recorded({ page_view: 2, product_view: 1, add_to_cart: 1, click: 10 }, { session });
  await visit.carted(1, { session });
});

test("two tabs that both retry after an outage count each thing once", async (t) => {
  const visit = await shop.visit(t, { complaints: FAILED });
  await visit.goto("/");
  const second = await visit.context.newPage();
  await visit.goto("/pages/about", second);
  const session = await visit.session();
  await visit.context.setOffline(true);
  for (const page of [visit.page, second, visit.page, second]) {
    await page.click("#plain");
    await visit.flush(page);
  }
  await visit.context.setOffline(false);
  await Promise.all([visit.flush(), visit.flush(second)]);
  await visit.settled();
  await visit.page.close();
  await second.close();
  await visit.recorded({ page_view: 2, click: 4 }, { session });
});

test("time is counted in the tab that is looked at, and not in the one behind it", async (t) => {
  const visit = await shop.visit(t);
  const begun = Date.now();
  await visit.goto("/");
  const second = await visit.context.newPage();
  await beginHidden(second);
  await visit.goto("/pages/about", second);
  const session = await visit.session();
  await pause(700);
  await setVisibility(visit.page, "hidden");
  await setVisibility(second, "visible");
  await pause(900);
  await setVisibility(second, "hidden");
  await setVisibility(visit.page, "visible");
  await visit.page.close();
  await second.close();
  const elapsed = Date.now() - begun;
  const { timeOnPage } = await visit.recorded({ page_view: 2 }, { session });
  assert.ok(timeOnPage["/"] >= 690 && timeOnPage["/pages/about"] >= 890, JSON.stringify(timeOnPage));
  assert.ok(timeOnPage["/"] + timeOnPage["/pages/about"] <= elapsed, `${JSON.stringify(timeOnPage)} in ${elapsed} ms`);
});

test("where fetch fails the beacon sends, and where the beacon fails fetch does", async (t) => {
  for (const [what, script] of [
    ["fetch rejects", "window.fetch = () => Promise.reject(new TypeError('blocked'));"],
    ["fetch throws", "window.fetch = () => { throw new Error('blocked') };"],
    ["there is no fetch", "delete window.fetch;"],
    ["sendBeacon refuses", "navigator.sendBeacon = () => false;"],
    ["sendBeacon throws", "navigator.sendBeacon = () => { throw new Error('blocked') };"],
    ["there is no sendBeacon", "navigator.sendBeacon = undefined;"],
  ]) {
    await t.test(what, async (t) => {
      const visit = await shop.visit(t, { script });
      await visit.goto("/");
      const session = await visit.session();
      await visit.page.click("#plain");
      await visit.page.click("#to-about");
      await visit.page.waitForURL("**/pages/about");
      await visit.page.click("#plain");
      await visit.page.close();
      await visit.recorded({ page_view: 2, click: 3 }, { session });
    });
  }
});
