"""A compiled graph of LangGraph as an agent or a workflow here.

    LangGraph(create_agent("openai:gpt-5.4", tools=[…]), name="researcher")
    LangGraph(graph.compile(), name="report")

Owns the translation of its stream. A graph with a node that runs tools is one agent; any other is a workflow, whose
nodes are members. Which node, subgraph or call something belongs to is taken from the stream alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, ClassVar, Final

from msgspec import UNSET

from headwater.adapters.adapted import Adapted, named
from headwater.adapters.adapted_run import AdaptedRun
from headwater.adapters.conversation import PARTS, Said, Turn
from headwater.adapters.package import imported
from headwater.adapters.told import ToldRun
from headwater.errors import ConfigurationError
from headwater.events import WorkflowShape
from headwater.events.messages import FinishReason, Image, Text, Usage

__all__ = ("LangGraph",)

_PACKAGE: Final = "langgraph"

_REASONS: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}


_LANGCHAINS: Final = "lc_run-"
"""What the ids of messages begin with that LangChain made up."""


class LangGraph(Adapted):
    """A compiled graph of LangGraph, version 1 or later.

    `state` makes the graph's input from the task's messages, as LangChain has them (None: `{"messages": …}`). `output`
    is the key of the final state that becomes the Response's `output`, or a function of that state (None: the
    structured response of an agent that has one). `members` says whether its nodes are shown as members of a workflow
    (None: unless one of them runs tools). `context` of a run is the graph's context; `options` go to its `astream`,
    such as `config=`. Leaving the run cancels the graph's tasks, which closes the connections to providers; nodes that
    are not async run in threads and finish there.

    Raises ConfigurationError if LangGraph is not installed, or `graph` is not a compiled graph.
    """

    framework = "LangGraph"
    kinds: ClassVar[tuple[type[Said], ...] | None] = PARTS

    def __init__(
        self,
        graph: Any,
        *,
        name: str | None = None,
        description: str = "",
        state: Callable[[list[Any]], Any] | None = None,
        output: str | Callable[[Any], Any] | None = None,
        members: bool | None = None,
        **options: Any,
    ) -> None:
        pregel = imported("langgraph.pregel", _PACKAGE)
        if not isinstance(graph, pregel.Pregel):
            hint = "Compile it first: graph.compile()." if hasattr(graph, "compile") else "Give a compiled graph."
            raise ConfigurationError(f"{type(graph).__name__} is not a compiled graph of LangGraph.", hint=hint)
        own = graph.name if graph.name != "LangGraph" else None
        super().__init__(named(name, own, "langgraph"), description=description)
        self.graph = graph
        self.state = state
        self.output = output
        self.options = options
        nodes = [node for node in graph.nodes if not node.startswith("__")]
        has_tools = any(_runs_tools(graph.nodes[node].bound) for node in nodes)
        self.members: bool = (len(nodes) > 1 and not has_tools) if members is None else members
        self._nodes = tuple(nodes)

    def _begin(self, task: Any, **options: Any) -> AdaptedRun:
        run = super()._begin(task, **options)
        if self.members:
            run.shape = run.node.shape = WorkflowShape(kind="graph", members=self._nodes, edges=self._edges())
        return run

    def _edges(self) -> tuple[tuple[str, str], ...]:
        known = {*self._nodes}
        edges = self.graph.get_graph().edges
        return tuple((edge.source, edge.target) for edge in edges if edge.source in known and edge.target in known)

    async def _tell(self, run: AdaptedRun) -> None:
        messages = imported("langchain_core.messages", _PACKAGE)
        said = [_message(messages, turn) for turn in self._turns(run.input)]
        state = {"messages": said} if self.state is None else self.state(said)
        given = {"context": run.context} if run.context is not None else {}
        telling = _Telling(run, messages, members=self.members)
        modes = ["messages", "tasks", "values"]
        stream = self.graph.astream(state, stream_mode=modes, subgraphs=True, **given, **self.options)
        values: Any = None
        async with aclosing(stream):
            async for namespace, mode, data in stream:
                if mode == "messages":
                    telling.message(namespace, *data)
                elif mode == "tasks":
                    telling.task(namespace, data)
                elif not namespace:
                    values = data
                await run.turn()
        if telling.interrupted:
            raise ConfigurationError(
                f"{self.name!r} was interrupted in {telling.interrupted!r} and waits for input, which an adapter cannot"
                " give.",
                hint="Ask people in a tool of headwater instead: await ctx.ask(…).",
            )
        telling.finish(self._output_of(values))

    def _output_of(self, values: Any) -> Any:
        if callable(self.output):
            return self.output(values)
        if not isinstance(values, Mapping):
            return UNSET if self.output is None else getattr(values, self.output)
        if self.output is not None:
            return values[self.output]
        return values.get("structured_response", UNSET)


def _runs_tools(bound: Any) -> bool:
    return any(kind.__name__ == "ToolNode" for kind in type(bound).__mro__)


def _message(messages: Any, turn: Turn) -> Any:
    if turn.role != "user":
        return (messages.AIMessage if turn.role == "assistant" else messages.SystemMessage)(turn.text)
    if all(isinstance(part, Text) for part in turn.parts):
        return messages.HumanMessage(turn.text)
    return messages.HumanMessage([_block(part) for part in turn.parts])


def _block(part: Said) -> dict[str, Any]:
    """A part as one of LangChain's standard content blocks."""
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    kind = "image" if isinstance(part, Image) else "file"
    if part.data is None:
        return {"type": kind, "url": part.url}
    import base64

    block = {"type": kind, "base64": base64.b64encode(part.data).decode(), "mime_type": part.media_type}
    return block if isinstance(part, Image) else {**block, "filename": part.name or "file"}


