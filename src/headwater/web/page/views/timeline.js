// The pane of times: waterfall, rates, first tokens. Drawn ten times a second at most, however fast events come.
import { Component } from "../vendor/preact.mjs";
import { html } from "../html.js";
import { FirstTokens, Rates } from "./rates.js";
import { Waterfall } from "./waterfall.js";

const AT_MOST_EVERY = 95; // milliseconds

export class Timeline extends Component {
  shouldComponentUpdate({ state }) {
    const now = performance.now();
    if (state.log.fold === this.fold && (state.isLive || state.playing) && now - this.drawn < AT_MOST_EVERY) return false;
    this.drawn = now;
    this.fold = state.log.fold;
    return true;
  }

  render({ state }) {
    const now = state.now();
    return html`<section class="time" aria-label="Timeline">
      <div class="head"><h2>Waterfall</h2><div class="legend muted"><span><i class="k wait"></i>waiting</span><span><i class="k think"></i>thinking</span><span><i class="k say"></i>writing</span><span><i class="k tool"></i>tool</span><span><i class="k fail"></i>lost</span></div></div>
      <${Waterfall} state=${state} now=${now} />
      <${Rates} state=${state} now=${now} />
      <${FirstTokens} state=${state} />
    </section>`;
  }
}
