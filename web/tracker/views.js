// Page views, product views and searches, on real navigations and on those that a script makes.

import { guarded, on } from "./guard.js";
import { cleanUrl, pageName, productHandle } from "./location.js";
import { pageProduct } from "./product.js";
import { record, VIEW } from "./recorder.js";
import { short } from "./text.js";

// The page that is being looked at; undefined before the first view.
let shown;
let address;

/** The name of the page that is being looked at. */
export const shownPage = () => shown ?? pageName();

/** Records a view of the page, unless it is the one that is looked at already. */
export const view = (leave, again) => {
  const next = location.pathname + location.search;
  if (next === address && !again) {
    return;
  }
  const before = address;
  leave();
  address = next;
  shown = pageName();
  record(shown, VIEW, {
    url: cleanUrl(location.href),
    title: short(document.title),
    referrer: (!before && document.referrer && cleanUrl(document.referrer)) || undefined,
  });
  const handle = productHandle();
  if (handle) {
    const { productId, variantId, title } = pageProduct();
    record(shown, "product_view", { productId, variantId, title, handle });
  }
  const query = /\/search$/.test(shown) && short(new URLSearchParams(location.search).get("q"));
  if (query) {
    record(shown, "search", { query });
  }
};

/** Watches for pages that come without a new document; calls `leave` before each. */
export const watchViews = (leave) => {
  const changed = guarded(() => view(leave));
  for (const name of ["pushState", "replaceState"]) {
    guarded(() => {
      const original = history[name];
      history[name] = function (...values) {
        const result = original.apply(this, values);
        // The page's own script comes first: it writes the title.
        setTimeout(changed);
        return result;
      };
    })();
  }
  on(window, "popstate", () => setTimeout(changed));
  // A page that comes back from the browser's cache is looked at once more.
  on(window, "pageshow", (event) => event.persisted && view(leave, true));
};
