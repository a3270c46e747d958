// The web pixel: bundled as Shopify bundles it, registered by Shopify's package, fed with events of Shopify's types.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { admit, EVENT_NAMES } from "../pixel/src/scrub.js";
import { startGateway } from "./support/gateway.js";
import { bundlePixel, openBrowser, openPage } from "./support/pixel.js";
import { PERSON, standardEvents, STARTED_AT } from "./support/pixel-events.js";
import { findSession } from "./support/records.js";
import { eventually } from "./support/wait.js";

const API = "https://api.example.com";
const MINUTE = 60_000;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const settings = (mode) => ({ endpoint: API, store: "my-store.myshopify.com", mode });
/** The tracker's session as the tracker writes it. */
const trackerSession = (at = STARTED_AT) => ({ id: "tracked-1", at, earlier: [], tracker: 1 });
const paths = (page) => page.requests.map(({ url }) => url.slice(API.length));
const types = (page) =>
  page.requests.flatMap(({ body }) => Object.values(body.state?.events ?? {}).flat()).map(({ type }) => type);

/** Whatever of the person occurs in the text, as it stands or encoded or with other punctuation. */
function personalValues(text) {
  const plain = (value) => value.toLowerCase();
  const bare = (value) => value.replace(/[^0-9a-z]/gi, "").toLowerCase();
  const haystacks = [plain(text), plain(decodeURIComponent(text.replace(/%(?![0-9a-f]{2})/gi, "%25")))];
  return Object.entries(PERSON)
    .filter(
      ([name, value]) =>
        haystacks.some((haystack) => haystack.includes(plain(value))) ||
        // A phone number is one with any punctuation. Random ids hold no run of so many digits by chance.
        (/phone/i.test(name) && bare(text).includes(bare(value))),
    )
    .map(([name]) => name);
}

describe("the extension", () => {
  test("registers at the point that Shopify's package names, for the nine events", async () => {
    const page = await openPage();
    assert.deepEqual(page.registered.map(({ point }) => point), ["WebPixel::Render"]);
    assert.deepEqual(page.subscribed().sort(), Object.keys(standardEvents()).sort());
  });

  test("is typed as Shopify's package has it, and so are the events of these tests", () => {
    // Throws with the compiler's complaints in its output.
    execFileSync(process.execPath, [here("../node_modules/typescript/bin/tsc"), "-p", here("../pixel")], {
      encoding: "utf8",
    });
  });

  test("is far below the size that Shopify's command line allows", async () => {
    const bundle = await bundlePixel();
    assert.ok(bundle.length < 128 * 1024, `${bundle.length} B`);
    assert.ok(gzipSync(bundle).length < 6_000, `${gzipSync(bundle).length} B gzipped`);
  });

  test("asks for analytics consent alone, in the strict sandbox, with the settings that the code reads", async () => {
    const toml = await readFile(here("../pixel/shopify.extension.toml"), "utf8");
    assert.match(toml, /^type = "web_pixel_extension"$/m);
    assert.match(toml, /^runtime_context = "strict"$/m);
    const privacy = toml.split("[customer_privacy]")[1].split("[")[0];
    assert.deepEqual(privacy.match(/^\w+ = .+$/gm), [
      "analytics = true",
      "marketing = false",
      "preferences = false",
      'sale_of_data = "disabled"',
    ]);
    const declared = [...toml.matchAll(/^\[settings\.fields\.(\w+)\]$/gm)].map(([, name]) => name);
    const source = await readFile(here("../pixel/src/settings.js"), "utf8");
    const read = [...source.matchAll(/settings\?\.(\w+)/g)].map(([, name]) => name);
    assert.deepEqual(declared.sort(), [...new Set(read)].sort());
  });

  test("depends on the version of Shopify's package that is tested here", async () => {
    const read = async (path) => JSON.parse(await readFile(here(path), "utf8"));
    const name = "@shopify/web-pixels-extension";
    assert.equal(
      (await read("../pixel/package.json")).dependencies[name],
      (await read("../package.json")).devDependencies[name],
    );
  });

  test("does nothing without an endpoint, or with one that is no web address", async () => {
    for (const endpoint of [undefined, "", " ", "javascript:alert(1)", "https://"]) {
      const page = await openPage({ settings: { endpoint } });
      assert.deepEqual(page.subscribed(), [], String(endpoint));
    }
  });

  test("takes a path as one of the shop's own domain", async () => {
    const page = await openPage({ settings: { endpoint: "/apps/shoptrail/", mode: "all" } });
    await page.publish(standardEvents().page_viewed);
    assert.equal(page.requests[0].url, "https://my-store.example.com/apps/shoptrail/ingest");
  });
});

