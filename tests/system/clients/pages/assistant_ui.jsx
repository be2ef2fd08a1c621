// A page of assistant-ui's components over its AG-UI runtime.

import { HttpAgent } from "@ag-ui/client-0";
import {
  AssistantRuntimeProvider,
  ComposerPrimitive,
  MessagePrimitive,
  ThreadPrimitive,
  useAuiState,
} from "@assistant-ui/react";
import { useAgUiInterrupts, useAgUiRuntime, useAgUiSubmitInterruptResponses } from "@assistant-ui/react-ag-ui";
import { useMemo, useState } from "react";
import { createRoot } from "react-dom/client";

const asked = new URLSearchParams(location.search);

const Text = ({ text }) => <p>{text}</p>;
const Tool = ({ toolName, args, result }) => (
  <div className="tool">{toolName} {JSON.stringify(args)} {JSON.stringify(result)}</div>
);
const Message = () => (
  <MessagePrimitive.Root>
    <article className="assistant"><MessagePrimitive.Parts components={{ Text, tools: { Fallback: Tool } }} /></article>
  </MessagePrimitive.Root>
);
const Said = () => <MessagePrimitive.Root><MessagePrimitive.Parts components={{ Text }} /></MessagePrimitive.Root>;

function Questions() {
  const questions = useAgUiInterrupts();
  const submit = useAgUiSubmitInterruptResponses();
  const allow = (id) => submit([{ interruptId: id, status: "resolved", payload: { approved: true } }]);
  return questions.map(({ id, message }) => <button key={id} id="allow" onClick={() => allow(id)}>{message}</button>);
}

function Status({ error }) {
  const running = useAuiState((state) => state.thread.isRunning);
  return <output className="bar">{running ? "running" : "ready"} {error}</output>;
}

function App() {
  const [error, setError] = useState("");
  const agent = useMemo(() => new HttpAgent({ url: `${asked.get("server")}/ag-ui/${asked.get("agent")}` }), []);
  const runtime = useAgUiRuntime({ agent, onError: (error) => setError(error.message) });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <ThreadPrimitive.Root>
        <ThreadPrimitive.Messages components={{ UserMessage: Said, AssistantMessage: Message }} />
        <ComposerPrimitive.Root>
          <ComposerPrimitive.Input id="say" />
          <ComposerPrimitive.Send id="send">Send</ComposerPrimitive.Send>
          <ComposerPrimitive.Cancel id="stop">Stop</ComposerPrimitive.Cancel>
        </ComposerPrimitive.Root>
        <Questions />
        <Status error={error} />
      </ThreadPrimitive.Root>
    </AssistantRuntimeProvider>
  );
}

createRoot(document.getElementById("root")).render(<App />);
