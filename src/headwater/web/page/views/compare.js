// Two runs side by side, aligned at their first event: figures, waterfalls on one axis, and what differs in the answers.
import { html } from "../html.js";
import { cost } from "../fold.js";
import { elements, retold } from "../markdown.js";
import { clip, count, harmless, messageText, money, precise, seconds } from "../words.js";
import { AXIS, axis, bars, Canvas, grid, line, toolBar } from "./canvas.js";
import { Paced } from "./paced.js";

const ROW = 15;
const LONGEST = 1500; // words that are compared: the table grows with the square

export class Compare extends Paced {
  static every = 250;

  render({ state }) {
    const sides = [state.log.fold, state.other.fold];
    if (sides.some((fold) => !fold.root)) return html`<main class="compare" id="main" tabindex="-1"><p class="muted waits"><span class="pulse"></span>opening the runs</p></main>`;
    const [a, b] = sides.map(figures);
    const [mine, theirs] = compared(a.text, b.text);
    const same = messageText(sides[0].root.input[0] ?? {}) === messageText(sides[1].root.input[0] ?? {});
    return html`<main class="compare" id="main" tabindex="-1">
      <header class="head"><button type="button" class="quiet" onClick=${() => state.go(state.runId)}>← Back to the run</button><h2 class="title">${same ? "Two runs of the same task" : "Two runs"}</h2><span class="muted">aligned at their first event</span></header>
      <div class="two">
        <div><table class="figures"><thead><tr><th scope="col"><span class="hide">Figure</span></th><th scope="col"><i class="sw s0"></i> A</th><th scope="col"><i class="sw s4"></i> B</th><th scope="col">B against A</th></tr></thead>
          <tbody>${ROWS.filter(([, read]) => read(a) != null || read(b) != null).map(([name, read, write, better]) => html`<${Figure} name=${name} a=${read(a)} b=${read(b)} write=${write} better=${better} />`)}</tbody></table></div>
        <div class="falls"><${Canvas} height=${24 + (rows(sides[0]) + rows(sides[1])) * ROW + 24} label="Both waterfalls on one time axis" draw=${(context, width, height, colors) => draw(context, width, height, colors, sides)} /></div>
      </div>
      <div class="two texts">
        <section><h2><i class="sw s0"></i> A · ${harmless(a.name)} <span class="muted">${harmless(a.model)}</span><span class="grow"></span><span class="state">${a.reason}</span></h2><div class="diff prose" dir="auto">${mine}</div></section>
        <section><h2><i class="sw s4"></i> B · ${harmless(b.name)} <span class="muted">${harmless(b.model)}</span><span class="grow"></span><span class="state">${b.reason}</span></h2><div class="diff prose" dir="auto">${theirs}</div></section>
      </div>
    </main>`;
  }
}

const ROWS = [
  ["to the first token", (one) => one.first, precise, -1],
  ["whole run", (one) => one.whole, seconds, -1],
  ["tokens out", (one) => one.tokens, count, 0],
  ["tokens a second", (one) => one.rate, count, 1],
  ["tool calls", (one) => one.calls, count, 0],
  ["attempts lost", (one) => one.lost, count, -1],
  ["cost", (one) => one.cost, money, -1],
];

function Figure({ name, a, b, write, better }) {
  const change = a != null && b != null ? (write(Math.abs(b - a)) === write(0) ? 0 : b - a) : null; // what reads as nothing is nothing
  const tone = !change || !better ? "" : Math.sign(change) === better ? "good" : "bad";
  const sign = change > 0 ? "+" : "−";
  return html`<tr><th scope="row">${name}</th><td>${a == null ? "" : write(a)}</td><td>${b == null ? "" : write(b)}</td><td class=${tone}>${change ? `${sign}${write(Math.abs(change))}` : change === 0 ? "same" : ""}</td></tr>`;
}

function figures(fold) {
  const agents = fold.agents();
  const { root } = fold;
  const sum = (read) => agents.reduce((all, run) => all + read(run), 0);
  const whole = (root.ended ?? fold.time) - root.started;
  const first = Math.min(...agents.filter((run) => run.firstToken !== null).map((run) => run.started + run.firstToken - root.started));
  const speaker = answering(fold, root);
  return {
    name: root.agent, model: speaker.model, whole, first: Number.isFinite(first) ? first : null, tokens: sum((run) => run.tokens), rate: whole > 0 ? sum((run) => run.tokens) / whole : null,
    calls: sum((run) => run.calls.size), lost: sum((run) => run.lost), cost: cost(agents), text: answerOf(fold, root), reason: root.finishReason ?? root.state,
  };
}

