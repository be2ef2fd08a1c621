// OpenAI's client for JavaScript against a gateway: node gateway_program.mjs http://127.0.0.1:8000
import assert from "node:assert/strict";

import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Hi" }];
const parameters = { type: "object", properties: { among: { type: "array", items: { type: "string" } } } };
const tools = [{ type: "function", function: { name: "pick", description: "Pick one.", parameters } }];

const whole = await client.chat.completions.create({ model: "claude", messages });
assert.equal(whole.choices[0].message.content, "Found two.");

let text = "";
const stream = await client.chat.completions.create({ model: "plain", messages, stream: true });
for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
assert.equal(text, "Found two.");

const runner = client.chat.completions.stream({ model: "tools", messages, tools });
const called = await runner.finalChatCompletion();
assert.equal(called.choices[0].finish_reason, "tool_calls");
assert.deepEqual(JSON.parse(called.choices[0].message.tool_calls[0].function.arguments), { among: ["a", "b"] });

const events = [];
for await (const event of await client.responses.create({ model: "thinker", input: "Hi", stream: true })) {
  events.push(event.type);
}
assert.equal(events.at(-1), "response.completed");

await assert.rejects(client.chat.completions.create({ model: "busy", messages, stream: true }), {
  status: 429,
  code: "rate_limit_exceeded",
});
await assert.rejects(client.embeddings.create({ model: "plain", input: "Hi" }), { status: 404 });
await assert.rejects(async () => {
  for await (const _ of await client.chat.completions.create({ model: "cut", messages, stream: true }));
}, /was interrupted/);
console.log("openai for JavaScript reads all of it.");
