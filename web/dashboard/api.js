// Asking the API, with the key, and with patience.

/** The API lies beside the page, whatever stands before both. */
const ROOT = new URL("../api/cart-tracking/", import.meta.url);
/** Asked for again so often where the API says "later". */
const MOST_ATTEMPTS = 4;
/** Nobody looks at a card for longer than this; the button to try again is there afterwards. */
const LONGEST_WAIT_S = 60;
/** Where the API does not say how long to wait. */
const DEFAULT_WAIT_S = 5;
/** API Gateway gives up after 30 s. */
const TIMEOUT_MS = 35_000;

/** Why there is no answer. `kind` is `denied`, `busy`, `wrong`, `failed` or `unreachable`; the message is for people. */
export class ApiError extends Error {
  constructor(kind, message, status = 0) {
    super(message);
    this.name = "ApiError";
    this.kind = kind;
    this.status = status;
    /** The seconds to wait, of what is `busy`. */
    this.retryAfter = null;
  }
}

/** Whether it is only that nobody wants to know any more. */
export const isAbort = (error) => error?.name === "AbortError";

/**
 * An API that asks with `key`. `onDenied` is called with the error whenever the key is not, or no longer, good for what is
 * asked.
 */
export function createApi(key, onDenied) {
  async function send(path, query, signal) {
    const url = new URL(path, ROOT);
    for (const [name, value] of Object.entries(query)) {
      if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
    }
    try {
      return await fetch(url, {
        headers: { "x-api-key": key },
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)].filter(Boolean)),
      });
    } catch (error) {
      if (signal?.aborted) throw aborted();
      const isSlow = error?.name === "TimeoutError";
      throw new ApiError("unreachable", isSlow ? "The server took too long to answer." : "The server cannot be reached.");
    }
  }

  /** The answer, once there is a good one. `onWait` is told the seconds before each further attempt. */
  async function ask(path, query, { signal, onWait = () => {}, attempts = MOST_ATTEMPTS } = {}) {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await send(path, query, signal);
      if (answer.ok) return answer;
      const error = await errorOf(answer);
      if (signal?.aborted) throw aborted();
      if (error.kind === "denied") onDenied(error);
      const seconds = error.retryAfter;
      if (error.kind !== "busy" || attempt >= attempts || seconds > LONGEST_WAIT_S) throw error;
      onWait(seconds);
      await pause(seconds * 1000, signal);
    }
  }

  return {
    ask,
    /** The answer's `data`. */
    async data(path, query, options) {
      const answer = await ask(path, query, options);
      try {
        return (await answer.json()).data;
      } catch {
        if (options?.signal?.aborted) throw aborted();
        throw new ApiError("failed", "The answer was cut off.", answer.status);
      }
    },
  };
}

function waitOf(answer) {
  const seconds = Number(answer.headers.get("retry-after") ?? NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.max(1, Math.ceil(seconds)) : DEFAULT_WAIT_S;
}

async function errorOf(answer) {
  const said = await answer.json().catch(() => ({}));
  const { status } = answer;
  if (status === 401) return new ApiError("denied", "That key is not known here. It may have been revoked.", status);
  if (status === 403) {
    return new ApiError("denied", "That key may not read this store. It needs the scope “read”, and the store.", status);
  }
  if (status === 429 || status === 503) {
    const why = said?.code === "DISABLED" ? "Reading is switched off at the moment." : "The server is busy.";
    const error = new ApiError("busy", why, status);
    error.retryAfter = waitOf(answer);
    return error;
  }
  if (status >= 400 && status < 500) {
    const reasons = Array.isArray(said?.errors) ? said.errors.map(({ field, reason }) => `${field}: ${reason}`) : [];
    return new ApiError("wrong", reasons[0] ?? said?.message ?? "The server does not take this request.", status);
  }
  return new ApiError("failed", "Something went wrong on the server.", status);
}

const aborted = () => new DOMException("Nobody waits for this any more", "AbortError");

/** Waits, unless nobody wants to know any more. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted());
    const stop = () => {
      clearTimeout(timer);
      reject(aborted());
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
