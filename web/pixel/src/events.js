// Pure: an admitted event as the messages that tell the backend of it.

/** @typedef {import("./scrub.js").AdmittedEvent} AdmittedEvent */

/**
 * One request that may be repeated: the backend counts the same body once.
 * @typedef {object} Message
 * @property {string} id tells it from every other message
 * @property {string} path below the endpoint
 * @property {string} body JSON
 * @property {number} at ms, when it was made
 */

/** @typedef {{ session: string, store: string | undefined, now: number }} Sender */

/** What the storefront's tracker records itself, under its own names or as the view of a page. */
const SEEN_BY_TRACKER = new Set([
  "page_viewed",
  "product_viewed",
  "collection_viewed",
  "search_submitted",
  "cart_viewed",
  "product_added_to_cart",
]);

/** The cart events of which `/api/cart-tracking/track` is told as well. */
const CART_ACTIONS = /** @type {Record<string, string | undefined>} */ ({
  product_added_to_cart: "add_to_cart",
  product_removed_from_cart: "remove_from_cart",
});

/**
 * Whether a tracker in the theme, were there one, records this too.
 * @param {AdmittedEvent} event
 */
export function isSeenByTracker(event) {
  return SEEN_BY_TRACKER.has(event.name) && !event.offTheme;
}

/**
 * @param {AdmittedEvent} event
 * @param {Sender} sender
 * @returns {Message[]}
 */
export function messagesOf(event, sender) {
  const messages = [message("/ingest", event, envelope(event, sender), sender)];
  const actionType = CART_ACTIONS[event.name];
  // A cart event that names no product says nothing that the session does not say.
  if (actionType && event.product?.productId && sender.store) {
    const { productId, variantId, title, url } = event.product;
    const cartEvent = {
      storeName: sender.store,
      actionType,
      productId,
      variantId,
      productTitle: title,
      productUrl: url,
      sessionId: sender.session,
      eventId: event.id,
      occurredAt: event.ts,
    };
    messages.push(message("/api/cart-tracking/track", event, cartEvent, sender));
  }
  return messages;
}

/**
 * Tells that the order came after a popup.
 * @param {AdmittedEvent} event
 * @param {Sender & { decisionId: string }} sender
 * @returns {Message}
 */
export function conversionOf(event, sender) {
  const { session, decisionId } = sender;
  return message("/askai/outcome", event, { session, decisionId, outcome: "converted" }, sender);
}

/**
 * @param {AdmittedEvent} event
 * @param {Sender} sender
 */
function envelope(event, { session, store }) {
  return {
    reason: "pixel",
    ts: event.ts,
    session,
    storeName: store,
    seq: event.seq,
    state: {
      session,
      itemsInCart: itemsInCart(event),
      events: { [event.page]: [{ type: event.name, ts: event.ts, eventId: event.id, ...fieldsOf(event) }] },
    },
  };
}

/** @param {AdmittedEvent} event */
function fieldsOf(event) {
  switch (event.name) {
    case "page_viewed":
      return { url: event.url, referrer: event.referrer };
    case "collection_viewed":
      return { collectionId: event.collectionId, title: event.title };
    case "search_submitted":
      return { query: event.query, results: event.results };
    case "cart_viewed":
      return { quantity: event.quantity };
    case "checkout_started":
    case "checkout_completed":
      return {
        quantity: event.quantity,
        value: event.value,
        currency: event.currency,
        productIds: event.productIds,
      };
    default:
      return {
        productId: event.product?.productId,
        variantId: event.product?.variantId,
        title: event.product?.title,
        quantity: event.quantity,
      };
  }
}

/**
 * The events that tell the whole cart.
 * @param {AdmittedEvent} event
 */
function itemsInCart(event) {
  if (event.name === "checkout_completed") return 0;
  return event.name === "cart_viewed" || event.name === "checkout_started" ? event.quantity : undefined;
}

/**
 * @param {string} path
 * @param {AdmittedEvent} event
 * @param {object} content
 * @param {Sender} sender
 * @returns {Message}
 */
function message(path, event, content, { now }) {
  return { id: `${event.id} ${path}`, path, body: JSON.stringify(content), at: now };
}
