// Adding to the cart and buying at once, in all the ways in which themes do it: each counts once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventsOf, sessionWhere } from "../support/records.js";
import { openShop } from "../support/shop.js";
import { PRODUCT, SOLD_OUT } from "../support/site.js";
import { pause } from "../support/wait.js";

const shop = await openShop();
const [SMALL, MEDIUM] = PRODUCT.variants.map(({ id }) => String(id));

/** Opens the product, lets `add` do its part in the page, and sees one cart event with all it should say. */
async function addedOnce(t, options, add, { variant = SMALL, actionType = "add_to_cart", clicks = 0, views = 1 } = {}) {
  const visit = await shop.visit(t, options);
  await visit.goto("/products/linen-shirt");
  const session = await visit.session();
  await add(visit.page, visit);
  const [event] = await visit.carted(1, { session });
  await visit.flush();
  assert.equal(event.actionType, actionType);
  assert.equal(event.productId, String(PRODUCT.id));
  assert.equal(event.variantId, variant);
  assert.equal(event.productTitle, PRODUCT.title);
  const [body] = visit.wire.to("/api/cart-tracking/track").map(({ body }) => JSON.parse(body));
  assert.equal(body.sessionId, session);
  assert.match(body.eventId, /^[A-Za-z0-9_-]{8,64}$/);
  assert.match(body.productUrl, /^http:\/\/127\.0\.0\.1:\d+\/products\/linen-shirt/);
  assert.ok(Math.abs(body.occurredAt - Date.now()) < 60_000);
  const record = await visit.recorded(
    { page_view: views, product_view: 1, [actionType]: 1, ...(clicks ? { click: clicks } : {}) },
    { session },
  );
  const [recorded] = eventsOf(record, actionType);
  assert.deepEqual([String(recorded.productId), String(recorded.variantId), recorded.page], [String(PRODUCT.id), variant, "/products/linen-shirt"]);
  return { visit, session, record };
}

const JSON_ADD = (id, quantity = 1) => `fetch("/cart/add.js", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ id: ${id}, quantity: ${quantity} }) })`;
const ways = {
  "fetch with JSON": JSON_ADD(MEDIUM),
  "fetch with a list of items": `fetch("/cart/add.js", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ items: [{ id: ${MEDIUM}, quantity: 1 }] }) })`,
  "fetch with FormData": `{ document.getElementById("variant").value = ${MEDIUM}; await fetch("/cart/add.js", { method: "POST", body: new FormData(document.getElementById("product-form")) }); }`,
  "fetch with URLSearchParams": `fetch("/cart/add", { method: "POST", headers: { accept: "application/json" }, body: new URLSearchParams({ id: ${MEDIUM}, quantity: "1" }) })`,
  "fetch with a Request": `fetch(new Request("/cart/add.js", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ id: ${MEDIUM} }) }))`,
  "fetch with a URL": `fetch(new URL("/cart/add.js", location.href), { method: "post", headers: { "content-type": "application/json" }, body: JSON.stringify({ id: ${MEDIUM} }) })`,
  "fetch with a query in the URL": `fetch("/cart/add.js?sections=cart-drawer", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ id: ${MEDIUM} }) })`,
  XMLHttpRequest: `new Promise((done) => { const request = new XMLHttpRequest(); request.open("POST", "/cart/add.js"); request.setRequestHeader("content-type", "application/json"); request.onload = done; request.send(JSON.stringify({ id: ${MEDIUM} })); })`,
  "XMLHttpRequest with a form's text": `new Promise((done) => { const request = new XMLHttpRequest(); request.open("POST", "/cart/add.js"); request.setRequestHeader("content-type", "application/x-www-form-urlencoded"); request.responseType = "json"; request.onload = done; request.send("id=${MEDIUM}&quantity=1"); })`,
};
for (const [way, code] of Object.entries(ways)) {
  test(`an addition is seen: ${way}`, async (t) => {
    await addedOnce(t, {}, (page) => page.evaluate(`(async () => { ${code.startsWith("{") ? code : `await ${code};`} })()`), { variant: MEDIUM });
  });
}

test("an addition is seen: a form of the page itself", async (t) => {
  const { session, visit } = await addedOnce(
    t,
    {},
    async (page) => {
      await page.selectOption("#variant", MEDIUM);
      await page.click("#add");
      await page.waitForURL("**/cart");
    },
    { variant: MEDIUM, clicks: 1, views: 2 },
  );
  const record = await sessionWhere(shop.gateway, session, "one item in the cart", ({ itemsInCart }) => itemsInCart === 1);
  assert.equal(record.itemsInCart, 1);
  assert.deepEqual(visit.site.cart, [1]);
});

