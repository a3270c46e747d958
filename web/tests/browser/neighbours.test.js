// A page that already carries another tracker and a try-on widget: all of them work at once, each with its own record.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deployedTracker, tryOnWidget } from "../support/neighbours.js";
import { cartEventsExactly, eventsOf, findSession, sessionWhere } from "../support/records.js";
import { openShop } from "../support/shop.js";
import { eventually } from "../support/wait.js";

// The very origin of the shop, so that the neighbours' JSON needs a preflight that names it.
const shop = await openShop({ gateway: (site) => ({ env: { ALLOWED_ORIGINS: site } }) });
const EVERY_MS = 2_000;

test("a deployed tracker, a try-on widget and ours share a page and a backend, each as if alone", async (t) => {
  const backend = shop.gateway.url;
  const visit = await shop.visit(t, { script: `${deployedTracker(backend, EVERY_MS)}\n${tryOnWidget(backend)}`, cart: [2] });
  await visit.goto("/products/linen-shirt");
  const ours = await visit.session();
  const theirs = await visit.page.evaluate(() => window.theirs.session);
  assert.notEqual(ours, theirs);

  await visit.page.click("#quantity");
  await visit.page.evaluate(() => document.getElementById("add").addEventListener("click", (event) => event.preventDefault()));
  await visit.page.click("#add");
  await eventually("two of their envelopes", () => visit.page.evaluate(() => window.theirs.acknowledged >= 2));
  await visit.page.click("#add");
  const answer = await visit.page.evaluate(() => window.widget.addToCart());
  assert.equal(answer.status, 200);
  assert.equal(answer.body.status, "success");
  assert.match(answer.body.data.id, /^cart-event-\d+-[0-9a-z]{7}$/);
  await visit.page.evaluate(() => fetch("/cart/add.js", { method: "POST", body: new URLSearchParams({ id: "4100000000011" }) }));
  await visit.carted(1, { session: ours });
  await visit.page.evaluate(() => window.theirs.flush());
  assert.equal(typeof (await visit.page.evaluate(() => window.theirs.ask())), "boolean");
  await visit.flush();

  // Theirs: times in seconds have become milliseconds, each event is there once, time adds up.
  const recorded = await visit.page.evaluate(() => window.theirs.recorded);
  const record = await sessionWhere(shop.gateway, theirs, "all their events", ({ totals }) => assert.equal(totals.events, recorded));
  const page = "Home:/products/linen-shirt";
  assert.deepEqual(Object.keys(record.events), [page]);
  assert.deepEqual(record.totals.byType, { page_view: 1, click: recorded - 1 });
  assert.deepEqual(eventsOf(record).map(({ n }) => n).sort((a, b) => a - b), Array.from({ length: recorded }, (_, i) => i + 1));
  assert.ok(record.events[page].every(({ ts }) => Math.abs(ts - Date.now()) < 60_000));
  assert.ok(record.timeOnPage[page] >= 2 * EVERY_MS, JSON.stringify(record.timeOnPage));
  assert.equal(record.itemsInCart, 1);
  assert.deepEqual(await visit.page.evaluate(() => window.theirs.errors), []);

  // Ours: as if nobody else were there.
  await visit.recorded({ page_view: 1, product_view: 1, click: 2, add_to_cart: 1 }, { session: ours });

  // The widget's.
  const [event] = await cartEventsExactly(shop.gateway, "try-on-widget-1", 1);
  assert.deepEqual(
    [event.id, event.actionType, event.productId, event.productTitle],
    [answer.body.data.id, "add_to_cart", "8100000000001", "Linen shirt"],
  );
  // Nothing of the customer whom the widget knows has come into anybody's session.
  for (const session of [ours, theirs]) assert.doesNotMatch(JSON.stringify(await findSession(shop.gateway, session)), /jane/i);
});

test("another tracker that wraps fetch too sees its own, and ours still sees the cart", async (t) => {
  const wrap = `{ const before = window.fetch; window.seen = []; window.fetch = function (...all) { window.seen.push(String(all[0])); return before.apply(this, all); }; }`;
  const visit = await shop.visit(t, { script: wrap });
  await visit.goto("/products/linen-shirt");
  await visit.page.evaluate(wrap.replace("window.seen = []; ", ""));
  await visit.page.evaluate(() => fetch("/cart/add.js", { method: "POST", body: new URLSearchParams({ id: "4100000000011" }) }));
  await visit.carted(1);
  assert.equal(await visit.page.evaluate(() => window.seen.filter((url) => url === "/cart/add.js").length), 2);
  await visit.flush();
  await visit.recorded({ page_view: 1, product_view: 1, add_to_cart: 1 });
});
