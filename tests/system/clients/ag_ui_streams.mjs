// AG-UI's own client, versions 0.0.59 and 1, reads streams that `ag_ui_streams.py` has written: each must be to its
// taste, to the last field, and leave it with the messages that are said there.
//
//     node tests/system/clients/ag_ui_streams.mjs streams.jsonl

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Observable } from "rxjs";

const streams = readFileSync(process.argv[2], "utf8").trim().split("\n").map((line) => JSON.parse(line));
console.error = () => {}; // the client tells of each failure there too
const warned = [];
console.warn = (...said) => warned.push(said.join(" "));

// What a client holds beside what it was sent: the type of an activity, an error's place in a call's metadata.
const plain = ({ activityType, ...message }) => message;

async function read({ AbstractAgent }, { name, before, events, after, pending }, modern) {
  class Replayed extends AbstractAgent {
    run() {
      return new Observable((reader) => {
        for (const event of events) reader.next(structuredClone(event));
        reader.complete();
      });
    }
  }
  const agent = new Replayed({ threadId: "t", initialMessages: before });
  const seen = [];
  let left;
  await agent.runAgent(
    { runId: "r", resume: [] },
    {
      onEvent: ({ event }) => void seen.push(event.type),
      onRunFinishedEvent: (end) => void (left = end.pendingToolCallIds),
    },
  );
  assert.deepEqual(seen, events.map((event) => event.type), name);
  assert.deepEqual(agent.messages.map(plain), after, name);
  if (modern && left) assert.deepEqual(left, pending, name);
  assert.deepEqual(warned, [], name);
}

for (const version of [0, 1]) {
  const ag = await import(version ? "@ag-ui/client" : "@ag-ui/client-0");
  const mine = streams.filter((one) => one.modern === (version === 1));
  for (const one of mine) {
    await read(ag, one, one.modern).catch((error) => {
      throw new Error(`${one.name}, version ${version}: ${error.message}`);
    });
  }
  assert.ok(mine.length > 100, `${mine.length} streams`);
  console.log(`as it should be, in version ${version}: ${mine.length} streams`);
}
console.log("AG-UI's client takes every stream.");
