// One product, with the form that a Shopify theme has: it works as a plain form, and without leaving the
// page where this script runs.

import { productOf, products } from "../lib/catalogue.js";
import { CartError, addToCart } from "../lib/cart.js";
import { h, picture } from "../lib/dom.js";
import { money } from "../lib/money.js";
import { tryOnButton } from "../try-on.js";
import { grid } from "./card.js";
import { show as showNotFound } from "./not-found.js";

const MOST_AT_ONCE = 99;
const SUGGESTED = 4;

function variantWished(product) {
  const wished = new URLSearchParams(location.search).get("variant");
  return product.variants.find((variant) => String(variant.id) === wished)
    ?? product.variants.find((variant) => variant.available)
    ?? product.variants[0];
}

function variantFields(product, wished) {
  const word = product.variants.every((variant) => /^[A-Z]{1,2}$|\d/.test(variant.title)) ? "Size" : "Kind";
  return h("fieldset", { class: "variants" },
    h("legend", { text: product.variants.length > 1 ? word : "Size" }),
    product.variants.map((variant) =>
      h("label", { class: variant.available ? "variant" : "variant is-gone" },
        h("input", { type: "radio", name: "id", value: variant.id, checked: variant === wished, disabled: !variant.available }),
        h("span", { text: variant.title }),
        !variant.available && h("span", { class: "visually-hidden", text: ", sold out" }),
      ),
    ),
  );
}

function quantityField() {
  const input = h("input", { id: "quantity", name: "quantity", type: "number", min: 1, max: MOST_AT_ONCE, value: 1, inputmode: "numeric", required: true });
  const step = (by, sign, label) => h("button", {
    type: "button", class: "step", "aria-label": label, text: sign,
    on: { click: () => (by > 0 ? input.stepUp() : input.stepDown()) },
  });
  return h("div", { class: "quantity" },
    h("label", { for: "quantity", text: "Quantity" }),
    h("div", { class: "stepper" }, step(-1, "−", "One less"), input, step(1, "+", "One more")),
  );
}

function productForm(product) {
  const message = h("p", { class: "form-message", role: "status" });
  const form = h("form", { class: "product-form", action: "/demo/cart/add", method: "post", "data-type": "add-to-cart-form" },
    h("input", { type: "hidden", name: "product-id", value: product.id }),
    variantFields(product, variantWished(product)),
    quantityField(),
    h("div", { class: "buttons" },
      h("button", { type: "submit", class: "button", name: "add", text: "Add to cart" }),
      h("button", { type: "submit", class: "button is-plain", name: "checkout", "data-action": "buy_now", text: "Buy it now" }),
    ),
    product.tryOn && tryOnButton(product),
    message,
  );
  form.addEventListener("change", (event) => {
    if (event.target.name !== "id") return;
    history.replaceState(null, "", `${location.pathname}?variant=${event.target.value}`);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const buttons = form.querySelectorAll("button[type=submit]");
    const direct = event.submitter?.name === "checkout";
    const body = new FormData(form);
    for (const button of buttons) button.disabled = true;
    message.classList.remove("is-wrong");
    message.textContent = "";
    try {
      await addToCart(body);
      if (direct) {
        location.assign("/demo/checkout");
        return;
      }
      message.replaceChildren("In your cart. ", h("a", { href: "/demo/cart", text: "View the cart" }));
    } catch (error) {
      message.classList.add("is-wrong");
      message.textContent = error instanceof CartError ? error.message : "The cart could not be changed.";
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  });
  return form;
}

export async function show(main, path) {
  let handle = path;
  try {
    handle = decodeURIComponent(path);
  } catch {
    // A malformed escape names no product either.
  }
  const product = await productOf(handle);
  if (!product) return showNotFound(main);
  document.title = `${product.title} – Ostrey`;
  document.head.append(h("meta", { property: "og:title", content: product.title }));
  const others = (await products()).filter((other) => other !== product);
  const near = [...others.filter((other) => other.type === product.type), ...others].slice(0, SUGGESTED * 3);
  const suggested = [...new Set(near)].slice(0, SUGGESTED);
  main.replaceChildren(
    h("nav", { class: "crumbs", "aria-label": "Where this is" },
      h("a", { href: "/demo/collections/all", text: "All clothes" }),
      h("span", { "aria-hidden": "true", text: "/" }),
      h("a", { href: `/demo/collections/all?type=${encodeURIComponent(product.type)}`, text: product.type }),
    ),
    h("article", { class: "product" },
      h("div", { class: "product-picture" }, picture(product.handle, `${product.title}, drawn`)),
      h("div", { class: "product-words" },
        h("h1", { text: product.title }),
        h("p", { class: "price", text: money(product.price) }),
        h("p", { class: "description", text: product.description }),
        productForm(product),
      ),
    ),
    h("section", { "aria-labelledby": "near" },
      h("div", { class: "section-head" }, h("h2", { id: "near", text: "Goes well with" })),
      grid(suggested),
    ),
  );
}
