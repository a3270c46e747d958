// What is recorded of a visit, and what never is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventsOf, sessionWhere } from "../support/records.js";
import { openShop } from "../support/shop.js";
import { PRODUCT } from "../support/site.js";
import { beginHidden, setVisibility } from "../support/visibility.js";
import { pause } from "../support/wait.js";

const shop = await openShop();
const HOSTILE = `<img src=x onerror="window.ran=1"> "quoted" 'and' \u202Eright to left\u202C & \u{1F457}\u{1F9E5} ${"x".repeat(5_000)}`;

test("a page view says where, what and from where, and the URL nothing else", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/?utm_source=letter&email=jane@example.com&token=CANARY#access=CANARY");
  await visit.page.click("#to-about");
  await visit.page.waitForURL("**/pages/about");
  await visit.goto("/products/linen-shirt?variant=4100000000012&key=CANARY&utm_campaign=spring");
  await visit.flush();
  const record = await visit.recorded({ page_view: 3, click: 1, product_view: 1 });
  const views = eventsOf(record, "page_view");
  assert.deepEqual(views.map(({ page }) => page), ["/", "/pages/about", "/products/linen-shirt"]);
  assert.match(views[0].url, /\/\?utm_source=letter$/);
  assert.equal(views[0].title, "Home");
  assert.match(views[1].referrer, /^http:\/\/127\.0\.0\.1:\d+\//);
  const kept = new URL(views[2].url).searchParams;
  assert.deepEqual(Object.fromEntries(kept), { variant: "4100000000012", utm_campaign: "spring" });
  for (const { body } of visit.wire.requests) assert.doesNotMatch(body, /CANARY|jane/);
  assert.equal(record.storeName, "demo-shop.myshopify.com");
});

test("clicks say on what; clicks beside everything are none", async (t) => {
  const visit = await shop.visit(t, {
    main: `<a id="icon" href="/pages/about?token=CANARY#CANARY"><svg width="20" height="20"><rect id="shape" width="20" height="20"/></svg> Icon</a>
<button id="long" type="button">${"w".repeat(139)}\u{1F457}\u{1F457}</button>
<button id="outer" type="button"><b><i id="inner">Nested</i></b></button>
<div id="host"></div>
<script src="/host.js" defer></script>`,
    answer: (_request, url) =>
      url.pathname === "/host.js" && {
        type: "text/javascript",
        body: `document.getElementById("host").attachShadow({ mode: "open" }).innerHTML = '<button id="shadowed" type="button">In a component</button>';
document.getElementById("icon").addEventListener("click", (event) => event.preventDefault());`,
      },
  });
  await visit.goto("/");
  for (const selector of ["#plain", "#swatch", "#text", "#inner", "#shape", "#long", "#shadowed"]) await visit.page.click(selector);
  await visit.flush();
  const record = await visit.recorded({ page_view: 1, click: 6 });
  const [plain, swatch, inner, icon, long, shadowed] = eventsOf(record, "click");
  assert.deepEqual([plain.tag.toLowerCase(), plain.id, plain.text], ["button", "plain", "Plain button"]);
  assert.deepEqual([swatch.action, swatch.id, swatch.text], ["choose-colour", "swatch", "Blue"]);
  assert.deepEqual([inner.id, inner.text], ["outer", "Nested"]);
  assert.equal(icon.id, "icon");
  assert.match(icon.href, /\/pages\/about$/);
  assert.ok([...long.text].length <= 140 && long.text.startsWith("w".repeat(139)), long.text);
  assert.ok(long.text.isWellFormed?.() ?? !/[\ud800-\udbff](?![\udc00-\udfff])/.test(long.text), "no half of a character");
  assert.equal(shadowed.text, "In a component");
  for (const { body } of visit.wire.requests) assert.doesNotMatch(body, /CANARY/);
});

