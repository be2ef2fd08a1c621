// The bar at the top: which agent, how it stands, and what can be done with the run.
import { CHARACTERS_A_TOKEN, cost, RATE_BIN } from "../fold.js";
import { html } from "../html.js";
import { count, harmless, many, money, seconds } from "../words.js";
import { Paced } from "./paced.js";

const RATE_WINDOW = 1; // seconds over which the rate of all agents together is taken

export class TopBar extends Paced {
  static every = 100;

  render({ state }) {
    const { log } = state;
    const { fold } = log;
    const { root } = fold;
    const agents = fold.agents();
    const atWork = agents.filter((run) => !run.over && run.state !== "queued").length;
    return html`<header class="bar"><h1 class="hide">${document.title}</h1>
      <a class="brand" href="#" aria-label="headwater: new run" onClick=${(event) => { event.preventDefault(); state.go(null); }}>
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M2 9c3 0 3-3 6-3s3 3 6 3 3-3 6-3" /><path d="M2 15c3 0 3-3 6-3s3 3 6 3 3-3 6-3" /></svg><span>headwater</span></a>
      ${state.composing ? html`<${Picker} state=${state} />` : html`<span class="who"><b>${harmless(root?.agent ?? "")}</b><span class="muted wide">${root ? (root.isWorkflow ? `workflow, ${many(root.members.length, "agent")}` : harmless(root.model)) : ""}</span></span>`}
      <div class="status" role="status">${root && !state.composing ? html`
        <span class=${`how ${look(state)}`}><i></i><span>${word(state)}</span></span>
        <span class="num">${seconds((root.ended ?? state.now()) - root.started)}</span>
        ${root.isWorkflow && !fold.over ? html`<span class="muted">${atWork} of ${agents.length} at work</span>` : null}
        ${cost(agents) ? html`<span class="muted num">${money(cost(agents))}</span>` : null}
        <span class="muted num">${many(tokens(agents), "token")}</span>
        ${!fold.over ? html`<span class="muted num" title="All agents together, over the last second">${count(rateNow(agents, state.now()))} tok/s</span>` : null}` : null}
      </div>
      <div class="acts">
        ${root && !state.composing && !state.saved ? html`
          <button type="button" class="quiet wide" aria-pressed=${String(Boolean(state.otherId) || state.pickingOther)} onClick=${() => compare(state)}>Compare</button>
          <a class="button quiet wide" href=${`runs/${state.runId}/page.html`} download=${`${state.runId}.html`} title="Save the run as one file that plays">Share</a>` : null}
        <button type="button" class="icon" aria-label="Light or dark" onClick=${theme}><svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="5.2" /><path d="M8 2.8a5.2 5.2 0 0 1 0 10.4z" class="fill" /></svg></button>
        <button type="button" class="icon wide" aria-label="Keys" onClick=${() => { state.help = true; state.changed(); }}>?</button>
        ${root && !fold.over && !state.saved && !state.composing ? html`<button type="button" class="stop" onClick=${() => state.stop()}><svg viewBox="0 0 12 12" aria-hidden="true"><rect x="2.5" y="2.5" width="7" height="7" rx="1.5" /></svg>Stop<kbd class="wide">Esc</kbd></button>` : null}
      </div>
    </header>`;
  }
}

function Picker({ state }) {
  if (state.agents.length < 2) return html`<span class="who"><b>${harmless(state.agent)}</b></span>`;
  return html`<label class="who"><span class="hide">Agent</span><select value=${state.agent} onChange=${(event) => { state.agent = event.target.value; state.changed(); }}>
    ${state.agents.map((one) => html`<option value=${one.name} selected=${one.name === state.agent}>${harmless(one.name)}</option>`)}</select></label>`;
}

function look(state) {
  const { fold } = state.log;
  if (state.connection === "lost") return "lost";
  if (fold.asked.length) return "asks";
  if (!state.log.isLive) return "replay";
  return fold.over ? { finished: "done", failed: "failed", cancelled: "stopped" }[fold.state] : "live";
}

function word(state) {
  return { lost: "Reconnecting", asks: "Asks you", replay: state.playing ? "Replay" : "Paused", done: "Done", failed: "Failed", stopped: "Stopped", live: "Live" }[look(state)];
}

function tokens(agents) {
  return agents.reduce((sum, run) => sum + run.tokens, 0);
}

function rateNow(agents, now) {
  let characters = 0;
  for (const run of agents)
    for (let bin = Math.floor((now - RATE_WINDOW) / RATE_BIN); bin <= now / RATE_BIN; bin += 1) characters += run.rate.get(bin) ?? 0;
  return characters / CHARACTERS_A_TOKEN / (RATE_WINDOW + RATE_BIN);
}

function compare(state) {
  if (state.otherId) state.go(state.runId);
  else {
    state.pickingOther = !state.pickingOther;
    if (state.pickingOther) state.view = "runs";
  }
  state.changed();
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // a page from disk may have no storage
  }
  dispatchEvent(new Event("themechange"));
}
