// The shop's pages: what a tracker finds on a Shopify storefront, and no more.

/** Text as HTML has it. */
export function escapeHtml(text) {
  return String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * A page of the shop.
 *
 * `options.tracker` is the script's URL (none: no tag), `attributes` further attributes of the tag, `tags` how often it
 * stands there, `before` and `after` HTML around the tracker's tag, `main` further HTML in the page's body, `script` what
 * `/shop.js` runs before everything else, `style` what `/shop.css` holds, `csp` a content security policy, `product` parts
 * of the product that differ, `store` the tag's data-store (null: none).
 */
export function renderPage(visit, url) {
  const { options, product } = visit;
  const path = url.pathname;
  const { title, main } = content(path, url, visit);
  const attributes = { ...(options.store === null ? {} : { "data-store": options.store ?? "demo-shop" }), ...options.attributes };
  const tag = options.tracker
    ? `<script src="${escapeHtml(options.tracker)}" ${Object.entries(attributes)
        .map(([name, value]) => `${name}="${escapeHtml(value)}"`)
        .join(" ")} defer></script>\n`
    : "";
  // As Shopify's own header has it, on product pages; a policy would need a hash for it, so it comes as a file.
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
${path.startsWith("/products/") ? `<meta property="og:title" content="${escapeHtml(product.title)}"><meta property="og:type" content="product">` : ""}
<link rel="stylesheet" href="/shop.css">
<script src="/shop.js"></script>
${options.before ?? ""}
${tag.repeat(options.tags ?? 1)}${options.after ?? ""}
</head><body>
<header><a id="home" href="/">Home</a> <a id="to-product" href="/products/${product.handle}">${escapeHtml(product.title)}</a>
<a id="to-about" href="/pages/about">About</a> <a id="to-cart" href="/cart">Cart</a>
<form id="search-form" action="/search" method="get" role="search"><input id="search" type="search" name="q" aria-label="Search"></form></header>
<main>${main}${options.main ?? ""}</main>
</body></html>`;
}

function content(path, url, { product }) {
  if (path === "/") {
    return {
      title: "Home",
      main: `<h1>Home</h1><button id="plain" type="button">Plain button</button>
<span id="swatch" data-action="choose-colour">Blue</span><p id="text">Nothing to click</p>`,
    };
  }
  if (path === `/products/${product.handle}`) {
    const chosen = url.searchParams.get("variant") ?? product.variants[0].id;
    return {
      title: `${product.title} – Demo Shop`,
      main: `<h1>${escapeHtml(product.title)}</h1>
<script type="application/json" id="ProductJson">${JSON.stringify(product).replaceAll("<", "\\u003c")}</script>
<form id="product-form" action="/cart/add" method="post" enctype="multipart/form-data" data-type="add-to-cart-form">
<input type="hidden" name="form_type" value="product">
<select id="variant" name="id">${product.variants
        .map((variant) => `<option value="${variant.id}"${String(variant.id) === String(chosen) ? " selected" : ""}>${escapeHtml(variant.title)}</option>`)
        .join("")}</select>
<input id="quantity" type="number" name="quantity" value="1" min="1">
<input type="hidden" name="product-id" value="${product.id}">
<button id="add" type="submit" name="add">Add to cart</button>
<button id="buy-now" type="submit" name="checkout">Buy now</button>
<div class="shopify-payment-button"><button id="dynamic" class="shopify-payment-button__button" type="button">Buy it now</button></div>
</form>`,
    };
  }
  if (path === "/search") {
    return { title: `Search: ${url.searchParams.get("q") ?? ""}`, main: "<h1>Search</h1>" };
  }
  if (path === "/cart") {
    return {
      title: "Your cart",
      main: `<h1>Your cart</h1><form action="/checkouts/cn/1"><button id="checkout" name="checkout" type="submit">Check out</button></form>`,
    };
  }
  if (path.startsWith("/checkouts/")) {
    return { title: path.endsWith("thank-you") ? "Thank you" : "Checkout", main: "<h1>Checkout</h1>" };
  }
  return { title: path.slice(1), main: `<h1>${escapeHtml(path)}</h1><button id="plain" type="button">Plain button</button>` };
}

/** What Shopify's own scripts put on every page; on product pages with the product. */
export function shopifyGlobals(product) {
  const meta = product && {
    product: {
      id: product.id,
      gid: `gid://shopify/Product/${product.id}`,
      vendor: "Demo",
      type: "Shirt",
      variants: product.variants.map((variant) => ({
        id: variant.id,
        price: variant.price,
        name: `${product.title} - ${variant.title}`,
        public_title: variant.title,
        sku: "",
      })),
      remote: false,
    },
    page: { pageType: "product", resourceType: "product", resourceId: product.id },
  };
  return `window.Shopify = { shop: "demo-shop.myshopify.com", routes: { root: "/" } };
if (location.pathname.startsWith("/products/")) window.ShopifyAnalytics = { meta: ${JSON.stringify(meta ?? null)} ?? {} };
`;
}