function answering(fold, run) {
  const id = run.answer.at(-1) ?? (run.isWorkflow ? run.children.at(-1) : null);
  const child = id && fold.child(id);
  return child ? answering(fold, child) : run;
}

function answerOf(fold, run) {
  const ids = run.answer.length ? run.answer : run.isWorkflow ? run.children.slice(-1) : [];
  return ids.length ? ids.map((id) => (fold.child(id) ? answerOf(fold, fold.child(id)) : "")).join("\n\n") : run.text;
}

// Both texts as elements, with the words marked that only one of them has.
function compared(...texts) {
  const trees = texts.map(elements);
  const { a, b } = difference(...trees.map((tree) => {
    let all = "";
    retold(tree, (text) => (all += text));
    return all;
  }));
  return [[a, "del"], [b, "ins"]].map(([words, tag], side) => {
    let at = 0; // the word, and how much of it has been told: bold may begin within it
    let from = 0;
    return retold(trees[side], (text) => {
      const told = [];
      for (let left = text.length; left; ) {
        const [word, own] = words[at];
        const part = word.slice(from, from + left);
        left -= part.length;
        from += part.length;
        if (from === word.length) [at, from] = [at + 1, 0];
        told.push(own ? html`<${tag} class="own">${part}<//>` : part);
      }
      return told;
    });
  });
}

// Which words each side has alone: the longest common subsequence of words, first and last equal ones taken off.
export function difference(left, right) {
  const a = words(left);
  const b = words(right);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1;
  const [x, y] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  const kept = x.length <= LONGEST && y.length <= LONGEST ? common(x, y) : { x: new Set(), y: new Set() };
  const told = (list, inner, keep) => list.map((word, at) => [word, at >= head && at < head + inner.length && !keep.has(at - head) && word.trim() !== ""]);
  return { a: told(a, x, kept.x), b: told(b, y, kept.y) };
}

function words(text) {
  return harmless(text).match(/\s+|[^\s]+/g) ?? [];
}

function common(x, y) {
  const width = y.length + 1;
  const table = new Uint16Array((x.length + 1) * width);
  for (let i = x.length - 1; i >= 0; i -= 1)
    for (let j = y.length - 1; j >= 0; j -= 1)
      table[i * width + j] = x[i] === y[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
  const kept = { x: new Set(), y: new Set() };
  for (let i = 0, j = 0; i < x.length && j < y.length; ) {
    if (x[i] === y[j]) {
      kept.x.add(i);
      kept.y.add(j);
      i += 1;
      j += 1;
    } else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) i += 1;
    else j += 1;
  }
  return kept;
}

function rows(fold) {
  return fold.agents().length;
}

function draw(context, width, height, colors, sides) {
  const left = 92;
  const times = axis(Math.max(...sides.map((fold) => (fold.root.ended ?? fold.time) - fold.began), 0.5), width - left);
  const place = (after) => left + (after / times.end) * (width - left - 12);
  grid(context, times, place, height - 8, colors);
  let y = AXIS + 4;
  sides.forEach((fold, side) => {
    const x = (time) => place(time - fold.began);
    const top = y;
    for (const run of fold.agents()) {
      context.textAlign = "left";
      context.fillStyle = colors["ink-2"];
      context.fillText(clip(run.name, 12), 0, y + 11);
      const hue = colors.hues[side ? 4 : 0];
      bars(context, run, x, y + ROW / 2, fold.time, hue, colors, 9);
      for (const call of run.calls.values()) if (call.started !== null && !call.child) toolBar(context, call, x, y + ROW / 2, fold.time, hue, colors, 7);
      y += ROW;
    }
    const at = x(fold.root.ended ?? fold.time);
    context.strokeStyle = colors.accent;
    context.lineWidth = 1.5;
    line(context, at, top, at, y);
    context.fillStyle = colors.ink;
    context.fillText(side ? "B" : "A", at + 5, top + 11);
    y += 12;
  });
}
