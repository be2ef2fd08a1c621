// The AI SDK's own chat, versions 5, 6 and 7, against a server of ours:
//
//     node tests/system/clients/ai_program.mjs http://127.0.0.1:8000
//
// It needs npm's `ai` in these versions beside it, as `ai5`, `ai6` and `ai7`, and `ws`. The first difference ends it.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import WebSocket from "ws";

const base = process.argv[2];

class State {
  constructor(messages) {
    this.messages = messages;
    this.status = "ready";
    this.error = undefined;
  }
  pushMessage = (message) => void (this.messages = [...this.messages, message]);
  popMessage = () => void (this.messages = this.messages.slice(0, -1));
  replaceMessage = (at, message) =>
    void (this.messages = [...this.messages.slice(0, at), structuredClone(message), ...this.messages.slice(at + 1)]);
  snapshot = (value) => structuredClone(value);
}

let number = 0;

function chat(ai, version, agent, { messages = [], id = `chat-${process.pid}-${++number}`, ...more } = {}) {
  class Chat extends ai.AbstractChat {}
  const seen = { errors: [], ends: [], data: [] };
  const api = `${base}/ai-sdk/chat/${agent}`;
  const query = (url) => `${url}?v=${version}`;
  const made = new Chat({
    id,
    state: new State(messages),
    transport: new ai.DefaultChatTransport({
      api: query(api),
      prepareReconnectToStreamRequest: ({ id }) => ({ api: query(`${api}/${id}/stream`) }),
    }),
    onError: (error) => seen.errors.push(error.message),
    onFinish: (end) => seen.ends.push(end),
    onData: (part) => seen.data.push(part),
    ...more,
  });
  return { chat: made, seen, api, id };
}

const last = ({ chat }) => chat.state.messages.at(-1);
const text = (one) => last(one).parts.filter((part) => part.type === "text").map((part) => part.text).join("");
const kinds = (one) => last(one).parts.map((part) => part.type);

async function told(ai, version, agent) {
  const one = chat(ai, version, agent);
  await one.chat.sendMessage({ text: "Hi" });
  return one;
}

async function words(ai, version) {
  const plain = await told(ai, version, "plain");
  assert.deepEqual(plain.seen.errors, []);
  assert.equal(text(plain), "Found two.");
  assert.equal(plain.chat.state.status, "ready");
  assert.deepEqual(kinds(plain), ["step-start", "reasoning", "text"]);
  assert.equal(last(plain).parts[1].text, "Hm. Well.");
  assert.ok(last(plain).parts.slice(1).every((part) => part.state === "done"));
  assert.ok(last(plain).id === last(plain).metadata.run && last(plain).metadata.usage.output_tokens > 0);
  await plain.chat.sendMessage({ text: "And?" });
  assert.deepEqual(plain.seen.errors, []);
  assert.equal(plain.chat.state.messages.length, 4);
  for (const [agent, said] of [["restarts", "Right now."], ["long", "Too long"], ["sequence", "One.Found two."]]) {
    const one = await told(ai, version, agent);
    assert.deepEqual([agent, one.seen.errors, text(one), one.chat.state.status], [agent, [], said, "ready"]);
  }
  const both = await told(ai, version, "both");
  assert.deepEqual(both.seen.errors, []);
  assert.ok(["A.B.", "B.A."].includes(text(both)));
  const agents = last(both).parts.filter((part) => part.type === "data-agent");
  assert.deepEqual(agents.map((part) => [part.data.name, part.data.state]), [["a", "finished"], ["b", "finished"]]);
}

async function tools(ai, version) {
  const one = await told(ai, version, "tools");
  assert.deepEqual(one.seen.errors, []);
  assert.deepEqual(kinds(one), ["step-start", "reasoning", "text", "tool-search", "step-start", "reasoning", "text"]);
  const call = last(one).parts[3];
  assert.deepEqual([call.state, call.input, call.output], ["output-available", { query: "tides" }, "2 hits for tides"]);
  const broken = await told(ai, version, "broken");
  const failed = last(broken).parts.find((part) => part.type === "tool-broken");
  assert.equal(failed.state, "output-error");
  assert.ok(failed.errorText);
  assert.equal(text(broken), "It broke.");
  await one.chat.sendMessage({ text: "Again." });
  assert.deepEqual(one.seen.errors, []);
}

async function failures(ai, version) {
  const one = await told(ai, version, "fails");
  assert.match(one.seen.errors.join(), /gone/);
  assert.equal(one.chat.state.status, "error");
  assert.equal(text(one), "Half ");
  const nobody = await told(ai, version, "nobody");
  assert.match(nobody.seen.errors.join(), /^There is no agent 'nobody'\./);
}

async function stopped(ai, version) {
  const one = chat(ai, version, "slow");
  const sending = one.chat.sendMessage({ text: "Hi" });
  while (!(last(one)?.role === "assistant" && text(one))) await pause(20);
  const busy = chat(ai, version, "slow", { id: one.id });
  await busy.chat.sendMessage({ text: "Hi" });
  assert.match(busy.seen.errors.join(), /still being answered/);
  const response = await fetch(`${one.api}/${one.id}/stop`, { method: "POST" });
  assert.equal(response.status, 204);
  await sending;
  assert.deepEqual(one.seen.errors, []);
  const reason = version === 7 ? "interrupted" : "other";
  assert.equal(one.seen.ends.at(-1).finishReason, reason);
  assert.equal((await fetch(`${one.api}/${one.id}/stream`)).status, 204);
}