test("what somebody types is never sent", async (t) => {
  const visit = await shop.visit(t, {
    main: `<form id="contact" action="/pages/about">
<label id="l" for="email" data-action="label">Your e-mail</label><input id="email" name="email"><input id="secret" type="password" name="password">
<textarea id="message" name="message"></textarea><label data-action="wrapped">Note <textarea id="wrapped"></textarea></label>
<select id="size" name="size" data-action="size"><option>one</option><option value="CANARY-option">two</option></select>
<input id="own" type="button" value="CANARY-button"><input id="radio" type="radio" name="r" value="CANARY-radio" data-action="radio">
<div data-action="edit"><p id="editable" contenteditable="true"></p></div>
<div data-action="edited" id="self" contenteditable="true"></div>
<output id="echo" data-action="echo"></output>
<button id="send" type="submit">Send</button></form>`,
  });
  await visit.goto("/");
  const { page } = visit;
  for (const id of ["email", "secret", "message", "wrapped", "editable", "self"]) {
    await page.click(`#${id}`);
    await page.keyboard.type(`CANARY-${id}`);
    await page.keyboard.press("Tab");
    await page.click(`#${id}`);
  }
  await page.selectOption("#size", { index: 1 });
  for (const selector of ["#size", "#own", "#radio", "#l"]) await page.click(selector);
  await visit.flush();
  await page.click("#send");
  await page.waitForURL("**/pages/about?**");
  await visit.flush();
  const session = await visit.session();
  await page.close();
  const record = await sessionWhere(shop.gateway, session, "two page views", ({ totals }) => totals.byType.page_view === 2);
  assert.ok(record.totals.byType.click >= 3, "the clicks themselves are recorded");
  assert.doesNotMatch(JSON.stringify(record), /CANARY/);
  for (const { path, body } of visit.wire.requests) assert.doesNotMatch(body, /CANARY/, path);
});

test("pages of an application without reloads are seen: pushed, replaced, and gone back to", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  await visit.page.evaluate(async () => {
    history.pushState({}, "", "/pages/one");
    document.title = "One";
    await new Promise((done) => setTimeout(done, 20));
    history.replaceState({}, "", "/pages/two");
    await new Promise((done) => setTimeout(done, 20));
    // A theme that keeps its scroll position says nothing new.
    history.replaceState({ scroll: 120 }, "");
    history.pushState({}, "", "/pages/three");
    await new Promise((done) => setTimeout(done, 20));
  });
  await visit.page.goBack();
  await visit.page.waitForURL("**/pages/two");
  await visit.flush();
  const record = await visit.recorded({ page_view: 5 });
  assert.deepEqual(
    eventsOf(record, "page_view").map(({ page }) => page),
    ["/", "/pages/one", "/pages/two", "/pages/three", "/pages/two"],
  );
});

test("the page's own history keeps working", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  const seen = await visit.page.evaluate(() => {
    const state = { a: 1 };
    const returned = history.pushState(state, "", "/pages/one?x=1#y");
    let thrown;
    try {
      history.pushState({}, "", "https://elsewhere.example.com/");
    } catch (error) {
      thrown = error.name;
    }
    return { returned: returned === undefined, state: history.state, path: location.pathname + location.search + location.hash, thrown };
  });
  assert.deepEqual(seen, { returned: true, state: { a: 1 }, path: "/pages/one?x=1#y", thrown: "SecurityError" });
});

test("a page that comes back from the browser's memory is a view again", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  await visit.page.click("#to-about");
  await visit.page.waitForURL("**/pages/about");
  await visit.page.goBack();
  await visit.page.waitForURL((url) => url.pathname === "/");
  await visit.page.click("#plain");
  await visit.flush();
  await visit.recorded({ page_view: 3, click: 2 });
});

