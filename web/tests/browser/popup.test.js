// The popup: when it comes, when it does not, how it behaves, and what is told of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findActivity } from "../support/records.js";
import { screenshot } from "../support/screenshots.js";
import { openShop } from "../support/shop.js";
import { eventually, pause } from "../support/wait.js";

const shop = await openShop();
const MINUTE = 60_000;
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
/** The rules let a cart alone that has just changed: the page's clock begins so long ago that it has not. */
const A_WHILE_AGO = () => Date.now() - 10 * MINUTE;
const MESSAGE = /You have 7 items in your cart/;
const popup = (page) => page.locator(".shoptrail-popup");

/** A visit with seven items in the cart. */
async function shopper(t, options = {}, path = "/") {
  const visit = await shop.visit(t, { clock: A_WHILE_AGO(), cart: [7], ...options });
  await visit.goto(path);
  await eventually("the cart to be known", () => visit.site.requests.some(({ path }) => path === "/cart.js"));
  await pause(100);
  return visit;
}

/** Lets time pass in the page, second by second, while real answers arrive. */
async function pass(visit, ms, step = 1_000) {
  for (let passed = 0; passed < ms; passed += step) {
    await visit.page.clock.runFor(Math.min(step, ms - passed));
    await pause(10);
  }
}

async function appears(visit) {
  await eventually("the popup", async () => {
    await visit.page.clock.runFor(1_000);
    return popup(visit.page).isVisible();
  });
  return popup(visit.page);
}

async function idle(visit) {
  await visit.page.clock.fastForward(61_000);
  return appears(visit);
}

const asked = (visit) => visit.wire.to("/askai").length;

/** Waits until the newest decision of the session has these outcomes. */
async function outcomes(visit, names, session) {
  const id = session ?? (await visit.session());
  return eventually(`the outcomes ${names}`, async () => {
    await visit.page.clock.runFor(1_000).catch(() => {});
    const [decision] = (await findActivity(shop.gateway, id)).decisions;
    assert.deepEqual(Object.keys(decision.outcomes).sort(), [...names].sort());
    return decision;
  });
}

test("a cart that was left alone for a minute is asked about, and the popup says what was decided", async (t) => {
  const visit = await shopper(t);
  await pass(visit, 50_000, 5_000);
  assert.equal(asked(visit), 0, "not before a minute");
  const box = await idle(visit);
  assert.match(await box.locator(".shoptrail-popup-message").innerText(), MESSAGE);
  assert.equal(asked(visit), 1);
  const decision = await outcomes(visit, ["shown"]);
  assert.match(decision.message, MESSAGE);
  assert.equal(decision.show_popup, true);
  await screenshot(visit.page, "popup-desktop");
});

test("a shopper who moves is not idle", async (t) => {
  const visit = await shopper(t);
  for (let i = 0; i < 8; i += 1) {
    await visit.page.mouse.move(100 + i, 100);
    await pass(visit, 10_000, 5_000);
  }
  assert.equal(asked(visit), 0);
});

test("a long look at a product is asked about after a minute and a half", async (t) => {
  const visit = await shopper(t, { cart: [] }, "/products/linen-shirt");
  await pass(visit, 80_000, 5_000);
  assert.equal(asked(visit), 0, "not before");
  await visit.page.clock.fastForward(11_000);
  const box = await appears(visit);
  assert.match(await box.locator(".shoptrail-popup-message").innerText(), /question about this product/);
  assert.equal(await box.locator("a[href$='/cart']").count(), 0, "an empty cart is not worth a look");
});

test("a mouse that leaves at the top is asked about", async (t) => {
  const visit = await shopper(t);
  await visit.page.mouse.move(300, 200);
  await visit.page.mouse.move(300, 2);
  await pass(visit, 2_000);
  assert.equal(asked(visit), 0, "not while it is on the page");
  await visit.page.evaluate(() => {
    const left = { bubbles: true, clientX: 300, clientY: -1, relatedTarget: null };
    document.documentElement.dispatchEvent(new MouseEvent("mouseout", left));
    document.documentElement.dispatchEvent(new MouseEvent("mouseleave", { ...left, bubbles: false }));
  });
  await appears(visit);
  assert.equal(asked(visit), 1);
});

test("a finger leaves no page at the top", async (t) => {
  const visit = await shopper(t, { profile: PHONE });
  await visit.page.evaluate(() => {
    const left = { bubbles: true, clientX: 300, clientY: -1, relatedTarget: null };
    document.documentElement.dispatchEvent(new MouseEvent("mouseout", left));
    document.documentElement.dispatchEvent(new MouseEvent("mouseleave", { ...left, bubbles: false }));
  });
  await pass(visit, 3_000);
  assert.equal(asked(visit), 0);
});

