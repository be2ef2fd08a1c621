// A run's events as they come, over server-sent events. Owns the connection: it comes back by the number of the last
// event that it has seen, so nothing is missed and nothing comes twice. EventSource is not used: it hears only types
// that it was told of, and a newer server has more.
import { refusal, url } from "./api.js";

const WAITS = [250, 500, 1000, 2000, 4000]; // milliseconds before it comes back, by how often it has failed

export class Feed {
  // `heard(events)` gets what came with one read, `reset()` is called where the log starts again, `told(state)` gets
  // "open", "lost", "over", or the Refused that ended it.
  constructor(id, { after = -1, heard, reset, told }) {
    Object.assign(this, { id, after, heard, reset, told });
    this.closed = false;
    this.aborter = new AbortController();
    this.read();
  }

  close() {
    this.closed = true;
    this.aborter.abort();
  }

  async read() {
    for (let failures = 0; !this.closed; ) {
      try {
        const headers = { accept: "text/event-stream" };
        if (this.after >= 0) headers["last-event-id"] = String(this.after);
        const response = await fetch(url(`runs/${this.id}/events`), { headers, signal: this.aborter.signal, credentials: "same-origin" });
        if (response.status === 204) return this.told("over");
        if (!response.ok) return this.told(await refusal(response));
        this.told("open");
        failures = 0;
        if (await this.messages(response.body.getReader())) return this.told("over");
      } catch {
        if (this.closed) return; // else the network is gone for a moment
      }
      this.told("lost");
      await new Promise((later) => setTimeout(later, WAITS[Math.min(failures, WAITS.length - 1)]));
      failures += 1;
    }
  }

  async messages(reader) {
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false; // the server closes after the end; asking once more tells whether it was that
      rest += decoder.decode(value, { stream: true });
      const end = rest.lastIndexOf("\n\n");
      if (end < 0) continue;
      const events = this.parsed(rest.slice(0, end));
      rest = rest.slice(end + 2);
      if (events.length) this.heard(events);
    }
  }

  parsed(text) {
    const events = [];
    for (const message of text.split("\n\n")) {
      let data = "";
      let type = "";
      for (const line of message.split("\n")) {
        if (line.startsWith("data: ")) data += line.slice(6);
        else if (line.startsWith("event: ")) type = line.slice(7);
      }
      if (type === "reset") {
        events.length = 0;
        this.after = -1;
        this.reset();
      } else if (data) {
        const event = JSON.parse(data);
        if (event.seq <= this.after) continue;
        this.after = event.seq;
        events.push(event);
      }
    }
    return events;
  }
}
