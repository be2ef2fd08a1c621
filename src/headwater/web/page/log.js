// The events of one run and the place in them that is shown. Owns the playhead: what is seen is always the fold of the
// events up to it, so live, reload, replay and a saved file are one.
import { Fold } from "./fold.js";

export class Log {
  constructor() {
    this.events = [];
    this.fold = new Fold();
    this.at = null; // how many events are shown; null: all, as they come
  }

  get shown() {
    return this.at ?? this.events.length;
  }

  get isLive() {
    return this.at === null;
  }

  get started() {
    return this.events.length ? this.events[0].time : null;
  }

  get ended() {
    return this.events.length ? this.events.at(-1).time : null;
  }

  get whole() {
    const last = this.events.at(-1);
    return last !== undefined && ENDS.has(last.type) && last.run === this.events[0].run;
  }

  push(events) {
    for (const event of events) {
      this.events.push(event);
      if (this.at === null) this.fold.add(event);
    }
  }

  reset() {
    this.events = [];
    this.fold = new Fold();
    this.at = null;
  }

  follow() {
    this.seek(this.events.length);
    this.at = null;
  }

  // Show the first `index` events. Going back folds them again from the beginning: a fold has no way back.
  seek(index) {
    const to = Math.max(0, Math.min(index, this.events.length));
    if (to < this.fold.count) this.fold = new Fold();
    for (let at = this.fold.count; at < to; at += 1) this.fold.add(this.events[at]);
    this.at = to;
  }

  // How many events have happened by `time`.
  indexAt(time) {
    let low = 0;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.events[middle].time <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const ENDS = new Set(["run.finished", "run.failed", "run.cancelled"]);