test("what happened until then is told before it is asked", async (t) => {
  const visit = await shopper(t);
  await visit.page.click("#plain");
  await idle(visit);
  const paths = visit.wire.requests.filter(({ method }) => method === "POST").map(({ path }) => path);
  assert.ok(paths.lastIndexOf("/ingest", paths.indexOf("/askai")) >= 0, paths.join(" "));
  const { body } = visit.wire.to("/askai")[0];
  assert.equal(JSON.parse(body).session, await visit.session());
});

test("the popup waits as long as was decided", async (t) => {
  const visit = await shopper(t);
  await visit.page.clock.pauseAt(A_WHILE_AGO() + 5 * MINUTE);
  await eventually("the question", async () => {
    await visit.page.clock.runFor(500);
    return visit.wire.to("/askai")[0]?.status === 200;
  });
  await pause(200);
  // From here the clock stands; the rules say two seconds.
  await visit.page.clock.runFor(1_400);
  assert.equal(await popup(visit.page).isVisible(), false);
  await visit.page.clock.runFor(700);
  await eventually("the popup", () => popup(visit.page).isVisible());
});

test("the popup is a dialog with a name; focus goes in, and comes back with Escape", async (t) => {
  const visit = await shopper(t);
  await visit.page.focus("#plain");
  await idle(visit);
  const dialog = visit.page.getByRole("dialog");
  assert.equal(await dialog.count(), 1);
  const name = await dialog.getAttribute("aria-label");
  assert.ok(name.length > 3, name);
  assert.equal(await visit.page.getByRole("dialog", { name, exact: true }).count(), 1);
  assert.ok(await visit.page.evaluate(() => document.querySelector(".shoptrail-popup").contains(document.activeElement)), "focus is in it");
  // All in it can be reached and used with the keyboard.
  await visit.page.keyboard.press("Tab");
  assert.ok(await visit.page.evaluate(() => document.activeElement.matches(".shoptrail-popup-action, .shoptrail-popup-close")));
  assert.notEqual((await dialog.getByRole("button").first().innerText()).trim(), "");
  await visit.page.keyboard.press("Escape");
  assert.equal(await popup(visit.page).count(), 0);
  assert.equal(await visit.page.evaluate(() => document.activeElement.id), "plain");
  await outcomes(visit, ["shown", "dismissed"]);
});

test("closing dismisses, and following the link clicks", async (t) => {
  const closed = await shopper(t);
  await (await idle(closed)).locator(".shoptrail-popup-close").click();
  assert.equal(await popup(closed.page).count(), 0);
  await outcomes(closed, ["shown", "dismissed"]);

  const followed = await shopper(t);
  const session = await followed.session();
  await (await idle(followed)).locator(".shoptrail-popup-action").click();
  await followed.page.waitForURL("**/cart");
  const decision = await outcomes(followed, ["shown", "clicked"], session);
  assert.equal(new Date(decision.outcomes.clicked).toString() === "Invalid Date", false);
});

test("an order after a popup is a conversion, once, and an order without one is none", async (t) => {
  const visit = await shopper(t);
  const session = await visit.session();
  const order = (on) => on.page.evaluate(() => Shoptrail.track("checkout_completed", {}));
  await (await idle(visit)).locator(".shoptrail-popup-action").click();
  await visit.page.waitForURL("**/cart");
  await order(visit);
  await outcomes(visit, ["shown", "clicked", "converted"], session);
  await visit.page.reload();
  await order(visit);
  await pass(visit, 20_000, 5_000);
  assert.equal(visit.wire.to("/askai/outcome").filter(({ body }) => body.includes("converted")).length, 1);

  const other = await shopper(t);
  await order(other);
  await pass(other, 20_000, 5_000);
  assert.equal(other.wire.to("/askai/outcome").length, 0);
});

test("whoever types is not disturbed", async (t) => {
  const visit = await shopper(t);
  await visit.page.focus("#search");
  await visit.page.clock.fastForward(61_000);
  await pass(visit, 20_000, 2_000);
  assert.equal(asked(visit), 0);
  assert.equal(await popup(visit.page).count(), 0);
  await visit.page.evaluate(() => document.activeElement.blur());
  await appears(visit);
});

test("whoever begins to type before the popup comes is not disturbed either", async (t) => {
  const visit = await shopper(t);
  visit.wire.fault = ({ path }) =>
    path === "/askai"
      ? { status: 200, body: JSON.stringify({ ok: true, show_popup: true, message: "Hello", delay_ms: 10_000, decisionId: "d-00000001", source: "rules", trigger: "items_in_cart" }) }
      : undefined;
  await visit.page.clock.fastForward(61_000);
  await eventually("the question", async () => {
    await visit.page.clock.runFor(1_000);
    return asked(visit) === 1;
  });
  await visit.page.focus("#search");
  await pass(visit, 20_000, 2_000);
  assert.equal(await popup(visit.page).count(), 0);
  assert.equal(visit.wire.to("/askai/outcome").length, 0, "what was not shown is not told as shown");
});

