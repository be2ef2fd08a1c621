// OpenAI's client for JavaScript, and the AI SDK's providers, against a server of ours:
//
//     node tests/system/clients/openai_program.mjs http://127.0.0.1:8000
//
// It needs npm's `openai`, `ai`, `@ai-sdk/openai` and `@ai-sdk/openai-compatible` beside it. The first difference ends it.

import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { streamText } from "ai";
import OpenAI from "openai";

const baseURL = `${process.argv[2]}/v1`;
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0, timeout: 30000 });
const messages = [{ role: "user", content: "Hi" }];
const chat = (model, more = {}) => client.chat.completions.create({ model, messages, ...more });

async function streamed(model, more = {}) {
  const chunks = [];
  for await (const chunk of await chat(model, { stream: true, ...more })) chunks.push(chunk);
  const choices = chunks.filter((chunk) => chunk.choices.length).map((chunk) => chunk.choices[0]);
  return { text: choices.map((one) => one.delta.content ?? "").join(""), reason: choices.at(-1).finish_reason, chunks };
}

async function completions() {
  const names = (await client.models.list()).data.map((model) => model.id);
  assert.ok(names.includes("plain") && names.includes("sequence"));
  assert.equal((await chat("plain")).choices[0].message.content, "Found two.");
  const { text, reason, chunks } = await streamed("plain", { stream_options: { include_usage: true } });
  assert.deepEqual([text, reason], ["Found two.", "stop"]);
  assert.ok(chunks.at(-1).usage.total_tokens > 0);
  assert.equal((await streamed("tools")).text, "I look. \n\nFound two.");
  assert.equal((await streamed("restarts")).text, "Right now.");
  assert.equal((await streamed("long")).reason, "length");
  const helped = await client.chat.completions.stream({ model: "plain", messages }).finalChatCompletion();
  assert.equal(helped.choices[0].message.content, "Found two.");
  assert.equal((await chat("refuses")).choices[0].message.refusal, "I cannot.");
  await assert.rejects(streamed("fails"), /gone/);
  await assert.rejects(chat("fails"), { status: 500 });
  await assert.rejects(chat("nobody"), { status: 404, code: "model_not_found" });
}

async function responses() {
  const stream = client.responses.stream({ model: "plain", input: "Hi" });
  const numbers = [];
  for await (const event of stream) numbers.push(event.sequence_number);
  assert.deepEqual(numbers, [...numbers.keys()]);
  const final = await stream.finalResponse();
  assert.deepEqual([final.status, final.output_text], ["completed", "Found two."]);
  const tools = await client.responses.stream({ model: "tools", input: "Hi" }).finalResponse();
  assert.deepEqual(tools.output.map((item) => item.type), ["reasoning", "message", "mcp_call", "reasoning", "message"]);
  const long = await client.responses.stream({ model: "long", input: "Hi" }).finalResponse();
  assert.deepEqual([long.status, long.incomplete_details.reason], ["incomplete", "max_output_tokens"]);
  const fails = await client.responses.stream({ model: "fails", input: "Hi" }).finalResponse();
  assert.deepEqual([fails.status, /gone/.test(fails.error.message)], ["failed", true]);
  const rest = [];
  for await (const event of await client.responses.retrieve(final.id, { stream: true, starting_after: 4 })) rest.push(event);
  assert.equal(rest[0].sequence_number, 5);
  assert.equal(rest.at(-1).type, "response.completed");
  const begun = await client.responses.create({ model: "slow", input: "Hi", background: true });
  assert.equal((await client.responses.cancel(begun.id)).status, "cancelled");
}

async function parts(model) {
  const seen = [];
  const result = streamText({ model, prompt: "Hi", maxRetries: 0, onError: ({ error }) => seen.push({ type: "seen", error }) });
  for await (const part of result.fullStream) seen.push(part);
  return seen;
}

const said = (seen, kind) => seen.filter((one) => one.type === kind).map((one) => one.text ?? one.delta).join("");

async function providers() {
  const compatible = createOpenAICompatible({ name: "headwater", baseURL, includeUsage: true });
  const plain = await parts(compatible("plain"));
  assert.equal(said(plain, "text-delta"), "Found two.");
  assert.equal(said(plain, "reasoning-delta"), "Hm. Well.");
  assert.equal(plain.at(-1).finishReason, "stop");
  assert.ok((await parts(compatible("fails"))).some((one) => one.type === "error"));
  const openai = createOpenAI({ baseURL, apiKey: "none" });
  const tools = await parts(openai.responses("tools"));
  assert.equal(said(tools, "text-delta"), "I look. \n\nFound two.");
  const call = tools.find((one) => one.type === "tool-call");
  assert.ok(call.providerExecuted, "the client was to run a tool of ours");
  assert.ok(tools.some((one) => one.type === "tool-result"));
}

for (const check of [completions, responses, providers]) {
  await check();
  console.log("as it should be:", check.name);
}
console.log("openai for JavaScript and the AI SDK's providers read all of it.");
