// What the dashboard consists of: files as they stand, and a library that is the one it says it is.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startGateway } from "./support/gateway.js";

const FOLDER = fileURLToPath(new URL("../dashboard", import.meta.url));
const read = (name) => readFileSync(path.join(FOLDER, name), "utf8");
const modules = readdirSync(FOLDER).filter((name) => name.endsWith(".js"));
const gateway = await startGateway();
after(() => gateway.stop());

test("the charts' library is byte for byte that of its own package", async () => {
  // A crate carries it to the build; that crate is small and not the library's own.
  const require = createRequire(import.meta.url);
  const folder = path.dirname(require.resolve("chart.js"));
  const { version } = JSON.parse(readFileSync(path.join(folder, "../package.json"), "utf8"));
  assert.equal(version, "4.5.1");
  const answer = await fetch(`${gateway.url}/dashboard/chart.js`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-encoding"), "gzip");
  const served = Buffer.from(await answer.arrayBuffer());
  assert.ok(served.equals(readFileSync(path.join(folder, "chart.umd.js"))), `${served.length} bytes`);
});

test("every file of the folder is served as it stands", async () => {
  for (const name of readdirSync(FOLDER)) {
    const answer = await fetch(`${gateway.url}/dashboard${name === "index.html" ? "" : `/${name}`}`);
    assert.equal(answer.status, 200, name);
    assert.equal(await answer.text(), read(name), `${name}: build the gateway anew`);
  }
});

test("the page asks for all modules at once, and for none that is not there", () => {
  const asked = [...read("index.html").matchAll(/<link rel="modulepreload" href="dashboard\/([^"]+)">/g)].map(([, name]) => name);
  assert.deepEqual(asked.toSorted(), modules.toSorted());
});

test("nothing in the page or its modules makes markup out of text, or needs a laxer policy", () => {
  const page = read("index.html");
  assert.doesNotMatch(page, /\son[a-z]+\s*=|\sstyle\s*=|<style|javascript:|<script(?![^>]*\ssrc=)/i);
  assert.doesNotMatch(page, /(?:src|href)="(?:https?:)?\/\//, "it is of its own origin alone");
  for (const name of modules) {
    assert.doesNotMatch(read(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\("style"|cssText|localStorage|https?:\/\/(?!www\.w3\.org)/, name);
  }
});
