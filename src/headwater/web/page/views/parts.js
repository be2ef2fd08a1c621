// Small parts that several views show alike: whose words these are, and what went wrong.
import { html } from "../html.js";
import { harmless } from "../words.js";

// The color of an agent; a workflow, which says nothing itself, has a ring.
export function swatch(run) {
  return html`<i class=${run?.isWorkflow ? "sw ring" : `sw s${run?.hue ?? 0}`}></i>`;
}

export function named(run) {
  return [swatch(run), harmless(run.name)];
}

export function problem(title, { message, hint }) {
  return html`<div class="error" role="alert"><b>${title}</b> <span>${harmless(message ?? "")}</span>${hint ? html`<p>${harmless(hint)}</p>` : null}</div>`;
}
