// When a message is sent again, and when it is not. The page's clock is the test's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openShop } from "../support/shop.js";
import { eventually, pause } from "../support/wait.js";

const shop = await openShop();
const MINUTE = 60_000;
const FAILED = /Failed to load resource|net::ERR_/;

/** A visit on whose page nothing has happened but one click, which the backend answers with `fault`. */
async function visitAnswered(t, fault) {
  const visit = await shop.visit(t, { clock: true, complaints: FAILED, dropped: true });
  await visit.goto("/");
  await visit.flush();
  await visit.settled();
  visit.wire.requests.length = 0;
  visit.wire.fault = (request) => (request.path === "/ingest" ? fault : undefined);
  await visit.page.click("#plain");
  await visit.flush();
  await eventually("the first try", () => visit.wire.to("/ingest").length === 1);
  await answered(visit);
  return visit;
}

/** Gives the page the real time that it needs to read an answer. */
const answered = async (visit) => {
  await eventually("an answer", () => visit.wire.to("/ingest").every(({ status }) => status !== undefined));
  await pause(150);
};

async function advance(visit, ms) {
  await visit.page.clock.fastForward(ms);
  await pause(150);
}

const clicksSent = (visit) => visit.wire.to("/ingest").filter(({ body }) => body.includes('"click"')).length;

test("429 is obeyed: nothing is sent before Retry-After is over, and everything after it", async (t) => {
  const visit = await visitAnswered(t, { status: 429, headers: { "retry-after": "120" }, body: "{}" });
  await advance(visit, 100_000);
  await visit.page.click("#plain");
  await visit.flush();
  await pause(150);
  assert.equal(visit.wire.to("/ingest").length, 1, "not before the two minutes are over");
  visit.wire.fault = undefined;
  await eventually("the second try", async () => {
    await advance(visit, 20_000);
    return visit.wire.to("/ingest").length > 1;
  });
  await visit.settled();
  await visit.flush();
  await visit.recorded({ page_view: 1, click: 2 });
});

test("a pause that was asked for holds for the next page and for other tabs", async (t) => {
  const visit = await visitAnswered(t, { status: 429, headers: { "retry-after": "600" }, body: "{}" });
  await visit.goto("/pages/about");
  await visit.page.click("#plain");
  await visit.flush();
  const second = await visit.context.newPage();
  await visit.goto("/", second);
  await second.click("#plain");
  await visit.flush(second);
  await pause(200);
  assert.equal(visit.wire.to("/ingest").length, 1);
});

test("400 is never sent again", async (t) => {
  const visit = await visitAnswered(t, { status: 400, body: "{}" });
  visit.wire.fault = undefined;
  for (let i = 0; i < 10; i += 1) await advance(visit, MINUTE);
  await visit.page.click("#swatch");
  await visit.flush();
  await visit.settled();
  // What the backend refused is lost; what came after it is not.
  await visit.recorded({ page_view: 1, click: 1 });
});

for (const status of [403, 404, 413, 422]) {
  test(`${status} is never sent again`, async (t) => {
    const visit = await visitAnswered(t, { status, body: "{}" });
    visit.wire.fault = undefined;
    for (let i = 0; i < 5; i += 1) await advance(visit, MINUTE);
    await visit.settled();
    assert.equal(clicksSent(visit), 1);
  });
}

test("503 is sent again", async (t) => {
  const visit = await visitAnswered(t, { status: 503, headers: { "retry-after": "1" }, body: "{}" });
  visit.wire.fault = undefined;
  await eventually("the second try", async () => {
    await advance(visit, 3_000);
    return visit.wire.to("/ingest").length > 1;
  });
  await visit.settled();
  await visit.recorded({ page_view: 1, click: 1 });
});

test("an answer that is no answer of ours is tried again", async (t) => {
  const visit = await visitAnswered(t, { status: 502, headers: { "content-type": "text/html" }, body: "<h1>Bad gateway</h1>" });
  visit.wire.fault = undefined;
  await eventually("the second try", async () => {
    await advance(visit, 3_000);
    return visit.wire.to("/ingest").length > 1;
  });
  await visit.settled();
  await visit.recorded({ page_view: 1, click: 1 });
});

test("pauses grow from seconds to no more than half an hour", async (t) => {
  const visit = await visitAnswered(t, { status: 500, body: "{}" });
  // The first pause is 3 s with jitter: not at once, and not as long as the second's double.
  await advance(visit, 1_000);
  assert.equal(visit.wire.to("/ingest").length, 1, "not within a second");
  await advance(visit, 9_000);
  const early = visit.wire.to("/ingest").length;
  assert.ok(early >= 2, "within ten seconds");
  for (let i = 0; i < 60; i += 1) await visit.page.clock.fastForward(10 * MINUTE).then(() => pause(20));
  await answered(visit);
  const tries = visit.wire.to("/ingest").length;
  assert.ok(tries < 60, `${tries} tries in ten hours`);
  // The longest pause is half an hour, which jitter may stretch by half.
  visit.wire.fault = undefined;
  await eventually("the last try", async () => {
    await advance(visit, 46 * MINUTE);
    return visit.wire.to("/ingest").length > tries;
  });
});

test("a message that nobody took for a day is let go", async (t) => {
  const visit = await visitAnswered(t, { status: 500, body: "{}" });
  const kept = () => visit.page.evaluate(() => JSON.stringify({ ...localStorage }));
  assert.match(await kept(), /click/);
  await visit.page.clock.fastForward(25 * 60 * MINUTE);
  await pause(200);
  visit.wire.fault = undefined;
  visit.wire.requests.length = 0;
  await visit.page.reload();
  await eventually("the old message to be gone", async () => {
    await advance(visit, 46 * MINUTE);
    return !(await kept()).includes("click");
  });
  assert.equal(clicksSent(visit), 0);
});
