// The A2A project's own client for JavaScript, in both bindings, against a server of ours:
//
//     node tests/system/clients/a2a_program.mjs http://127.0.0.1:8000
//
// It needs npm's `@a2a-js/sdk` beside it. The first difference ends it.

import assert from "node:assert/strict";
import { Role, TaskState } from "@a2a-js/sdk";
import { ClientFactory, JsonRpcTransportFactory, RestTransportFactory } from "@a2a-js/sdk/client";

const base = process.argv[2];

const text = (value) => ({ content: { $case: "text", value } });
const data = (value) => ({ content: { $case: "data", value } });
const message = (parts, more) => ({
  message: { messageId: crypto.randomUUID(), role: Role.ROLE_USER, parts, ...more },
});
const words = (parts) => parts.map(({ content }) => (content?.$case === "text" ? content.value : "")).join("");
const answer = (task) => words(task.artifacts.flatMap((one) => one.parts));

async function sent(client, parts, more) {
  const told = await client.sendMessage(message(parts, more));
  return told.$case ? told.value : (told.payload?.value ?? told.task ?? told);
}

async function updates(stream) {
  const seen = [];
  for await (const one of stream) seen.push(one.payload ?? one);
  return seen;
}

const artifacts = (seen) => seen.filter((one) => one.$case === "artifactUpdate").map((one) => words(one.value.artifact.parts));
const states = (seen) => seen.filter((one) => one.$case === "statusUpdate").map((one) => one.value.status.state);

async function tried(transport) {
  const factory = new ClientFactory({ transports: [transport], preferredTransports: [transport.protocolName] });
  const at = (agent) => factory.createFromUrl(`${base}/a2a/${agent}/`);

  const plain = await at("plain");
  const card = await plain.getAgentCard();
  assert.deepEqual([card.name, card.capabilities.streaming, card.capabilities.pushNotifications], ["plain", true, false]);
  const task = await sent(plain, [text("Hi")]);
  assert.deepEqual([task.status.state, answer(task)], [TaskState.TASK_STATE_COMPLETED, "Found two."]);
  assert.equal(answer(await plain.getTask({ id: task.id, historyLength: 5 })), "Found two.");
  assert.ok((await plain.listTasks({ status: TaskState.TASK_STATE_COMPLETED })).tasks.some((one) => one.id === task.id));

  const streamed = await updates((await at("tools")).sendMessageStream(message([text("Hi")])));
  assert.equal(artifacts(streamed).join("").replace(/\s+/g, " "), "I look. Found two.");
  assert.deepEqual(states(streamed), [TaskState.TASK_STATE_WORKING, TaskState.TASK_STATE_COMPLETED]);
  const failed = await updates((await at("fails")).sendMessageStream(message([text("Hi")])));
  assert.equal(states(failed).at(-1), TaskState.TASK_STATE_FAILED);

  const approval = await at("approval");
  const asked = await sent(approval, [text("Hi")]);
  assert.equal(asked.status.state, TaskState.TASK_STATE_INPUT_REQUIRED);
  const done = await sent(approval, [data({ approved: true })], { taskId: asked.id });
  assert.deepEqual([done.status.state, answer(done)], [TaskState.TASK_STATE_COMPLETED, "Done."]);

  const slow = await at("slow");
  const stream = slow.sendMessageStream(message([text("Hi")]));
  let id = "";
  for await (const one of stream) {
    const { $case, value } = one.payload ?? one;
    if ($case === "task") id = value.id;
    if ($case === "artifactUpdate") break;
  }
  const watching = updates(slow.resubscribeTask({ id }));
  assert.equal((await slow.cancelTask({ id })).status.state, TaskState.TASK_STATE_CANCELED);
  assert.equal(states(await watching).at(-1), TaskState.TASK_STATE_CANCELED);

  // What this server does not offer is refused by name.
  await assert.rejects(plain.getTask({ id: "nothing" }), { name: /TaskNotFound/ });
  await assert.rejects(plain.cancelTask({ id: task.id }), { name: /TaskNotCancelable/ });
  const file = { content: { $case: "url", value: "https://example.org/a.png" } };
  await assert.rejects(sent(plain, [file]), { name: /ContentTypeNotSupported/ });
  const push = { taskId: task.id, id: "p", url: "https://example.org/hook" };
  for (const ask of [
    () => plain.transport.createTaskPushNotificationConfig(push),
    () => plain.transport.getTaskPushNotificationConfig({ taskId: task.id, id: "p" }),
    () => plain.transport.listTaskPushNotificationConfig({ taskId: task.id }),
    () => plain.transport.deleteTaskPushNotificationConfig({ taskId: task.id, id: "p" }),
  ]) {
    await assert.rejects(ask, { name: /PushNotificationNotSupported/ });
  }
  await assert.rejects(plain.transport.getExtendedAgentCard({}), { name: /ExtendedAgentCardNotConfigured/ });
}

for (const transport of [new JsonRpcTransportFactory(), new RestTransportFactory()]) {
  await tried(transport);
  console.log("as it should be, over", transport.protocolName);
}
console.log("A2A's client for JavaScript runs our agents.");
process.exit(0);
