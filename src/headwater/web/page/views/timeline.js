// The pane of times: waterfall, rates, first tokens. Each draws at a pace of its own.
import { html } from "../html.js";
import { FirstTokens, Rates } from "./rates.js";
import { Waterfall } from "./waterfall.js";

export function Timeline({ state }) {
  return html`<section class="time" aria-label="Timeline">
    <div class="head"><h2>Waterfall</h2><div class="legend muted"><span><i class="k wait"></i>waiting</span><span><i class="k think"></i>thinking</span><span><i class="k say"></i>writing</span><span><i class="k tool"></i>tool</span><span><i class="k fail"></i>lost</span></div></div>
    <${Waterfall} state=${state} /><${Rates} state=${state} /><${FirstTokens} state=${state} />
  </section>`;
}
