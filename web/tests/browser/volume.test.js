// Many events: messages stay small, and each event arrives once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventsOf, findSession } from "../support/records.js";
import { openShop } from "../support/shop.js";
import { eventually } from "../support/wait.js";

const shop = await openShop();
/** 0.8 of the 64 KiB that a browser sends for a page that goes away. */
const MOST_BYTES = 52_428;

function sizesAreKept(visit) {
  const sizes = visit.wire.to("/ingest").map(({ bytes }) => bytes);
  assert.ok(Math.max(...sizes) <= MOST_BYTES, `${Math.max(...sizes)} bytes`);
  return sizes;
}

test("a thousand events of the page's own are stored, each once", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  await visit.page.evaluate(() => {
    for (let i = 0; i < 1_000; i += 1) Shoptrail.track("step", { i });
  });
  await visit.flush();
  await visit.settled();
  const record = await visit.recorded({ page_view: 1, step: 1_000 });
  assert.deepEqual(eventsOf(record, "step").map(({ i }) => i).sort((a, b) => a - b), Array.from({ length: 1_000 }, (_, i) => i));
  assert.ok(sizesAreKept(visit).length <= 12, "150 events a message");
  assert.ok(visit.wire.to("/ingest").some(({ body }) => JSON.parse(body).reason === "threshold_150"));
});

test("a thousand clicks are stored, each once", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  const { x, y, width, height } = await visit.page.locator("#plain").boundingBox();
  for (let i = 0; i < 1_000; i += 1) await visit.page.mouse.click(x + width / 2, y + height / 2);
  const session = await visit.session();
  await visit.page.close();
  await visit.recorded({ page_view: 1, click: 1_000 }, { session });
  sizesAreKept(visit);
});

test("what is larger than one message is split, and nothing is cut", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  await visit.page.evaluate(() => {
    for (let i = 0; i < 200; i += 1) Shoptrail.track("large", { i, text: `${i} `.padEnd(1_000, "\u00e9\u{1F457}\"") });
  });
  await visit.flush();
  await visit.settled();
  const record = await visit.recorded({ page_view: 1, large: 200 });
  assert.ok(sizesAreKept(visit).length >= 8);
  for (const { i, text } of eventsOf(record, "large")) assert.ok(text.startsWith(`${i} `) && text.length >= 999, text.slice(0, 20));
});

test("long names of pages do not make messages too large", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  await visit.page.evaluate(async () => {
    for (let i = 0; i < 120; i += 1) {
      history.pushState({}, "", `/pages/${i}-${"\u00e4".repeat(300)}`);
      Shoptrail.track("step", { i });
      await new Promise((done) => setTimeout(done, 2));
    }
  });
  await visit.flush();
  await visit.settled();
  const record = await findSession(shop.gateway, await visit.session());
  assert.equal(record.totals.byType.step, 120);
  sizesAreKept(visit);
});

test("more than a browser sends for a page that goes away is stored all the same", async (t) => {
  const visit = await shop.visit(t, { clock: true });
  await visit.goto("/");
  const session = await visit.session();
  visit.page.evaluate(() => {
    for (let i = 0; i < 300; i += 1) Shoptrail.track("large", { i, text: "x".repeat(900) });
    location.href = "/pages/about";
  });
  await visit.page.waitForURL("**/pages/about");
  await eventually("all of it", async () => {
    await visit.page.clock.fastForward(31_000);
    await visit.flush();
    return (await findSession(shop.gateway, session)).totals.byType.large === 300;
  });
  await visit.settled();
  await visit.recorded({ page_view: 2, large: 300 }, { session });
  sizesAreKept(visit);
});

test("a long outage ends with nothing lost", async (t) => {
  const visit = await shop.visit(t, { clock: true, complaints: /Failed to load resource|ERR_/ });
  visit.wire.fault = ({ path }) => (path === "/ingest" ? { status: 503, body: "{}" } : undefined);
  await visit.goto("/");
  for (let round = 0; round < 5; round += 1) {
    await visit.page.evaluate((round) => {
      for (let i = 0; i < 200; i += 1) Shoptrail.track("step", { i: round * 200 + i });
    }, round);
    await visit.page.clock.fastForward(60_000);
  }
  visit.wire.fault = undefined;
  const session = await visit.session();
  await eventually("all messages to be acknowledged", async () => {
    await visit.page.clock.fastForward(120_000);
    await visit.flush();
    return !(await visit.page.evaluate(() => Object.keys(localStorage))).some((key) => key.startsWith("shoptrail.out."));
  });
  await visit.recorded({ page_view: 1, step: 1_000 }, { session });
});
