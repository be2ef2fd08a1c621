// The talk: the task, then a section for each agent in the order in which they began. Follows the newest words while the
// reader stands at the end.
import { Component } from "../vendor/preact.mjs";
import { html } from "../html.js";
import { Prose } from "../markdown.js";
import { clock, harmless, many, messageText } from "../words.js";
import { Paced } from "./paced.js";
import { problem } from "./parts.js";
import { Section, stateOf } from "./section.js";

const NEAR_THE_END = 48; // pixels
const AT_MOST_EVERY = 150; // milliseconds between looks for the end
const NEW_AT_ONCE = 24; // sections that one frame adds: hundreds at once would stop the page for a moment
const MANY = 8; // from how many agents on an overview stands above them

export class Talk extends Component {
  following = true;
  sections = new Map(); // by their elements
  tall = 0; // pixels; none while another view is shown in its place
  place = 0;
  upto = 0; // how many sections are there

  watch(section) {
    this.observer ??= new IntersectionObserver(this.sighted, { root: this.element, rootMargin: "200px" });
    this.sections.set(section.element, section);
    this.observer.observe(section.element);
  }

  unwatch(section) {
    this.sections.delete(section.element);
    this.observer.unobserve(section.element);
  }

  sighted = (entries) => {
    for (const { target, isIntersecting } of entries) {
      const section = this.sections.get(target);
      if (section) section.visible = isIntersecting;
      section?.refresh();
    }
  };

  // Asking where the pane stands costs a layout: while words come, that is asked at the pace of `hold`.
  scrolled = () => {
    if (!this.props.state.moves) this.look();
  };

  // Whoever stands at the end follows it, until they scroll up.
  look() {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    if (clientHeight !== this.tall) return; // the pane has another size, and nobody has scrolled
    if (scrollHeight - scrollTop - clientHeight < NEAR_THE_END) this.following = true;
    else if (scrollTop < this.place - 1 || !this.props.state.moves) this.following = false;
    this.place = scrollTop;
  }

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

  // Tokens draw the sections in sight alone. The list is drawn again where a run has begun or ended, and where somebody
  // did something.
  shouldComponentUpdate({ state }) {
    const { fold } = state.log;
    if (this.more || !state.moves || state.turn !== this.turn || fold !== this.fold || fold.tree !== this.tree || fold.over !== this.over) return true;
    this.sections.forEach((section) => section.refresh());
    this.overview?.refresh();
    this.hold();
    return false;
  }

  componentDidUpdate(previous) {
    const { state } = this.props;
    if (previous.runId !== state.runId) this.following = true;
    this.hold();
    if (state.focus && state.focus !== this.focused) {
      document.getElementById(`run-${state.focus}`)?.scrollIntoView({ block: "start" });
      this.following = false;
    }
    this.focused = state.focus;
  }

  hold() {
    const { state } = this.props;
    const now = performance.now();
    if (this.more || !(state.isLive || state.playing) || now - (this.moved ?? 0) < AT_MOST_EVERY) return;
    this.moved = now; // in between the browser holds on to the last element
    this.look();
    if (!this.following) return;
    this.element.scrollTop = this.element.scrollHeight;
    this.place = this.element.scrollTop;
  }

  // The sections that this frame shows: the ones before, and a few of those that are to come.
  some(shown) {
    const { state } = this.props;
    if (this.run !== state.runId) Object.assign(this, { run: state.runId, upto: 0 });
    this.upto = Math.min(shown.length, this.upto + NEW_AT_ONCE);
    this.more = this.upto < shown.length;
    if (this.more) state.grew();
    return shown.slice(0, this.upto);
  }

  render({ state }) {
    const { fold } = state.log;
    const { root } = fold;
    Object.assign(this, { turn: state.turn, fold, tree: fold.tree, over: fold.over });
    const shown = fold.rows().filter(({ run }) => run.role !== "tool" && !(run === root && run.isWorkflow));
    return html`<section class="talk" aria-label="Talk" ref=${(element) => (this.element = element)} onScroll=${this.scrolled}>
      ${root ? html`<${Task} root=${root} fold=${fold} state=${state} />` : html`<p class="muted waits"><span class="pulse"></span>opening the run</p>`}
      ${shown.length > MANY ? html`<${Overview} talk=${this} shown=${shown} state=${state} />` : null}
      ${this.some(shown).map(({ run }) => html`<${Section} key=${run.id} run=${run} state=${state} talk=${this} />`)}
      ${root?.isWorkflow && root.state === "failed" ? root.items.filter((item) => item.kind === "error").map(({ error }) => problem(error.type, error)) : null}
      <i class="end"></i>
    </section>`;
  }
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

const LOOKS = { live: "at work", asks: "waiting for you", done: "done", healed: "done after a loss", failed: "failed", stopped: "stopped", queued: "not begun" };

class Overview extends Paced {
  static every = 150;

  componentDidMount() {
    this.props.talk.overview = this;
  }

  refresh() {
    if (this.due(this.props.state)) this.forceUpdate();
  }

  render({ shown, state }) {
    const looks = shown.map(({ run }) => stateOf(run).look);
    const counts = {};
    for (const look of looks) counts[look] = (counts[look] ?? 0) + 1;
    return html`<nav class="overview" aria-label="All agents">
      <p>${Object.entries(LOOKS).filter(([look]) => counts[look]).map(([look, word]) => html`<span class=${`tally ${look}`}><i class=${`dot ${look}`}></i>${counts[look]} ${word}</span>`)}</p>
      <div class="cells">${shown.map(({ run }, at) => html`<${Cell} key=${run.id} run=${run} look=${looks[at]} state=${state} />`)}</div>
    </nav>`;
  }
}

class Cell extends Component {
  shouldComponentUpdate({ look }) {
    return look !== this.props.look;
  }

  render({ run, look, state }) {
    const label = `${run.name}: ${LOOKS[look]}`;
    const show = (event) => {
      event.preventDefault();
      state.focus = run.id;
      state.changed();
    };
    return html`<a href=${`#run-${run.id}`} class=${`cell ${look}`} title=${label} aria-label=${label} onClick=${show}></a>`;
  }
}