test("nothing is asked in the checkout, beside another dialog, or where it is switched off", async (t) => {
  const quiet = [
    [await shopper(t, {}, "/checkouts/cn/1"), "in the checkout"],
    [await shopper(t, { main: '<dialog open id="theirs">A newsletter</dialog>' }), "beside a dialog"],
    [await shopper(t, { main: '<div role="dialog" aria-modal="true">A drawer</div>' }), "beside a modal drawer"],
    [await shopper(t, { attributes: { "data-popup": "off" } }), "switched off"],
  ];
  for (const [visit, where] of quiet) {
    await visit.page.clock.fastForward(95_000);
    await pass(visit, 15_000, 5_000);
    assert.equal(asked(visit), 0, where);
    assert.equal(await popup(visit.page).count(), 0, where);
  }
});

test("nobody is shown two popups, and each reason is asked about once a page", async (t) => {
  const visit = await shopper(t);
  await (await idle(visit)).locator(".shoptrail-popup-close").click();
  for (let i = 0; i < 10; i += 1) {
    await visit.page.clock.fastForward(MINUTE);
    await pass(visit, 6_000, 3_000);
    assert.equal(await popup(visit.page).count(), 0);
  }
  assert.ok(asked(visit) <= 2, `${asked(visit)} questions for an idle cart and a long look`);
  // After a dismissal the shop's policy asks for a pause, on other pages as well.
  await visit.goto("/pages/about");
  await visit.page.clock.fastForward(95_000);
  await pass(visit, 15_000, 5_000);
  assert.equal(await popup(visit.page).count(), 0);
  const { decisions } = await findActivity(shop.gateway, await visit.session());
  assert.ok(decisions.filter(({ show_popup }) => show_popup).length === 1, JSON.stringify(decisions));
});

test("a page may ask by itself", async (t) => {
  const visit = await shopper(t);
  await visit.page.clock.fastForward(5_000);
  const decision = await visit.page.evaluate(() => Shoptrail.ask());
  assert.equal(decision.show_popup, true);
  await appears(visit);
  assert.equal(await popup(visit.page).count(), 1);
});

test("a backend that has nothing good to say is no popup, and no error", async (t) => {
  const answers = [
    { status: 404, body: '{"ok":false}' },
    { status: 503, body: "{}" },
    { status: 200, body: "<html>" },
    { status: 200, body: "null" },
    { status: 200, body: '{"show_popup":false,"message":"hidden"}' },
    { status: 200, body: '{"show_popup":true,"message":""}' },
    { status: 200, body: '{"show_popup":"false","message":"odd"}' },
    "refuse",
  ];
  const visit = await shopper(t, { complaints: /Failed to load resource/, dropped: true });
  for (const answer of answers) {
    visit.wire.fault = ({ path }) => (path === "/askai" ? answer : undefined);
    const before = asked(visit);
    await visit.page.evaluate(() => Shoptrail.ask());
    assert.ok(asked(visit) > before, `it was asked: ${JSON.stringify(answer)}`);
    await pass(visit, 3_000);
    assert.equal(await popup(visit.page).count(), 0, JSON.stringify(answer));
  }
});

test("whatever a message holds, it is text", async (t) => {
  // The backend does not know the decision that this test makes up.
  const visit = await shopper(t, { complaints: /askai\/outcome/, dropped: true });
  const message = '<img src=x onerror="window.ran=1"><b>bold</b> "quoted" \u202Ebackwards\u202C \u{1F457}';
  visit.wire.fault = ({ path }) =>
    path === "/askai"
      ? { status: 200, body: JSON.stringify({ ok: true, show_popup: true, message, delay_ms: 0, decisionId: "d-00000001", source: "model", trigger: "x" }) }
      : undefined;
  await visit.page.evaluate(() => void Shoptrail.ask());
  const box = await appears(visit);
  assert.equal(await box.locator(".shoptrail-popup-message").evaluate((node) => node.textContent), message);
  assert.equal(await box.locator("img, b").count(), 0);
  assert.equal(await visit.page.evaluate(() => window.ran), undefined);
});

test("words of the shop's own replace the script's", async (t) => {
  const visit = await shopper(t, {
    attributes: { "data-popup-label": "Un mot de la boutique", "data-popup-action": "Voir le panier", "data-popup-close": 'Fermer "\u00d7"' },
  });
  const box = await idle(visit);
  assert.equal(await box.getAttribute("aria-label"), "Un mot de la boutique");
  assert.equal(await box.locator(".shoptrail-popup-action").innerText(), "Voir le panier");
  assert.equal(await box.locator(".shoptrail-popup-close").innerText(), 'Fermer "\u00d7"');
});

