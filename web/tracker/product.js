// The product that a page is about, as Shopify's pages tell it.

import { cleanUrl, productHandle } from "./location.js";
import { short } from "./text.js";

/** The form by which a page's product is added to the cart. */
export const ADD_FORM = "form[action*='/cart/add']";

/** What the page tells of its product: `{ productId, variantId, title, url }`, each perhaps undefined. */
export const pageProduct = () => {
  if (!productHandle()) {
    return {};
  }
  const meta = window.ShopifyAnalytics?.meta;
  const form = document.querySelector(ADD_FORM);
  const chosen = new URLSearchParams(location.search).get("variant");
  return {
    productId: id(meta?.product?.id ?? form?.querySelector("[name=product-id]")?.value),
    variantId: id(chosen ?? (form && new FormData(form).get("id"))),
    title: short(document.querySelector("meta[property='og:title']")?.content || document.title),
    url: cleanUrl(location.href),
  };
};

/** An id as a text; undefined where there is none. */
export const id = (value) => (value ? `${value}` : undefined);