class _Voice:
    """What one run says: one message of a model at a time, because a run has one step at a time; others wait."""

    def __init__(self, run: ToldRun) -> None:
        self.run = run
        self.task = ""
        """The task of the graph in which it works; empty for the graph's own run."""
        self.over = False
        self._open: str | None = None
        self._waiting: dict[str, deque[tuple[Any, Mapping[str, Any]]]] = {}
        self._is_new = False
        """Whether only the first piece of the open message came."""
        self._indices: dict[int, str] = {}

    def hear(self, chunk: Any, about: Mapping[str, Any]) -> None:
        """Says a chunk of a message, or keeps it for later."""
        key = str(chunk.id)
        if self._open is not None and self._open != key:
            if not (self._is_new and key.startswith(_LANGCHAINS) and not self._open.startswith(_LANGCHAINS)):
                self._waiting.setdefault(key, deque()).append((chunk, about))
                return
            self._open = key  # the first piece may have the provider's id, and the others LangChain's
        self._say(key, chunk, about)

    def _say(self, key: str, chunk: Any, about: Mapping[str, Any]) -> None:
        run = self.run
        if self._open is None:
            self._open, self._is_new = key, True
            self._indices.clear()
            run.begin_step(model=str(about.get("ls_model_name") or ""), provider=str(about.get("ls_provider") or ""))
            told = chunk.response_metadata
            run.accepted(
                key if key.startswith(("chatcmpl", "resp_", "msg_")) else "", str(told.get("model_name") or "")
            )
        _say_content(run, chunk.content)
        reasoning = chunk.additional_kwargs.get("reasoning_content")
        if isinstance(reasoning, str):
            run.reasoning(reasoning)
        pieces = getattr(chunk, "tool_call_chunks", None)
        if pieces is None:  # a whole message
            for call in chunk.tool_calls:
                run.end_call(str(call["id"]), call["name"], call["args"])
        for piece in pieces or ():
            self._say_call(piece)
        if (usage := chunk.usage_metadata) is not None:
            run.usage(_usage(usage))
        if pieces is None or chunk.chunk_position == "last":
            self.end(chunk.response_metadata)

    def _say_call(self, piece: Mapping[str, Any]) -> None:
        index = piece.get("index")
        index = index if isinstance(index, int) else 0
        if piece.get("id"):
            self._indices[index] = str(piece["id"])
            self.run.begin_call(str(piece["id"]), str(piece.get("name") or ""))
        if piece.get("args") and (call := self._indices.get(index)) is not None:
            self.run.call_piece(call, str(piece["args"]))

    def end(self, told: Mapping[str, Any] | None = None) -> None:
        """The open message is complete; the next one that waits is said."""
        if self._open is None:
            return
        self._open = None
        told = told or {}
        word = told.get("finish_reason") or told.get("stop_reason") or told.get("status")
        self.run.end_step(_REASONS.get(str(word)), word=str(word) if word else None)
        if self._waiting:
            key = next(iter(self._waiting))
            for chunk, about in self._waiting.pop(key):
                self.hear(chunk, about)


def _say_content(run: ToldRun, content: Any) -> None:
    if isinstance(content, str):
        run.text(content)
        return
    for block in content:
        if isinstance(block, str):
            run.text(block)
        elif block.get("type") in ("text", "output_text", "text_delta"):
            run.text(block.get("text") or "")
        elif block.get("type") == "refusal":
            run.refusal(block.get("refusal") or "")
        elif block.get("type") == "thinking":
            run.reasoning(block.get("thinking") or "")
        elif block.get("type") == "reasoning":
            run.reasoning(block.get("reasoning") or block.get("text") or "")
            for part in block.get("summary") or ():
                run.reasoning(part.get("text") or "")


