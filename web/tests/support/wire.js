// What lies between a page and the backend: a small proxy that writes down what really went over the wire, also what a
// browser sends while a page goes away, which its own developer tools lose; and that can fail as networks do.

import http from "node:http";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Another build of the tracker, such as one that was broken on purpose; without it, the gateway serves its own. */
const TRACKER = process.env.TRACKER_FILE;

/**
 * Starts a proxy to `target`, or, without one, a backend that answers every request with 200.
 *
 * `wire.fault = (request) => …` decides about each request: nothing lets it pass, `{ status, headers, body }` answers in
 * place of the backend, `"refuse"` breaks the connection before the backend sees the request, `"lose"` after it has
 * answered, so that the browser never learns that it was stored.
 */
export async function startWire(target) {
  const wire = {
    requests: [],
    fault: undefined,
    /** The requests to a path, oldest first. */
    to: (path) => wire.requests.filter((request) => request.method === "POST" && request.path === path),
  };
  const server = http.createServer((incoming, outgoing) => {
    const chunks = [];
    // A tab that is closed may take its connection along.
    incoming.on("error", () => outgoing.destroy());
    outgoing.on("error", () => {});
    incoming.on("data", (chunk) => chunks.push(chunk));
    incoming.on("end", async () => {
      const raw = Buffer.concat(chunks);
      const request = {
        at: Date.now(),
        method: incoming.method,
        path: incoming.url.split("?")[0],
        url: incoming.url,
        headers: incoming.headers,
        body: raw.toString("utf8"),
        bytes: raw.length,
        status: undefined,
        answer: undefined,
      };
      wire.requests.push(request);
      const fault = await wire.fault?.(request);
      if (fault === "refuse") {
        incoming.socket.destroy();
        return;
      }
      let answer = fault;
      if (!answer || answer === "lose") {
        answer = await forward(target, request, raw);
      }
      request.status = answer.status;
      request.answer = String(answer.body);
      if (fault === "lose") {
        incoming.socket.destroy();
        return;
      }
      outgoing.writeHead(answer.status, { ...(fault ? OPEN : {}), ...answer.headers });
      outgoing.end(answer.body);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  wire.url = `http://127.0.0.1:${server.address().port}`;
  wire.stop = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return wire;
}

/** What lets a page of any origin read an answer that the wire made up. */
const OPEN = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "Retry-After",
  "content-type": "application/json",
};

const STORED = { status: 200, headers: OPEN, body: '{"ok":true,"saved":true}' };

async function forward(target, request, raw) {
  if (TRACKER && request.path === "/tracker.js") {
    return { status: 200, headers: { "content-type": "text/javascript" }, body: readFileSync(TRACKER) };
  }
  if (!target) {
    return request.path === "/tracker.js"
      ? { status: 200, headers: { "content-type": "text/javascript" }, body: readFileSync(TRACKER_BUILT) }
      : STORED;
  }
  return new Promise((resolve) => {
    const url = new URL(request.url, target);
    const { method, headers } = request;
    const onward = http.request(url, { method, headers: { ...headers, host: url.host } }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () =>
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) }),
      );
    });
    onward.on("error", () => resolve({ status: 502, headers: OPEN, body: "{}" }));
    onward.end(raw);
  });
}

/** The committed build, for a wire without a gateway behind it. */
const TRACKER_BUILT = fileURLToPath(new URL("../../tracker.js", import.meta.url));
