// One run in the talk: who speaks, what it thinks, says and does, what it asks. Drawn again only when the run has
// changed and can be seen, or has come to another state; what is settled in it is not even compared.
import { Component } from "../vendor/preact.mjs";
import { oneSentence } from "../fold.js";
import { html } from "../html.js";
import { link, Prose } from "../markdown.js";
import { argumentsLine, clock, count, harmless, many, messageText, money, oneLine, precise, resultText, seconds } from "../words.js";
import { Ask } from "./ask.js";
import { problem, swatch } from "./parts.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

export function stateOf(run) {
  if (run.state === "finished") return run.lost ? { word: "done", title: `after ${many(run.lost, "lost attempt")}`, look: "healed" } : { word: "done", look: "done" };
  if (run.state === "failed") return { word: "failed", look: "failed" };
  if (run.state === "cancelled") return { word: "stopped", look: "stopped" };
  if (run.state === "queued") return { word: "not begun", look: "queued" };
  for (const call of run.calls.values()) if (call.questions.some((question) => question.open)) return { word: "asks you", look: "asks" };
  if (run.state === "waiting") return { word: "waits", look: "asks" };
  const words = { asking: "asks the model", thinking: "thinks", writing: "writes", tools: "runs tools" };
  return { word: words[run.phase] ?? "at work", look: "live" };
}

export class Section extends Component {
  shouldComponentUpdate(next) {
    return next.run !== this.props.run || this.due(next);
  }

  due({ run, state }) {
    if (!this.visible) return !this.bare && run.state !== this.told;
    return run.version !== this.drawn || this.bare || (this.ticks && tick(state) !== this.tick);
  }

  refresh() {
    if (this.due(this.props)) this.forceUpdate();
  }

  componentDidMount() {
    this.visible = !this.props.talk;
    this.props.talk?.watch(this);
  }

  componentWillUnmount() {
    this.props.talk?.unwatch(this);
  }

  render({ run, state, inner }) {
    Object.assign(this, { drawn: run.version, told: run.state, tick: tick(state), ticks: run.items.some(lasts) });
    const now = state.now();
    const told = stateOf(run);
    const ref = (element) => (this.element = element);
    const name = html`${swatch(run)}<h2>${harmless(run.name)}</h2>`;
    this.bare = Boolean(this.props.talk) && !this.visible && !this.drawnWhole; // among hundreds, most were never looked at
    if (this.bare) return html`<section ref=${ref} id=${`run-${run.id}`} tabindex="-1" class="agent" aria-label=${run.name}><header>${name}</header></section>`;
    this.drawnWhole = true;
    const place = run.path.slice(1, -1).join(" / ");
    return html`<section ref=${ref} id=${`run-${run.id}`} tabindex="-1"
      class=${`agent ${told.look} ${inner ? "inner" : ""}`} aria-label=${run.name}>
      <header>
        ${name}
        ${place && !inner ? html`<span class="place">${harmless(place)}</span>` : null}
        <span class="model">${run.isWorkflow ? `${run.kind} workflow` : harmless(run.model)}</span>
        <span class="grow"></span>
        <${Facts} run=${run} />
        <span class=${`state ${told.look}`} title=${told.title}>${told.word}</span>
      </header>
      <div class="body">
        ${run.items.map((item, at) => html`<${Item} key=${at} item=${item} run=${run} state=${state} now=${now} />`)}
        ${waits(run) ? html`<p class="waits"><span class="pulse" aria-hidden="true"></span>${waits(run)}</p>` : null}
        ${run.output !== undefined && run.output !== null && typeof run.output === "object" ? html`<${Output} value=${run.output} />` : null}
      </div>
    </section>`;
  }
}

function tick(state) {
  return Math.floor(state.now() * 10);
}

// Whether its seconds are counted while it is shown.
function lasts(item) {
  return item.over === false || (item.kind === "reasoning" && item.open);
}

function waits(run) {
  if (run.state !== "running") return null;
  if (run.phase === "asking") return `waiting for ${run.model || "the model"}`;
  return null;
}

function Facts({ run }) {
  const rate = run.tokensPerSecond;
  const tokens = run.tokens;
  return html`<span class="facts num">
    ${run.firstToken !== null ? html`<span title="Time to the first token">${precise(run.firstToken)} to first</span>` : null}
    ${rate ? html`<span class="wide">${count(rate)} tok/s</span>` : null}
    ${tokens ? html`<span class="wide">${run.estimated ? "~" : ""}${count(tokens)} tok</span>` : null}
    ${run.usage?.cost != null ? html`<span>${money(run.usage.cost)}</span>` : null}
  </span>`;
}

function Output({ value }) {
  return html`<details class="output"><summary>Typed output</summary><pre tabindex="0"><code>${JSON.stringify(value, null, 2)}</code></pre></details>`;
}

class Item extends Component {
  shouldComponentUpdate({ item }) {
    return item !== this.props.item || !this.settled;
  }

  render({ item, run, state, now }) {
    this.settled = settled(item, run, state.log.fold);
    return draw(item, run, state, now);
  }
}

// Whether nothing that can come changes how it looks.
function settled(item, run, fold) {
  if (item.kind === "said") return item.heard !== null || run.over;
  if (item.kind === "call") return item.over && (fold.child(item.child)?.over ?? true);
  return item.kind !== "lost" && (run.over || !item.open);
}

