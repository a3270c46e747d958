// The order that was placed, from the checkout to the page that thanks for it. Taking it removes it:
// a thank-you page that is loaded again is no second order.

const KEY = "demo.order";

export const ORDER = {
  /** Remembers the order until the next page. */
  keep(order) {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(order));
    } catch {
      // Without storage the thank-you page thanks without figures.
    }
  },
  /** The order that was just placed, or null. */
  take() {
    try {
      const order = JSON.parse(sessionStorage.getItem(KEY));
      sessionStorage.removeItem(KEY);
      return order;
    } catch {
      return null;
    }
  },
};
