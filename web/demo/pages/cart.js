// The cart: change quantities, remove, go on to the checkout.

import { CartError, changeLine, readCart } from "../lib/cart.js";
import { h, picture } from "../lib/dom.js";
import { money } from "../lib/money.js";

function empty() {
  return [
    h("h1", { text: "Your cart is empty" }),
    h("p", { class: "lead", text: "Nothing in it yet. That is quickly changed." }),
    h("p", {}, h("a", { class: "button", href: "/demo/collections/all", text: "See all clothes" })),
  ];
}

function lineRow(line, change) {
  const set = (quantity) => change(line.key, quantity);
  return h("li", { class: "line" },
    h("a", { class: "line-picture", href: `/demo/products/${encodeURIComponent(line.handle)}`, tabindex: -1, "aria-hidden": "true" }, picture(line.handle, "")),
    h("div", { class: "line-words" },
      h("a", { class: "line-title", href: `/demo/products/${encodeURIComponent(line.handle)}?variant=${line.variant_id}`, text: line.product_title }),
      line.variant_title && h("p", { class: "quiet", text: line.variant_title }),
      h("div", { class: "line-actions" },
        h("div", { class: "stepper" },
          h("button", { type: "button", class: "step", "aria-label": `One ${line.product_title} less`, text: "−", on: { click: () => set(line.quantity - 1) } }),
          h("output", { class: "step-count", text: line.quantity }),
          h("button", { type: "button", class: "step", "aria-label": `One ${line.product_title} more`, text: "+", on: { click: () => set(line.quantity + 1) } }),
        ),
        h("button", { type: "button", class: "link", text: "Remove", "aria-label": `Remove ${line.product_title}`, on: { click: () => set(0) } }),
      ),
    ),
    h("p", { class: "line-price", text: money(line.line_price ?? line.price * line.quantity) }),
  );
}

export async function show(main) {
  document.title = "Cart – Ostrey";
  const message = h("p", { class: "form-message", role: "status" });

  async function change(key, quantity) {
    // The row is drawn anew; whoever uses the keyboard goes on where they were.
    const focused = document.activeElement?.getAttribute("aria-label");
    message.classList.remove("is-wrong");
    message.textContent = "";
    try {
      draw(await changeLine(key, quantity));
      const again = focused && [...main.querySelectorAll("[aria-label]")].find((element) => element.getAttribute("aria-label") === focused);
      (again || main).focus({ preventScroll: true });
    } catch (error) {
      message.classList.add("is-wrong");
      message.textContent = error instanceof CartError ? error.message : "The cart could not be changed.";
    }
  }

  function draw(cart) {
    if (!cart.items.length) return main.replaceChildren(...empty());
    main.replaceChildren(
      h("h1", { text: "Your cart" }),
      h("div", { class: "cart" },
        h("ul", { class: "lines", role: "list" }, cart.items.map((line) => lineRow(line, change))),
        h("section", { class: "summary", "aria-label": "Summary" },
          h("p", { class: "summary-row" }, h("span", { text: `${cart.item_count} ${cart.item_count === 1 ? "item" : "items"}` }), h("span", { text: money(cart.total_price) })),
          h("p", { class: "summary-row" }, h("span", { text: "Delivery" }), h("span", { text: "imaginary" })),
          h("p", { class: "summary-row is-total" }, h("span", { text: "Total" }), h("span", { text: money(cart.total_price) })),
          h("a", { class: "button is-wide", href: "/demo/checkout", text: "Check out" }),
          message,
        ),
      ),
    );
  }

  draw(await readCart());
}