function draw(item, run, state, now) {
  switch (item.kind) {
    case "text":
      return item.text ? html`<div class=${item.refusal ? "refusal" : null}><${Prose} text=${item.text} open=${item.open && !run.over} /></div>` : null;
    case "reasoning":
      return html`<${Thought} item=${item} now=${now} />`;
    case "call":
      return html`<${Call} call=${item} run=${run} state=${state} now=${now} />`;
    case "lost":
      return html`<${Lost} item=${item} />`;
    case "said":
      return html`<div class="said"><p>${harmless(messageText(item.message))}</p>
        <p class="meta"><span>${harmless(item.by || "You")}</span><span class="num">${clock(item.at)}</span><span>${item.heard !== null ? "heard" : run.over ? "never heard" : "waits to be heard"}</span></p></div>`;
    case "source":
      return html`<p class="source">${link(item.url, harmless(item.title || item.url))}</p>`;
    case "file":
      return html`<${Made} file=${item.file} />`;
    case "error":
      return problem(item.error.type, item.error);
    case "note":
      return html`<p class=${item.warning ? "note warning" : "note"}>${harmless(item.title)}${item.text ? html` <span>${harmless(item.text)}</span>` : null}</p>`;
    default:
      return null;
  }
}

function Thought({ item, now }) {
  const lasted = seconds((item.to ?? now) - item.from);
  const word = item.open ? `Thinking, ${lasted}` : item.redacted ? `Thought for ${lasted}, which the provider keeps to itself` : `Thought for ${lasted}`;
  if (!item.text) return html`<p class="think quiet-line">${word}</p>`;
  return html`<details class="think"><summary>${word}${item.open ? html` <span class="last">${oneLine(item.text.slice(-160), 90)}</span>` : null}</summary><${Prose} text=${item.text} open=${item.open} /></details>`;
}

function Made({ file }) {
  const name = harmless(file.name || file.media_type || "file");
  if (file.data && PICTURES.has(file.media_type)) return html`<img class="made" alt=${name} src=${`data:${file.media_type};base64,${file.data}`} />`;
  return html`<p class="source">${file.url ? link(file.url, name) : name}</p>`;
}

const FOLLOWS = { retry: "asked again", fallback: "another model was asked", restart: "the step was asked again", resume: "the step was asked again", guard: "asked again" };

function Lost({ item }) {
  const what = item.chars ? `${many(item.chars, "character")} retracted; ` : "";
  const wait = item.wait ? ` after ${seconds(item.wait)}` : "";
  return html`<div class="heal">
    ${item.ghost ? html`<del>${harmless(item.ghost.slice(-400))}</del>` : null}
    <p>${harmless(oneSentence(item.error))}</p>
    <p class="num">${what}${FOLLOWS[item.then] ?? item.then}${wait}</p>
  </div>`;
}

const MARKS = { writing: "live", ready: "live", running: "live", asks: "asks", done: "good", failed: "bad", rejected: "bad", refused: "off", cut: "off", void: "off", offered: "live" };
const TOLD = { rejected: "not run", refused: "denied", cut: "cut off", void: "no answer came", offered: "for you to run" };

function Call({ call, run, state, now }) {
  const child = call.child ? state.log.fold.child(call.child) : null;
  const from = call.started ?? call.asked;
  const lasted = call.started === null && !call.over ? "" : seconds((call.ended ?? now) - from);
  const out = call.over ? (call.error ?? resultText(call.result)) : progressLine(call.progress);
  const share = call.over ? null : progressShare(call.progress);
  const question = call.questions.find((one) => one.open);
  return html`<div class=${`call ${MARKS[call.state] ?? ""}`}>
    <div class="tool">
      <span class="mark" aria-hidden="true"></span>
      <code>${harmless(call.name)}</code>
      <span class="args">${call.arguments !== null ? argumentsLine(call.arguments) : oneLine(call.json.slice(-160))}</span>
      <span class="num">${TOLD[call.state] ?? lasted}</span>
      ${call.decidedBy || call.note
        ? html`<span class="by">${call.state === "refused" ? "Denied" : "Approved"}${call.decidedBy ? ` by ${harmless(call.decidedBy)}` : ""}${call.note ? html` with the note <q>${harmless(call.note)}</q>` : null}</span>`
        : null}
      ${out || share !== null
        ? html`<span class="out"><span class="line">${oneLine(out ?? "", 300)}</span>${share !== null ? html`<${Bar} share=${share} />` : null}</span>`
        : null}
    </div>
    ${call.over && long(call) ? html`<details class="more"><summary>All of it</summary><pre tabindex="0"><code>${harmless(whole(call))}</code></pre></details>` : null}
    ${child ? html`<${Section} run=${child} state=${state} inner=${true} />` : null}
    ${question && !run.over ? html`<${Ask} key=${question.id} question=${question} run=${run} state=${state} />` : null}
  </div>`;
}

function long(call) {
  const result = call.error ?? resultText(call.result);
  return result.length > 120 || result.includes("\n") || argumentsLine(call.arguments).length > 90;
}

function whole(call) {
  const given = typeof call.arguments === "string" ? call.arguments : JSON.stringify(call.arguments, null, 2);
  const result = call.error ?? resultText(call.result);
  return `${call.name}(${given})\n\n${result.length > 20000 ? `${result.slice(0, 20000)}\n… ${count(result.length - 20000)} more characters` : result}`;
}

function progressLine(data) {
  if (data == null) return "";
  if (typeof data === "string") return data;
  if (typeof data === "object") return data.message ?? (data.total ? `${data.progress ?? 0} of ${data.total}` : JSON.stringify(data));
  return String(data);
}

function progressShare(data) {
  const { progress, total } = data && typeof data === "object" ? data : {};
  return typeof progress === "number" && typeof total === "number" && total > 0 ? Math.min(1, progress / total) : null;
}

export function Bar({ share }) {
  return html`<svg class="prog" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
    <rect class="p0" width="100" height="4" rx="2" /><rect class="p1" width=${100 * share} height="4" rx="2" />
  </svg>`;
}
