// Where the shopper is, without what may be a person's.

import { root } from "./settings.js";

const NAME_LENGTH = 1_024;
// What of a query tells about the visit; anything else may tell about the visitor.
const KEPT = /^(variant|utm_\w+)$/;

/** A path without what stands below accounts and orders: tokens, by which a password is set or an order seen. */
const masked = (path) => path.replace(/\/(account|orders)\/.+/, "/$1/*");

/** The page's name: its path in the shop, the same in all languages. */
export const pageName = () => {
  const path = masked(location.pathname);
  const start = root();
  const inside = (path + "/").startsWith(start) ? "/" + path.slice(start.length) : path;
  return inside.slice(0, NAME_LENGTH);
};

/** The handle of the product that the page is about, or undefined. */
export const productHandle = () => pageName().match(/\/products\/([^/]+)/)?.[1];

/** `href` as an absolute URL without secrets; of what is no web address (`mailto:`), the scheme alone. */
export const cleanUrl = (href) => {
  const url = new URL(href, location.href);
  if (!/^http/.test(url.protocol)) {
    return url.protocol;
  }
  const kept = [...url.searchParams].filter(([name]) => KEPT.test(name));
  const query = `${new URLSearchParams(kept)}`;
  return url.origin + masked(url.pathname) + (query && "?" + query);
};
