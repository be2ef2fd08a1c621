// A page with @ai-sdk/react's useChat, as an app has it: it keeps its chat across a reload, and then reads on. It is
// built once for each VERSION of the SDK; 5 knows no approvals, which are then asked and answered as data.

import { useChat } from "@ai-sdk/react";
import * as ai from "ai";
import { createRoot } from "react-dom/client";

const asked = new URLSearchParams(location.search);
const api = `${asked.get("server")}/ai-sdk/chat/${asked.get("agent")}`;
const kept = JSON.parse(sessionStorage.getItem("chat")) ?? { id: crypto.randomUUID(), messages: [] };

function Part({ part, answer }) {
  if (part.type === "text") return <p>{part.text}</p>;
  if (part.type === "data-approval" && part.data.state === "asked") {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ approval: part.id, allowed: true });
    const allow = () => fetch(`${asked.get("server")}/runs/${part.data.run}/approve`, { method: "POST", headers, body });
    return <button id="allow" onClick={allow}>Allow</button>;
  }
  if (!part.type.startsWith("tool-")) return null;
  return (
    <div className="tool">
      {part.type} {part.state} {JSON.stringify(part.output)}
      {part.state === "approval-requested" && (
        <button id="allow" onClick={() => answer({ id: part.approval.id, approved: true })}>Allow</button>
      )}
    </div>
  );
}

function App() {
  const { messages, status, error, sendMessage, addToolApprovalResponse } = useChat({
    ...kept,
    resume: kept.messages.length > 0,
    sendAutomaticallyWhen: ai.lastAssistantMessageIsCompleteWithApprovalResponses,
    transport: new ai.DefaultChatTransport({
      api: `${api}?v=${VERSION}`,
      prepareReconnectToStreamRequest: ({ id }) => ({ api: `${api}/${id}/stream?v=${VERSION}` }),
    }),
  });
  const send = () => {
    const message = { id: "u1", role: "user", parts: [{ type: "text", text: "Hi" }] };
    sessionStorage.setItem("chat", JSON.stringify({ id: kept.id, messages: [message] }));
    sendMessage(message);
  };
  return (
    <main>
      {messages.map((one) => (
        <article key={one.id} className={one.role}>
          {one.parts.map((part, at) => <Part key={at} part={part} answer={addToolApprovalResponse} />)}
        </article>
      ))}
      <output className="bar">{status} {error?.message}</output>
      <button id="send" onClick={send}>Send</button>
      <button id="stop" onClick={() => fetch(`${api}/${kept.id}/stop`, { method: "POST" })}>Stop</button>
    </main>
  );
}

createRoot(document.getElementById("root")).render(<App />);
