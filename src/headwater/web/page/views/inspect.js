// One event, in words and as it stands in the log: the last one that is shown.
import { oneSentence } from "../fold.js";
import { html } from "../html.js";
import { argumentsLine, clip, count, harmless, many, messageText, money, oneLine, precise, resultText, seconds } from "../words.js";
import { Paced } from "./paced.js";
import { swatch } from "./parts.js";

const LONGEST = 400; // characters of one string that the JSON shows

export class Inspect extends Paced {
  static every = 150;

  render({ state }) {
    const { log } = state;
    const event = log.events[log.shown - 1];
    if (!event) return html`<section class="look" aria-label="Inspect"><p class="muted">Nothing has happened yet.</p></section>`;
    const run = log.fold.child(event.run);
    return html`<section class="look" aria-label="Inspect">
      <div class="head"><h2>Event <span class="num">#${event.seq ?? log.shown - 1}</span></h2><code class=${tone(event)}>${harmless(event.type)}</code><span class="grow"></span><span class="muted num">${precise(event.time - log.started)}</span></div>
      <dl><dt>by</dt><dd>${swatch(run)}${harmless((event.path ?? []).join(" / "))}${event.step ? `, step ${event.step}` : ""}${event.attempt > 1 ? `, attempt ${event.attempt}` : ""}</dd>
      ${describe(event, log.fold).map(([term, told]) => html`<dt>${term}</dt><dd>${harmless(String(told))}</dd>`)}</dl>
      <pre tabindex="0"><code>${jsonLine(event)}</code></pre>
    </section>`;
  }
}

function tone({ type, error }) {
  if (type === "retracted" || type.endsWith(".failed") || type === "call.rejected" || error) return "bad";
  return type.endsWith(".asked") || type === "run.waiting" ? "asks" : "";
}

function shortened(_, value) {
  return typeof value === "string" ? clip(harmless(value), LONGEST) : value;
}

// JSON with spaces where a line may break.
function jsonLine(event) {
  return JSON.stringify(event, shortened, 1).replace(/\n */g, " ").replace(/([[{]) | (?=[\]}])/g, "$1");
}

// What an event says, as terms and words.
export function describe(event, fold) {
  switch (event.type) {
    case "run.started":
      return [["what", event.workflow ? `A ${event.workflow.kind} workflow of ${many(event.workflow.members?.length ?? 0, "member")} begins.` : "A run begins."], ["task", oneLine((event.input ?? []).map(messageText).join(" "), 200)], ...(event.model ? [["model", event.model]] : [])];
    case "run.waiting":
      return [["what", `The run waits for ${{ approval: "a person to approve a call", input: "a person's answer", children: "an agent below it", time: "a point in time" }[event.on ?? "input"]}.`]];
    case "run.finished":
      return [["what", "The run finished."], ...usage(event.usage), ...(event.finish_reason ? [["why", event.finish_reason]] : [])];
    case "run.failed":
      return [["why", oneSentence(event.error)], ...(event.error?.hint ? [["hint", event.error.hint]] : []), ...usage(event.usage)];
    case "run.cancelled":
      return [["what", `Stopped by ${event.by ?? "caller"}.`], ...usage(event.usage)];
    case "attempt.started":
      return [["what", `${event.provider || "A provider"} is asked for ${event.model || "an answer"}.`], ...((event.cause ?? "first") === "first" ? [] : [["why", event.cause]])];
    case "attempt.failed":
      return [["why", oneSentence(event.error)], ["then", (event.then ?? "raise") === "raise" ? "the run fails" : `${event.then}${event.wait ? ` after ${seconds(event.wait)}` : ""}`]];
    case "retracted":
      return [["why", event.cause], ["what", `${many(event.chars, "character")} retracted.`]];
    case "text.delta":
    case "reasoning.delta":
      return [["text", JSON.stringify(clip(event.text, 200))]];
    case "step.finished":
      return [["what", "The step is complete."], ...(event.finish_reason ? [["why", event.finish_reason]] : []), ...usage(event.usage)];
    case "call.ready":
      return [["call", event.name], ["with", argumentsLine(event.arguments)]];
    case "tool.started":
      return [["what", `${event.name} begins to run${event.try > 1 ? `, try ${event.try}` : ""}.`]];
    case "tool.finished":
      return [["tool", event.name], [event.error ? "error" : "result", oneLine(event.error ?? resultText(event.result), 200)], ["took", precise(event.duration)]];
    case "approval.asked":
      return [["what", `May ${event.name} run?`], ["with", argumentsLine(event.arguments)], ...(event.reason ? [["why", event.reason]] : [])];
    case "approval.answered":
      return [["what", `${event.allowed ? "Approved" : "Denied"}${event.by ? ` by ${event.by}` : ""}.`], ...(event.note ? [["note", event.note]] : [])];
    case "child.started":
      return [["what", `${event.name} begins as a ${event.role ?? "member"}.`], ...(event.after?.length ? [["after", event.after.map((id) => fold.child(id)?.name ?? id).join(", ")]] : [])];
    case "child.finished":
      return [["what", `${event.name} ${event.outcome ?? "finished"}.`], ...usage(event.usage)];
    case "usage.reported":
      return usage(event.usage);
    default:
      return [];
  }
}

function usage(one) {
  if (!one) return [];
  const parts = [["input_tokens", "in"], ["output_tokens", "out"], ["cached_input_tokens", "cached"], ["reasoning_tokens", "reasoning"]]
    .filter(([name]) => one[name] != null)
    .map(([name, word]) => `${count(one[name])} ${word}`);
  return [...(parts.length ? [["tokens", parts.join(", ")]] : []), ...(one.cost != null ? [["cost", money(one.cost)]] : [])];
}
