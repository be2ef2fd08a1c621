// The runtimes of CopilotKit and assistant-ui, without a page, against a server of ours over AG-UI:
//
//     node tests/system/clients/ag_ui_runtimes.mjs http://127.0.0.1:8000
//
// It needs npm's `@copilotkit/core` and `@assistant-ui/react-ag-ui` beside it; the core of the latter is what its hook
// is made of. The first difference ends it.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { HttpAgent } from "@ag-ui/client-0";
import { CopilotKitCore } from "@copilotkit/core";
import { z } from "zod";

const base = process.argv[2];
console.error = () => {}; // both tell of each failure there too

// --- CopilotKit

async function copilotKit() {
  const names = ["plain", "tools", "boss", "restarts", "client", "approval", "fails", "slow", "both"];
  const agents = names.map((name) => [name, new HttpAgent({ url: `${base}/ag-ui/${name}`, agentId: name })]);
  const picked = [];
  const pick = {
    name: "pick",
    description: "Pick one.",
    parameters: z.object({ among: z.array(z.string()) }),
    handler: async ({ among }) => (picked.push(among), among[1]),
  };
  const core = new CopilotKitCore({ agents__unsafe_dev_only: Object.fromEntries(agents), tools: [pick] });
  const errors = [];
  core.subscribe({ onError: ({ code }) => void errors.push(code) });
  const said = async (name) => {
    const agent = core.getAgent(name);
    agent.addMessage({ id: "u1", role: "user", content: "Hi" });
    await core.runAgent({ agent });
    return agent;
  };
  const shown = ({ messages }) => messages.filter((one) => one.role === "assistant").map((one) => one.content ?? "");
  assert.deepEqual(shown(await said("plain")), ["Found two."]);
  const tools = await said("tools");
  assert.deepEqual(shown(tools), ["I look. ", "Found two."]);
  tools.addMessage({ id: "u2", role: "user", content: "Again." });
  await core.runAgent({ agent: tools });
  assert.deepEqual(shown(tools), ["I look. ", "Found two.", "I look. ", "Found two."]);
  assert.deepEqual(shown(await said("boss")), ["I ask. ", "I look. ", "Found two.", "Done."]);
  assert.deepEqual(shown(await said("both")).sort(), ["A.", "B."]);
  assert.deepEqual(shown(await said("restarts")), ["Right now."]);
  assert.deepEqual(shown(await said("client")), ["Pick one. ", "You said b."]); // it has run the page's tool, and gone on
  assert.deepEqual(picked, [["a", "b"]]);
  const approval = await said("approval");
  const [{ id }] = approval.pendingInterrupts;
  const resume = [{ interruptId: id, status: "resolved", payload: { approved: true } }];
  await core.runAgent({ agent: approval, resume });
  assert.equal(shown(approval).at(-1), "Done.");
  assert.deepEqual(errors, []);
  assert.deepEqual(shown(await said("fails")), ["Half "]);
  assert.deepEqual(errors, ["agent_run_error_event"]);
  const slow = core.getAgent("slow");
  const running = said("slow");
  while (!shown(slow).join("")) await pause(20);
  core.stopAgent({ agent: slow });
  await running.catch(() => {});
  assert.ok(shown(slow).join("").startsWith("w0 "));
}

// --- assistant-ui

async function assistantUi() {
  const here = join(dirname(fileURLToPath(import.meta.url)), "node_modules/@assistant-ui/react-ag-ui");
  const { AgUiThreadRuntimeCore } = await import(pathToFileURL(join(here, "dist/runtime/AgUiThreadRuntimeCore.js")).href);
  const brought = createRequire(join(here, "package.json"))("@ag-ui/client");
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const said = async (name) => {
    const agent = new brought.HttpAgent({ url: `${base}/ag-ui/${name}?v=0.0.58` });
    const errors = [];
    const onError = (error) => void errors.push(error.message);
    const core = new AgUiThreadRuntimeCore({ agent, logger, showThinking: true, notifyUpdate() {}, onError });
    const say = (text) =>
      core.append({
        ...{ parentId: core.getMessages().at(-1)?.id ?? null, sourceId: null, role: "user", createdAt: new Date() },
        ...{ content: [{ type: "text", text }], attachments: [], metadata: { custom: {} }, runConfig: {}, startRun: true },
      });
    await say("Hi").catch(() => {});
    return { core, errors, say };
  };
  const parts = ({ core }) => core.getMessages().filter((one) => one.role === "assistant").flatMap((one) => one.content);
  const text = (one) => parts(one).filter((part) => part.type === "text").map((part) => part.text).join("");
  const call = (one) => parts(one).find((part) => part.type === "tool-call");
  const plain = await said("plain");
  assert.deepEqual(parts(plain).map((part) => [part.type, part.text]), [["reasoning", "Hm. Well."], ["text", "Found two."]]);
  const tools = await said("tools");
  assert.deepEqual([call(tools).toolName, call(tools).args, call(tools).result], ["search", { query: "tides" }, "2 hits for tides"]);
  await tools.say("Again.");
  assert.deepEqual([text(tools), tools.errors], ["I look. Found two.I look. Found two.", []]);
  for (const [name, words] of [["boss", "I ask. I look. Found two.Done."], ["giver", "One moment. I take over."]]) {
    const one = await said(name);
    assert.deepEqual([text(one), one.errors], [words, []]);
  }
  const fails = await said("fails");
  assert.deepEqual([text(fails), /gone/.test(fails.errors[0])], ["Half ", true]);
  for (const [approved, result] of [[true, "sent to ann"], [false, "Denied: No."]]) {
    const one = await said("approval");
    await one.core.respondToToolApproval({ approvalId: call(one).approval.id, approved, reason: "No." });
    while (one.core.isRunning() || !text(one)) await pause(20);
    assert.deepEqual([text(one), call(one).result, one.core.getPendingInterrupts()], ["Done.", result, null]);
  }
  const question = await said("question");
  const [{ id }] = question.core.getPendingInterrupts().interrupts;
  await question.core.submitInterruptResponses([{ interruptId: id, status: "resolved", payload: 7 }]);
  assert.deepEqual([text(question), call(question).result], ["Chosen.", "number 7"]);
  // What was taken back stays on its screen: it keeps a message that is being written, whatever a snapshot says.
  assert.equal(text(await said("restarts")), "Wrong Right now.");
}

for (const check of [copilotKit, assistantUi]) {
  await check();
  console.log("as it should be:", check.name);
}
console.log("CopilotKit and assistant-ui run our agents.");
process.exit(0);
