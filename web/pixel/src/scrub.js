// The door: what leaves it is all that the pixel ever works with.
//
// Shopify's events carry the whole checkout: e-mail, phone, names, addresses, notes, engravings. So nothing is
// copied: an admitted event is built anew from the few fields named here. Texts that shoppers can write into, a
// search or an address, are searched for e-mail addresses and phone numbers as well.

/** @typedef {import("@shopify/web-pixels-extension").PixelEvents} PixelEvents */
/** @typedef {import("@shopify/web-pixels-extension").ProductVariant} ProductVariant */

/** The standard events that the pixel maps. */
export const EVENT_NAMES = /** @type {const} */ ([
  "page_viewed",
  "product_viewed",
  "collection_viewed",
  "search_submitted",
  "cart_viewed",
  "product_added_to_cart",
  "product_removed_from_cart",
  "checkout_started",
  "checkout_completed",
]);

/** @typedef {typeof EVENT_NAMES[number]} EventName */
/** @typedef {PixelEvents[EventName]} StandardEvent */

/**
 * @typedef {object} Product
 * @property {string} [productId]
 * @property {string} [variantId]
 * @property {string} [title]
 * @property {string} [url] absolute, without a query but `variant`
 */

/**
 * @typedef {object} AdmittedEvent
 * @property {EventName} name
 * @property {string} id Shopify's id of the event, in the characters of an idempotency key
 * @property {number} ts ms
 * @property {number} [seq] Shopify's count of events
 * @property {string} page the path, without query and without tokens
 * @property {boolean} offTheme whether the page belongs to the checkout, where no theme and no tracker runs
 * @property {string} [url]
 * @property {string} [referrer]
 * @property {Product} [product]
 * @property {number} [quantity] pieces: of one product, in a cart or in a checkout
 * @property {string} [collectionId]
 * @property {string} [title] of the collection
 * @property {string} [query] what was searched for
 * @property {number} [results] products found
 * @property {string} [value] the checkout's total as a decimal
 * @property {string} [currency]
 * @property {string[]} [productIds] of the checkout
 */

/** As the tracker cuts what was searched for. */
const QUERY_CHARS = 140;
/** The contract cuts product titles there. */
const TITLE_CHARS = 500;
/** The contract cuts names of pages there. */
const PATH_CHARS = 1024;
/** Products of one checkout that are named; a checkout of more is a wholesaler's. */
const PRODUCTS_NAMED = 50;
/** Digits from which on a number in a text may be somebody's phone. */
const PHONE_DIGITS = 9;
/** The longest e-mail address. */
const CONTACT_CHARS = 254;
/** What stands for a part that is not told; the backend uses the same. */
const MASK = "*";

/** Parts of the paths below which everything may be a token or a number of a person or an order. */
const PRIVATE_PARENTS = new Set(["checkout", "checkouts", "orders", "account", "customer", "customers"]);
/** What is told below them all the same: the steps' names. */
const TOLD_WORDS = new Set([
  ...PRIVATE_PARENTS,
  ..."cn c co addresses contact contact_information information shipping payment processing review".split(" "),
  ..."post-purchase post_purchase stock_problems thank-you thank_you login logout register".split(" "),
]);

/**
 * The event as the pixel may know it, or null for one that it does not map.
 * @param {StandardEvent} event
 * @param {number} now ms, for an event without a readable time
 * @returns {AdmittedEvent | null}
 */
export function admit(event, now) {
  if (!EVENT_NAMES.includes(event?.name)) return null;
  const location = event.context?.document?.location;
  const time = Date.parse(event.timestamp);
  /** @type {AdmittedEvent} */
  const admitted = {
    name: event.name,
    id: eventKey(event.id),
    ts: Number.isFinite(time) ? time : now,
    seq: count(event.seq),
    page: path(location?.pathname),
    offTheme: isOffTheme(location?.pathname),
  };
  const origin = location?.origin;
  switch (event.name) {
    case "page_viewed":
      // No title: that of a thank-you page greets the customer by name.
      admitted.url = url(location?.href, origin);
      admitted.referrer = url(event.context?.document?.referrer, origin);
      break;
    case "product_viewed":
      admitted.product = product(event.data?.productVariant, origin);
      break;
    case "collection_viewed":
      admitted.collectionId = id(event.data?.collection?.id);
      admitted.title = text(event.data?.collection?.title, TITLE_CHARS);
      break;
    case "search_submitted":
      admitted.query = text(event.data?.searchResult?.query, QUERY_CHARS);
      admitted.results = count(event.data?.searchResult?.productVariants?.length);
      break;
    case "cart_viewed":
      // Shopify gives no cart where there is none.
      admitted.quantity = count(event.data?.cart?.totalQuantity) ?? 0;
      break;
    case "product_added_to_cart":
    case "product_removed_from_cart":
      admitted.product = product(event.data?.cartLine?.merchandise, origin);
      admitted.quantity = count(event.data?.cartLine?.quantity);
      break;
    case "checkout_started":
    case "checkout_completed":
      admitCheckout(admitted, event.data?.checkout);
      break;
  }
  return admitted;
}

/**
 * Of a checkout: what is bought and for how much. Not who buys, not where it goes, and no token or order
 * number, with which a checkout or an order could be opened or looked up.
 * @param {AdmittedEvent} admitted
 * @param {import("@shopify/web-pixels-extension").Checkout | undefined} checkout
 */
