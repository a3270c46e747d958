// Browsers that refuse to store, and those whose storage is full: memory serves, and the page does not suffer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openShop } from "../support/shop.js";
import { eventually } from "../support/wait.js";

const shop = await openShop();

const REFUSALS = {
  "the storage throws when it is looked at": () => {
    for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, name, {
        get() {
          throw new DOMException("The operation is insecure.", "SecurityError");
        },
      });
    }
  },
  "there is no storage": () => {
    for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { value: null });
  },
  "the storage is full": () => {
    Storage.prototype.setItem = () => {
      throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
    };
  },
  "the storage has room for little": () => {
    const { setItem } = Storage.prototype;
    Storage.prototype.setItem = function (name, value) {
      if (value.length > 200) throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
      setItem.call(this, name, value);
    };
  },
};
for (const [what, refuse] of Object.entries(REFUSALS)) {
  test(`a page is recorded where ${what}`, async (t) => {
    const visit = await shop.visit(t);
    await visit.context.addInitScript(refuse);
    await visit.goto("/");
    await visit.page.click("#plain");
    const session = await visit.session();
    assert.match(session, /^[A-Za-z0-9-]{8,}$/);
    await visit.flush();
    await visit.page.click("#swatch");
    await visit.page.evaluate(() => fetch("/cart/add.js", { method: "POST", body: new URLSearchParams({ id: "4100000000011" }) }));
    await visit.carted(1, { session });
    assert.equal(await visit.session(), session, "the session stays for the page");
    await visit.flush();
    await visit.page.close();
    await visit.recorded({ page_view: 1, click: 2, add_to_cart: 1 }, { session });
  });
}

test("without a storage a failed message is tried again while the page is open", async (t) => {
  const visit = await shop.visit(t, { clock: true, complaints: /Failed to load resource/ });
  await visit.context.addInitScript(REFUSALS["the storage throws when it is looked at"]);
  await visit.goto("/");
  visit.wire.fault = ({ path }) => (path === "/ingest" ? { status: 503, body: "{}" } : undefined);
  await visit.page.click("#plain");
  await visit.flush();
  await eventually("the first try", () => visit.wire.to("/ingest").length > 0);
  visit.wire.fault = undefined;
  visit.wire.requests.length = 0;
  await eventually("the second try", async () => {
    await visit.page.clock.fastForward(5_000);
    return visit.wire.to("/ingest").length > 0;
  });
  await visit.recorded({ page_view: 1, click: 1 });
});

test("what others wrote into the storage does not disturb", async (t) => {
  const visit = await shop.visit(t);
  await visit.context.addInitScript(() => {
    if (localStorage.getItem("seeded")) return;
    localStorage.setItem("seeded", "1");
    for (const [name, value] of Object.entries({
      session: "not JSON",
      hold: '{"until":"never","tries":{}}',
      decision: "[]",
      ask: '"soon"',
      "out.broken": "{",
      "out.null": "null",
      "out.number": "7",
      "out.odd": '{"path":7,"body":{},"at":"x"}',
    })) localStorage.setItem(`shoptrail.${name}`, value);
  });
  await visit.goto("/");
  await visit.page.click("#plain");
  await visit.flush();
  await visit.recorded({ page_view: 1, click: 1 });
  await visit.page.click("#to-about");
  await visit.page.waitForURL("**/pages/about");
  await visit.flush();
  await visit.recorded({ page_view: 2, click: 2 });
});

test("a session that somebody tampered with is replaced by a valid one", async (t) => {
  const visit = await shop.visit(t);
  await visit.context.addInitScript(() => {
    if (localStorage.getItem("seeded")) return;
    localStorage.setItem("seeded", "1");
    localStorage.setItem("shoptrail.session", JSON.stringify({ id: "<script>", at: Date.now(), seq: 1, started: Date.now(), earlier: ["x"] }));
  });
  await visit.goto("/");
  await visit.page.click("#plain");
  await visit.flush();
  await visit.recorded({ page_view: 1, click: 1 });
});

test("only names of its own are used", async (t) => {
  const visit = await shop.visit(t);
  await visit.goto("/products/linen-shirt");
  await visit.page.click("#add");
  await visit.page.waitForURL("**/cart");
  const { local, session, cookies } = await visit.kept();
  assert.deepEqual(Object.keys(local).filter((name) => !name.startsWith("shoptrail.")), []);
  assert.deepEqual({ session, cookies }, { session: {}, cookies: [] });
});