describe("the messages", () => {
  const event = standardEvents();
  const ts = (index) => STARTED_AT + index * 1000;
  const eventId = (index) => `sh-88153c5a-8F2D-4CCA-3231-EF5C032A4C3${index}`;
  const shirt = { productId: "8123456789012", variantId: "41234567890123", title: "Blue linen shirt" };
  const envelope = (index, page, fields, itemsInCart) => ({
    path: "/ingest",
    body: {
      reason: "pixel",
      ts: ts(index),
      session: "SESSION",
      storeName: "my-store.myshopify.com",
      seq: index,
      state: {
        session: "SESSION",
        ...(itemsInCart === undefined ? {} : { itemsInCart }),
        events: { [page]: [{ type: Object.keys(event)[index - 1], ts: ts(index), eventId: eventId(index), ...fields }] },
      },
    },
  });
  const cartEvent = (index, actionType) => ({
    path: "/api/cart-tracking/track",
    body: {
      storeName: "my-store.myshopify.com",
      actionType,
      productId: shirt.productId,
      variantId: shirt.variantId,
      productTitle: shirt.title,
      productUrl: "https://my-store.example.com/products/blue-linen-shirt?variant=41234567890123",
      sessionId: "SESSION",
      eventId: eventId(index),
      occurredAt: ts(index),
    },
  });
  const order = { quantity: 2, value: "102.3", currency: "USD", productIds: [shirt.productId] };
  const expected = {
    page_viewed: [
      envelope(1, "/", {
        url: "https://my-store.example.com/?utm_source=mail&utm_content=*",
        referrer: "https://mail.example.com/",
      }),
    ],
    product_viewed: [envelope(2, "/products/blue-linen-shirt", shirt)],
    collection_viewed: [envelope(3, "/collections/summer", { collectionId: "456", title: "Summer" })],
    search_submitted: [envelope(4, "/search", { query: "shirt for * or * please", results: 1 })],
    cart_viewed: [envelope(5, "/cart", { quantity: 2 }, 2)],
    product_added_to_cart: [
      envelope(6, "/products/blue-linen-shirt", { ...shirt, quantity: 2 }),
      cartEvent(6, "add_to_cart"),
    ],
    product_removed_from_cart: [
      envelope(7, "/cart", { ...shirt, quantity: 1 }),
      cartEvent(7, "remove_from_cart"),
    ],
    checkout_started: [envelope(8, "/checkouts/cn/*", order, 2)],
    checkout_completed: [envelope(9, "/checkouts/cn/*/thank-you", order, 0)],
  };

  for (const name of EVENT_NAMES) {
    test(`of ${name} say exactly what the contract has room for`, async () => {
      const page = await openPage();
      await page.publish(event[name]);
      const { id } = page.browser.read("shoptrail.session");
      const sent = page.requests.map(({ url, body }) => ({
        path: url.slice(API.length),
        body: JSON.parse(JSON.stringify(body).replaceAll(id, "SESSION")),
      }));
      assert.deepEqual(sent, expected[name]);
    });
  }

  test("are simple requests that outlive the page", async () => {
    const page = await openPage();
    await page.publish(...Object.values(standardEvents()));
    for (const { options } of page.requests) {
      assert.equal(options.method, "POST");
      assert.equal(options.keepalive, true);
      assert.deepEqual({ ...options.headers }, { "Content-Type": "text/plain;charset=UTF-8" });
    }
  });

  test("hold nothing of the person, and neither does the storage", async () => {
    const fixtures = JSON.stringify(standardEvents());
    for (const [name, value] of Object.entries(PERSON)) {
      if (name !== "company") assert.ok(fixtures.includes(JSON.stringify(value).slice(1, -1)), `no event holds ${name}`);
    }
    const page = await openPage({ answer: () => 503 });
    await page.publish(...Object.values(standardEvents()));
    const text = JSON.stringify(page.requests) + page.browser.text();
    assert.ok(text.includes("checkout_completed"), "the failed messages are in the storage");
    assert.deepEqual(personalValues(text), []);

    const sent = await openPage();
    await sent.publish(...Object.values(standardEvents()));
    assert.equal(sent.requests.length, 11);
    assert.deepEqual(personalValues(JSON.stringify(sent.requests)), []);
  });

  test("are made of what the door lets through, which holds nothing of the person either", () => {
    for (const event of Object.values(standardEvents())) {
      assert.deepEqual(personalValues(JSON.stringify(admit(event, STARTED_AT))), [], event.name);
    }
  });

  test("hold nothing of the person that stands in a path, whichever way it is encoded", async () => {
    const page = await openPage();
    const told = {
      [`/pages/unsubscribe/${PERSON.email}`]: "/pages/unsubscribe/*",
      [`/pages/unsubscribe/${encodeURIComponent(PERSON.email)}`]: "/pages/unsubscribe/*",
      "/pages/unsubscribe/jane.roe%2540example.com": "/pages/unsubscribe/*",
      "/pages/call/+15550100199": "/pages/call/*",
      [`/account/orders/${PERSON.token}`]: "/account/orders/*",
      [`/12345678/checkouts/${PERSON.token}/thank_you`]: "/12345678/checkouts/*/thank_you",
      [`/12345678/orders/${PERSON.token}`]: "/12345678/orders/*",
      "/products/sku-1234567890": "/products/sku-1234567890",
    };
    for (const pathname of Object.keys(told)) {
      const viewed = standardEvents().page_viewed;
      viewed.context.document.location.pathname = pathname;
      viewed.context.document.location.href = `https://my-store.example.com${pathname}`;
      await page.publish(viewed);
    }
    assert.deepEqual(page.requests.map(({ body }) => Object.keys(body.state.events)[0]), Object.values(told));
    assert.deepEqual(
      page.requests.map(({ body }) => new URL(Object.values(body.state.events)[0][0].url).pathname),
      Object.values(told),
    );
  });

  test("of an event that lacks what its type promises do without it", async () => {
    const page = await openPage();
    const events = Object.values(standardEvents()).map((event) => ({ ...event, data: null, timestamp: "soon" }));
    delete events[0].context;
    await page.publish(...events);
    assert.deepEqual(types(page), [...EVENT_NAMES]);
    assert.deepEqual(new Set(paths(page)), new Set(["/ingest"]));
  });
});

