// What the page shows beside the log: which run, which view, who is being answered. Owns all that is not computed from
// events, and what the person at the page can do. Views read it and call it; only this file asks the server.
import * as api from "./api.js";
import { Feed } from "./feed.js";
import { Log } from "./log.js";

const SPEEDS = [0.5, 1, 2, 4, 8];
const TICK = 100; // milliseconds between looks at the clock while something goes on

export class State {
  constructor(draw) {
    this.grew = draw; // events have come, or time has passed: views draw again at their pace, at the next frame
    this.turn = 0; // rises with what a person or the server has decided: views draw that at the next frame
    this.frame = 0; // how many have been drawn
    this.log = new Log();
    this.agents = [];
    this.runs = null; // not known before the server has told them
    this.agent = ""; // who gets the next task
    this.runId = null;
    this.composing = true;
    this.view = "talk"; // on narrow screens, which of the panes
    this.connection = ""; // open, lost, over
    this.reattached = null; // the number of the event that the page came back at
    this.said = null; // the messages of the run that is shown and of those before it, once it has ended
    this.problem = null; // what went wrong with what the person asked for
    this.locked = false; // whether the server wants a token first
    this.wrong = false; // whether it has refused the one that it was given
    this.missing = null; // why the run of the address cannot be shown
    this.playing = false;
    this.speed = 1;
    this.replay = null; // {at, from}: when playing began on this clock, and at which time of the log
    this.skew = null; // this clock less the server's
    this.saved = false; // a saved file: nothing to ask a server
    this.help = false;
    this.draft = "";
    this.attached = [];
    this.other = null; // the Log that this one is compared with
    this.otherId = null;
    this.pickingOther = false;
    this.focus = null; // the run whose section was asked for
  }

  changed() {
    this.turn += 1;
    this.grew();
  }

  // --- time

  get isLive() {
    return this.log.isLive && !this.log.whole && this.connection !== "over";
  }

  // Whether the next events or the clock change what is shown.
  get moves() {
    return this.playing || this.isLive || Boolean(this.other && !this.other.whole);
  }

  // The time that is shown: the server's where the run is followed, the playhead's where it is not.
  now() {
    const { log } = this;
    if (log.started === null) return 0;
    if (this.playing && this.replay) return Math.min(this.replay.from + ((performance.now() - this.replay.at) / 1000) * this.speed, log.ended);
    if (this.isLive && this.skew !== null) return Math.max(log.ended, Date.now() / 1000 - this.skew);
    return log.fold.time ?? log.started;
  }

  tick() {
    this.frame += 1;
    clearTimeout(this.timer);
    if (this.playing) this.playOn();
    if (this.moves && this.log.events.length) this.timer = setTimeout(this.grew, this.playing ? 16 : TICK);
  }

  // --- the server

  async begin() {
    const shown = document.getElementById("log");
    if (shown) return this.openSaved(JSON.parse(shown.textContent));
    const place = new URLSearchParams(location.hash.slice(1));
    const token = place.get("token");
    if (token) {
      place.delete("token");
      history.replaceState(null, "", `#${place}`);
    }
    addEventListener("hashchange", () => this.route());
    await this.enter(token);
  }

  // The token goes to the server alone, for a cookie: nothing on the page keeps it.
  async enter(token) {
    this.locked = false;
    if (token) await this.attempt(() => api.trade(token));
    this.wrong = this.locked;
    if (this.locked) return;
    this.route();
    await this.attempt(() => Promise.all([this.meet(), this.refresh()]));
  }

  async meet() {
    this.agents = await api.agents();
    this.agent ||= this.agents[0]?.name ?? "";
    this.changed();
  }

  openSaved(events) {
    this.saved = true;
    this.composing = false;
    this.log.push(events);
    this.runId = events[0]?.run ?? null;
    this.connection = "over";
    this.changed();
  }

  route() {
    const place = new URLSearchParams(location.hash.slice(1));
    const id = place.get("run");
    const other = place.get("with");
    if (id && id !== this.runId) this.open(id);
    else if (!id) this.compose();
    if (other !== this.otherId) this.openOther(other);
    this.changed();
  }

  go(id, other = null) {
    location.hash = id ? `run=${id}${other ? `&with=${other}` : ""}` : "";
  }

  async refresh() {
    this.runs = await api.runs();
    this.changed();
  }

  open(id) {
    this.feed?.close();
    this.log = new Log();
    Object.assign(this, { runId: id, composing: false, playing: false, connection: "", reattached: null, said: null, problem: null, missing: null, skew: null, focus: null });
    this.feed = this.follow(id, this.log);
    this.changed();
  }

  follow(id, log) {
    let opened = 0;
    return new Feed(id, {
      heard: (events) => {
        log.push(events);
        const skew = Date.now() / 1000 - events.at(-1).time;
        this.skew = this.skew === null ? skew : Math.min(this.skew, skew);
        if (log.whole && !this.saved) this.refresh().catch(() => {});
        this.grew();
      },
      reset: () => log.reset(),
      told: (told) => {
        if (told === "open" && ++opened > 1 && log === this.log) this.reattached = log.events.length ? log.events.at(-1).seq : null;
        if (log === this.log) this.connection = typeof told === "string" ? told : "over";
        if (typeof told !== "string") this.refused(log, told);
        // Now, because the server forgets a run some time after its end.
        if (told === "over" && log === this.log && !log.fold.root?.isWorkflow) this.conversation().catch(() => {});
        this.changed();
      },
    });
  }

