// Tokens per second, stacked by agent, and how long each agent's first token took.
import { CHARACTERS_A_TOKEN, RATE_BIN } from "../fold.js";
import { html } from "../html.js";
import { count, harmless, precise } from "../words.js";
import { AXIS, axis, Canvas, grid, line } from "./canvas.js";
import { Paced } from "./paced.js";
import { named } from "./parts.js";

const SMOOTH = 3; // bins that one point averages
const NAMED = 4; // how many agents the legend names
const HEIGHT = 110;

export class Rates extends Paced {
  static every = 95;

  render({ state }) {
    const { fold } = state.log;
    const now = state.now();
    const live = fold.agents().filter((run) => !run.over && run.lastDelta !== null);
    const rate = (run) => ((run.rate.get(Math.floor(now / RATE_BIN) - 1) ?? 0) + (run.rate.get(Math.floor(now / RATE_BIN)) ?? 0)) / (CHARACTERS_A_TOKEN * 2 * RATE_BIN);
    return html`<div class="head"><h2>Tokens per second</h2><div class="legend muted">${live.slice(0, NAMED).map((run) => html`<span>${named(run)} <span class="num">${count(rate(run))}</span></span>`)}
        ${live.length > NAMED ? html`<span>and ${live.length - NAMED} more</span>` : null}</div></div>
      <div class="plot"><${Canvas} height=${HEIGHT} label="Tokens per second by agent over time" draw=${(context, width, height, colors) => draw(context, width, height, colors, fold, now)} /></div>`;
  }
}

// The rate of each hue at each point, which spans `wide` samples. Agents that share a hue are one layer, so hundreds cost
// what eight do; a run that waited for days costs what it said.
export function layers(fold, points, first, wide = 1) {
  const all = fold.rates.map((rate) => {
    const layer = new Float64Array(points);
    for (const [bin, characters] of rate) {
      const at = Math.floor((bin - first) / wide);
      if (at >= 0 && at < points) layer[at] += characters / CHARACTERS_A_TOKEN / (RATE_BIN * wide);
    }
    return layer;
  });
  return all.map((layer) => layer.map((_, at) => {
    let sum = 0;
    for (let near = at - 1; near <= at + 1; near += 1) sum += layer[near] ?? 0;
    return sum / SMOOTH;
  }));
}

function draw(context, width, height, colors, fold, now) {
  if (fold.began === null) return;
  const left = 128;
  const times = axis(Math.max(now - fold.began, 0.5), width - left);
  const place = (after) => left + (after / times.end) * (width - left - 10) + 1;
  const x = (time) => place(time - fold.began);
  const bottom = height - AXIS;
  grid(context, times, place, height, colors, { under: true });
  const first = Math.floor(fold.began / RATE_BIN);
  const samples = Math.max(1, Math.floor(now / RATE_BIN) - first + 1);
  const wide = Math.max(1, Math.ceil(samples / Math.max(width - left, 1))); // no more points than pixels
  const bins = Math.ceil(samples / wide);
  const stacked = layers(fold, bins, first, wide);
  const sums = stacked[0].map((_, at) => stacked.reduce((sum, layer) => sum + layer[at], 0));
  const most = sums.reduce((one, other) => Math.max(one, other), 0);
  const step = niceStep(Math.max(most, 20) / 2.2);
  const top = step * Math.max(2, Math.ceil(most / step));
  const y = (value) => bottom - (value / top) * (bottom - 8);
  context.font = `11px ${colors.sans}`;
  context.lineWidth = 1;
  for (let value = 0; value <= top; value += step) {
    context.strokeStyle = colors.line;
    line(context, left, Math.round(y(value)) + 0.5, width - 9, Math.round(y(value)) + 0.5);
    context.fillStyle = colors["ink-2"];
    context.textAlign = "right";
    context.fillText(value > top - step / 2 ? `${count(value)} tok/s` : count(value), left - 8, y(value) + 4);
  }
  const floor = new Float64Array(bins);
  stacked.forEach((layer, hue) => {
    if (!layer.some((value) => value > 0)) return;
    context.beginPath();
    context.moveTo(x(fold.began), y(floor[0]));
    const middle = (at) => x(Math.min(Math.max((first + (at + 0.5) * wide) * RATE_BIN, fold.began), now));
    for (let at = 0; at < bins; at += 1) context.lineTo(middle(at), y(floor[at] + layer[at]));
    context.lineTo(x(now), y(floor[bins - 1] + layer[bins - 1]));
    context.lineTo(x(now), y(floor[bins - 1]));
    for (let at = bins - 1; at >= 0; at -= 1) context.lineTo(middle(at), y(floor[at]));
    context.closePath();
    context.globalAlpha = 0.82;
    context.fillStyle = colors.hues[hue];
    context.fill();
    context.globalAlpha = 1;
    for (let at = 0; at < bins; at += 1) floor[at] += layer[at];
  });
  context.strokeStyle = colors.accent;
  context.lineWidth = 1.5;
  line(context, x(now), 0, x(now), bottom);
}

function niceStep(wanted) {
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= wanted) ?? 10 * power;
}

export class FirstTokens extends Paced {
  static every = 250;

  // Hundreds of points: they are drawn again only where there is one more.
  shouldComponentUpdate(next, own) {
    const { fold } = next.state.log;
    return (fold !== this.of || fold.firsts !== this.firsts) && super.shouldComponentUpdate(next, own);
  }

  render({ state }) {
    const { fold } = state.log;
    Object.assign(this, { of: fold, firsts: fold.firsts });
    const runs = fold.agents().filter((run) => run.firstToken !== null).sort((a, b) => a.firstToken - b.firstToken);
    if (!runs.length) return null;
    const median = runs[Math.floor(runs.length / 2)].firstToken;
    const slowest = runs.at(-1);
    const step = niceStep(Math.max(slowest.firstToken, 0.01) / 4);
    const end = step * Math.ceil(slowest.firstToken / step + 0.05);
    const x = (value) => `${(value / end) * 100}%`;
    const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, at) => at * step);
    return html`<div class="head"><h2>To the first token</h2><div class="legend muted"><span>median <span class="num">${precise(median)}</span></span>
        ${runs.length > 1 ? html`<span>slowest ${named(slowest)} <span class="num">${precise(slowest.firstToken)}</span></span>` : null}</div></div>
      <svg class="first" role="img" aria-label=${`Time to the first token: ${runs.slice(0, 12).map((run) => `${run.name} ${precise(run.firstToken)}`).join(", ")}`}>
        <line class="rail" x2="100%" y1="15" y2="15" />
        ${ticks.map((tick) => html`<line class="rail" x1=${x(tick)} x2=${x(tick)} y1="12" y2="18" /><text class="tick" x=${x(tick)} y="39" text-anchor=${tick === 0 ? "start" : tick === ticks.at(-1) ? "end" : "middle"}>${Number(tick.toFixed(3))}${tick === 0 || tick === ticks.at(-1) ? " s" : ""}</text>`)}
        ${runs.map((run) => html`<circle class=${`pt s${run.hue}`} cx=${x(run.firstToken)} cy="15" r=${runs.length > 40 ? 3.5 : 5}><title>${run.name} ${precise(run.firstToken)}</title></circle>`)}
      </svg>`;
  }
}
