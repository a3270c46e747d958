// What outlives a page: `localStorage`, and memory where the browser refuses it or where it is full.

const PREFIX = "shoptrail.";
const memory = new Map();

const local = (task) => {
  try {
    return task(window.localStorage);
  } catch {
    return undefined;
  }
};

/** The value under `key`, or null. */
export const read = (key) => {
  const text = memory.get(PREFIX + key) ?? local((storage) => storage.getItem(PREFIX + key));
  try {
    return JSON.parse(text) ?? null;
  } catch {
    return null;
  }
};

/** Keeps `value` under `key`. */
export const write = (key, value) => {
  const text = JSON.stringify(value);
  memory.set(PREFIX + key, text);
  local((storage) => {
    storage.setItem(PREFIX + key, text);
    // Other tabs write too: what the storage has taken is read from there.
    memory.delete(PREFIX + key);
  });
};

/** Forgets what is under `key`. */
export const remove = (key) => {
  memory.delete(PREFIX + key);
  local((storage) => storage.removeItem(PREFIX + key));
};

/** All keys that begin with `start`, in order. */
export const keys = (start) =>
  [...new Set([...(local(Object.keys) ?? []), ...memory.keys()])]
    .filter((key) => key.startsWith(PREFIX + start))
    .map((key) => key.slice(PREFIX.length))
    .sort();