async function resumed(ai, version) {
  const one = chat(ai, version, "slow");
  const sending = one.chat.sendMessage({ text: "Hi" });
  while (!(last(one)?.role === "assistant" && text(one))) await pause(20);
  await one.chat.stop(); // closes its stream alone
  await sending;
  const asked = one.chat.state.messages.slice(0, 1);
  const page = chat(ai, version, "slow", { id: one.id, messages: asked }); // as after a reload
  const reading = page.chat.resumeStream();
  while (!(last(page)?.role === "assistant" && /w9 /.test(text(page)))) await pause(20);
  await fetch(`${one.api}/${one.id}/stop`, { method: "POST" });
  await reading;
  assert.deepEqual(page.seen.errors, []);
  assert.ok(text(page).startsWith("w0 w1 w2 "));
  assert.equal(last(page).id, last(page).metadata.run);
}

async function approvals(ai, version) {
  if (version === 5) {
    const one = chat(ai, version, "approval");
    const sending = one.chat.sendMessage({ text: "Hi" });
    const asked = () => last(one)?.parts.find((part) => part.type === "data-approval");
    while (!asked()) await pause(20);
    const { id, data } = asked();
    await fetch(`${base}/runs/${data.run}/approve`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ approval: id, allowed: true }),
    });
    await sending;
    assert.deepEqual([one.seen.errors, text(one), asked().data.state], [[], "Done.", "approved"]);
    return;
  }
  for (const approved of [true, false]) {
    const sendAutomaticallyWhen = ai.lastAssistantMessageIsCompleteWithApprovalResponses;
    const one = chat(ai, version, "approval", { sendAutomaticallyWhen });
    await one.chat.sendMessage({ text: "Hi" });
    const call = () => last(one).parts.find((part) => part.type === "tool-send");
    assert.deepEqual([one.seen.errors, call().state, call().input], [[], "approval-requested", { to: "ann" }]);
    const before = last(one).id;
    await one.chat.addToolApprovalResponse({ id: call().approval.id, approved });
    while (one.chat.state.status !== "ready" || !text(one)) await pause(20);
    assert.deepEqual(one.seen.errors, []);
    assert.equal(call().state, approved ? "output-available" : "output-denied");
    assert.deepEqual([last(one).id, one.chat.state.messages.length, text(one)], [before, 2, "Done."]);
  }
}

async function sockets(ai) {
  const url = `${base.replace("http", "ws")}/ai-sdk/ws`;
  const over = (agent) => new ai.WebSocketChatTransport({ url, webSocket: WebSocket, body: { agent } });
  const plain = chat(ai, 7, "plain", { transport: over("plain") });
  await plain.chat.sendMessage({ text: "Hi" });
  assert.deepEqual([plain.seen.errors, text(plain)], [[], "Found two."]);
  await plain.chat.sendMessage({ text: "And?" });
  assert.deepEqual([plain.seen.errors, plain.chat.state.messages.length], [[], 4]);
  const nobody = chat(ai, 7, "plain", { transport: over("nobody") });
  await nobody.chat.sendMessage({ text: "Hi" });
  assert.match(nobody.seen.errors.join(), /There is no agent/);
  const none = chat(ai, 7, "plain", { transport: over("plain") });
  await none.chat.resumeStream();
  assert.deepEqual([none.seen.errors, none.chat.state.status], [[], "ready"]);
  const slow = chat(ai, 7, "slow", { transport: over("slow") });
  const sending = slow.chat.sendMessage({ text: "Hi" });
  while (!(last(slow)?.role === "assistant" && text(slow))) await pause(20);
  const page = chat(ai, 7, "slow", { id: slow.id, messages: slow.chat.state.messages.slice(0, 1), transport: over("slow") });
  const reading = page.chat.resumeStream();
  while (!(last(page)?.role === "assistant" && /w9 /.test(text(page)))) await pause(20);
  await slow.chat.stop(); // over a socket this is the stop
  await sending;
  await reading;
  assert.ok(text(page).startsWith("w0 w1 w2 "));
  assert.equal(page.seen.ends.at(-1).finishReason, "interrupted");
  const sendAutomaticallyWhen = ai.lastAssistantMessageIsCompleteWithApprovalResponses;
  const one = chat(ai, 7, "approval", { transport: over("approval"), sendAutomaticallyWhen });
  await one.chat.sendMessage({ text: "Hi" });
  const call = () => last(one).parts.find((part) => part.type === "tool-send");
  await one.chat.addToolApprovalResponse({ id: call().approval.id, approved: true });
  while (one.chat.state.status !== "ready" || !text(one)) await pause(20);
  assert.deepEqual([one.seen.errors, call().state, text(one)], [[], "output-available", "Done."]);
}

for (const version of [5, 6, 7]) {
  const ai = await import(`ai${version}`);
  for (const check of [words, tools, failures, stopped, resumed, approvals]) {
    await check(ai, version);
    console.log(`as it should be, in version ${version}:`, check.name);
  }
}
await sockets(await import("ai7"));
console.log("as it should be, over sockets");
console.log("The AI SDK reads all of it.");
process.exit(0); // its sockets stay open for what may be asked next
