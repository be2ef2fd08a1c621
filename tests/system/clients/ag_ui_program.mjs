// AG-UI's own client, versions 0.0.59 and 1, against a server of ours:
//
//     node tests/system/clients/ag_ui_program.mjs http://127.0.0.1:8000
//
// It needs npm's `@ag-ui/client` in these versions beside it, the older one as `@ag-ui/client-0`. The first difference ends it.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

const base = process.argv[2];
console.error = () => {}; // the client tells of each failure there too
const warned = [];
console.warn = (...said) => warned.push(said.join(" "));

function agentOf({ HttpAgent }, name, more = {}) {
  const agent = new HttpAgent({ url: `${base}/ag-ui/${name}`, ...more });
  const seen = { events: [], errors: [], ends: [] };
  agent.subscribe({
    onEvent: ({ event }) => void seen.events.push(event),
    onRunErrorEvent: ({ event }) => void seen.errors.push(event),
    onRunFinishedEvent: (end) => void seen.ends.push(end),
    onRunFailed: ({ error }) => void seen.errors.push(error),
  });
  const kinds = () => seen.events.map((event) => event.type);
  const ours = () => seen.events[0].metadata.headwater;
  return { agent, seen, kinds, ours };
}

async function said(ag, name, more) {
  const one = agentOf(ag, name);
  one.agent.addMessage({ id: "u1", role: "user", content: "Hi" });
  await one.agent.runAgent(more);
  return one;
}

const text = ({ agent }) => agent.messages.filter((one) => one.role === "assistant").map((one) => one.content ?? "").join("");
const roles = ({ agent }) => agent.messages.map((one) => one.role);
const outcome = ({ seen }) => seen.ends.at(-1)?.outcome;

async function words(ag) {
  const plain = await said(ag, "plain");
  assert.deepEqual(roles(plain), ["user", "reasoning", "assistant"]);
  assert.deepEqual([plain.agent.messages[1].content, text(plain)], ["Hm. Well.", "Found two."]);
  assert.deepEqual([outcome(plain), plain.seen.errors], ["success", []]);
  const [usage] = plain.seen.events.at(-1).usage;
  assert.ok(usage.totalTokens === usage.inputTokens + usage.outputTokens && usage.totalTokens > 0);
  assert.equal(plain.ours().agent, "plain");
  for (const [name, words] of [["long", "Too long"], ["refuses", "I cannot."], ["sequence", "One.Found two."]]) {
    assert.deepEqual([name, text(await said(ag, name))], [name, words]);
  }
}

async function turns(ag) {
  const one = await said(ag, "tools");
  const calls = () => one.agent.messages.flatMap((message) => message.toolCalls ?? []);
  assert.equal(calls().length, 1);
  one.agent.addMessage({ id: "u2", role: "user", content: "Again." });
  await one.agent.runAgent();
  assert.deepEqual(roles(one), [
    ...["user", "reasoning", "assistant", "tool", "activity", "reasoning", "assistant"],
    ...["user", "reasoning", "assistant", "tool", "activity", "reasoning", "assistant"],
  ]);
  assert.equal(new Set(one.agent.messages.map((message) => message.id)).size, one.agent.messages.length);
  assert.deepEqual(calls().map((call) => JSON.parse(call.function.arguments)), [{ query: "tides" }, { query: "tides" }]);
  const echo = agentOf(ag, "echo");
  echo.agent.setMessages([...one.agent.messages, { id: "u3", role: "user", content: [{ type: "text", text: "What?" }] }]);
  await echo.agent.runAgent({ context: [{ description: "The page", value: "A list" }] });
  const heard = echo.agent.messages.at(-1).content.split(" | ").map((message) => message.split(":")[0]);
  const turn = ["user", "assistant", "tool", "assistant"];
  assert.deepEqual(heard, ["system", ...turn, ...turn, "user"]);
}

