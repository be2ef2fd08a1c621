// What a log of events comes to: the runs of a tree, what each has said and done, and when. Pure: no clock, no network,
// no document. The same events give the same picture, live, on reload, in replay and from a saved file. It decides
// nothing, and follows the Python fold: what an attempt said is forgotten when another follows it.

export const RATE_BIN = 0.25; // seconds that one sample of the rate spans
export const CHARACTERS_A_TOKEN = 4; // an estimate, while the provider has reported nothing
export const HUES = 8; // how many colors style.css has for agents

const FOLLOWED = new Set(["retry", "fallback", "restart", "resume", "guard"]);

export class Run {
  constructor(id, name, path, time) {
    this.id = id;
    this.name = name;
    this.path = path;
    this.parent = null;
    this.call = null; // the call in the parent that this run answers
    this.role = "member";
    this.after = []; // the runs whose answers are in its task
    this.children = [];
    this.kind = ""; // "sequential", "concurrent", "graph" …; empty for an agent
    this.members = [];
    this.hue = 0; // the number of its color: agents have them in turn
    this.agent = name; // its own name, where the path has another
    this.model = "";
    this.input = [];
    this.history = [];
    this.thread = "";
    this.state = "queued"; // running, waiting, finished, failed, cancelled
    this.phase = ""; // what a running agent does: asking, thinking, writing, tools
    this.started = time;
    this.ended = null;
    this.firstToken = null; // seconds from its start
    this.items = []; // what it has said and done, in order
    this.bars = []; // [kind, from, to]: to is null while it lasts
    this.step = 0;
    this.attempt = 0;
    this.lost = 0;
    this.calls = new Map();
    this.parts = new Map();
    this.usage = null;
    this.error = null;
    this.finishReason = null;
    this.output = undefined;
    this.answer = [];
    this.written = 0; // characters written, reasoning and arguments too
    this.rate = new Map(); // characters written, by bin of time
    this.spoke = 0; // seconds in which it wrote
    this.lastDelta = null;
    this.version = 0; // rises with every change in it and in the runs of its tools, so that a view knows whether to draw again
    this.inside = null; // the run whose tool this is
  }

  get isWorkflow() {
    return this.kind !== "";
  }

  get tokens() {
    const reported = this.usage?.output_tokens;
    return reported != null ? reported : Math.ceil(this.written / CHARACTERS_A_TOKEN);
  }

  get estimated() {
    return this.usage?.output_tokens == null;
  }

  get tokensPerSecond() {
    return this.spoke >= 0.2 ? this.tokens / this.spoke : null;
  }

  get over() {
    return this.ended !== null;
  }

  // The text of its answers: every step's, parted by their leads.
  get text() {
    let text = "";
    let step = 0;
    for (const item of this.items) {
      if (item.kind !== "text" || item.refusal) continue;
      if (item.step !== step) {
        step = item.step;
        text += item.lead;
      }
      text += item.text;
    }
    return text;
  }
}

export class Fold {
  constructor() {
    this.runs = new Map();
    this.root = null;
    this.count = 0;
    this.time = null; // of the newest event
    this.began = null; // of the first
    this.questions = new Map(); // open ones, by id
    this.marks = []; // places worth a mark on the scrubber: {time, kind}
    this.tree = 0; // rises when a run begins, so that rows are laid out anew
    this.shape = 0; // rises when a run or a call begins
    this.begun = 0; // how many agents
    this.firsts = 0; // how many of them have had a first token
    this.rates = Array.from({ length: HUES }, () => new Map()); // characters by bin of time, all agents of a hue together
  }

  add(event) {
    this.count += 1;
    this.time = event.time;
    if (this.began === null) this.began = event.time;
    const run = this.runs.get(event.run) ?? this.open(event);
    for (let at = run; at; at = at.inside) at.version += 1;
    HANDLERS[event.type]?.(this, run, event);
  }

