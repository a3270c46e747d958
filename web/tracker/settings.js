// What the script's tag says.

const script = document.currentScript;
const data = script?.dataset ?? {};

/** The shop, as the merchant knows it or as Shopify's pages do. */
export const store = data.store || window.Shopify?.shop;

/** Where the backend answers, with a slash at the end: what the tag says, else the folder that the script is from. */
export const endpoint = new URL(
  (data.endpoint || ".").replace(/\/*$/, "/"),
  data.endpoint || !script?.src ? location.href : script.src,
).href;

/** The popup's words, and whether there is one. */
export const popup = {
  off: data.popup === "off",
  label: data.popupLabel || "A word from the shop",
  action: data.popupAction || "View cart",
  close: data.popupClose || "Close",
};

/** Where the shop begins: `/`, or the path of a language or market such as `/fr/`. */
export const root = () => window.Shopify?.routes?.root || "/";