test("an addition is seen: requestSubmit()", async (t) => {
  await addedOnce(
    t,
    {},
    async (page) => {
      await page.evaluate(() => document.getElementById("product-form").requestSubmit());
      await page.waitForURL("**/cart");
    },
    { views: 2 },
  );
});

test("an addition is seen: a form whose fields are named like a form's own properties", async (t) => {
  const clobber = `document.addEventListener("DOMContentLoaded", () => document.getElementById("product-form")?.insertAdjacentHTML("beforeend",
    ["action", "method", "elements", "target", "submit", "name", "length"].map((name) => '<input type="hidden" name="' + name + '" value="x">').join("")));`;
  await addedOnce(
    t,
    { script: clobber },
    async (page) => {
      await page.click("#add");
      await page.waitForURL("**/cart");
    },
    { clicks: 1, views: 2 },
  );
});

test("a theme that listens to the form and fetches counts once", async (t) => {
  const theme = `document.addEventListener("submit", (event) => {
    if (!event.target.matches("#product-form")) return;
    event.preventDefault();
    fetch("/cart/add.js", { method: "POST", body: new FormData(event.target) }).then(() => { window.added = true; });
  });`;
  await addedOnce(
    t,
    { script: theme },
    async (page) => {
      await page.click("#add");
      await page.waitForFunction(() => window.added);
    },
    { clicks: 1 },
  );
});

test("a theme that stops the form's event and fetches later counts once", async (t) => {
  const theme = `document.addEventListener("DOMContentLoaded", () => document.getElementById("product-form")?.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    setTimeout(async () => { await ${JSON_ADD(SMALL)}; window.added = true; }, 800);
  }));`;
  await addedOnce(
    t,
    { script: theme },
    async (page) => {
      await page.click("#add");
      await page.waitForFunction(() => window.added);
    },
    { clicks: 1 },
  );
});

const POLYFILL = `window.fetch = (input, init = {}) => new Promise((resolve, reject) => {
  const request = new XMLHttpRequest();
  request.open(init.method ?? "GET", String(input));
  for (const [name, value] of Object.entries(init.headers ?? {})) request.setRequestHeader(name, value);
  request.onload = () => resolve(new Response(request.responseText, { status: request.status }));
  request.onerror = () => reject(new TypeError("failed"));
  request.send(init.body);
});`;
test("a fetch that is built on XMLHttpRequest counts once", async (t) => {
  await addedOnce(t, { script: POLYFILL }, (page) => page.evaluate(JSON_ADD(SMALL)));
});

test("a fetch that another script replaces afterwards counts once", async (t) => {
  await addedOnce(t, {}, (page) =>
    page.evaluate(`(async () => { const before = window.fetch; window.fetch = (...all) => before(...all); await ${JSON_ADD(SMALL)}; })()`),
  );
});

test("two additions of the same thing count twice", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/products/linen-shirt");
  await visit.page.evaluate(`(async () => { await ${JSON_ADD(SMALL)}; await ${JSON_ADD(SMALL)}; })()`);
  await visit.carted(2);
  await visit.flush();
  await visit.recorded({ page_view: 1, product_view: 1, add_to_cart: 2 });
});

test("a failed addition is none", async (t) => {
  const visit = await shop.visit(t, { complaints: /422/ });
  await visit.goto("/products/linen-shirt");
  await visit.page.evaluate(`(async () => {
    await ${JSON_ADD(SOLD_OUT)};
    await new Promise((done) => { const request = new XMLHttpRequest(); request.open("POST", "/cart/add.js"); request.onload = done; request.send(new URLSearchParams({ id: "${SOLD_OUT}" })); });
  })()`);
  await visit.page.click("#quantity");
  await visit.flush();
  await visit.recorded({ page_view: 1, product_view: 1 });
  assert.equal(visit.wire.to("/api/cart-tracking/track").length, 0);
});

test("a form that the theme holds back is no addition", async (t) => {
  const theme = `document.addEventListener("submit", (event) => event.preventDefault());`;
  const visit = await shop.visit(t, { script: theme, clock: true });
  await visit.goto("/products/linen-shirt");
  await visit.page.click("#add");
  await visit.page.clock.runFor(10_000);
  await visit.flush();
  await visit.recorded({ page_view: 1, product_view: 1, click: 1 });
  assert.equal(visit.wire.to("/api/cart-tracking/track").length, 0);
});