  open(event) {
    const path = event.path ?? [];
    const run = new Run(event.run, path.at(-1) ?? "run", path, event.time);
    this.runs.set(event.run, run);
    if (this.root === null) this.root = run;
    this.grow();
    return run;
  }

  grow() {
    this.tree += 1;
    this.shape += 1;
  }

  child(id) {
    return this.runs.get(id);
  }

  mark({ time }, kind) {
    this.marks.push({ time, kind });
  }

  // Every run with its depth, parents first, in the order in which they began.
  rows() {
    if (this.laidOut?.tree === this.tree) return this.laidOut.rows;
    const rows = [];
    const walk = (run, depth) => {
      rows.push({ run, depth });
      for (const id of run.children) {
        const child = this.runs.get(id);
        if (child) walk(child, depth + 1);
      }
    };
    if (this.root) walk(this.root, 0);
    this.laidOut = { tree: this.tree, rows };
    return rows;
  }

  get state() {
    return this.root?.state ?? "queued";
  }

  get over() {
    return this.root?.over ?? false;
  }

  // The questions that people may answer now, the oldest first.
  get asked() {
    return this.over ? [] : [...this.questions.values()];
  }

  // Agents alone, in the order of the rows.
  agents() {
    if (this.listed?.tree !== this.tree) this.listed = { tree: this.tree, agents: this.rows().filter(({ run }) => !run.isWorkflow).map(({ run }) => run) };
    return this.listed.agents;
  }
}

// --- bars: what a run does over time

function begin(run, kind, time) {
  const last = run.bars.at(-1);
  if (last && last[2] === null) {
    if (last[0] === kind) return;
    last[2] = time;
  }
  run.bars.push([kind, time, null]);
}

function rest(run, time) {
  const last = run.bars.at(-1);
  if (last && last[2] === null) last[2] = time;
}

function wrote(fold, run, event, characters, kind, phase) {
  if (run.firstToken === null) {
    run.firstToken = event.time - run.started;
    fold.firsts += 1;
  }
  if (run.lastDelta !== null && run.attemptSpoke) run.spoke += event.time - run.lastDelta;
  run.attemptSpoke = true;
  run.lastDelta = event.time;
  run.written += characters;
  run.phase = phase;
  begin(run, kind, event.time);
  const bin = Math.floor(event.time / RATE_BIN);
  for (const rate of [run.rate, fold.rates[run.hue]]) rate.set(bin, (rate.get(bin) ?? 0) + characters);
}

function current(run, kind) {
  return (item) => item.step === run.step && item.attempt === run.attempt && (!kind || item.kind === kind);
}

function end(fold, run, event, state) {
  run.state = state;
  run.phase = "";
  run.ended = event.time;
  if (event.usage) run.usage = event.usage;
  rest(run, event.time);
  for (const item of run.items) {
    if (item.kind === "call" && !item.over) settle(fold, item, event.time, item.state === "asks" ? "void" : "cut");
    item.open = false;
  }
  for (const [id, question] of fold.questions) if (question.run === run.id) fold.questions.delete(id);
}

function settle(fold, call, time, state) {
  call.over = true;
  call.state = state;
  call.ended = time;
  for (const question of call.questions) {
    question.open = false;
    fold.questions.delete(question.id);
  }
}

function callOf(run, event) {
  let call = run.calls.get(event.call);
  if (!call) {
    call = {
      kind: "call", step: event.step ?? run.step, attempt: run.attempt, key: event.call, name: event.name ?? "", by: event.by ?? "agent",
      json: "", arguments: null, state: "writing", over: false, asked: event.time, started: null, ended: null, progress: null,
      result: null, error: null, questions: [], child: null, note: "",
    };
    run.calls.set(event.call, call);
    run.items.push(call);
  }
  return call;
}

