// The talk: the task, then a section for each agent in the order in which they began. Follows the newest words while the
// reader stands at the end.
import { Component } from "../vendor/preact.mjs";
import { html } from "../html.js";
import { Prose } from "../markdown.js";
import { clock, harmless, many, messageText } from "../words.js";
import { Section, stateOf } from "./section.js";

const NEAR_THE_END = 48; // pixels
const AT_MOST_EVERY = 150; // milliseconds between drawings of the overview, and between looks for the end
const NEW_AT_ONCE = 24; // sections that one frame adds: hundreds at once would stop the page for a moment
const MANY = 8; // from how many agents on an overview stands above them

export class Talk extends Component {
  constructor() {
    super();
    this.following = true;
    this.seen = new Map();
    this.tall = 0; // pixels; none while another view is shown in its place
    this.place = 0;
    this.upto = 0; // how many sections are there
  }

  watch = (element, seen) => {
    this.observer ??= new IntersectionObserver((entries) => entries.forEach((entry) => this.seen.get(entry.target)?.(entry.isIntersecting)), {
      root: this.element, rootMargin: "200px",
    });
    this.seen.set(element, seen);
    this.observer.observe(element);
    return () => {
      this.seen.delete(element);
      this.observer.unobserve(element);
    };
  };

  scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    if (clientHeight !== this.tall) return; // the pane has another size, and nobody has scrolled
    this.place = scrollTop;
    this.following = scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
  };

  // A pane that was turned, made smaller by a keyboard, or shown again after another one stands where it stood.
  sized = () => {
    const { state } = this.props;
    this.tall = this.element.clientHeight;
    if (this.tall) this.element.scrollTop = this.following && (state.isLive || state.playing) ? this.element.scrollHeight : this.place;
  };

  componentDidMount() {
    this.sizes = new ResizeObserver(this.sized);
    this.sizes.observe(this.element);
  }

  componentWillUnmount() {
    this.sizes.disconnect();
  }

  componentDidUpdate(previous) {
    const { state } = this.props;
    if (previous.runId !== state.runId) this.following = true;
    const now = performance.now();
    if (this.following && (state.isLive || state.playing) && now - (this.moved ?? 0) > AT_MOST_EVERY) {
      this.moved = now; // asking where the end is costs a layout; in between the browser holds on to the last element
      this.element.scrollTop = this.element.scrollHeight;
    }
    if (state.focus && state.focus !== this.focused) {
      document.getElementById(`run-${state.focus}`)?.scrollIntoView({ block: "start" });
      this.following = false;
    }
    this.focused = state.focus;
  }

  // The sections that this frame shows: the ones before, and a few of those that are to come.
  some(shown) {
    const { state } = this.props;
    if (this.run !== state.runId) Object.assign(this, { run: state.runId, upto: 0 });
    this.upto = Math.min(shown.length, this.upto + NEW_AT_ONCE);
    if (this.upto < shown.length) state.changed();
    return shown.slice(0, this.upto);
  }

  render({ state }) {
    const { fold } = state.log;
    const { root } = fold;
    const shown = fold.rows().filter(({ run }) => run.role !== "tool" && !(run === root && run.isWorkflow));
    return html`<section class="talk" aria-label="Talk" ref=${(element) => (this.element = element)} onScroll=${this.scrolled}>
      ${root ? html`<${Task} root=${root} fold=${fold} state=${state} />` : html`<p class="muted waits"><span class="pulse"></span>opening the run</p>`}
      ${shown.length > MANY ? html`<${Overview} shown=${shown} state=${state} />` : null}
      ${this.some(shown).map(({ run }) => html`<${Section} key=${run.id} run=${run} state=${state} watch=${this.watch} tick=${busy(run) ? Math.floor(state.now() * 10) : 0} />`)}
      ${root?.isWorkflow && root.state === "failed" ? root.items.filter((item) => item.kind === "error").map((item) => html`<div class="error" role="alert"><b>${item.error.type}</b> <span>${harmless(item.error.message)}</span></div>`) : null}
      <i class="end"></i>
    </section>`;
  }
}

function busy(run) {
  return !run.over && run.state !== "queued";
}

function Task({ root, state, fold }) {
  const text = root.input.map(messageText).join("\n");
  return html`<article class="task">
    ${root.history.filter((message) => message.role === "user" || message.role === "assistant").map((message) => html`<${Earlier} message=${message} />`)}
    <h2 class="title" dir="auto">${harmless(text.length > 600 ? `${text.slice(0, 600)} …` : text)}</h2>
    ${text.length > 600 ? html`<details class="more"><summary>The whole task</summary><pre tabindex="0">${harmless(text)}</pre></details>` : null}
    <p class="meta"><span>You</span><span class="num">${clock(root.started)}</span><span class="num">${root.id}</span>
      ${root.isWorkflow ? html`<span>${root.kind} workflow, ${many(root.members.length, "member")}</span>` : null}
      ${root.forkedFrom ? html`<span>forked from ${root.forkedFrom.run} at #${root.forkedFrom.seq}</span>` : null}</p>
  </article>`;
}

function Earlier({ message }) {
  const text = messageText(message);
  if (!text) return null;
  return message.role === "user"
    ? html`<p class="earlier you" dir="auto">${harmless(text)}</p>`
    : html`<div class="earlier"><${Prose} text=${text} open=${false} /></div>`;
}

class Overview extends Component {
  shouldComponentUpdate({ shown, state }) {
    const looks = shown.map(({ run }) => stateOf(run).look).join();
    const now = performance.now();
    if (looks === this.looks || (now - this.drawn < AT_MOST_EVERY && !state.log.fold.over)) return false;
    Object.assign(this, { looks, drawn: now });
    return true;
  }

  render({ shown, state }) {
    const counts = {};
    for (const { run } of shown) {
      const { look } = stateOf(run);
      counts[look] = (counts[look] ?? 0) + 1;
    }
    const words = { live: "at work", asks: "waiting for you", done: "done", healed: "done after a loss", failed: "failed", stopped: "stopped", queued: "not begun" };
    return html`<nav class="overview" aria-label="All agents">
      <p>${Object.entries(words).filter(([look]) => counts[look]).map(([look, word]) => html`<span class=${`tally ${look}`}><i class=${`dot ${look}`}></i>${counts[look]} ${word}</span>`)}</p>
      <div class="cells">${shown.map(({ run }) => html`<a key=${run.id} href=${`#run-${run.id}`} class=${`cell ${stateOf(run).look}`} title=${`${run.name}: ${stateOf(run).word}`} aria-label=${`${run.name}: ${stateOf(run).word}`}
        onClick=${(event) => { event.preventDefault(); state.focus = run.id; state.changed(); }}></a>`)}</div>
    </nav>`;
  }
}
