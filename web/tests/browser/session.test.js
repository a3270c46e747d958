// One visit, one session: over pages and tabs, until half an hour has passed without a sign of life.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findSession } from "../support/records.js";
import { openShop } from "../support/shop.js";

const shop = await openShop();
const MINUTE = 60_000;

test("a session lasts over pages and for as long as something happens", async (t) => {
  const visit = await shop.visit(t, { clock: true });
  await visit.goto("/");
  const session = await visit.session();
  assert.match(session, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  for (let i = 0; i < 4; i += 1) {
    await visit.page.clock.fastForward(20 * MINUTE);
    await visit.page.click("#plain");
  }
  await visit.page.click("#to-about");
  await visit.page.waitForURL("**/pages/about");
  assert.equal(await visit.session(), session);
  await visit.flush();
  await visit.recorded({ page_view: 2, click: 5 });
});

test("after half an hour without a sign of life another session begins, in the same page", async (t) => {
  const visit = await shop.visit(t, { clock: true });
  await visit.goto("/");
  const first = await visit.session();
  await visit.page.click("#plain");
  await visit.flush();
  await visit.page.clock.fastForward(31 * MINUTE);
  await visit.page.click("#plain");
  const second = await visit.session();
  assert.notEqual(second, first);
  await visit.flush();
  await visit.settled();
  // The new visit begins with the page that is open.
  await visit.recorded({ page_view: 1, click: 1 }, { session: second });
  const record = await visit.recorded({ page_view: 1, click: 1 }, { session: first });
  const idle = record.timeOnPage["/"] ?? 0;
  assert.ok(idle <= 30 * MINUTE + 1_000, `${idle} ms of looking at a page that nobody touched`);
});

test("after half an hour another session begins with the next page", async (t) => {
  const visit = await shop.visit(t, { clock: true });
  await visit.goto("/");
  const first = await visit.session();
  await visit.flush();
  await visit.page.clock.fastForward(31 * MINUTE);
  await visit.goto("/pages/about");
  const second = await visit.session();
  assert.notEqual(second, first);
  await visit.flush();
  await visit.recorded({ page_view: 1 }, { session: second });
  await visit.recorded({ page_view: 1 }, { session: first });
});

test("what was kept of an old session goes to the old session", async (t) => {
  const visit = await shop.visit(t, { clock: true, complaints: /Failed to load resource/ });
  visit.wire.fault = ({ path }) => (path === "/ingest" ? { status: 503, body: "{}" } : undefined);
  await visit.goto("/");
  const first = await visit.session();
  await visit.page.click("#plain");
  await visit.flush();
  await visit.page.clock.fastForward(45 * MINUTE);
  visit.wire.fault = undefined;
  await visit.goto("/pages/about");
  const second = await visit.session();
  await visit.page.clock.fastForward(MINUTE);
  await visit.flush();
  await visit.settled();
  await visit.recorded({ page_view: 1, click: 1 }, { session: first });
  await visit.recorded({ page_view: 1 }, { session: second });
});

test("reset ends the session and begins another one, and nothing of the first is lost", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  const first = await visit.session();
  await visit.page.click("#plain");
  await visit.page.evaluate(() => Shoptrail.reset());
  const second = await visit.session();
  assert.notEqual(second, first);
  assert.doesNotMatch(JSON.stringify((await visit.kept()).local["shoptrail.session"]), new RegExp(first), "the first is forgotten");
  await visit.page.click("#swatch");
  await visit.flush();
  await visit.settled();
  await visit.recorded({ page_view: 1, click: 1 }, { session: first });
  const record = await findSession(shop.gateway, second);
  assert.equal(record.totals.byType.click, 1);
});

test("the tag twice on a page counts once", async (t) => {
  const visit = await shop.visit(t, { tags: 2 });
  await visit.goto("/products/linen-shirt");
  await visit.page.click("#to-product");
  await visit.page.waitForLoadState();
  await visit.page.evaluate(() => fetch("/cart/add.js", { method: "POST", body: new URLSearchParams({ id: "4100000000011" }) }));
  await visit.carted(1);
  await visit.flush();
  await visit.recorded({ page_view: 2, product_view: 2, click: 1, add_to_cart: 1 });
});

test("flush resolves once everything has arrived", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  await visit.page.click("#plain");
  await visit.flush();
  const record = await findSession(shop.gateway, await visit.session());
  assert.deepEqual(record?.totals.byType, { page_view: 1, click: 1 });
});
