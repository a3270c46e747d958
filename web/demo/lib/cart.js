// Shopify's Ajax API for the cart. Whoever shows the cart listens for the event `demo:cart` on the document.

/** What the shop answers to a wish that it cannot fulfil: its message is written for shoppers. */
export class CartError extends Error {}

async function request(path, body) {
  const options = body === undefined ? {} : { method: "POST", body };
  if (body !== undefined && !(body instanceof FormData)) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(`/demo/${path}`, options);
  } catch {
    throw new CartError("The shop cannot be reached right now.");
  }
  const json = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new CartError(json.description || json.message || "The cart could not be changed.");
  }
  return json;
}

function announce(cart) {
  document.dispatchEvent(new CustomEvent("demo:cart", { detail: cart }));
  return cart;
}

/** The cart as it is. */
export async function readCart() {
  return announce(await request("cart.js"));
}

/** Adds what a product form says. */
export async function addToCart(form) {
  await request("cart/add.js", form);
  return readCart();
}

/** Sets the quantity of the line with this key; 0 removes it. */
export async function changeLine(key, quantity) {
  return announce(await request("cart/change.js", { id: key, quantity }));
}

/** Empties the cart. */
export async function clearCart() {
  return announce(await request("cart/clear.js", {}));
}