describe("the session", () => {
  test("is the tracker's where there is one, and the pixel does not write to it", async () => {
    const browser = openBrowser({ entries: { "shoptrail.session": trackerSession() } });
    const page = await openPage({ browser });
    await page.pass(20 * MINUTE);
    await page.publish(standardEvents().checkout_started);
    assert.equal(page.requests[0].body.session, "tracked-1");
    assert.deepEqual(browser.read("shoptrail.session"), trackerSession());
  });

  test("lasts while the pixel records, though no tracker runs in the checkout", async () => {
    const browser = openBrowser({ entries: { "shoptrail.session": trackerSession() } });
    const page = await openPage({ browser });
    await page.pass(20 * MINUTE);
    await page.publish(standardEvents().checkout_started);
    await page.pass(20 * MINUTE);
    await page.publish(standardEvents().checkout_completed);
    assert.deepEqual(page.requests.map(({ body }) => body.session), ["tracked-1", "tracked-1"]);
  });

  test("is a new one after thirty minutes without an event, and names the one before it", async () => {
    const browser = openBrowser({ entries: { "shoptrail.session": trackerSession() } });
    const page = await openPage({ browser });
    await page.pass(30 * MINUTE);
    await page.publish(standardEvents().checkout_started);
    const { id, at, earlier, tracker } = browser.read("shoptrail.session");
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(page.requests[0].body.session, id);
    assert.deepEqual(
      { at, earlier, tracker },
      { at: STARTED_AT + 30 * MINUTE, earlier: ["tracked-1"], tracker: undefined },
    );
  });

  test("is made once for events that come at once, and kept over pages", async () => {
    const browser = openBrowser();
    const first = await openPage({ browser });
    await first.publish(...Object.values(standardEvents()));
    const second = await openPage({ browser });
    await second.publish(standardEvents().checkout_started);
    const ids = [...first.requests, ...second.requests].map(({ body }) => body.session ?? body.sessionId);
    assert.deepEqual(new Set(ids), new Set([browser.read("shoptrail.session").id]));
  });

  test("lasts as long as the page where storage is refused", async () => {
    const page = await openPage({ browser: openBrowser({ refuse: true }) });
    await page.publish(standardEvents().page_viewed, standardEvents().checkout_started);
    assert.equal(page.requests.length, 2);
    assert.equal(page.requests[0].body.session, page.requests[1].body.session);
  });

  test("of another script's making is not taken if it is no session", async () => {
    for (const value of ["text", 7, null, [], { id: "<script>", at: STARTED_AT }, { id: "ok", at: "now" }]) {
      const page = await openPage({ browser: openBrowser({ entries: { "shoptrail.session": value } }) });
      await page.publish(standardEvents().checkout_started);
      assert.match(page.requests[0].body.session, /^[0-9a-f-]{36}$/, JSON.stringify(value));
    }
  });
});