test("requests to other addresses are no additions", async (t) => {
  const visit = await shop.visit(t, { answer: (_request, url) => url.pathname.startsWith("/apps/other") && { body: "{}" }, complaints: /404|405/ });
  await visit.goto("/products/linen-shirt");
  await visit.page.evaluate(async (elsewhere) => {
    await fetch("/apps/other/cart/additional", { method: "POST", body: "id=1" });
    await fetch("/apps/other?next=/cart/add.js", { method: "POST", body: "id=1" });
    await fetch(`${elsewhere}/cart/add.js`, { method: "POST", body: "id=1", mode: "no-cors" }).catch(() => {});
  }, shop.gateway.url);
  await pause(200);
  await visit.flush();
  await visit.recorded({ page_view: 1, product_view: 1 });
  assert.equal(visit.wire.to("/api/cart-tracking/track").length, 0);
});

test("buying at once is seen: a submit button named checkout", async (t) => {
  await addedOnce(
    t,
    {},
    async (page) => {
      await page.click("#buy-now");
      await page.waitForURL("**/checkouts/**");
    },
    { actionType: "buy_now", clicks: 1, views: 2 },
  );
});

test("buying at once is seen: Shopify's own button", async (t) => {
  await addedOnce(t, {}, (page) => page.click("#dynamic"), { actionType: "buy_now", clicks: 1 });
});

test("a product page without Shopify's own data still names its product", async (t) => {
  const visit = await shop.visit(t, { bare: true, script: 'window.Shopify = { shop: "demo-shop.myshopify.com" };' });
  await visit.goto("/products/linen-shirt");
  const session = await visit.session();
  await visit.page.click("#add");
  await visit.page.waitForURL("**/cart");
  const [event] = await visit.carted(1, { session });
  assert.deepEqual([event.productId, event.variantId, event.productTitle], [String(PRODUCT.id), SMALL, PRODUCT.title]);
});

test("the items in the cart follow the cart", async (t) => {
  const visit = await shop.visit(t, { cart: [3, 4] });
  await visit.goto("/");
  const session = await visit.session();
  await visit.page.click("#plain");
  await pause(200);
  await visit.flush();
  await sessionWhere(shop.gateway, session, "seven items", ({ itemsInCart }) => itemsInCart === 7);
  await visit.goto("/products/linen-shirt");
  await visit.page.evaluate(JSON_ADD(SMALL, 2));
  await pause(300);
  await visit.flush();
  await sessionWhere(shop.gateway, session, "nine items", ({ itemsInCart }) => itemsInCart === 9);
  await visit.page.evaluate(() => fetch("/cart/clear.js", { method: "POST" }));
  await visit.goto("/");
  await pause(200);
  await visit.flush();
  await sessionWhere(shop.gateway, session, "no items", ({ itemsInCart }) => itemsInCart === 0);
});

test("the page's own fetch and XMLHttpRequest behave as before", async (t) => {
  const visit = await shop.visit(t, { complaints: /422/ });
  await visit.goto("/products/linen-shirt");
  const seen = await visit.page.evaluate(async (soldOut) => {
    const added = await fetch("/cart/add.js", { method: "POST", body: new URLSearchParams({ id: "4100000000011" }) });
    const item = await added.json();
    const refused = await fetch("/cart/add.js", { method: "POST", body: new URLSearchParams({ id: String(soldOut) }) });
    const complaint = await refused.json();
    let rejected;
    await fetch("http://").catch((error) => { rejected = error.constructor.name; });
    const request = new Request("/cart/add.js", { method: "POST", body: new URLSearchParams({ id: "4100000000011" }) });
    const again = await (await fetch(request)).json();
    const controller = new AbortController();
    controller.abort();
    let aborted;
    await fetch("/cart.js", { signal: controller.signal }).catch((error) => { aborted = error.name; });
    const text = await new Promise((done) => {
      const xhr = new XMLHttpRequest();
      xhr.open("GET", "/cart.js", true);
      xhr.onload = () => done(xhr.responseText);
      xhr.send();
    });
    const sync = new XMLHttpRequest();
    sync.open("GET", "/cart.js", false);
    sync.send();
    return { item: item.id, refused: complaint.status, rejected, again: again.id, used: request.bodyUsed, aborted, count: JSON.parse(text).item_count, sync: sync.status };
  }, SOLD_OUT);
  assert.deepEqual(seen, { item: 4100000000011, refused: 422, rejected: "TypeError", again: 4100000000011, used: true, aborted: "AbortError", count: 2, sync: 200 });
});