function admitCheckout(admitted, checkout) {
  const lines = Array.isArray(checkout?.lineItems) ? checkout.lineItems : [];
  admitted.quantity = lines.reduce((sum, line) => sum + (count(line?.quantity) ?? 0), 0);
  const ids = lines.map((line) => id(line?.variant?.product?.id)).filter((value) => value !== undefined);
  admitted.productIds = [...new Set(ids)].slice(0, PRODUCTS_NAMED);
  const amount = checkout?.totalPrice?.amount;
  // Money is never a float on the wire.
  if (Number.isFinite(amount)) admitted.value = String(amount);
  const currency = checkout?.currencyCode ?? checkout?.totalPrice?.currencyCode;
  if (/^[A-Z]{3}$/.test(currency ?? "")) admitted.currency = currency ?? undefined;
}

/**
 * @param {ProductVariant | null | undefined} variant
 * @param {string | undefined} origin
 * @returns {Product | undefined}
 */
function product(variant, origin) {
  if (!variant) return undefined;
  return {
    productId: id(variant.product?.id),
    variantId: id(variant.id),
    title: text(variant.product?.title, TITLE_CHARS),
    url: variant.product?.url ? url(variant.product.url, origin) : undefined,
  };
}

/**
 * `gid://shopify/Product/1` and `1` are both `1`.
 * @param {unknown} value
 */
function id(value) {
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const last = String(value).split("?")[0].split("/").pop() ?? "";
  return /^[A-Za-z0-9_-]{1,255}$/.test(last) ? last : undefined;
}

/**
 * The contract's idempotency key: 8 to 64 of `[A-Za-z0-9_-]`. Shopify's ids are such.
 * @param {unknown} value
 */
function eventKey(value) {
  return String(value ?? "")
    .replace(/[^A-Za-z0-9_-]/g, "-")
    .slice(-64)
    .padStart(8, "0");
}

/** @param {unknown} value */
function count(value) {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}

/**
 * @param {unknown} value
 * @param {number} length characters, of which none is cut in two
 */
function text(value, length) {
  if (typeof value !== "string") return undefined;
  // Cut twice: before, so that a long text costs no time, and late enough that no address is cut before its @.
  const start = withoutContacts(value.slice(0, length + CONTACT_CHARS));
  return [...start].slice(0, length).join("").trim() || undefined;
}

/** @param {string} value */
function withoutContacts(value) {
  return value
    .replace(/[^\s@<>()[\]",;:]+\s*[@＠]\s*[^\s@<>()[\]",;:]+/g, MASK)
    .replace(/\+?\d[\d\s().\/-]+\d/g, (found) => (digits(found) >= PHONE_DIGITS ? MASK : found));
}

/** @param {string} value */
function digits(value) {
  return value.replace(/\D/g, "").length;
}

/**
 * The address without its query but `variant` and `utm_*`, as the tracker has it. Of other sites only the
 * origin: their paths are theirs.
 * @param {unknown} href
 * @param {string | undefined} origin of the page
 */
function url(href, origin) {
  if (typeof href !== "string" || !href) return undefined;
  let parsed;
  try {
    parsed = new URL(href, origin);
  } catch {
    return undefined;
  }
  if (parsed.protocol !== "https:" && parsed.protocol !== "http:") return undefined;
  if (parsed.origin !== origin) return parsed.origin + "/";
  const told = [...parsed.searchParams]
    .filter(([name]) => name === "variant" || /^utm_[a-z]+$/.test(name))
    // A variant's number is as long as a phone's, and no text.
    .map(([name, value]) => [name, name === "variant" ? id(value) : text(value, QUERY_CHARS)])
    .flatMap(([name, value]) => (value ? [`${name}=${encodeURIComponent(value)}`] : []));
  return parsed.origin + path(parsed.pathname) + (told.length ? `?${told.join("&")}` : "");
}

/**
 * The path without tokens, order numbers and contacts.
 * @param {string | undefined} pathname
 */
function path(pathname) {
  let isPrivate = false;
  const told = (pathname ?? "").split("/").filter(Boolean).map((segment) => {
    const word = decoded(segment).toLowerCase();
    const shown = isPrivate ? TOLD_WORDS.has(word) : !isContact(word);
    isPrivate ||= PRIVATE_PARENTS.has(word);
    return shown ? segment : MASK;
  });
  return `/${told.join("/")}`.slice(0, PATH_CHARS);
}

/** @param {string} word */
function isContact(word) {
  return /[@＠]/.test(word) || (/^\+?[\d\s().-]+$/.test(word) && digits(word) >= PHONE_DIGITS);
}

/**
 * Decoded twice, since `%2540` is an `@` as well.
 * @param {string} segment
 */
function decoded(segment) {
  try {
    return decodeURIComponent(decodeURIComponent(segment));
  } catch {
    return segment;
  }
}

/**
 * Checkout, thank-you and order status pages, old and new: Shopify's own, not the theme's.
 * @param {string | undefined} pathname
 */
function isOffTheme(pathname) {
  return /^\/(\d+\/)?(checkouts?|orders)(\/|$)/.test(pathname ?? "");
}
