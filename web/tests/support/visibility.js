// Whether a page is seen. Playwright lets every tab believe that it is in front, so a test has to say otherwise.

/** Makes `page` hidden or visible, and tells it so as a browser does. */
export function setVisibility(page, state) {
  return page.evaluate((state) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
    Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
  }, state);
}

/** Makes the documents that `page` will open begin unseen, as a link in a new background tab does. */
export function beginHidden(page) {
  return page.addInitScript(() => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
  });
}