test("a search and a product view are events of their own", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  await visit.page.fill("#search", "  linen \u{1F457} ");
  await visit.page.press("#search", "Enter");
  await visit.page.waitForURL("**/search**");
  await visit.goto(`/search?q=${"s".repeat(500)}&type=product`);
  await visit.goto("/products/linen-shirt");
  await visit.flush();
  const record = await visit.recorded({ page_view: 4, search: 2, product_view: 1 });
  const [first, long] = eventsOf(record, "search");
  assert.equal(first.query.trim(), "linen \u{1F457}");
  assert.ok(long.query.length <= 140);
  const [view] = eventsOf(record, "product_view");
  assert.deepEqual(
    [String(view.productId), String(view.variantId), view.title, view.handle, view.page],
    [String(PRODUCT.id), String(PRODUCT.variants[0].id), PRODUCT.title, PRODUCT.handle, "/products/linen-shirt"],
  );
});

test("a product in a collection and in a language is the page that it is", async (t) => {
  const visit = await shop.visit(t, { script: 'window.Shopify.routes.root = "/de/";' });
  await visit.goto("/de/pages/about");
  await visit.goto("/de/");
  await visit.flush();
  const record = await visit.recorded({ page_view: 2 });
  assert.deepEqual(Object.keys(record.events).sort(), ["/", "/pages/about"]);
});

test("a hostile title is text, to its end", async (t) => {
  const visit = await shop.visit(t, { product: { title: HOSTILE } });
  await visit.goto("/products/linen-shirt");
  await visit.page.click("#to-product");
  await visit.page.waitForLoadState();
  await visit.page.evaluate(() => fetch("/cart/add.js", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ id: 4100000000011, quantity: 1 }) }));
  const [event] = await visit.carted(1);
  await visit.flush();
  const record = await visit.recorded({ page_view: 2, product_view: 2, click: 1, add_to_cart: 1 });
  const [view] = eventsOf(record, "product_view");
  assert.ok(view.title.startsWith('<img src=x onerror="window.ran=1"> "quoted"'), view.title.slice(0, 80));
  assert.ok(event.productTitle.startsWith('<img src=x onerror="window.ran=1"> "quoted"'), event.productTitle.slice(0, 80));
  assert.ok(event.productTitle.length >= 140);
  assert.equal(await visit.page.evaluate(() => window.ran), undefined);
});

test("text that is no well-formed text costs no other event", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  await visit.page.evaluate(() => {
    document.title = "half \ud83d";
    document.getElementById("plain").textContent = `${"w".repeat(30)}\udc57 \u0000 half`;
    history.pushState({}, "", "/pages/half");
    Shoptrail.track("half", { text: "\ud83d", "\ud83d": 1, control: "a\u0000b" });
  });
  await visit.page.click("#plain");
  await visit.flush();
  await visit.recorded({ page_view: 2, half: 1, click: 1 });
});

test("tokens in paths of accounts and orders are not recorded", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  await visit.page.evaluate(async () => {
    document.getElementById("plain").outerHTML = '<a id="plain" href="#" data-action="x">link</a>';
    document.getElementById("plain").href = "/account/activate/1/canary-token";
    document.getElementById("plain").addEventListener("click", (event) => event.preventDefault());
    document.getElementById("plain").click();
    history.pushState({}, "", "/fr/account/reset/1/canary-token");
    await new Promise((done) => setTimeout(done, 20));
    history.pushState({}, "", "/orders/canary-token/authenticate");
    await new Promise((done) => setTimeout(done, 20));
  });
  await visit.flush();
  const record = await visit.recorded({ page_view: 3, click: 1 });
  assert.ok(!JSON.stringify(record).includes("canary"), JSON.stringify(record));
  assert.deepEqual(Object.keys(record.events).sort(), ["/", "/fr/account/*", "/orders/*"]);
});

