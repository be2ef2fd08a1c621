// The one template tag: htm over preact. No build, and no HTML is parsed: templates become calls that make elements.
import { h } from "./vendor/preact.mjs";
import htm from "./vendor/htm.mjs";

export const html = htm.bind(h);
