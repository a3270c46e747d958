// What is looked at, as it stands in the page's address: a view can be bookmarked and sent to a colleague.

/** The ranges that have a name, with their days. */
export const DAYS = { today: 1, "7d": 7, "30d": 30, "90d": 90 };
const DEFAULT_RANGE = "7d";
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** `{ store, range, from, to, by }`; what is missing or malformed is as at the first visit. */
export function readView() {
  const query = new URLSearchParams(location.search);
  const [from, to] = ["from", "to"].map((name) => (DAY.test(query.get(name) ?? "") ? query.get(name) : ""));
  const asked = query.get("range");
  const isKnown = Object.hasOwn(DAYS, asked ?? "") || (asked === "custom" && from !== "" && to !== "");
  const by = query.get("by");
  return {
    store: (query.get("store") ?? "").trim(),
    range: isKnown ? asked : DEFAULT_RANGE,
    from,
    to,
    by: by === "day" || by === "hour" ? by : null,
  };
}

/** Puts the view into the address. `replace` where it is no step of its own to go back to. */
export function writeView({ store, range, from, to, by }, { replace = false } = {}) {
  const query = new URLSearchParams({ store, range });
  if (range === "custom") {
    query.set("from", from);
    query.set("to", to);
  }
  if (by) query.set("by", by);
  const address = `${location.pathname}?${query}`;
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
}
