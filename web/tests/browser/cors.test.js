// A page on one origin, the backend on another: what a browser's own rules let through, and what the backend does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { APP_SECRET } from "../support/app-proxy.js";
import { startGateway } from "../support/gateway.js";
import { findSession } from "../support/records.js";
import { openShop } from "../support/shop.js";
import { eventually, pause } from "../support/wait.js";

const shop = await openShop({ gateway: (site) => ({ env: { ALLOWED_ORIGINS: `https://other.example.com,${site}` } }) });

test("a page of an allowed origin sends, and may read what is answered", async (t) => {
  const visit = await shop.visit(t, { direct: true });
  const answers = [];
  visit.page.on("response", (response) => answers.push(response));
  await visit.goto("/");
  await visit.page.click("#plain");
  await visit.flush();
  // Had the browser not let the tracker read the answer, the message would not be acknowledged.
  await visit.settled();
  await visit.recorded({ page_view: 1, click: 1 });

  const ingest = answers.filter((response) => response.url() === `${shop.gateway.url}/ingest`);
  assert.ok(ingest.length > 0);
  for (const response of ingest) {
    assert.equal(response.status(), 200);
    assert.equal(response.headers()["access-control-allow-origin"], shop.site.url);
    assert.equal(response.headers()["access-control-allow-credentials"], undefined);
  }
});

test("no request needs a preflight", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/products/linen-shirt");
  await visit.page.click("#add");
  await visit.page.waitForURL("**/cart");
  await visit.flush();
  await visit.recorded({ page_view: 2, product_view: 1, click: 1, add_to_cart: 1 });
  assert.deepEqual(visit.wire.requests.filter(({ method }) => method === "OPTIONS"), []);
  for (const request of visit.wire.requests.filter(({ method }) => method === "POST")) {
    assert.equal(request.headers["content-type"], "text/plain;charset=UTF-8", request.path);
  }
});

test("of a page of another origin nothing is stored, and the page does not suffer", async (t) => {
  const gateway = await startGateway({ env: { ALLOWED_ORIGINS: "https://other.example.com" } });
  t.after(() => gateway.stop());
  const visit = await shop.visit(t, { tracker: `${gateway.url}/tracker.js`, complaints: /CORS|Failed to load resource/ });
  const refused = visit.page.waitForResponse(`${gateway.url}/ingest`);
  await visit.goto("/");
  const session = await visit.session();
  await visit.page.click("#plain");
  await visit.flush();
  assert.equal((await refused).status(), 403);
  await visit.page.click("#to-about");
  await visit.page.waitForURL("**/pages/about");
  await pause(300);
  assert.equal(await findSession(gateway, session), null);
});

test("through the shop's app proxy everything is first-party, signed, and needs no public route", async (t) => {
  const gateway = await startGateway({
    env: { ALLOWED_ORIGINS: "https://other.example.com", PUBLIC_INGEST: "none", SHOPIFY_API_SECRET: APP_SECRET },
  });
  t.after(() => gateway.stop());
  // Without data-store: the signature says which shop it is.
  const visit = await shop.visit(t, {
    tracker: `${gateway.url}/tracker.js`,
    attributes: { "data-endpoint": "/apps/shoptrail" },
    store: null,
    proxied: gateway.url,
  });
  const elsewhere = [];
  visit.context.on("request", (request) => {
    if (!request.url().startsWith(shop.site.url)) elsewhere.push(request.url());
  });
  await visit.goto("/products/linen-shirt");
  const session = await visit.session();
  await visit.page.click("#add");
  await visit.page.waitForURL("**/cart");
  await visit.flush();
  await eventually("the session and its cart event", async () => {
    const record = await findSession(gateway, session);
    assert.deepEqual(record?.totals.byType, { page_view: 2, product_view: 1, click: 1, add_to_cart: 1 });
    assert.equal(record.storeName, "demo-shop.myshopify.com");
    return true;
  });
  assert.ok(visit.site.requests.some(({ path }) => path === "/apps/shoptrail/api/cart-tracking/track" || path === "/apps/shoptrail/cart-tracking/track"));
  assert.deepEqual(elsewhere.filter((url) => !url.endsWith("/tracker.js")), []);
});