test("the popup moves nothing on the page", async (t) => {
  const visit = await shopper(t, { main: `<p>${"Text of the page. ".repeat(400)}</p>` });
  await visit.page.evaluate(() => {
    window.shifts = [];
    new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map(({ value }) => value))).observe({ type: "layout-shift", buffered: true });
    // A shift soon after an input is none to the browser; so the page is scrolled a little, and left alone.
    window.scrollTo(0, 150);
  });
  const layout = () =>
    visit.page.evaluate(() => ({
      scroll: [scrollX, scrollY],
      size: [document.documentElement.scrollWidth, document.documentElement.scrollHeight, innerWidth],
      button: JSON.stringify(document.getElementById("plain").getBoundingClientRect()),
    }));
  const before = await layout();
  const shifted = await visit.page.evaluate(() => window.shifts.length);
  const box = await idle(visit);
  await pause(400);
  assert.deepEqual(await layout(), before);
  await box.locator(".shoptrail-popup-close").click();
  await pause(100);
  assert.deepEqual(await layout(), before);
  assert.equal(await visit.page.evaluate(() => window.shifts.length), shifted);
});

for (const reducedMotion of ["reduce", "no-preference"]) {
  test(`whoever wants no motion sees none (${reducedMotion})`, async (t) => {
    const visit = await shopper(t, { profile: { reducedMotion } });
    const box = await idle(visit);
    const style = await box.evaluate((node) => {
      const { animationName, transitionDuration } = getComputedStyle(node);
      return { animationName, transitionDuration };
    });
    if (reducedMotion === "reduce") assert.deepEqual(style, { animationName: "none", transitionDuration: "0s" });
    assert.ok(await box.isVisible());
  });
}

test("under a strict policy the popup has its style, and the theme's rules go before it", async (t) => {
  const visit = await shopper(t, {
    csp: (wire) => `default-src 'none'; script-src 'self' ${wire}; style-src 'self'; connect-src 'self' ${wire}; form-action 'self'; require-trusted-types-for 'script'`,
    style: ".shoptrail-popup { background: rgb(1, 2, 3); color: rgb(250, 250, 250); border-radius: 3px; } .shoptrail-popup-close { color: rgb(9, 9, 9); }",
  });
  const box = await idle(visit);
  const style = await box.evaluate((node) => {
    const { position, backgroundColor, color, borderRadius } = getComputedStyle(node);
    return { position, backgroundColor, color, borderRadius, close: getComputedStyle(node.querySelector(".shoptrail-popup-close")).color };
  });
  assert.deepEqual(style, {
    position: "fixed",
    backgroundColor: "rgb(1, 2, 3)",
    color: "rgb(250, 250, 250)",
    borderRadius: "3px",
    close: "rgb(9, 9, 9)",
  });
});

test("a theme with heavy hands does not make it unusable", async (t) => {
  const visit = await shopper(t, {
    style: "* { box-sizing: content-box } p { font-size: 9px; margin: 80px } div { width: 100% } button, a { float: right; text-transform: uppercase } div:empty { display: none }",
  });
  const box = await idle(visit);
  const { width, height } = await box.boundingBox();
  assert.ok(width > 0 && height > 0);
  assert.equal(await visit.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "no scrolling sideways");
});

test("on a phone it can be read and used, and leaves the page in reach", async (t) => {
  const visit = await shopper(t, { profile: PHONE, main: `<p>${"Text of the page. ".repeat(300)}</p>` });
  const box = await idle(visit);
  await pause(400);
  await screenshot(visit.page, "popup-phone");
  const { x, y, width, height } = await box.boundingBox();
  assert.ok(x >= 0 && y >= 0 && x + width <= 390 && y + height <= 844, JSON.stringify({ x, y, width, height }));
  assert.ok(width >= 280 && height <= 844 / 2, `${width} x ${height}`);
  const { size, overflow } = await box.locator(".shoptrail-popup-message").evaluate((node) => ({
    size: parseFloat(getComputedStyle(node).fontSize),
    overflow: node.scrollWidth > node.clientWidth,
  }));
  assert.ok(size >= 14 && !overflow);
  for (const part of [".shoptrail-popup-action", ".shoptrail-popup-close"]) {
    const target = await box.locator(part).boundingBox();
    assert.ok(target.height >= 40 && target.width >= 40, `${part}: ${target.width} x ${target.height}`);
  }
  assert.ok(await visit.page.evaluate(() => !document.elementFromPoint(195, 60).closest(".shoptrail-popup")), "the page's head is free");
  await box.locator(".shoptrail-popup-close").tap();
  assert.equal(await popup(visit.page).count(), 0);
});