async function tools(ag) {
  const one = await said(ag, "tools");
  const [, , asked, result, activity] = one.agent.messages;
  assert.deepEqual([asked.content, asked.toolCalls[0].function.name], ["I look. ", "search"]);
  assert.deepEqual([result.content, result.toolCallId], ["2 hits for tides", asked.toolCalls[0].id]);
  assert.deepEqual([activity.activityType, activity.content.data], ["headwater.progress", { searching: "tides" }]);
  assert.deepEqual([text(one), one.seen.ends.at(-1).pendingToolCallIds ?? []], ["I look. Found two.", []]);
  assert.deepEqual(one.kinds().filter((kind) => kind.startsWith("STEP")).length, 4);
  const broken = await said(ag, "broken");
  const failed = broken.agent.messages.find((message) => message.role === "tool");
  assert.ok(failed.content && failed.metadata.headwater.error);
}

async function inside(ag) {
  const boss = await said(ag, "boss");
  const [begun] = boss.seen.events.filter((event) => event.type === "SUBAGENT_STARTED");
  const call = boss.agent.messages.find((message) => message.toolCalls && !message.subagentRunId).toolCalls[0];
  assert.deepEqual([begun.name, begun.parentToolCallId], ["researcher", call.id]);
  const own = boss.agent.messages.filter((message) => message.subagentRunId === begun.subagentRunId);
  assert.deepEqual(own.map((message) => message.role).sort(), ["activity", "assistant", "assistant", "reasoning", "reasoning", "tool"]);
  boss.agent.addMessage({ id: "u2", role: "user", content: "And?" });
  const echo = agentOf(ag, "echo");
  echo.agent.setMessages(boss.agent.messages);
  await echo.agent.runAgent();
  const heard = echo.agent.messages.at(-1).content;
  assert.ok(!heard.includes("I look") && heard.includes("I ask. ") && heard.includes("Done."), heard); // the helper's words are its own
  const both = await said(ag, "both");
  assert.deepEqual(both.kinds().filter((kind) => kind.startsWith("SUBAGENT")).sort(), [
    ...["SUBAGENT_FINISHED", "SUBAGENT_FINISHED", "SUBAGENT_STARTED", "SUBAGENT_STARTED"],
  ]);
  assert.ok(["A.B.", "B.A."].includes(text(both)));
  assert.equal(text(await said(ag, "giver")), "One moment. I take over.");
}

