// Events in words. What is unknown keeps its own name: a shop may track whatever it likes.

function titleOf(event) {
  return event.title || event.productTitle || event.handle || "a product";
}

/** A document's title without the shop's name. */
function pageTitle(event) {
  return String(event.title ?? "").replace(/ [–-] Ostrey$/, "");
}

function opened(event, page) {
  const path = page.split("?")[0];
  const title = pageTitle(event);
  if (path === "/") return "Opened the first page";
  if (path === "/cart") return "Opened the cart";
  if (path === "/search") return "Opened the search";
  if (path === "/checkout") return "Opened the checkout";
  if (path.startsWith("/checkout/thank")) return "Reached the thank-you page";
  if (path.startsWith("/products/")) return title && title !== "Ostrey" ? `Opened the page of ${title}` : `Opened ${path}`;
  if (path.startsWith("/collections/")) return "Opened the list of products";
  return `Opened ${path}`;
}

function clicked(event) {
  const what = String(event.text ?? "").trim() || event.action || event.id || event.tag;
  return what ? `Clicked “${what}”` : "Clicked";
}

const WORDS = {
  page_view: opened,
  view: opened,
  click: clicked,
  product_view: (event) => `Looked at ${titleOf(event)}`,
  search: (event) => `Searched for “${event.query ?? ""}”`,
  add_to_cart: (event) => `Put ${titleOf(event)} into the cart`,
  buy_now: (event) => `Goes to buy ${titleOf(event)} at once`,
  remove_from_cart: (event) => `Took ${titleOf(event)} out of the cart`,
  checkout_started: () => "Began the checkout",
  checkout_completed: () => "Placed the order",
};

/** The sign in front of an event: which colour and shape it has in the list. */
export function kindOf(type) {
  if (type === "page_view" || type === "view" || type === "product_view") return "look";
  if (type === "click" || type === "search") return "act";
  if (Object.hasOwn(WORDS, type)) return "buy";
  return "own";
}

/** One event of the record, as a person would tell it. */
export function tell(event, page) {
  return Object.hasOwn(WORDS, event.type) ? WORDS[event.type](event, page) : event.type.replaceAll("_", " ");
}

/** A page's name in the list of times. */
export function pageName(page) {
  const path = page.split("?")[0];
  const known = { "/": "First page", "/cart": "Cart", "/search": "Search", "/checkout": "Checkout", "/collections/all": "All products" };
  if (Object.hasOwn(known, path)) return known[path];
  const handle = /\/products\/([^/]+)$/.exec(path)?.[1];
  if (handle) return handle.replaceAll("-", " ");
  return path.startsWith("/checkout/") ? "Thank you" : path;
}

/** A time in words: `42 s`, `3 min 5 s`. */
export function duration(millis) {
  const seconds = Math.round(millis / 1000);
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A time as a clock shows it: `3:05`. */
export function clock(millis) {
  const seconds = Math.round(millis / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
