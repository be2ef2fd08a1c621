// A picture that is drawn, not laid out: hundreds of bars that change ten times a second. Owns the size of its canvas,
// the sharpness on dense screens, and the colors, which are those of the style sheet.
import { Component } from "../vendor/preact.mjs";
import { HUES } from "../fold.js";
import { html } from "../html.js";

let palette = null;
addEventListener("themechange", () => (palette = null));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("themechange")));

export function colors() {
  if (palette) return palette;
  const probe = document.body.appendChild(document.createElement("i"));
  const read = (name) => {
    probe.style.color = `var(--${name})`; // the style sheet names two of each, for light and for dark
    return getComputedStyle(probe).color;
  };
  palette = Object.fromEntries(["pane", "sunk", "line", "line-2", "ink", "ink-2", "ink-3", "accent", "bad", "ask", "ask-soft"].map((name) => [name, read(name)]));
  palette.hues = Array.from({ length: HUES }, (_, at) => read(`s${at}`));
  palette.sans = getComputedStyle(document.body).fontFamily;
  probe.remove();
  return palette;
}

// `draw(context, width, height, colors)` is called once a frame at most, and where the size or the theme has changed.
export class Canvas extends Component {
  componentDidMount() {
    this.sizes = new ResizeObserver(() => {
      this.width = this.box.clientWidth; // kept: to ask at every drawing would cost a layout each
      this.height = this.box.clientHeight;
      this.paint();
    });
    this.sizes.observe(this.box);
    this.themed = () => this.paint();
    addEventListener("themechange", this.themed);
  }

  componentDidUpdate() {
    this.paint();
  }

  componentWillUnmount() {
    this.sizes.disconnect();
    removeEventListener("themechange", this.themed);
  }

  paint() {
    const { width } = this;
    const height = this.props.height ?? this.height;
    if (!width || !height) return;
    const dense = devicePixelRatio || 1;
    const [w, h] = [Math.round(width * dense), Math.round(height * dense)];
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
      this.canvas.style.height = `${height}px`;
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, width, height);
    this.props.draw(context, width, height, colors());
  }

  render({ label, children }) {
    return html`<div class="canvas" ref=${(box) => (this.box = box)} role="img" aria-label=${label}><canvas ref=${(canvas) => (this.canvas = canvas)}></canvas>${children}</div>`;
  }
}

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400];

// The time axis that the waterfall and the plots share: from the first event to a little after now, in even steps.
export function axis(span, width) {
  const wanted = Math.max(2, Math.floor(width / 52));
  const step = STEPS.find((one) => span / one <= wanted) ?? STEPS.at(-1);
  const end = Math.max(step, Math.ceil(span / step + 0.15) * step);
  const ticks = [];
  for (let at = 0; at <= end + step / 1000; at += step) ticks.push(at);
  return { end, step, ticks };
}

// The number of a tick; the first and the last one say the unit.
function tickLabel(value, { end, step }) {
  if (value === 0) return "0 s";
  if (step >= 3600) return `${value / 3600} h`;
  if (step >= 60) return `${value / 60} min`;
  return `${Number(value.toFixed(step < 1 ? 1 : 0))}${value > end - step / 2 ? " s" : ""}`;
}

export function rounded(context, x, y, width, height, radius) {
  context.beginPath();
  context.roundRect(x, y, Math.max(width, 1), height, Math.min(radius, Math.max(width, 1) / 2));
}

export function line(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

export const AXIS = 20; // pixels that the numbers of a time axis take
const EDGE = 8; // pixels by which the last number stands out over its line

// The lines and numbers of a time axis, its numbers at the top or under the lines; `x` gives the place of so many seconds
// after the beginning.
export function grid(context, times, x, height, colors, { under = false } = {}) {
  const last = times.ticks.at(-1);
  context.strokeStyle = colors.line;
  context.fillStyle = colors["ink-2"];
  context.lineWidth = 1;
  context.font = `11px ${colors.sans}`;
  for (const tick of times.ticks) {
    const at = Math.round(x(tick)) + 0.5;
    if (under) line(context, at, 0, at, height - AXIS + 4);
    else line(context, at, AXIS - 4, at, height);
    context.textAlign = tick === 0 ? "left" : tick === last ? "right" : "center";
    context.fillText(tickLabel(tick, times), tick === last ? at + EDGE : at, under ? height - 4 : 11);
  }
}

// What a run did over time, on one row: an outline while it waited, a bar while it spoke, red where that was lost.
export function bars(context, run, x, middle, now, hue, colors, tall = 13) {
  for (const [kind, from, to] of run.bars) {
    if (from > now) break;
    const begin = x(from);
    const length = x(Math.min(to ?? now, now)) - begin - 0.5;
    const lost = kind === "lost";
    const high = kind === "gap" ? 2 : kind === "wait" ? tall - 1 : tall;
    context.fillStyle = lost || kind === "gap" ? colors.bad : hue;
    context.strokeStyle = lost ? colors.bad : hue;
    context.lineWidth = 1.2;
    rounded(context, begin + (kind === "wait" ? 0.5 : 0), middle - high / 2, length, high, 3);
    context.globalAlpha = kind === "think" ? 0.45 : lost ? 0.3 : 1;
    if (kind !== "wait") context.fill();
    context.globalAlpha = 1;
    if (kind === "wait" || lost) context.stroke();
    if (!lost) continue;
    context.lineWidth = 2;
    line(context, begin + length - 2, middle - tall / 2 - 2, begin + length + 2, middle + tall / 2 + 2);
  }
}

// The time that a tool ran, dashed; returns where its bar begins and how long it is, in pixels.
export function toolBar(context, call, x, middle, now, hue, colors, tall = 10) {
  const from = x(call.started);
  const length = Math.max(2, x(Math.min(call.ended ?? now, now)) - from - 0.5);
  rounded(context, from, middle - tall / 2, length, tall, 3);
  context.fillStyle = context.strokeStyle = call.state === "failed" ? colors.bad : hue;
  context.globalAlpha = 0.14;
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 1.2;
  context.setLineDash([3, 2.2]);
  context.stroke();
  context.setLineDash([]);
  return [from, length];
}
