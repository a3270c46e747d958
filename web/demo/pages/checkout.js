// The checkout: a pretended one. It asks for nothing, since nothing is delivered.

import { CartError, clearCart, readCart } from "../lib/cart.js";
import { h, picture } from "../lib/dom.js";
import { money } from "../lib/money.js";
import { ORDER } from "../lib/order.js";
import { track } from "../lib/shoptrail.js";

function empty() {
  return [
    h("h1", { text: "Nothing to check out" }),
    h("p", { class: "lead", text: "Put something into the cart first." }),
    h("p", {}, h("a", { class: "button", href: "/demo/collections/all", text: "See all clothes" })),
  ];
}

export async function show(main) {
  document.title = "Checkout – Ostrey";
  const cart = await readCart();
  if (!cart.items.length) return main.replaceChildren(...empty());
  track("checkout_started", { items: cart.item_count, totalCents: cart.total_price });

  const message = h("p", { class: "form-message", role: "status" });
  const place = h("button", {
    type: "button", class: "button is-wide", text: "Place the order",
    on: {
      async click() {
        place.disabled = true;
        try {
          await clearCart();
          ORDER.keep({ items: cart.item_count, totalCents: cart.total_price });
          location.assign("/demo/checkout/thank-you");
        } catch (error) {
          place.disabled = false;
          message.classList.add("is-wrong");
          message.textContent = error instanceof CartError ? error.message : "The order could not be placed.";
        }
      },
    },
  });
  main.replaceChildren(
    h("h1", { text: "Checkout" }),
    h("p", { class: "pretend", text: "This checkout only pretends. No name, no address, no card: one button, and nothing is charged." }),
    h("div", { class: "cart" },
      h("ul", { class: "lines is-short", role: "list" }, cart.items.map((line) =>
        h("li", { class: "line" },
          h("span", { class: "line-picture" }, picture(line.handle, "")),
          h("div", { class: "line-words" },
            h("p", { class: "line-title", text: line.product_title }),
            h("p", { class: "quiet", text: [line.variant_title, `${line.quantity} ×`].filter(Boolean).join(", ") }),
          ),
          h("p", { class: "line-price", text: money(line.line_price ?? line.price * line.quantity) }),
        ),
      )),
      h("section", { class: "summary", "aria-label": "Summary" },
        h("p", { class: "summary-row is-total" }, h("span", { text: "Total" }), h("span", { text: money(cart.total_price) })),
        place,
        h("p", {}, h("a", { href: "/demo/cart", text: "Back to the cart" })),
        message,
      ),
    ),
  );
}