test("whatever is given to track harms nothing else", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/");
  const thrown = await visit.page.evaluate(() => {
    const circular = {};
    circular.self = circular;
    let deep = {};
    for (let i = 0; i < 40; i += 1) deep = { deep };
    const hostile = [
      ["circular", circular],
      ["bigint", { n: 10n }],
      ["deep", deep],
      ["getter", { get bad() { throw new Error("bad"); } }],
      ["tojson", { toJSON() { throw new Error("bad"); } }],
      ["huge", { text: "x".repeat(200_000) }],
      ["numbers", { a: NaN, b: Infinity, c: 1e300, d: -0 }],
      ["function", () => 1],
      ["null", null],
      ["text", "just text"],
      ["array", [1, 2]],
      ["node", { node: document.body }],
      ["reserved", { type: "other", ts: "never", eventId: "same" }],
      ["reserved", { type: "other", ts: -1, eventId: "same" }],
      [undefined, {}],
      [null, {}],
      [{}, {}],
      ["", {}],
    ];
    const errors = [];
    for (const [type, data] of hostile) {
      try {
        Shoptrail.track(type, data);
      } catch (error) {
        errors.push(`${String(type)}: ${error}`);
      }
    }
    Shoptrail.track("good", { fine: true });
    return errors;
  });
  assert.deepEqual(thrown, []);
  await visit.page.click("#plain");
  await visit.flush();
  const record = await sessionWhere(shop.gateway, await visit.session(), "what came before and after", ({ totals }) => {
    assert.equal(totals.byType.page_view, 1);
    assert.equal(totals.byType.good, 1);
    assert.equal(totals.byType.click, 1);
  });
  assert.equal(record.totals.byType.reserved, 2, "type, ts and eventId are the tracker's");
});

test("time is counted while the page is seen, and not while it is hidden", async (t) => {
  const visit = await shop.visit(t, { clock: true });
  await visit.goto("/");
  const { page } = visit;
  const show = (state) => setVisibility(page, state);
  await page.clock.pauseAt(Date.now() + 60_000);
  await visit.flush();
  await visit.settled();
  const start = (await sessionWhere(shop.gateway, await visit.session(), "a page view", () => true)).timeOnPage["/"] ?? 0;
  await page.clock.runFor(10_000);
  await show("hidden");
  await visit.settled();
  // In one leap: a clock that runs a thousand times faster lets requests time out that the network answers at once.
  await page.clock.fastForward(300_000);
  await visit.settled();
  await show("visible");
  await page.clock.runFor(5_000);
  await page.evaluate(() => history.pushState({}, "", "/pages/one"));
  await page.clock.runFor(7_000);
  await visit.flush();
  const record = await sessionWhere(shop.gateway, await visit.session(), "the times", ({ timeOnPage }) => timeOnPage["/pages/one"] > 0);
  const home = record.timeOnPage["/"] - start;
  assert.ok(home >= 14_900 && home <= 15_200, `${home} ms on the first page`);
  assert.ok(record.timeOnPage["/pages/one"] >= 6_900 && record.timeOnPage["/pages/one"] <= 7_200, `${record.timeOnPage["/pages/one"]} ms on the second`);
});

test("a page that opens in the background has no time until it is seen", async (t) => {
  const visit = await shop.visit(t, { clock: true });
  await beginHidden(visit.page);
  await visit.goto("/");
  await visit.flush();
  await visit.settled();
  await visit.page.clock.fastForward(100_000);
  await setVisibility(visit.page, "visible");
  await visit.page.clock.runFor(4_000);
  await visit.flush();
  const record = await sessionWhere(shop.gateway, await visit.session(), "a time", ({ timeOnPage }) => timeOnPage["/"] > 0);
  assert.ok(record.timeOnPage["/"] < 10_000, `${record.timeOnPage["/"]} ms`);
});

test("what is new is sent every quarter of a minute, and nothing where nothing is new", async (t) => {
  const visit = await shop.visit(t, { clock: true });
  await visit.goto("/");
  await visit.page.clock.runFor(16_000);
  await visit.recorded({ page_view: 1 });
  const before = visit.wire.to("/ingest").length;
  await visit.settled();
  await visit.page.clock.runFor(20_000);
  await visit.page.clock.runFor(20_000);
  await pause(100);
  assert.equal(visit.wire.to("/ingest").length, before, "time alone waits for a minute");
  await visit.page.click("#plain");
  await visit.page.clock.runFor(16_000);
  const record = await visit.recorded({ page_view: 1, click: 1 });
  assert.ok(record.timeOnPage["/"] >= 50_000);
});
