// Pictures for people to look at: a test can tell that a popup is there, and not whether it looks well.

import { mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../screenshots", import.meta.url));

export async function screenshot(page, name, options = {}) {
  mkdirSync(FOLDER, { recursive: true });
  await page.screenshot({ path: path.join(FOLDER, `${name}.png`), ...options });
}
