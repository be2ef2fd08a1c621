// Where a new run begins: who can be asked.
import { HUES } from "../fold.js";
import { html } from "../html.js";
import { harmless, many } from "../words.js";
import { problem } from "./parts.js";

export function Welcome({ state }) {
  return html`<section class="talk welcome" aria-label="Talk">
    ${state.missing ? problem("This run cannot be shown.", state.missing) : null}
    <h2 class="title">What should the agents do?</h2>
    <div class="cards" role="group" aria-label="Agents">${state.agents.map((one) => html`<button type="button" key=${one.name} class="card" aria-pressed=${String(one.name === state.agent)} onClick=${() => { state.agent = one.name; state.changed(); document.getElementById("say")?.focus(); }}>
      <b>${harmless(one.name)}</b><span class="muted">${one.kind && one.kind !== "agent" ? `${one.kind} workflow${one.members?.length ? `, ${many(one.members.length, "agent")}` : ""}` : "agent"}</span>
      ${one.description ? html`<span>${harmless(one.description)}</span>` : null}
      ${one.members?.length ? html`<span class="members">${one.members.slice(0, 8).map((name, at) => html`<span><i class=${`sw s${at % HUES}`}></i>${harmless(typeof name === "string" ? name : name.name)}</span>`)}${one.members.length > 8 ? html`<span class="muted">and ${one.members.length - 8} more</span>` : null}</span>` : null}
    </button>`)}</div>
  </section>`;
}
