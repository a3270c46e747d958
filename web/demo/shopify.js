// What every Shopify storefront sets before its scripts run, for a shop below /demo/.
window.Shopify = { shop: "demo-shop.myshopify.com", routes: { root: "/demo/" } };
