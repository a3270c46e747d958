// What goes into the cart, by whichever way a theme sends it there, and how much is in it.

import { allowed } from "./consent.js";
import { guarded, on } from "./guard.js";
import { cleanUrl } from "./location.js";
import { fetch, post } from "./outbox.js";
import { ADD_FORM, id, pageProduct } from "./product.js";
import { uuid } from "./random.js";
import { record, setItems } from "./recorder.js";
import { find } from "./session.js";
import { root, store } from "./settings.js";
import { short } from "./text.js";
import { shownPage } from "./views.js";

// A form that a theme sends by `fetch`, which is itself made of XMLHttpRequest, adds once and is seen up to three times.
const SAME_MS = 2_000;
// From the click on "Buy it now" to the request that it leads to.
const BUYING_MS = 5_000;
const BUY_NOW = ".shopify-payment-button__button,[data-action=buy_now]";

// By variant: when it was asked for, and where that was seen.
const counted = new Map();
let items;

/** How many items are in the cart, as far as is known. */
export const cartItems = () => items ?? 0;

/** Asks the shop what is in the cart, and remembers it if it is `news` or has changed. */
export const readCart = async (news) => {
  if (allowed()) {
    try {
      const answer = await fetch(root() + "cart.js");
      const count = (await answer.json()).item_count;
      if (count >= 0 && (news || count !== items)) {
        items = count;
        setItems(count);
      }
    } catch {
      // A page without such a cart.
    }
  }
};

/** Counts one product, seen in `channel`, unless it was counted as the same wish seen elsewhere. */
const count = (channel, at, { productId, variantId, title, url }) => {
  const key = variantId ?? productId;
  const before = counted.get(key);
  const isBuying = channel === "buy";
  // A second request of the same kind is a second wish; a second click on "Buy it now" is not.
  if (before && (before.channel === channel) === isBuying && at - before.at < (before.channel === "buy" ? BUYING_MS : SAME_MS)) {
    return;
  }
  counted.set(key, { channel, at });
  if (allowed()) {
    const actionType = isBuying ? "buy_now" : "add_to_cart";
    record(shownPage(), actionType, { productId, variantId, title }, at);
    const event = { storeName: store, actionType, productId, variantId, productTitle: title, productUrl: url };
    post("api/cart-tracking/track", JSON.stringify({ ...event, sessionId: find(), eventId: uuid(), occurredAt: at }));
  }
};

/** Counts what the shop answered that it has added; where it answered nothing to read, what was asked of it. */
const added = (channel, at, body, answer) => {
  const here = pageProduct();
  for (const line of answer?.items ?? [answer?.variant_id ? answer : { variant_id: wanted(body) }]) {
    const variantId = id(line.variant_id) ?? here.variantId;
    const own = variantId === here.variantId ? here : {};
    count(channel, at, {
      productId: id(line.product_id) ?? own.productId,
      variantId,
      title: short(line.product_title) ?? own.title,
      url: line.url ? cleanUrl(line.url) : own.url,
    });
  }
};

/** The variant that a form or a request names. */
const wanted = guarded((body) => new URLSearchParams(body).get("id") ?? `${body}`.match(/"id":\s*"?(\d+)/)?.[1]);

const path = (url) => {
  const { origin, pathname } = new URL(url, location.href);
  return origin === location.origin && pathname.match(/\/cart\/(add|change|update|clear)(\.js|\.json)?$/)?.[1];
};

const isPost = (method) => /^post$/i.test(method);

// --- The ways ---------------------------------------------------------------------------------------------------------

/** A request to the cart. What it gives is to be called with the shop's answer, or with nothing if the shop refused. */
const requested = (channel, what, body) => {
  const at = Date.now();
  return guarded((answer) => {
    if (answer && what === "add") {
      added(channel, at, body, answer);
    }
    readCart();
  });
};

const watchFetch = () => {
  const pages = window.fetch;
  if (pages) {
    window.fetch = function (input, init) {
      const result = pages.apply(this, arguments);
      guarded(() => {
        const what = isPost(init?.method ?? input.method) && path(input.url ?? input);
        if (what) {
          const done = requested("fetch", what, init?.body);
          result.then((answer) => answer.ok && answer.clone().json().catch(() => ({}))).then(done, () => {});
        }
      })();
      return result;
    };
  }
};

const watchXhr = () => {
  const requests = new WeakMap();
  const { open, send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, url) {
    guarded(() => requests.set(this, isPost(method) && path(url)))();
    return open.apply(this, arguments);
  };
  XMLHttpRequest.prototype.send = function (body) {
    const what = requests.get(this);
    if (what) {
      const done = requested("xhr", what, body);
      // With `responseType: "json"` it is parsed already.
      const parse = guarded(() => JSON.parse(this.response));
      on(this, "load", () => done(this.status < 300 && (parse() ?? this.response ?? {})));
    }
    return send.apply(this, arguments);
  };
};

const watchForms = () => {
  // Attributes, because a form's properties may be its fields.
  const isAdd = (form) => isPost(form.getAttribute("method")) && path(form.getAttribute("action")) === "add";
  const sent = guarded((form, channel = "form") => added(channel, Date.now(), form && new FormData(form)));
  on(document, "submit", (event) => {
    const form = event.target;
    if (isAdd(form)) {
      if (event.submitter?.name === "checkout") {
        return sent(form, "buy");
      }
      // A theme that prevents it sends it itself, and is seen doing so.
      setTimeout(() => event.defaultPrevented || sent(form));
    }
  });
  const { submit } = HTMLFormElement.prototype;
  HTMLFormElement.prototype.submit = function () {
    guarded(() => isAdd(this) && sent(this))();
    return submit.call(this);
  };
  on(document, "click", (event) => {
    const button = event.target.closest(BUY_NOW);
    if (button) {
      sent(button.closest("form") ?? document.querySelector(ADD_FORM), "buy");
    }
  });
};

/** Watches every way into the cart. */
export const watchCart = () => [watchFetch, watchXhr, watchForms].forEach((watch) => guarded(watch)());
