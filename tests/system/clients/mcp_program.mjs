// MCP's own client for JavaScript against a server of ours:
//
//     node tests/system/clients/mcp_program.mjs http://127.0.0.1:8000
//
// It needs npm's `@modelcontextprotocol/sdk` beside it. The first difference ends it.

import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const base = process.argv[2];

async function connected(answer) {
  const client = new Client({ name: "tried", version: "1" }, { capabilities: answer ? { elicitation: {} } : {} });
  if (answer) client.setRequestHandler(ElicitRequestSchema, ({ params }) => answer(params));
  await client.connect(new StreamableHTTPClientTransport(new URL(`${base}/mcp`)));
  return client;
}

const words = ({ content }) => content.map((one) => one.text).join("");
const called = (client, name, options) => client.callTool({ name, arguments: { input: "Hi" } }, undefined, options);

const client = await connected();
const { tools } = await client.listTools();
assert.ok(tools.some((one) => one.name === "plain") && tools.every((one) => one.inputSchema.required[0] === "input"));
assert.equal(words(await called(client, "plain")), "Found two.");
const shown = [];
assert.equal(words(await called(client, "tools", { onprogress: ({ message }) => shown.push(message) })), "Found two.");
assert.equal(shown.join("").replace(/\s+/g, " "), "I look. Found two.");
const failed = await called(client, "fails");
assert.ok(failed.isError && /gone/.test(words(failed)));
await assert.rejects(called(client, "nobody"), /There is no tool/);
await assert.rejects(client.callTool({ name: "plain", arguments: {} }).then((told) => assert.ok(!told.isError)));
console.log("as it should be: tools");

const questions = [];
const person = await connected(({ message }) => {
  questions.push(message);
  return { action: "accept", content: /number|Which/.test(message) ? { result: 7 } : { approved: true } };
});
assert.equal(words(await called(person, "approval")), "Done.");
assert.match(questions[0], /send/);
assert.equal(words(await called(person, "question")), "Chosen.");
const unasked = await called(client, "approval"); // a client without elicitation is told where to answer
assert.ok(unasked.isError && /\/approve/.test(words(unasked)));
console.log("as it should be: questions");

const stop = new AbortController();
const slow = called(client, "slow", { signal: stop.signal, onprogress: () => stop.abort() });
await assert.rejects(slow, /abort/i);
const state = async () => (await (await fetch(`${base}/runs?agent=slow&limit=1`)).json()).runs[0].state;
while ((await state()) === "running") await new Promise((later) => setTimeout(later, 50));
assert.equal(await state(), "cancelled");
console.log("as it should be: a stop");
await Promise.all([client.close(), person.close()]);
console.log("MCP's client for JavaScript runs our agents.");
process.exit(0);