class _Telling:
    """Tells the run of one graph."""

    def __init__(self, run: ToldRun, messages: Any, *, members: bool) -> None:
        self._run = run
        self._messages = messages
        self._members = members
        self._root = _Voice(run)
        self._voices: dict[str, _Voice] = {}
        """The open members, by the graph's task."""
        self._tasks: dict[str, str] = {}
        """The nodes of the graph's tasks."""
        self._calls: dict[str, str] = {}
        """The call that each task of a node of tools runs."""
        self._owners: dict[str, ToldRun] = {}
        """The runs that made the calls."""
        self._below: dict[str, _Voice] = {}
        self._spoke: ToldRun | None = None
        self.interrupted = ""
        """The node that waits for input."""

    # --- tasks

    def task(self, namespace: tuple[str, ...], data: Mapping[str, Any]) -> None:
        """A task begins or ends."""
        task = str(data["id"])
        if "triggers" in data:
            if not namespace:
                self._tasks[task] = str(data["name"])
            calls = _calls_of(data.get("input"))
            if len(calls) == 1:  # with several, what runs below may belong to any of them
                self._calls[task] = calls[0]
            for call in calls:
                if (owner := self._owners.get(call)) is not None:
                    owner.tool_started(call)
            return
        if data.get("interrupts") and not namespace:
            self.interrupted = str(data["name"])
        self._calls.pop(task, None)
        self._below.pop(task, None)
        voice = self._voices.get(task)
        if voice is not None:
            voice.end()
            self._end(voice)

    def _end(self, voice: _Voice) -> None:
        """A member's task has ended: so has its run, unless calls of it go on in other nodes."""
        voice.over = True
        if not voice.run.has_open_calls:
            self._voices.pop(voice.task, None)
            voice.run.finish()

    # --- messages

    def message(self, namespace: tuple[str, ...], message: Any, about: Mapping[str, Any]) -> None:
        """A message, or a piece of one."""
        kinds = self._messages
        if isinstance(message, kinds.ToolMessage):
            self._tool_ended(namespace, message, about)
        elif isinstance(message, kinds.AIMessage):  # pieces too
            voice = self._voice(namespace, about)
            voice.hear(message, about)
            for call in (*message.tool_calls, *getattr(message, "tool_call_chunks", ())):
                if call.get("id"):
                    self._owners[str(call["id"])] = voice.run

    def _tool_ended(self, namespace: tuple[str, ...], message: Any, about: Mapping[str, Any]) -> None:
        call = str(message.tool_call_id)
        owner = self._owners.get(call)
        if owner is None:
            owner = self._voice(namespace, about).run
        for voice in self._every():
            if voice.run is owner:
                voice.end()
        text = str(message.text)
        error = text or "error" if message.status == "error" else None
        owner.tool_finished(call, text, error=error, name=str(message.name or "tool"))
        for voice in tuple(self._voices.values()):
            if voice.run is owner and voice.over:
                self._end(voice)

    def _every(self) -> tuple[_Voice, ...]:
        return (self._root, *self._voices.values(), *self._below.values())

    def _voice(self, namespace: tuple[str, ...], about: Mapping[str, Any]) -> _Voice:
        """Whose words these are: an agent's in a tool, a member's, or the graph's own."""
        for place in reversed(namespace):
            node, _, task = place.partition(":")
            call = self._calls.get(task)
            owner = self._owners.get(call) if call is not None else None
            if call is not None and owner is not None and owner.is_working(call):
                if task not in self._below:
                    name = str(about.get("lc_agent_name") or node)
                    self._below[task] = _Voice(owner.below(call, name))
                return self._below[task]
        if not self._members:
            self._spoke = self._run
            return self._root
        first = namespace[0] if namespace else str(about.get("langgraph_checkpoint_ns", "")).split("|", 1)[0]
        node, _, task = first.partition(":")
        node = node or str(about.get("langgraph_node"))
        voice = self._voices.get(task)
        if voice is None:
            voice = next((one for one in self._voices.values() if one.over and one.run.name == node), None)
            if voice is None:
                voice = _Voice(self._run.begin_member(node))
            else:
                del self._voices[voice.task]
            voice.task, voice.over = task, False
            self._voices[task] = voice
        self._spoke = voice.run
        return voice

    def finish(self, output: Any) -> None:
        """The graph has ended; `output` is its answer as a value."""
        for voice in self._every():
            voice.end()
        for voice in self._voices.values():
            voice.run.finish()
        if isinstance(output, str) and self._spoke is None and not self._members:
            self._run.text(output)  # the answer of a graph whose nodes ask no model that streams
        if self._members:
            self._run.answered_by = () if self._spoke is None else (self._spoke,)
        self._run.finish(output=output)


def _calls_of(given: Any) -> list[str]:
    """The calls in the input of a task that runs tools: a list of calls, or one with the state."""
    found = [given.get("tool_call")] if isinstance(given, Mapping) else given if isinstance(given, list) else []
    return [str(call["id"]) for call in found if isinstance(call, Mapping) and call.get("id") and "args" in call]


def _usage(usage: Mapping[str, Any]) -> Usage:
    read, written = usage.get("input_token_details") or {}, usage.get("output_token_details") or {}
    return Usage(
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens"),
        cached_input_tokens=read.get("cache_read") or None,
        cache_write_tokens=read.get("cache_creation") or None,
        reasoning_tokens=written.get("reasoning") or None,
    )
