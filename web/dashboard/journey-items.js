// One thing that somebody did, in words.

import { el } from "./dom.js";
import { duration, time } from "./format.js";
import { plain, written } from "./text.js";
import { action, eventType } from "./words.js";

const STATUSES = { pending: "waits", processing: "is under way", completed: "is ready", failed: "failed" };
const OUTCOMES = { shown: "shown", dismissed: "dismissed", clicked: "clicked", converted: "led to an order" };
/** Fields of an event that say how it came here, not what happened. */
const TECHNICAL = new Set(["at", "kind", "gapMs", "sessionId", "type", "page", "ts", "eventId", "url", "seq", "session"]);
/** So many of a page's own fields are shown. */
const MOST_FIELDS = 6;

/** What happened: `[title, details]`, of nodes and texts. */
export function describe(item) {
  return (DESCRIBERS[item.kind] ?? describeEvent)(item);
}

const DESCRIBERS = {
  view: ({ title, page, productId, durationMs }) => [
    ["Looked at ", written(title ?? page, "a page")],
    [title && written(page), productId && `product ${plain(productId)}`, typeof durationMs === "number" && `for ${duration(durationMs)}`],
  ],
  click: (item) => [["Clicked ", written(item.text ?? item.target ?? item.id ?? item.href, "something")], [written(item.page, ""), ...fieldsOf(item, ["text"])]],
  generation: ({ status, productTitle, productId, generatedImageUrl }) => [
    [`A try-on ${STATUSES[status] ?? plain(status)}`],
    [productTitle ? written(productTitle) : productId && `product ${plain(productId)}`, pictureOf(generatedImageUrl)],
  ],
  cart: ({ actionType, productTitle, productId, variantId }) => [
    [`${action(String(actionType))}: `, written(productTitle, productId ? `product ${plain(productId)}` : "no product")],
    [variantId && `variant ${plain(variantId)}`],
  ],
  popup: ({ message, source, category, outcomes }) => [
    message ? ["Ask AI said: ", written(message)] : ["Ask AI kept quiet"],
    [
      category && category !== "none" && plain(category),
      source && `by ${plain(source)}`,
      ...Object.entries(outcomes ?? {}).map(([outcome, at]) => `${OUTCOMES[outcome] ?? plain(outcome)} ${time(new Date(at))}`),
    ],
  ],
};

function describeEvent(item) {
  return [[eventType(String(item.type ?? item.kind))], [written(item.page, ""), ...fieldsOf(item)]];
}

/** What an event says beyond its type, of its own accord: short values alone. */
function fieldsOf(item, known = []) {
  const fields = Object.entries(item).filter(
    ([name, value]) => !TECHNICAL.has(name) && !known.includes(name) && ["string", "number", "boolean"].includes(typeof value) && value !== "",
  );
  return fields.slice(0, MOST_FIELDS).map(([name, value]) => el("span", {}, `${plain(name)}: `, written(value)));
}

/** A link to a picture, if that is what it is. */
function pictureOf(url) {
  if (!url || !URL.canParse(url) || !["http:", "https:"].includes(new URL(url).protocol)) return null;
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, "picture");
}