describe("beside a tracker", () => {
  const all = () => Object.values(standardEvents());
  const untold = ["product_removed_from_cart", "checkout_started", "checkout_completed"];

  test("the pixel records only what the tracker cannot see", async () => {
    const browser = openBrowser({ entries: { "shoptrail.session": trackerSession() } });
    const page = await openPage({ browser, settings: settings("auto") });
    await page.publish(...all());
    assert.deepEqual(types(page), untold);
    assert.deepEqual(
      page.requests.map(({ body }) => body.actionType).filter(Boolean),
      ["remove_from_cart"],
      "an addition is told once, by the tracker",
    );
  });

  test("the pixel records the pages of the checkout, where no theme runs", async () => {
    const browser = openBrowser({ entries: { "shoptrail.session": trackerSession() } });
    const page = await openPage({ browser, settings: settings("auto") });
    const viewed = standardEvents().page_viewed;
    viewed.context = standardEvents().checkout_started.context;
    await page.publish(viewed);
    assert.deepEqual(types(page), ["page_viewed"]);
  });

  test("that is still loading, a visit's first event waits", async () => {
    const page = await openPage({ settings: settings("auto") });
    await page.publish(standardEvents().page_viewed);
    assert.equal(page.requests.length, 0);
    page.browser.write("shoptrail.session", trackerSession());
    await page.pass(MINUTE);
    await page.publish(standardEvents().product_viewed);
    assert.equal(page.requests.length, 0);
    assert.equal(page.browser.read("shoptrail.session").id, "tracked-1");
  });

  test("that goes on with the pixel's session, the pixel leaves off", async () => {
    const page = await openPage({ settings: settings("auto") });
    await page.publish(standardEvents().page_viewed);
    await page.pass(MINUTE);
    page.browser.write("shoptrail.session", { ...page.browser.read("shoptrail.session"), tracker: 1 });
    await page.publish(standardEvents().product_viewed);
    assert.deepEqual(types(page), ["page_viewed"]);
  });

  test("that never comes, the pixel records everything, and waits once", async () => {
    const page = await openPage({ settings: settings("auto") });
    await page.publish(standardEvents().page_viewed);
    await page.pass(1_000);
    assert.deepEqual(types(page), ["page_viewed"]);
    await page.publish(...all().slice(1));
    assert.deepEqual(types(page), [...EVENT_NAMES]);
  });

  test("that is not there any more, the pixel records everything again", async () => {
    const browser = openBrowser({ entries: { "shoptrail.session": trackerSession() } });
    const page = await openPage({ browser, settings: settings("auto") });
    await page.pass(31 * MINUTE);
    await page.publish(standardEvents().page_viewed);
    await page.pass(1_000);
    assert.deepEqual(types(page), ["page_viewed"]);
  });

  test("that ended while the shopper was in the checkout, the pixel records everything in the same session", async () => {
    const browser = openBrowser({ entries: { "shoptrail.session": trackerSession() } });
    const page = await openPage({ browser, settings: settings("auto") });
    await page.pass(20 * MINUTE);
    await page.publish(standardEvents().checkout_started);
    await page.pass(20 * MINUTE);
    await page.publish(standardEvents().page_viewed);
    assert.deepEqual(page.requests.map(({ body }) => body.session), ["tracked-1", "tracked-1"]);
    assert.deepEqual(types(page), ["checkout_started", "page_viewed"]);
  });

  test("the mode checkout records the same without looking for a tracker", async () => {
    const page = await openPage({ settings: settings("checkout") });
    await page.publish(...all());
    assert.deepEqual(types(page), untold);
    assert.equal(page.timers(), 0);
  });
});

