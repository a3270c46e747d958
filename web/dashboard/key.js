// The API key: in this tab, for as long as it is open, and nowhere else. Never in a URL, where histories and logs keep it.

const NAME = "shoptrail.dashboard.key";
/** Where the browser refuses storage, for as long as the page lives. */
let kept = null;

export function readKey() {
  try {
    return sessionStorage.getItem(NAME) ?? kept;
  } catch {
    return kept;
  }
}

export function keepKey(key) {
  kept = key;
  try {
    sessionStorage.setItem(NAME, key);
  } catch {
    // It is kept in memory.
  }
}

export function forgetKey() {
  kept = null;
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // Nothing was kept there.
  }
}
