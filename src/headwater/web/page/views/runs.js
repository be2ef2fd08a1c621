// The runs that the server knows, newest first, and the way to a new one.
import { html } from "../html.js";
import { harmless, oneLine, seconds } from "../words.js";
import { Paced } from "./paced.js";

const LOOKS = { running: "live", queued: "queued", waiting: "asks", finished: "done", failed: "failed", cancelled: "stopped" };

export class Runs extends Paced {
  static every = 250;

  render({ state }) {
    return html`<nav class="runs" aria-label="Runs">
      <button type="button" class="new" onClick=${() => state.go(null)}>${state.anew}<kbd class="wide">N</kbd></button>
      ${state.pickingOther ? html`<p class="note">Choose the run to compare with. <button type="button" class="quiet small" onClick=${() => { state.pickingOther = false; state.changed(); }}>Never mind</button></p>` : null}
      ${state.runs?.length === 0 ? html`<p class="muted note">No runs yet.</p>` : null}
      <ol>${(state.runs ?? []).map((run) => html`<${Entry} key=${run.run_id} run=${run} state=${state} />`)}</ol>
      <p class="foot muted">${state.connection === "lost" ? "The connection is lost. Reconnecting …" : state.reattached !== null ? html`Reattached at <span class="num">#${state.reattached}</span>.<br />Nothing missed, nothing twice.` : null}</p>
    </nav>`;
  }
}

function Entry({ run, state }) {
  const current = run.run_id === state.runId;
  const live = current && state.log.fold.root ? state.log.fold : null;
  const told = !live || live.over ? run.state : live.asked.length ? "waiting" : "running";
  const lasted = run.started != null ? (run.ended ?? (current ? state.now() : null)) - run.started : null;
  const open = (event) => {
    event.preventDefault();
    if (state.pickingOther && !current) state.go(state.runId, run.run_id);
    else state.go(run.run_id);
    state.view = "talk";
  };
  return html`<li><a href=${`#run=${run.run_id}`} aria-current=${current ? "true" : null} onClick=${open}>
    <span class="title" dir="auto">${oneLine(run.title || run.text || run.run_id, 120)}</span>
    <span class="meta"><i class=${`dot ${LOOKS[told] ?? ""}`} role="img" aria-label=${told}></i><span>${harmless(run.agent)}</span>
      <span class="num">${told === "waiting" ? "waits" : lasted != null && lasted >= 0 ? seconds(lasted) : ""}</span></span>
  </a></li>`;
}