describe("consent", () => {
  const checkout = () => standardEvents().checkout_started;

  test("that was not given keeps the pixel from sending and storing anything", async () => {
    const page = await openPage({ consent: false });
    await page.publish(...Object.values(standardEvents()));
    assert.deepEqual(page.requests, []);
    assert.deepEqual(page.browser.keys(), []);
  });

  test("that is given later lets later events through", async () => {
    const page = await openPage({ consent: false });
    await page.publish(checkout());
    await page.consent(true);
    await page.publish(checkout());
    assert.equal(page.requests.length, 1);
  });

  test("that is withdrawn stops the pixel and clears what it stored", async () => {
    const page = await openPage({ answer: () => 503 });
    await page.publish(checkout());
    assert.deepEqual(page.browser.keys(), ["shoptrail.pixel", "shoptrail.session"]);
    await page.consent(false);
    assert.deepEqual(page.browser.keys(), []);
    assert.equal(page.timers(), 0);
    await page.publish(checkout());
    await page.pass(60 * MINUTE);
    assert.equal(page.requests.length, 1);
    assert.deepEqual(page.browser.keys(), []);
  });

  test("that is withdrawn leaves the tracker's session to the tracker", async () => {
    const browser = openBrowser({ entries: { "shoptrail.session": trackerSession() } });
    const page = await openPage({ browser });
    await page.publish(checkout());
    await page.consent(false);
    assert.deepEqual(browser.keys(), ["shoptrail.session"]);
  });

  test("that is withdrawn while an answer is awaited keeps its message from the storage", async () => {
    let answer;
    const page = await openPage({ answer: () => new Promise((resolve) => (answer = resolve)) });
    await page.publish(checkout());
    await page.consent(false);
    answer(503);
    await page.settle();
    assert.deepEqual(page.browser.keys(), []);
    assert.equal(page.timers(), 0);
  });

  test("is not taken from who opted out, or whose browser asks for privacy", async () => {
    const browser = openBrowser({ entries: { "shoptrail.off": 1 } });
    const off = await openPage({ browser });
    await off.publish(checkout());
    assert.deepEqual(off.requests, []);
    assert.deepEqual(browser.keys(), ["shoptrail.off"]);

    const asked = await openPage({ navigator: { globalPrivacyControl: true } });
    await asked.publish(checkout());
    assert.deepEqual(asked.requests, []);
    assert.deepEqual(asked.browser.keys(), []);
  });
});

describe("an order after a popup", () => {
  const openShop = (decision) =>
    openBrowser({ entries: { "shoptrail.session": trackerSession(), "shoptrail.decision": decision } });

  test("is reported for the popup's decision", async () => {
    const page = await openPage({ browser: openShop({ session: "tracked-1", id: "decision-1" }) });
    await page.publish(standardEvents().checkout_completed);
    assert.deepEqual(paths(page), ["/ingest", "/askai/outcome"]);
    assert.deepEqual(page.requests[1].body, {
      session: "tracked-1",
      decisionId: "decision-1",
      outcome: "converted",
    });
  });

  test("of another session, or before the order, is not reported", async () => {
    const other = await openPage({ browser: openShop({ session: "another", id: "decision-1" }) });
    await other.publish(standardEvents().checkout_completed);
    assert.deepEqual(paths(other), ["/ingest"]);

    const early = await openPage({ browser: openShop({ session: "tracked-1", id: "decision-1" }) });
    await early.publish(standardEvents().checkout_started);
    assert.deepEqual(paths(early), ["/ingest"]);
  });
});