const HANDLERS = {
  "run.started"(fold, run, event) {
    run.state = "running";
    run.started = event.time;
    run.agent = event.agent || run.name;
    run.model = event.model ?? "";
    run.input = event.input ?? [];
    run.history = event.history ?? [];
    run.thread = event.thread ?? "";
    run.parent = event.parent ?? null;
    run.call = event.call ?? null;
    run.kind = event.workflow?.kind ?? "";
    run.members = event.workflow?.members ?? [];
    if (!run.isWorkflow) run.hue = fold.begun++ % HUES;
    run.forkedFrom = event.forked_from ?? null;
    if (run.parent && !fold.runs.get(run.parent)?.children.includes(run.id)) fold.runs.get(run.parent)?.children.push(run.id);
    fold.grow();
  },
  "run.resumed"(fold, run, event) {
    fold.mark(event, "resume");
    run.items.push({ kind: "note", step: run.step, title: "Resumed", text: event.by ? `by ${event.by}` : "" });
    for (const one of fold.runs.values()) if (one.state === "waiting") one.state = "running";
  },
  "run.waiting"(fold, run, event) {
    run.state = "waiting";
    run.phase = event.on ?? "input";
    rest(run, event.time);
  },
  "run.finished"(fold, run, event) {
    end(fold, run, event, "finished");
    run.finishReason = event.finish_reason ?? null;
    run.output = event.output;
    run.answer = event.answer ?? [];
  },
  "run.failed"(fold, run, event) {
    end(fold, run, event, "failed");
    run.error = event.error;
    run.items.push({ kind: "error", step: run.step, error: event.error });
    fold.mark(event, "fail");
  },
  "run.cancelled"(fold, run, event) {
    end(fold, run, event, "cancelled");
    if (run === fold.root) fold.mark(event, "stop");
  },
  "step.started"(fold, run, event) {
    run.step = event.step;
    run.attempt = 0;
    run.phase = "asking";
    run.state = "running";
  },
  "step.finished"(fold, run, event) {
    rest(run, event.time);
    run.phase = "tools";
    run.finishReason = event.finish_reason ?? null;
    run.attemptSpoke = false;
    for (const item of run.items) if (item.step === event.step) item.open = false;
    run.parts.clear();
  },
  "attempt.started"(fold, run, event) {
    run.attempt = event.attempt ?? 1;
    run.model = event.model || run.model;
    run.phase = "asking";
    run.attemptSpoke = false;
    begin(run, "wait", event.time);
  },
  "attempt.failed"(fold, run, event) {
    rest(run, event.time);
    const follows = FOLLOWED.has(event.then ?? "raise");
    run.attemptSpoke = false;
    if (!follows) return;
    const gone = run.items.filter(current(run));
    const ghost = gone.filter((item) => item.kind === "text").map((item) => item.text).join("");
    run.items = run.items.filter((item) => !gone.includes(item));
    for (const item of gone) if (item.kind === "call") run.calls.delete(item.key);
    run.parts.clear();
    for (let at = run.bars.length - 1; at >= 0 && run.bars[at][0] !== "wait"; at -= 1) run.bars[at][0] = "lost";
    if (event.wait) begin(run, "gap", event.time);
    run.lost += 1;
    run.phase = "asking";
    run.items.push({
      kind: "lost", step: run.step, attempt: -1, of: event.attempt, ghost, chars: 0, error: event.error, then: event.then, wait: event.wait ?? 0,
      at: event.time,
    });
    fold.mark(event, "lost");
  },
  "retracted"(fold, run, event) {
    const lost = run.items.findLast((item) => item.kind === "lost");
    if (lost) lost.chars = event.chars;
  },
  "text.started"(fold, run, event) {
    const item = {
      kind: "text", step: event.step, attempt: run.attempt, part: event.part, text: "", lead: event.lead ?? "", refusal: event.kind === "refusal", open: true,
    };
    run.parts.set(event.part, item);
    run.items.push(item);
  },
  "text.delta"(fold, run, event) {
    const item = run.parts.get(event.part);
    if (!item) return;
    item.text += event.text;
    wrote(fold, run, event, event.text.length, "say", "writing");
  },
  "text.ended"(fold, run, event) {
    const item = run.parts.get(event.part);
    if (item) item.open = false;
  },
  "reasoning.started"(fold, run, event) {
    const item = {
      kind: "reasoning", step: event.step, attempt: run.attempt, part: event.part, text: "", open: true, from: event.time, to: null, redacted: false,
    };
    run.parts.set(event.part, item);
    run.items.push(item);
    run.phase = "thinking";
    begin(run, "think", event.time);
  },
  "reasoning.delta"(fold, run, event) {
    const item = run.parts.get(event.part);
    if (!item) return;
    item.text += event.text;
    wrote(fold, run, event, event.text.length, "think", "thinking");
  },
  "reasoning.ended"(fold, run, event) {
    const item = run.parts.get(event.part);
    if (!item) return;
    item.open = false;
    item.to = event.time;
    item.redacted = event.redacted != null && !item.text;
  },
  "source"(fold, run, event) {
    run.items.push({ kind: "source", step: event.step, attempt: run.attempt, url: event.url ?? "", title: event.title ?? "" });
  },
  "file"(fold, run, event) {
    run.items.push({ kind: "file", step: event.step, attempt: run.attempt, file: event });
  },
  "call.started"(fold, run, event) {
    const call = callOf(run, event);
    if (event.by && event.by !== "agent") call.by = event.by;
    fold.shape += 1;
    begin(run, "say", event.time);
  },
  "call.delta"(fold, run, event) {
    const call = run.calls.get(event.call);
    if (!call) return;
    call.json += event.json;
    wrote(fold, run, event, event.json.length, "say", "writing");
  },
  "call.ready"(fold, run, event) {
    const call = callOf(run, event);
    call.name = event.name;
    call.by = event.by ?? call.by;
    call.arguments = event.arguments;
    call.state = call.by === "client" ? "offered" : "ready";
    fold.shape += 1;
  },
  "call.rejected"(fold, run, event) {
    const call = callOf(run, event);
    call.name = event.name || call.name;
    call.arguments = event.raw;
    call.error = event.error;
    settle(fold, call, event.time, "rejected");
  },
  "tool.started"(fold, run, event) {
    const call = callOf(run, event);
    call.name = event.name || call.name;
    call.state = "running";
    if (call.started === null) call.started = event.time;
    run.phase = "tools";
    fold.shape += 1;
  },
  "tool.progress"(fold, run, event) {
    const call = callOf(run, event);
    call.progress = event.data;
  },
  "tool.finished"(fold, run, event) {
    const call = callOf(run, event);
    call.result = event.result ?? "";
    call.error = event.error ?? null;
    if (call.started === null) call.started = event.time - (event.duration ?? 0);
    settle(fold, call, event.time, event.error != null ? "failed" : "done");
  },
  "approval.asked"(fold, run, event) {
    const call = callOf(run, event);
    const question = {
      kind: "approval", id: event.approval, run: run.id, call, name: event.name, arguments: event.arguments ?? {}, reason: event.reason ?? "",
      until: event.until ?? null, asked: event.time, open: true, answer: null,
    };
    call.state = "asks";
    call.questions.push(question);
    fold.questions.set(question.id, question);
    fold.mark(event, "ask");
    fold.shape += 1;
  },
  "approval.answered"(fold, run, event) {
    const question = fold.questions.get(event.approval);
    if (!question) return;
    fold.questions.delete(event.approval);
    question.open = false;
    question.answer = event;
    if (event.arguments) question.call.arguments = event.arguments;
    if (run.state === "waiting") run.state = "running";
    question.call.note = event.note ?? "";
    question.call.decidedBy = event.by ?? "";
    if (event.allowed) question.call.state = "ready";
    else settle(fold, question.call, event.time, "refused");
  },
  "input.asked"(fold, run, event) {
    const call = callOf(run, event);
    const question = {
      kind: "input", id: event.input, run: run.id, call, name: event.name, message: event.message ?? "", schema: event.schema ?? {}, url: event.url ?? "",
      until: event.until ?? null, asked: event.time, open: true, answer: null,
    };
    call.questions.push(question);
    fold.questions.set(question.id, question);
    fold.mark(event, "ask");
    fold.shape += 1;
  },
  "input.answered"(fold, run, event) {
    const question = fold.questions.get(event.input);
    if (!question) return;
    fold.questions.delete(event.input);
    question.open = false;
    question.answer = event;
    if (run.state === "waiting") run.state = "running";
  },
  "guard.tripped"(fold, run, event) {
    run.items.push({ kind: "note", step: run.step, title: `The guard ${event.guard} ${GUARDED[event.action ?? "block"]}.`, text: event.note ?? "", warning: true });
    fold.mark(event, "guard");
  },
  "child.started"(fold, run, event) {
    const child = new Run(event.child, event.name, [...run.path, event.name], event.time);
    child.parent = run.id;
    child.call = event.call ?? null;
    child.role = event.role ?? "member";
    child.after = event.after ?? [];
    fold.runs.set(event.child, child);
    run.children.push(event.child);
    if (child.call && run.calls.has(child.call)) run.calls.get(child.call).child = event.child;
    if (child.role === "tool") child.inside = run;
    fold.grow();
  },
  "child.finished"(fold, run, event) {
    const child = fold.runs.get(event.child);
    if (!child || child.over) return;
    child.version += 1;
    child.state = event.outcome ?? "finished"; // it never began
    child.ended = event.time;
    if (event.error) child.items.push({ kind: "error", step: 0, error: event.error });
  },
  "handoff"(fold, run, event) {
    run.items.push({ kind: "note", step: run.step, title: `→ ${event.to}`, text: event.note ?? "" });
  },
  "message.received"(fold, run, event) {
    run.items.push({ kind: "said", step: run.step, key: event.key, message: event.message, by: event.by ?? "", heard: null, at: event.time });
    fold.mark(event, "said");
  },
  "message.added"(fold, run, event) {
    const said = event.key && findSaid(fold, event.key);
    if (said) said.heard = event.time;
    else if (event.cause === "loop" || event.cause === "repair" || event.cause === "compact")
      run.items.push({ kind: "note", step: run.step, title: ADDED[event.cause], text: "" });
  },
  "usage.reported"(fold, run, event) {
    run.usage ??= {};
    run.reported ??= new Map();
    run.reported.set(`${event.step}/${event.attempt}`, event.usage ?? {});
    const sum = {};
    for (const usage of run.reported.values())
      for (const [name, value] of Object.entries(usage))
        if (typeof value === "number") sum[name] = (sum[name] ?? 0) + value;
        else if (name === "cost" && value != null) sum.cost = String(Number(sum.cost ?? 0) + Number(value));
    run.usage = sum;
  },
  "warning"(fold, run, event) {
    run.items.push({ kind: "note", step: run.step, title: event.message, text: event.hint ?? "", warning: true });
  },
};

const GUARDED = { block: "blocked this", replace: "replaced this", retry: "had this asked again" };
const ADDED = { loop: "Next loop", repair: "Sent back: the answer did not fit its type", compact: "Earlier messages were summarized" };

function findSaid(fold, key) {
  for (const run of fold.runs.values()) {
    const said = run.items.find((item) => item.kind === "said" && item.key === key);
    if (said) return said;
  }
  return null;
}

// What runs have cost in dollars; null where no price is known.
export function cost(runs) {
  const known = runs.filter((run) => run.usage?.cost != null);
  return known.length ? known.reduce((sum, run) => sum + Number(run.usage.cost), 0) : null;
}

export function oneSentence(error) {
  const message = String(error?.message ?? error?.type ?? "an error");
  return message.split("\n", 1)[0].slice(0, 200);
}
