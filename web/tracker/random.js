// Names that nobody else has.

/** A UUID; four random numbers where the page is not served securely, for which browsers make no UUIDs. */
export const uuid = () => crypto.randomUUID?.() ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
