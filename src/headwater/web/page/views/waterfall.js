// When each agent waited for its first token, thought, wrote, lost an attempt, and when its tools ran. Rows are the tree
// of runs; all of them share one time axis.
import { Component } from "../vendor/preact.mjs";
import { html } from "../html.js";
import { harmless, seconds } from "../words.js";
import { AXIS, axis, bars, Canvas, grid, line, rounded, toolBar } from "./canvas.js";
import { Paced } from "./paced.js";
import { swatch } from "./parts.js";

const ROW = 24;
const BEYOND = 10; // rows above and below the ones in sight whose names are there too, for the keyboard

// The rows: a run each, and one for each tool that ran in it and is no run itself.
export function rowsOf(fold) {
  const rows = [];
  const hidden = fold.root?.isWorkflow ? 1 : 0; // the workflow itself: its row would say what the axis says
  for (const { run, depth: deep } of fold.rows()) {
    const depth = deep - hidden;
    if (depth >= 0) rows.push({ run, depth, name: run.name, call: null });
    for (const call of run.calls.values())
      if ((call.started !== null || call.questions.length) && !call.child) rows.push({ run, depth: depth + 1, name: call.name, call });
  }
  return rows;
}

export class Waterfall extends Paced {
  static every = 95;
  top = 0;
  from = 0; // the first row whose name is there

  scrolled = () => {
    this.top = this.scroller.scrollTop;
    if (this.first() === this.from) this.canvas?.paint();
    else this.setState({});
  };

  // In steps, so that scrolling by a row draws no names.
  first() {
    return Math.max(0, Math.floor(this.top / ROW / BEYOND - 1) * BEYOND);
  }

  draw = (context, width, height, colors) => {
    const { now } = this;
    const { fold } = this.props.state.log;
    if (fold.began === null) return;
    const times = axis(Math.max(now - fold.began, 0.5), width);
    const place = (after) => (after / times.end) * (width - 10) + 1;
    const x = (time) => place(time - fold.began);
    grid(context, times, place, height, colors);
    context.fillStyle = colors.sunk;
    context.globalAlpha = 0.6;
    context.fillRect(x(now), AXIS - 2, width, height);
    context.globalAlpha = 1;
    context.save();
    context.beginPath();
    context.rect(0, AXIS, width, height - AXIS);
    context.clip();
    const first = Math.max(0, Math.floor(this.top / ROW));
    const last = Math.min(this.rows.length, Math.ceil((this.top + height) / ROW));
    for (let at = first; at < last; at += 1) {
      const middle = AXIS + at * ROW + ROW / 2 - this.top;
      const { run, call } = this.rows[at];
      const hue = colors.hues[run.hue];
      if (call) drawCall(context, call, x, middle, now, hue, colors);
      else drawRun(context, run, x, middle, now, hue, colors, width);
    }
    context.restore();
    context.strokeStyle = colors.accent;
    context.lineWidth = 1.5;
    line(context, x(now), AXIS - 6, x(now), height);
  };

  render({ state }) {
    const { fold } = state.log;
    if (this.laid !== fold || this.shape !== fold.shape) Object.assign(this, { laid: fold, shape: fold.shape, rows: rowsOf(fold) });
    this.now = state.now();
    this.from = this.first();
    const height = this.rows.length * ROW + AXIS + 6;
    const shown = this.rows.slice(this.from, this.from + Math.ceil((this.canvas?.height ?? 400) / ROW) + 3 * BEYOND);
    return html`<div class="fall" ref=${(element) => (this.scroller = element)} onScroll=${this.scrolled} tabindex=${this.rows.length > 12 ? 0 : null} role="group" aria-label="Waterfall">
      <div class="names" style=${`height:${height}px`}><div style=${`height:${this.from * ROW}px`}></div><${Names} rows=${shown} from=${this.from} shape=${fold.shape} fold=${fold} state=${state} /></div>
      <div class="bars"><${Canvas} ref=${(canvas) => (this.canvas = canvas)} draw=${this.draw} label=${summary(fold)} /></div>
    </div>`;
  }
}

class Names extends Component {
  shouldComponentUpdate(next) {
    return next.shape !== this.props.shape || next.fold !== this.props.fold || next.from !== this.props.from;
  }

  render({ rows, from, fold, state }) {
    const show = (run) => () => {
      state.focus = run.id;
      state.view = "talk";
      state.changed();
    };
    return rows.map(({ run, depth, name, call }, at) => html`<button type="button" key=${from + at} class=${call ? "name sub" : run.isWorkflow ? "name flow" : "name"} style=${`padding-left:${Math.min(depth, 5) * 12}px`}
      title=${after(run, fold, call)} onClick=${show(run)}>${call || depth > 0 ? html`<i class="elbow" aria-hidden="true"></i>` : null}${call ? null : swatch(run)}<span>${harmless(name)}</span></button>`);
  }
}

function after(run, fold, call) {
  if (call || !run.after.length) return harmless(call?.name ?? run.name);
  return `${harmless(run.name)}, after ${run.after.map((id) => fold.child(id)?.name ?? id).join(", ")}`;
}

function drawRun(context, run, x, middle, now, hue, colors, width) {
  if (run.isWorkflow) {
    context.fillStyle = colors["line-2"];
    context.fillRect(x(run.started), middle - 1, Math.max(1, x(run.ended ?? now) - x(run.started)), 2);
    return;
  }
  bars(context, run, x, middle, now, hue, colors);
  if (!run.over || run.ended > now) return;
  const failed = run.state === "failed";
  const text = failed ? "failed" : seconds(run.ended - run.started);
  context.font = `11px ${colors.sans}`;
  const long = context.measureText(text).width;
  let at = x(run.ended) + 5;
  if (at - 3 < x(now) && x(now) < at + long + 3) at = x(now) + 5; // beside the playhead, not under it
  if (at + long > width) return;
  context.textAlign = "left";
  context.fillStyle = failed ? colors.bad : colors["ink-2"];
  context.fillText(text, at, middle + 4);
}

function drawCall(context, call, x, middle, now, hue, colors) {
  context.font = `11px ${colors.sans}`;
  context.textAlign = "left";
  if (call.started !== null) {
    const [from, length] = toolBar(context, call, x, middle, now, hue, colors);
    const text = seconds((call.ended ?? now) - call.started);
    if (!call.questions.some((question) => question.open) && context.measureText(text).width + 10 < length) {
      context.fillStyle = colors.ink;
      context.fillText(text, from + 5, middle + 4);
    }
  }
  for (const question of call.questions) {
    const from = x(question.asked);
    const until = x(Math.min(question.answer?.time ?? call.ended ?? now, now));
    rounded(context, from, middle - 5, Math.max(2, until - from), 10, 3);
    context.fillStyle = colors["ask-soft"];
    context.fill();
    context.strokeStyle = colors.ask;
    context.stroke();
    if (!question.open) continue;
    context.font = `600 11px ${colors.sans}`;
    context.fillStyle = colors.ask;
    const within = until - from > 60;
    if (within || from < 60) context.fillText("asks you", within ? from + 5 : until + 5, middle + 4);
    else {
      context.textAlign = "right";
      context.fillText("asks you", from - 5, middle + 4);
    }
  }
}

function summary(fold) {
  const agents = fold.agents();
  const told = agents.slice(0, 12).map((run) => `${run.name} from ${seconds(run.started - (fold.began ?? 0))} to ${run.over ? seconds(run.ended - fold.began) : "now"}`);
  return `Steps, tools and attempts over time: ${told.join("; ")}${agents.length > 12 ? `; and ${agents.length - 12} more` : ""}`;
}