describe("a message that failed", () => {
  const view = () => standardEvents().page_viewed;
  const failures = { "a network failure": new Error("network"), 429: 429, 500: 500, 503: 503 };

  for (const [name, failure] of Object.entries(failures)) {
    test(`by ${name} is sent again, the same to the letter, until it is acknowledged`, async () => {
      const page = await openPage({ answer: () => (page.requests.length < 3 ? failure : 200) });
      await page.publish(view());
      assert.equal(page.requests.length, 1);
      await page.pass(MINUTE);
      assert.equal(page.requests.length, 3);
      assert.equal(new Set(page.requests.map(({ options }) => options.body)).size, 1);
      const [first, second, third] = page.requests.map(({ at }) => at);
      assert.ok(second - first >= 1_500 && second - first <= 3_000, `after ${second - first} ms`);
      assert.ok(third - second >= 3_000 && third - second <= 6_000, `after ${third - second} ms`);
      assert.deepEqual(page.browser.read("shoptrail.pixel").out, []);
      assert.equal(page.timers(), 0);
    });
  }

  test("by another 4xx is given up", async () => {
    for (const status of [400, 401, 403, 404, 409, 413]) {
      const page = await openPage({ answer: () => status });
      await page.publish(standardEvents().product_removed_from_cart);
      await page.pass(60 * MINUTE);
      assert.equal(page.requests.length, 2, String(status));
    }
  });

  test("waits as long as the server asks, on the next page too", async () => {
    const browser = openBrowser();
    const page = await openPage({ browser, answer: () => ({ status: 429, retryAfter: "120" }) });
    await page.publish(view());
    await page.pass(119_000);
    await page.publish(standardEvents().checkout_started);
    assert.equal(page.requests.length, 1);

    const next = await openPage({ browser, startedAt: STARTED_AT + 119_000 });
    await next.publish(standardEvents().checkout_completed);
    assert.equal(next.requests.length, 0);
    await next.pass(1_000);
    assert.deepEqual(types(next), ["page_viewed", "checkout_started", "checkout_completed"]);
  });

  test("is kept for the next page's event, after which it goes out", async () => {
    const browser = openBrowser();
    const page = await openPage({ browser, answer: () => new Error("network") });
    await page.publish(view());
    const kept = page.requests[0].options.body;

    const next = await openPage({ browser, startedAt: STARTED_AT + MINUTE });
    await next.publish(standardEvents().checkout_started);
    assert.deepEqual(types(next), ["checkout_started", "page_viewed"]);
    assert.equal(next.requests[1].options.body, kept);
    assert.deepEqual(browser.read("shoptrail.pixel").out, []);
  });

  test("is not kept for longer than a day, nor beside more than fifty others", async () => {
    const browser = openBrowser();
    const page = await openPage({ browser, answer: () => 503 });
    for (let index = 0; index < 60; index += 1) await page.publish({ ...view(), id: `event-number-${index}` });
    const { out } = browser.read("shoptrail.pixel");
    assert.equal(out.length, 50);
    assert.match(out.at(-1).body, /event-number-59"/);

    const next = await openPage({ browser, startedAt: STARTED_AT + 24 * 60 * MINUTE });
    await next.publish(standardEvents().checkout_started);
    assert.deepEqual(types(next), ["checkout_started"]);
  });

  test("goes out before the pause is over if the clock was set back", async () => {
    const browser = openBrowser();
    const page = await openPage({ browser, answer: () => 503 });
    await page.publish(view());
    const next = await openPage({ browser, startedAt: STARTED_AT - 60 * MINUTE });
    await next.publish(standardEvents().checkout_started);
    assert.deepEqual(types(next), ["checkout_started", "page_viewed"]);
  });

  test("does not suffer from what others wrote under the pixel's key", async () => {
    for (const value of ["x", { out: [null, 1, { id: 1 }] }, { out: "x", until: "soon", tries: {} }]) {
      const page = await openPage({ browser: openBrowser({ entries: { "shoptrail.pixel": value } }) });
      await page.publish(view());
      assert.equal(page.requests.length, 1, JSON.stringify(value));
    }
  });
});

test("the gateway stores a shopper's way once, though every message comes twice", async (t) => {
  const gateway = await startGateway();
  t.after(() => gateway.stop());
  const answers = [];
  const page = await openPage({
    settings: { endpoint: gateway.url, mode: "all" },
    // The first answer gets lost, after the request arrived.
    fetch: async (url, options) => {
      const answer = await fetch(url, options);
      answers.push({ status: answer.status, path: new URL(url).pathname, body: await answer.json() });
      const sent = page.requests.filter(({ options: { body } }) => body === options.body).length;
      if (sent === 1) throw new Error("network");
      return answer;
    },
  });
  await page.publish(...Object.values(standardEvents()));
  const kept = () => page.browser.read("shoptrail.pixel")?.out;
  await eventually("the first message to fail", () => kept()?.length > 0);
  await eventually("all messages to be acknowledged", async () => {
    await page.pass(30 * MINUTE);
    return page.requests.length === 22 && kept().length === 0;
  });

  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  const { id } = page.browser.read("shoptrail.session");
  const record = await findSession(gateway, id);
  assert.deepEqual(record.totals, {
    events: 9,
    byType: Object.fromEntries([...EVENT_NAMES].sort().map((name) => [name, 1])),
  });
  assert.equal(record.itemsInCart, 0);
  assert.deepEqual(record.events["/products/blue-linen-shirt"].map(({ type, productId }) => [type, productId]), [
    ["product_viewed", "8123456789012"],
    ["product_added_to_cart", "8123456789012"],
  ]);
  assert.deepEqual(personalValues(JSON.stringify(record)), []);

  const tracked = answers.filter(({ path }) => path.endsWith("/track")).map(({ body }) => body.data);
  assert.equal(tracked.length, 4);
  assert.equal(tracked.filter(({ duplicate }) => duplicate).length, 2);
  assert.equal(new Set(tracked.map((data) => data.id)).size, 2);
});