async function failures(ag) {
  for (const name of ["fails", "cut"]) {
    const one = await said(ag, name);
    assert.deepEqual([name, one.kinds().at(-1), text(one), outcome(one)], [name, "RUN_ERROR", "Half ", undefined]);
    assert.ok(one.seen.errors[0].message && one.seen.errors[0].code);
    assert.ok(one.seen.events.some((event) => event.name === "headwater.attempt.failed"));
  }
  await assert.rejects(said(ag, "nobody"), /^Error: HTTP 404: There is no agent 'nobody'\./);
  const empty = agentOf(ag, "plain");
  await assert.rejects(empty.agent.runAgent(), /HTTP 400: The last message is the assistant's, or there is none/);
}

async function takenBack(ag) {
  const one = await said(ag, "restarts");
  assert.ok(one.kinds().includes("MESSAGES_SNAPSHOT") && one.seen.events.some((event) => event.delta?.includes("Wrong")));
  assert.deepEqual([text(one), outcome(one), roles(one)], ["Right now.", "success", ["user", "assistant"]]);
}

async function stopped(ag, modern) {
  const one = agentOf(ag, "slow");
  one.agent.addMessage({ id: "u1", role: "user", content: "Hi" });
  const running = one.agent.runAgent();
  while (!text(one)) await pause(20);
  await fetch(`${base}/runs/${one.ours().run}/cancel`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  await running;
  if (modern) assert.equal(outcome(one), "cancelled");
  else assert.deepEqual(one.seen.errors.map((error) => error.code), ["cancelled"]);
}

async function left(ag) {
  const one = agentOf(ag, "slow");
  one.agent.addMessage({ id: "u1", role: "user", content: "Hi" });
  const running = one.agent.runAgent();
  while (!text(one)) await pause(20);
  const { run } = one.ours();
  one.agent.abortRun();
  await running.catch(() => {});
  one.agent.addMessage({ id: "u2", role: "user", content: "Once more." });
  const again = one.agent.runAgent(); // at once: nobody reads the first run any more
  while (one.kinds().filter((kind) => kind === "RUN_STARTED").length < 2) await pause(20);
  assert.equal((await (await fetch(`${base}/runs/${run}`)).json()).state, "cancelled");
  one.agent.abortRun();
  await again.catch(() => {});
}

async function approvals(ag) {
  for (const [payload, result] of [
    [{ approved: true }, "sent to ann"],
    [{ approved: true, editedArgs: { to: "bob" } }, /sent to bob/],
    [{ approved: false, reason: "No." }, /No\.$/],
    [undefined, /Nobody decided/],
  ]) {
    const one = await said(ag, "approval");
    const [interrupt] = one.agent.pendingInterrupts;
    const [call] = one.agent.messages.at(-1).toolCalls;
    assert.deepEqual([outcome(one), interrupt.reason, interrupt.toolCallId], ["interrupt", "tool_call", call.id]);
    const answer = payload ? { status: "resolved", payload } : { status: "cancelled" };
    await assert.rejects(one.agent.runAgent(), /not addressed by resume/);
    await one.agent.runAgent({ resume: ag.buildResumeArray([interrupt], { [interrupt.id]: answer }) });
    const given = one.agent.messages.find((message) => message.toolCallId === call.id).content;
    if (typeof result === "string") assert.equal(given, result);
    else assert.match(given, result);
    assert.deepEqual([text(one), outcome(one), one.agent.pendingInterrupts], ["Done.", "success", []]);
    one.agent.addMessage({ id: "u2", role: "user", content: "Again." });
    await one.agent.runAgent();
    assert.equal(one.agent.pendingInterrupts.length, 1);
  }
  const reloaded = await said(ag, "approval"); // and the page forgets what was asked
  const { id } = reloaded.agent.pendingInterrupts[0];
  const page = agentOf(ag, "approval", { threadId: reloaded.agent.threadId, initialMessages: reloaded.agent.messages });
  page.agent.addMessage({ id: "u2", role: "user", content: "Well?" });
  await page.agent.runAgent();
  assert.deepEqual(page.agent.pendingInterrupts.map((interrupt) => interrupt.id), [id]);
}

async function questions(ag) {
  const one = await said(ag, "question");
  const [interrupt] = one.agent.pendingInterrupts;
  assert.deepEqual([interrupt.reason, interrupt.message], ["input_required", "Which?"]);
  assert.ok(interrupt.responseSchema);
  const answer = { [interrupt.id]: { status: "resolved", payload: 7 } };
  const resume = ag.buildResumeArray([interrupt], answer);
  const wrong = [{ ...resume[0], payload: "seven" }];
  await assert.rejects(one.agent.runAgent({ resume: wrong }), /HTTP 400/);
  await one.agent.runAgent({ resume });
  assert.deepEqual([text(one), one.agent.messages.find((message) => message.role === "tool").content], ["Chosen.", "number 7"]);
}

async function toolsOfThePage(ag, modern) {
  const tools = [{ name: "pick", description: "Pick one.", parameters: { type: "object", properties: { among: { type: "array" } } } }];
  const one = await said(ag, "client", { tools });
  const [call] = one.agent.messages.at(-1).toolCalls;
  assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ["pick", { among: ["a", "b"] }]);
  assert.deepEqual(one.seen.ends.at(-1).pendingToolCallIds ?? [], modern ? [call.id] : []);
  one.agent.addMessage({ id: "t1", role: "tool", toolCallId: call.id, content: "b" });
  await one.agent.runAgent({ tools });
  assert.equal(one.agent.messages.at(-1).content, "You said b.");
  const team = await said(ag, "both", { tools });
  assert.ok(team.seen.events.some((event) => event.name === "headwater.warning"));
}

for (const version of [0, 1]) {
  const ag = await import(version ? "@ag-ui/client" : "@ag-ui/client-0");
  for (const check of [words, turns, tools, inside, failures, takenBack, stopped, left, approvals, questions, toolsOfThePage]) {
    await check(ag, version === 1);
    assert.deepEqual(warned, []);
    console.log(`as it should be, in version ${version}:`, check.name);
  }
}
console.log("AG-UI's client reads all of it.");
process.exit(0);