  // A run that the server has never shown is no run to wait for: where it was to stand, a new one can be begun.
  refused(log, problem) {
    if (problem.code === "unauthorized") Object.assign(this, { locked: true, runId: null, otherId: null }); // opened once there is a token
    else if (log === this.log && !log.events.length) Object.assign(this, { missing: problem, composing: true, view: "talk" });
    else this.problem = problem;
    if (this.missing || (log === this.other && !log.events.length)) this.other = null;
  }

  openOther(id) {
    this.otherFeed?.close();
    this.otherId = id;
    this.pickingOther = false;
    this.other = id ? new Log() : null;
    if (id) this.otherFeed = this.follow(id, this.other);
  }

  async attempt(work) {
    this.problem = null;
    try {
      return await work();
    } catch (problem) {
      if (problem.code === "unauthorized") this.locked = true;
      else this.problem = problem;
      return undefined;
    } finally {
      this.changed();
    }
  }

  // --- what a person does

  compose() {
    if (this.saved) return;
    this.feed?.close();
    this.log = new Log();
    Object.assign(this, { runId: null, composing: true, playing: false, connection: "", problem: null, missing: null, view: "talk" });
    this.changed();
  }

  async send() {
    const text = this.draft.trim();
    if (!text && !this.attached.length) return;
    const { fold } = this.log;
    const content = [...(text ? [{ type: "text", text }] : []), ...this.attached.map(({ part }) => part)];
    const input = this.attached.length ? [{ role: "user", content }] : text;
    await this.attempt(async () => {
      if (!this.composing && this.runId && !fold.over) {
        await api.steer(this.runId, { input, ...(this.addressee ? { agent: this.addressee.path.join("/") } : {}) });
      } else {
        const before = this.composing || fold.root?.isWorkflow ? [] : await this.conversation();
        const request = { input: before.length ? [...before, { role: "user", content }] : input, agent: this.composing ? this.agent : (fold.root?.agent ?? this.agent) };
        const made = await api.start(request);
        this.go(made.run_id);
        this.refresh().catch(() => {});
      }
      this.draft = "";
      this.attached = [];
    });
  }

  // What the next question follows. The server says it: it has what providers want back and the page does not show.
  async conversation() {
    const { log, runId } = this;
    const said = this.said ?? (await api.run(runId)).response?.messages;
    if (!said) throw new Error(`This conversation cannot be continued. ${this.anew} begins another.`);
    if (log === this.log) this.said = said;
    return said;
  }

  // What it is called to begin: workflows keep no conversation.
  get anew() {
    const flow = this.composing ? (this.agents.find(({ name }) => name === this.agent)?.kind ?? "agent") !== "agent" : this.log.fold.root?.isWorkflow;
    return flow ? "New run" : "New conversation";
  }

  // Who hears what is said now: the agent at work that spoke last; null where the run itself is one agent.
  get addressee() {
    const { fold } = this.log;
    if (!fold.root?.isWorkflow) return null;
    if (this.focus && !fold.child(this.focus)?.over) return fold.child(this.focus);
    return fold.agents().filter((run) => !run.over && run.state !== "queued").sort((a, b) => (b.lastDelta ?? b.started) - (a.lastDelta ?? a.started))[0] ?? null;
  }

  attach(files) {
    for (const file of files) {
      const reader = new FileReader();
      reader.onload = () => {
        const data = String(reader.result).split(",", 2)[1] ?? "";
        const part = file.type.startsWith("image/")
          ? { type: "image", data, media_type: file.type }
          : { type: "file", data, media_type: file.type || "application/octet-stream", name: file.name };
        this.attached.push({ name: file.name, part });
        this.changed();
      };
      reader.readAsDataURL(file);
    }
  }

  detach(at) {
    this.attached.splice(at, 1);
    this.changed();
  }

  stop() {
    if (this.runId && !this.saved && !this.log.fold.over) this.attempt(() => api.cancel(this.runId));
  }

  decide(question, given) {
    return this.attempt(() => api.approve(this.runId, { approval: question.id, ...given }));
  }

  answer(question, given) {
    return this.attempt(() => api.answer(this.runId, { input: question.id, ...given }));
  }

  // --- replay

  seek(index) {
    this.playing = false;
    this.log.seek(index);
    this.changed();
  }

  step(by) {
    this.seek(this.log.shown + by);
  }

  goLive() {
    this.playing = false;
    this.log.follow();
    this.changed();
  }

  playPause() {
    const { log } = this;
    if (!log.events.length) return;
    if (this.playing) {
      this.playing = false;
    } else {
      if (log.isLive && !log.whole) log.seek(log.shown); // pause what is followed
      else {
        if (log.shown >= log.events.length) log.seek(1);
        this.playing = true;
        this.rewindClock();
      }
    }
    this.changed();
  }

  rewindClock() {
    this.replay = { at: performance.now(), from: this.log.fold.time ?? this.log.started };
  }

  faster() {
    this.speed = SPEEDS[(SPEEDS.indexOf(this.speed) + 1) % SPEEDS.length];
    this.rewindClock();
    this.changed();
  }

  playOn() {
    const { log } = this;
    log.seek(log.indexAt(this.now()));
    if (log.shown >= log.events.length) {
      this.playing = false;
      log.follow();
    }
  }
}
