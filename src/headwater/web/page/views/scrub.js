// The playhead: play, pause, speed, and the whole log on one line, with marks where something happened.
import { html } from "../html.js";
import { seconds } from "../words.js";
import { Canvas, line } from "./canvas.js";
import { Paced } from "./paced.js";

const HEIGHT = 34;
const BAR = 4; // pixels a bar of the density takes
const EDGE = 8;

export class Scrub extends Paced {
  static every = 50;

  place = (event) => {
    const box = this.track.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left - EDGE) / (box.width - 2 * EDGE)));
    const { log } = this.props.state;
    const time = log.started + share * (log.ended - log.started);
    this.props.state.seek(share >= 1 ? log.events.length : Math.max(1, log.indexAt(time)));
  };

  pressed = (event) => {
    if (!this.props.state.log.events.length) return;
    this.track.setPointerCapture(event.pointerId);
    this.dragging = true;
    this.place(event);
  };

  moved = (event) => this.dragging && this.place(event);

  released = () => (this.dragging = false);

  keyed = (event) => {
    const { state } = this.props;
    const to = { Home: 1, End: state.log.events.length, PageUp: state.log.shown + 50, PageDown: state.log.shown - 50, ArrowUp: state.log.shown + 1, ArrowDown: state.log.shown - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    state.seek(to);
  };

  // How many events fell into each bar. Counted on from where it stood: the log only grows.
  density(log, bars) {
    const span = Math.max(log.ended - log.started, 0.001);
    const known = this.counted;
    if (!known || known.log !== log || known.bars !== bars || span > known.span) {
      this.counted = { log, bars, span: known?.log === log && !log.whole ? span * 1.25 : span, counts: new Float64Array(bars), upTo: 0 };
    }
    const { counts, span: over } = this.counted;
    for (let at = this.counted.upTo; at < log.events.length; at += 1) counts[Math.min(bars - 1, Math.floor(((log.events[at].time - log.started) / over) * bars))] += 1;
    this.counted.upTo = log.events.length;
    const shown = Math.max(1, Math.ceil((span / over) * bars));
    return Array.from({ length: bars }, (_, at) => counts[Math.floor((at / bars) * shown)]);
  }

  draw = (context, width, height, colors) => {
    const { log } = this.props.state;
    if (log.started === null) return;
    const span = log.ended - log.started;
    const x = (time) => EDGE + (span ? (time - log.started) / span : 1) * (width - 2 * EDGE);
    const bars = Math.max(1, Math.floor((width - 2 * EDGE) / BAR));
    const counts = this.density(log, bars);
    const most = counts.reduce((one, other) => Math.max(one, other), 1);
    context.fillStyle = colors["line-2"];
    counts.forEach((value, at) => {
      const tall = value ? 3 + 14 * Math.sqrt(value / most) : 1.5;
      context.fillRect(EDGE + at * BAR, 22 - tall, BAR - 1.4, tall);
    });
    const head = log.shown ? x(log.events[log.shown - 1].time) : EDGE;
    context.lineWidth = 2;
    context.lineCap = "round";
    context.strokeStyle = colors["line-2"];
    line(context, EDGE, 26, width - EDGE, 26);
    context.strokeStyle = colors["ink-3"];
    line(context, EDGE, 26, Math.max(EDGE, head), 26);
    for (const mark of log.fold.marks) {
      const color = { lost: colors.bad, fail: colors.bad, ask: colors.ask, said: colors.accent, stop: colors["ink-2"], resume: colors["ink-2"], guard: colors.bad }[mark.kind];
      if (color) dot(context, x(mark.time), 4.2, color, colors.pane);
    }
    dot(context, head, 6, colors.accent, colors.pane);
  };

  render({ state }) {
    const { log } = state;
    const last = log.events.length;
    const paused = !state.playing && (!log.isLive || log.whole);
    return html`<footer class="scrub" aria-label="Replay">
      <button type="button" class="icon" aria-label="To the start" disabled=${!last} onClick=${() => state.seek(1)}><svg viewBox="0 0 16 16" aria-hidden="true"><path class="fill" d="M4 3.5h1.6v9H4zM12.5 3.5v9L6.4 8z" /></svg></button>
      <button type="button" class="icon" aria-label=${paused ? "Play (Space)" : "Pause (Space)"} disabled=${!last} onClick=${() => state.playPause()}><svg viewBox="0 0 16 16" aria-hidden="true"><path class="fill" d=${paused ? "M5 3.2v9.6L13 8z" : "M4.5 3.5h2.4v9H4.5zM9.1 3.5h2.4v9H9.1z"} /></svg></button>
      <button type="button" class="speed num" aria-label=${`Speed ${state.speed}, change`} onClick=${() => state.faster()}>${state.speed}×</button>
      <div class="track" ref=${(element) => (this.track = element)} role="slider" tabindex="0" aria-label="Place in the log" aria-valuemin="0" aria-valuemax=${last} aria-valuenow=${log.shown}
        aria-valuetext=${`Event ${log.shown} of ${last}, ${seconds((log.fold.time ?? 0) - (log.started ?? 0))}`}
        onPointerDown=${this.pressed} onPointerMove=${this.moved} onPointerUp=${this.released} onPointerCancel=${this.released} onKeyDown=${this.keyed}>
        <${Canvas} height=${HEIGHT} draw=${this.draw} label="Events over time" />
      </div>
      <span class="num muted pos">${last ? `#${log.events[Math.max(0, log.shown - 1)].seq ?? log.shown - 1}` : ""}</span>
      <button type="button" class="golive" aria-pressed=${String(log.isLive)} disabled=${!last} onClick=${() => state.goLive()}>${log.whole ? "End" : "Live"}</button>
    </footer>`;
  }
}

function dot(context, x, radius, color, edge) {
  context.beginPath();
  context.arc(x, 26, radius, 0, 7);
  context.fillStyle = color;
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = edge;
  context.stroke();
}
