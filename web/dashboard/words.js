// What the API's names mean, for people.

const ACTIONS = {
  add_to_cart: "Add to cart",
  buy_now: "Buy now",
  remove_from_cart: "Remove",
  checkout_started: "Checkout started",
};
const STEPS = {
  session: "Visited the shop",
  try_on: "Tried something on",
  add_to_cart: "Added to cart",
  checkout: "Reached checkout",
};
const SOURCES = { model: "by the model", cache: "repeated", rules: "by rules", policy: "by the shop’s policy" };
const REFUSALS = {
  invalid: ["Invalid", "A field was missing or malformed"],
  rate_limited: ["Too many at once", "A client or the store was over its limit"],
  no_consent: ["No consent", "The shopper had not agreed, or opted out"],
  erased: ["Erased customer", "A late event of somebody who was erased"],
  duplicate: ["Sent twice", "Recognized by its event id, and counted once"],
};

const spoken = (name) => {
  const text = name.replace(/[_:.-]+/g, " ").trim();
  return text === "" ? name : text[0].toUpperCase() + text.slice(1);
};
/** A name out of the data may be one that every object has, such as `constructor`. */
const own = (table, name) => (Object.hasOwn(table, name) ? table[name] : undefined);

/** How often an action was counted. */
export const countOf = (byAction, name) => own(byAction, name) ?? 0;
/** An action of a cart event. */
export const action = (name) => own(ACTIONS, name) ?? spoken(name);
/** A step of the funnel. */
export const step = (name) => own(STEPS, name) ?? spoken(name);
/** Who decided. */
export const source = (name) => own(SOURCES, name) ?? spoken(name);
/** Why something was not stored: its name, and what that means. */
export const refusal = (name) => own(REFUSALS, name) ?? [spoken(name), ""];
/** The name of a type of event that a page has sent. */
export const eventType = spoken;
