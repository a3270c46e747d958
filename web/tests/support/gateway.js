// The backend under test: the built local gateway as a process of its own, on a port of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const KEY = "dev-key-0123456789";
/** A debug build on a busy machine starts within a second; a folder with data takes a little longer. */
const START_MS = 30_000;
/** After this a gateway that was asked to stop is killed. */
const STOP_MS = 10_000;

function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, "target");
  const file = process.env.SHOPTRAIL_LOCAL ?? path.resolve(ROOT, target, "debug/shoptrail-local");
  if (!existsSync(file)) throw new Error(`${file} is not there: build it with "cargo build --workspace"`);
  return file;
}

// A test run that is broken off, by a time limit or from a terminal, leaves no process behind.
const running = new Set();
process.once("exit", () => running.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

/**
 * Starts a gateway and waits for the address that it prints.
 *
 * `data` is the folder that keeps its data (else it keeps them in memory), `port` its port (0: a free one), `env` further
 * settings. `stop()` lets it finish, `kill()` ends it at once, as a crash would.
 */
export async function startGateway({ port = 0, data, env = {} } = {}) {
  // An empty folder to run in, so that nobody's `.env` decides how a test ends.
  const folder = mkdtempSync(path.join(tmpdir(), "shoptrail-gateway-"));
  const child = spawn(
    binary(),
    ["--port", String(port), ...(data === undefined ? ["--memory"] : ["--data", data])],
    {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      // Nothing of the surrounding environment: a GROQ_API_KEY there would put a model in place of the rules.
      env: {
        PATH: process.env.PATH,
        DEV_API_KEY: KEY,
        RATE_LIMIT_PER_MINUTE: "0",
        RATE_LIMIT_PER_HOUR: "0",
        ...env,
      },
    },
  );
  running.add(child);
  const ended = once(child, "exit").then(() => {
    running.delete(child);
    rmSync(folder, { recursive: true, force: true });
  });
  // Both streams are read to the end, or a full pipe would stop the gateway.
  let output = "";
  const url = await new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`the gateway ${why}:\n${output}`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail(`printed no address within ${START_MS} ms`);
    }, START_MS);
    const read = (chunk) => {
      output += chunk;
      const address = /serves (http:\/\/\S+)/.exec(output)?.[1];
      if (address) {
        clearTimeout(timer);
        resolve(address);
      }
    };
    child.stdout.setEncoding("utf8").on("data", read);
    child.stderr.setEncoding("utf8").on("data", read);
    child.once("error", fail);
    child.once("exit", (code) => {
      clearTimeout(timer);
      fail(`ended with ${code}`);
    });
  });
  const end = async (signal) => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await ended;
      clearTimeout(timer);
    }
  };
  return {
    url,
    key: KEY,
    port: Number(new URL(url).port),
    output: () => output,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
}
