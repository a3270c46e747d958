// The theme app extension, held against Shopify's own theme check and against the script that it installs.

import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

// Theme check looks for newer rules on the network before it takes the ones that it came with. Where its cache cannot
// be made it takes these at once: the same rules everywhere, and no network. It reads this when it is loaded.
process.env.XDG_CACHE_HOME = "/dev/null";
const require = createRequire(import.meta.url);
const { themeCheckRun } = require("@shopify/theme-check-node");
const { toLiquidHtmlAST, walk } = createRequire(require.resolve("@shopify/theme-check-node"))(
  "@shopify/liquid-html-parser",
);

const EXTENSION = fileURLToPath(new URL("../theme-app-extension", import.meta.url));
const file = (name) => readFile(path.join(EXTENSION, name), "utf8");
const tracker = (name) => readFile(new URL(`../${name}`, import.meta.url), "utf8");

/** The offenses as short texts. */
async function offenses(root) {
  const run = await themeCheckRun(root);
  assert.equal(run.config.context, "app", "checked as a theme app extension");
  return run.offenses.map(({ check, message, uri }) => `${path.basename(uri)}: ${check}: ${message}`);
}

/** The offenses of a copy in which `from` became `to`. */
async function offensesWith(t, name, from, to) {
  const copy = await mkdtemp(path.join(tmpdir(), "shoptrail-theme-"));
  t.after(() => rm(copy, { recursive: true }));
  await cp(EXTENSION, copy, { recursive: true });
  const text = await file(name);
  assert.ok(text.includes(from), `${name} has ${from}`);
  await writeFile(path.join(copy, name), text.replace(from, to));
  return offenses(copy);
}

/** The script's tag: each attribute's name with the nodes of its value. */
async function attributes() {
  const found = {};
  walk(toLiquidHtmlAST(await file("blocks/tracker.liquid")), (node) => {
    if (node.type === "AttrDoubleQuoted") found[node.name.map(({ value }) => value).join("")] = node.value;
  });
  return found;
}

/** The block's `{% schema %}`. */
async function schema() {
  const block = await file("blocks/tracker.liquid");
  return JSON.parse(/\{% schema %\}([^]*)\{% endschema %\}/.exec(block)[1]);
}

test("theme check finds nothing to complain of", async () => {
  assert.deepEqual(await offenses(EXTENSION), []);
});

test("theme check would complain: of a script that blocks, a missing file, a missing text, a missing label", async (t) => {
  const name = "blocks/tracker.liquid";
  for (const [from, to, check] of [
    ["  defer\n", "", "ParserBlockingScript"],
    ["'tracker.js' | asset_url", "'absent.js' | asset_url", "MissingAsset"],
    ["'popup.close' | t", "'popup.absent' | t", "TranslationKeyExists"],
    ["t:settings.popup.label", "t:settings.absent.label", "ValidSchemaTranslations"],
  ]) {
    const found = await offensesWith(t, name, from, to);
    assert.ok(found.some((offense) => offense.includes(`: ${check}: `)), `${check}: ${JSON.stringify(found)}`);
  }
});

test("the script that merchants install is the one that the backend serves", async () => {
  assert.equal(await file("assets/tracker.js"), await tracker("tracker.js"));
});

test("the tag has every attribute that the tracker reads, and no other", async () => {
  const settings = await tracker("tracker/settings.js");
  const read = [...settings.matchAll(/\bdata\.(\w+)/g)].map(([, name]) => name);
  const camel = (name) => name.replace(/^data-/, "").replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
  const written = Object.keys(await attributes()).filter((name) => name.startsWith("data-")).map(camel);
  assert.deepEqual(written.sort(), [...new Set(read)].sort());
});

test("whatever a merchant writes into a setting stays inside its attribute", async () => {
  const { src, ...data } = await attributes();
  assert.equal(src[0].markup.filters.at(-1).name, "asset_url");
  for (const [name, nodes] of Object.entries(data)) {
    for (const node of nodes.filter(({ type }) => type === "LiquidVariableOutput")) {
      assert.equal(node.markup.filters.at(-1)?.name, "escape", name);
    }
  }
  // The popup's attribute is the only one with a fixed value.
  assert.deepEqual(
    Object.keys(data).filter((name) => data[name].every(({ type }) => type !== "LiquidVariableOutput")),
    ["data-popup"],
  );
});

test("the store is named by the domain that never changes", async () => {
  const [node] = (await attributes())["data-store"];
  assert.equal(node.markup.rawSource, "shop.permanent_domain | escape");
});

test("every setting is used, and every setting that is used is declared", async () => {
  const block = await file("blocks/tracker.liquid");
  const used = [...block.matchAll(/block\.settings\.(\w+)/g)].map(([, id]) => id);
  const declared = (await schema()).settings.flatMap(({ id }) => id ?? []);
  assert.deepEqual([...new Set(used)].sort(), declared.sort());
});

test("the block is an app embed that sends to the app proxy unless it is told otherwise", async () => {
  const { name, target, settings } = await schema();
  assert.ok(name.length <= 25, "Shopify takes no longer names");
  assert.equal(target, "head");
  assert.equal(settings.find(({ id }) => id === "endpoint").default, "/apps/shoptrail");
  // A setting that a merchant has emptied must not mean the server that the script is from.
  assert.match(await file("blocks/tracker.liquid"), /settings\.endpoint \| strip \| default: '\/apps\/shoptrail'/);
});

test("the merchant reads every label in the schema's locale, and the locale has no other text", async () => {
  const keys = [...JSON.stringify(await schema()).matchAll(/"t:([\w.]+)"/g)].map(([, key]) => key);
  const flat = (value, prefix) =>
    typeof value === "string"
      ? [prefix]
      : Object.entries(value).flatMap(([key, child]) => flat(child, prefix ? `${prefix}.${key}` : key));
  assert.deepEqual(flat(JSON.parse(await file("locales/en.default.schema.json")), "").sort(), keys.sort());
});

test("Shopify takes the folder: only what its command line knows lies in it", async () => {
  const known = { assets: /\.(js|css|json|svg|png|jpe?g|wasm)$/, blocks: /\.liquid$/, locales: /\.json$/ };
  const entries = await readdir(EXTENSION, { withFileTypes: true });
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    assert.ok(known[name], `${name} is no folder of a theme app extension`);
    for (const inside of await readdir(path.join(EXTENSION, name))) assert.match(inside, known[name]);
  }
  assert.deepEqual(
    entries.filter((entry) => entry.isFile()).map(({ name }) => name).sort(),
    ["README.md", "shopify.extension.toml"],
  );
  assert.match(await file("shopify.extension.toml"), /^type = "theme"$/m);
});
