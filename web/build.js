// Builds web/tracker.js from web/tracker/, and says how large it is: `node build.js [--check | --size]`.

import { readFile, writeFile } from "node:fs/promises";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

/** The most that the script may weigh, gzipped: 6 KB. */
const MOST_BYTES = 6_000;
const BANNER = "/* Shoptrail: built from web/tracker */";
/** Where the script goes: the backend serves the first one, Shopify the second one. */
const BUILT = ["tracker.js", "theme-app-extension/assets/tracker.js"];

const here = (path) => new URL(path, import.meta.url);

const bundle = async () => {
  const bundled = await build({
    entryPoints: [here("tracker/main.js").pathname],
    bundle: true,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    write: false,
  });
  // Also what goes wrong while the modules are set up, in a page that has broken what every page has, stays in here.
  const minified = await minify(`try{${bundled.outputFiles[0].text}}catch{}`, {
    ecma: 2020,
    compress: { ecma: 2020, passes: 3, pure_getters: true, toplevel: true, unsafe: true },
    mangle: { toplevel: true },
    format: { preamble: BANNER },
  });
  return `${minified.code}\n`;
};

const option = process.argv[2];
const script = await bundle();
const gzipped = gzipSync(script, { level: 9 }).length;

if (option === undefined) {
  await Promise.all(BUILT.map((path) => writeFile(here(path), script)));
} else if (option === "--check") {
  for (const path of BUILT) {
    if ((await readFile(here(path), "utf8")) !== script) {
      throw new Error(`web/${path} is stale: run npm run build`);
    }
  }
} else if (option !== "--size") {
  throw new Error("usage: node build.js [--check | --size]");
}

const brotli = brotliCompressSync(script).length;
console.log(`tracker.js: ${script.length} B minified, ${gzipped} B gzipped (at most ${MOST_BYTES} B), ${brotli} B with brotli`);
if (gzipped > MOST_BYTES) {
  throw new Error("the tracker is too large");
}
