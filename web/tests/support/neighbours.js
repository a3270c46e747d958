// Other scripts that shops already have, imitated: what is deployed today must work beside the tracker, and against this
// backend, unchanged.

/**
 * A tracker of another make: a session of its own, envelopes with times in seconds every `everyMs`, and Ask AI asked with
 * the session as plain text. What it got stands in `window.theirs`.
 */
export function deployedTracker(backend, everyMs) {
  return `(() => {
    const backend = ${JSON.stringify(backend)};
    const session = localStorage.getItem("their_session") ?? crypto.randomUUID();
    localStorage.setItem("their_session", session);
    const page = "Home:" + location.pathname;
    const theirs = (window.theirs = { session, sent: 0, acknowledged: 0, recorded: 0, decision: null, errors: [] });
    const seconds = () => Math.floor(Date.now() / 1000);
    let events = [];
    let since = performance.now();
    const record = (type, more) => {
      events.push({ type, ts: seconds(), url: location.href, page, n: (theirs.recorded += 1), ...more });
    };
    const flush = async (reason) => {
      const batch = events;
      const now = performance.now();
      events = [];
      const state = { session, itemsInCart: 1, timeonpage: { [page]: Math.round(now - since) }, events: { [page]: batch } };
      since = now;
      theirs.sent += 1;
      try {
        const answer = await fetch(backend + "/events", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ reason, ts: seconds(), session, state }),
        });
        if (answer.ok && (await answer.json()).ok === true) theirs.acknowledged += 1;
        else theirs.errors.push(answer.status);
      } catch (error) {
        theirs.errors.push(String(error));
      }
    };
    record("page_view");
    addEventListener("click", (event) => record("click", { target: event.target.id }));
    setInterval(() => flush("interval"), ${everyMs});
    theirs.ask = async () => {
      const answer = await fetch(backend + "/askai", { method: "POST", headers: { "Content-Type": "text/plain" }, body: session });
      theirs.decision = (await answer.json()).decision;
      return theirs.decision.show_popup;
    };
    theirs.flush = () => flush("manual");
  })();`;
}

/** A virtual try-on widget, which reports what was put into the cart after a try-on. */
export function tryOnWidget(backend) {
  return `(() => {
    const backend = ${JSON.stringify(backend)};
    window.widget = {
      async addToCart() {
        const answer = await fetch(backend + "/api/cart-tracking/track", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({
            storeName: "demo-shop.myshopify.com",
            actionType: "add_to_cart",
            productId: "8100000000001",
            productTitle: "Linen shirt",
            productUrl: location.href,
            variantId: 4100000000011,
            customerEmail: "jane@example.com",
            customerFirstName: "Jane",
            generatedImageUrl: "https://images.example.com/generated/1.png",
            personImageUrl: "https://images.example.com/person/1.png",
            sessionId: "try-on-widget-1",
          }),
        });
        return { status: answer.status, body: await answer.json() };
      },
    };
  })();`;
}
