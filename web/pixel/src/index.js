// The pixel's entry: Shopify's command line bundles this file and what it imports.
import { register } from "@shopify/web-pixels-extension";

import { startPixel } from "./pixel.js";

register(startPixel);
