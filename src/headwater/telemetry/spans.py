"""Spans and measurements of one tree of runs, computed from its events, live or from a saved log.

Owns which span there is for what, its parent, and when it ends. Times are those of the events; no clock is read and
nothing is attached to a context, so that whoever leaves a run leaves no span open. A resumed run gets new spans: those
of the process before ended with it. A tool's span is published under its run and call, for `live` to make it current
where the tool runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Final, NamedTuple

from msgspec import UNSET
from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracer, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptAccepted,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallStarted,
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Event,
    FileMade,
    GuardTripped,
    ReasoningDelta,
    ReasoningStarted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStarted,
    StepFinished,
    StepStarted,
    TextDelta,
    TextStarted,
    ToolFinished,
    ToolStarted,
    UsageReported,
)
from headwater.events.closing import CANCELLED
from headwater.events.fold import Fold
from headwater.events.messages import Message, Usage
from headwater.telemetry import content as shapes
from headwater.telemetry import names
from headwater.telemetry.measures import Measures, Request

__all__ = ("Out", "TreeSpans", "nanoseconds")

_DELTAS: Final = (TextDelta, ReasoningDelta, CallDelta)

Address = Callable[[str, str, str], "tuple[str, int] | None"]
"""Returns the host and port of a model's server, for a run's id, a provider and a model; None if unknown."""


class Out(NamedTuple):
    """Where spans and measurements go. `tools` has the spans of running tools, by run and call."""

    tracer: Tracer
    measures: Measures | None = None
    content: bool = False
    tools: MutableMapping[tuple[str, str], Span] | None = None


def nanoseconds(seconds: float) -> int:
    """Returns an event's time as OpenTelemetry has it."""
    return int(seconds * 1e9)


class _Chat:
    """The span of a step's request to one model."""

    __slots__ = (
        "asked",
        "attributes",
        "begun",
        "context",
        "ended",
        "first",
        "gaps",
        "last",
        "model",
        "origin",
        "provider",
        "span",
        "step",
        "usages",
    )

    def __init__(self, event: AttemptStarted, span: Span, attributes: dict[str, Any]) -> None:
        self.span, self.attributes = span, attributes
        self.context = set_span_in_context(span, Context())
        self.step, self.model, self.provider = event.step, event.model, event.provider
        self.begun = self.asked = event.time
        self.first: float | None = None
        """Seconds from the attempt's start to its first chunk."""
        self.last = 0.0
        self.gaps: list[float] = []
        self.usages: dict[int, Usage] = {}
        self.origin = "unknown"
        self.ended: StepFinished | None = None
        """The end of its step, if what follows in the log says why it ended."""

    def chunk(self, time: float) -> None:
        """The answer goes on; events of one time came in one read."""
        if self.first is None:
            self.first = time - self.asked
        elif time > self.last:
            self.gaps.append(time - self.last)
        self.last = time


class _Tool:
    """The span of a running tool."""

    __slots__ = ("begun", "context", "span")

    def __init__(self, span: Span, begun: float) -> None:
        self.span, self.begun = span, begun
        self.context = set_span_in_context(span, Context())


class _Run:
    """The span of a run, and those inside it."""

    __slots__ = ("begun", "calls", "chat", "context", "fold", "open", "started", "tool_calls", "tools", "written")

    def __init__(self, started: RunStarted, *, content: bool) -> None:
        self.started = started
        self.open = False
        self.begun = started.time
        self.context = Context()
        self.chat: _Chat | None = None
        self.tools: dict[str, _Tool] = {}
        self.calls = 0
        self.tool_calls = 0
        self.written: dict[str, tuple[str, Any]] = {}
        """The provider's id and the arguments of each call."""
        self.fold = Fold() if content else None

    @property
    def name(self) -> str:
        return self.started.agent or self.started.agent_name

    @property
    def is_workflow(self) -> bool:
        return self.started.workflow is not None


class TreeSpans:
    """Reads the events of a tree in order. `parent` is the context of its outermost span.

    `past` are the events from before this process resumed the tree: spans of theirs were exported by the process
    before, and are only needed for what follows.
    """

    def __init__(
        self, out: Out, parent: Context, *, address: Address | None = None, past: Iterable[Event] = ()
    ) -> None:
        self._out = out
        self._parent = parent
        self._address = address
        self._runs: dict[str, _Run] = {}
        self._spans: dict[str, Span] = {}
        self._children: dict[str, ChildStarted] = {}
        self._asked: dict[str, str] = {}
        """The calls of approvals, by the approval's id."""
        self._last = 0.0
        self._read_past(past)

    def _read_past(self, past: Iterable[Event]) -> None:
        out, self._out = self._out, Out(NoOpTracer(), None, self._out.content)
        for event in past:
            if event.__class__ not in _DELTAS:
                self.add(event)
        self.leave()  # now, so that nothing of the past is measured again
        self._out = out

    # --- reading

    def chunk(self, event: Event) -> None:
        """Reads the first delta of a read; the others change nothing."""
        run = self._runs.get(event.run)
        if run is not None and run.chat is not None:
            run.chat.chunk(event.time)

    def add(self, event: Event) -> None:
        """Reads any event but a delta."""
        if event.__class__ is RunResumed:
            self.leave()
        self._last = event.time
        run = self._runs.get(event.run)
        if run is not None and not run.open:
            self._open(run, event.time)
        if run is not None and run.fold is not None:
            run.fold.add(event)
        if (handler := _HANDLERS.get(event.__class__)) is not None:
            handler(self, run, event)

    def leave(self) -> None:
        """Ends every open span: the tree was parked, or its log stops here."""
        for run in reversed(self._runs.values()):
            if not run.open:
                continue
            self._settle(run)
            if run.chat is not None:
                self._end_chat(run, self._last, reasons=())
            for call in tuple(run.tools):
                self._end_tool(run, call, self._last)
            span = self._spans.pop(run.started.run)
            span.set_attribute("headwater.parked", True)
            self._end_run(run, span, self._last, "")

    # --- runs

    def _run_started(self, run: _Run | None, event: RunStarted) -> None:
        run = self._runs[event.run] = _Run(event, content=self._out.content)
        if run.fold is not None:
            run.fold.add(event)
        self._open(run, event.time)

    def _open(self, run: _Run, time: float) -> None:
        """Starts the run's span; a resumed run's only once something happens in it."""
        started = run.started
        kind = "invoke_workflow" if run.is_workflow else "invoke_agent"
        named = "gen_ai.workflow.name" if run.is_workflow else "gen_ai.agent.name"
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": kind,
            named: run.name,
            "headwater.run.id": started.run,
        }
        if started.thread:
            attributes["gen_ai.conversation.id"] = started.thread
        if not run.is_workflow:
            if started.model:
                attributes["gen_ai.request.model"] = started.model
            attributes |= names.of_settings(started.settings, names.AGENT_SETTINGS)
        span = self._start(f"{kind} {run.name}", self._around(started, time), attributes, time)
        run.open, run.begun = True, time
        run.context = set_span_in_context(span, Context())
        self._spans[started.run] = span
        self._write(span, "gen_ai.input.messages", lambda: (*started.history, *started.input))

    def _around(self, started: RunStarted, time: float) -> Context:
        """Returns the context of the span around a run: the call that it answers, or the run that started it."""
        child = self._children.get(started.run)
        outer = self._runs.get(child.run if child is not None else started.parent or "")
        if outer is None:
            return self._parent
        if not outer.open:
            self._open(outer, time)
        call = started.call or (child.call if child is not None else None)
        tool = outer.tools.get(call) if call is not None else None
        return tool.context if tool is not None else outer.context

    def _ended(self, run: _Run | None, event: RunFinished | RunFailed | RunCancelled) -> None:
        if run is None:
            return
        error = event.error if isinstance(event, RunFailed) else None
        self._settle(run, error)
        if run.chat is not None:
            self._end_chat(run, event.time, error=error, reasons=("cancelled",) if error is None else ("error",))
        for call in tuple(run.tools):
            self._end_tool(run, call, event.time)
        span = self._spans.pop(event.run)
        if not run.is_workflow:
            self._describe(run, span, event)
        if event.usage.cost is not None:
            span.set_attribute("headwater.cost", float(event.usage.cost))
        self._fail(span, error)
        self._end_run(run, span, event.time, names.error_type(error) if error is not None else "")
        del self._runs[event.run]
        self._children.pop(event.run, None)

    def _describe(self, run: _Run, span: Span, event: RunFinished | RunFailed | RunCancelled) -> None:
        """Adds what only the end of an agent's run tells."""
        span.set_attributes(names.of_usage(event.usage, details=False))
        reason = "cancelled" if isinstance(event, RunCancelled) else "error"
        if isinstance(event, RunFinished):
            reason = event.finish_reason or ""
            if event.output is not UNSET:
                span.set_attribute("gen_ai.output.type", "json")
        if reason:
            span.set_attribute("gen_ai.response.finish_reasons", (reason,))
        if run.fold is not None and run.fold.messages and run.fold.messages[-1].role == "assistant":
            last = run.fold.messages[-1]
            self._write(span, "gen_ai.output.messages", lambda: (last,))

    def _end_run(self, run: _Run, span: Span, time: float, error: str) -> None:
        run.open = False
        span.end(nanoseconds(time))
        if self._out.measures is None:
            return
        seconds = max(0.0, time - run.begun)
        if run.is_workflow:
            self._out.measures.workflow(run.name, seconds, error, run.context)
        else:
            model = run.started.model
            self._out.measures.agent(run.name, model, seconds, run.calls, run.tool_calls, error, run.context)
        run.calls = run.tool_calls = 0

    def _child_started(self, run: _Run | None, event: ChildStarted) -> None:
        self._children[event.child] = event

    def _child_finished(self, run: _Run | None, event: ChildFinished) -> None:
        started = self._children.pop(event.child, None)
        if event.error is None or run is None or started is None:
            return
        tool = run.tools.get(event.call or "")
        around = tool.context if tool is not None else run.context
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": event.name}
        attributes["headwater.run.id"] = event.child
        span = self._start(f"invoke_agent {event.name}", around, attributes, started.time)
        self._fail(span, event.error)
        span.end(nanoseconds(event.time))  # it could not begin, so nothing else says that it failed

    # --- model requests

    def _attempt_started(self, run: _Run | None, event: AttemptStarted) -> None:
        if run is None:
            return
        run.calls += 1
        self._settle(run)
        chat = run.chat
        same = chat is not None and (chat.step, chat.model, chat.provider) == (event.step, event.model, event.provider)
        if chat is not None and same and event.cause != "fallback":
            chat.asked, chat.first = event.time, None
            return
        if chat is not None:
            self._end_chat(run, event.time, reasons=("error",))
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": names.provider_name(event.provider),
        }
        if event.model:
            attributes["gen_ai.request.model"] = event.model
        if self._address is not None and (address := self._address(event.run, event.provider, event.model)):
            attributes["server.address"], attributes["server.port"] = address
        more: dict[str, Any] = {"headwater.run.id": event.run, "gen_ai.request.stream": True}
        if run.started.thread:
            more["gen_ai.conversation.id"] = run.started.thread
        more |= names.of_settings(run.started.settings, names.CHAT_SETTINGS)
        named = f"chat {event.model}" if event.model else "chat"
        span = self._start(named, run.context, {**attributes, **more}, event.time, SpanKind.CLIENT)
        run.chat = _Chat(event, span, attributes)
        if run.fold is not None:
            fold = run.fold
            self._write(span, "gen_ai.input.messages", lambda: fold.sent)

    def _attempt_accepted(self, run: _Run | None, event: AttemptAccepted) -> None:
        if run is None or run.chat is None:
            return
        run.chat.chunk(event.time)
        if event.id:
            run.chat.span.set_attribute("gen_ai.response.id", event.id)
        if event.model:
            run.chat.span.set_attribute("gen_ai.response.model", event.model)
            run.chat.attributes["gen_ai.response.model"] = event.model

    def _chunk_came(self, run: _Run | None, event: Event) -> None:
        if run is not None and run.chat is not None:
            run.chat.chunk(event.time)

    def _usage(self, run: _Run | None, event: UsageReported) -> None:
        if run is not None and run.chat is not None:
            run.chat.usages[event.attempt] = event.usage
            run.chat.origin = event.origin
            if event.origin == "measured":  # it came from the provider
                run.chat.chunk(event.time)

    def _attempt_failed(self, run: _Run | None, event: AttemptFailed) -> None:
        if run is None or run.chat is None:
            return
        if event.usage:
            run.chat.usages[event.attempt] = event.usage
        if event.then in ("fallback", "raise"):
            self._end_chat(run, event.time, error=event.error, reasons=("error",))
            return
        attributes: dict[str, Any] = {"error.type": names.error_type(event.error)}
        attributes |= {"headwater.attempt": event.attempt, "headwater.wait": event.wait}
        run.chat.span.add_event(f"headwater.{event.then}", attributes, nanoseconds(event.time))

    def _step_finished(self, run: _Run | None, event: StepFinished) -> None:
        if run is None or run.chat is None:
            return
        if event.finish_reason is None:
            run.chat.ended = event  # the next event says whether the run failed
            return
        self._end_chat(run, event.time, reasons=(event.finish_reason,), message=event.message)

    def _settle(self, run: _Run, error: ErrorInfo | None = None) -> None:
        """Ends the request of a step that ended without a reason."""
        if run.chat is not None and (ended := run.chat.ended) is not None:
            reasons = ("error",) if error is not None else ()
            self._end_chat(run, ended.time, error=error, reasons=reasons, message=ended.message)

    def _step_started(self, run: _Run | None, event: StepStarted) -> None:
        if run is not None:
            self._settle(run)

    def _end_chat(
        self,
        run: _Run,
        time: float,
        *,
        reasons: tuple[str, ...],
        error: ErrorInfo | None = None,
        message: Message | None = None,
    ) -> None:
        chat, run.chat = run.chat, None
        assert chat is not None
        usage = sum(chat.usages.values(), start=Usage())
        chat.span.set_attributes(names.of_usage(usage, details=True))
        chat.span.set_attribute("headwater.usage.origin", chat.origin)
        if reasons:
            chat.span.set_attribute("gen_ai.response.finish_reasons", reasons)
        if chat.first is not None:
            chat.span.set_attribute("gen_ai.response.time_to_first_chunk", chat.first)
        if message is not None:
            self._write(chat.span, "gen_ai.output.messages", lambda: (message,))
        self._fail(chat.span, error)
        chat.span.end(nanoseconds(time))
        if self._out.measures is not None:
            ended = Request(
                attributes=chat.attributes,
                error=names.error_type(error) if error is not None else "",
                duration=max(0.0, time - chat.begun),
                to_first_chunk=chat.first,
                between_chunks=chat.gaps,
                usage=usage,
            )
            self._out.measures.request(ended, chat.context)

    # --- tools

    def _call_started(self, run: _Run | None, event: CallStarted) -> None:
        self._chunk_came(run, event)
        if run is not None and event.by == "agent":
            run.written[event.call] = (event.id or event.call, None)

    def _call_ready(self, run: _Run | None, event: CallReady) -> None:
        if run is not None and self._out.content and event.by == "agent":
            written = run.written.get(event.call, (event.call, None))
            run.written[event.call] = (written[0], event.arguments)

    def _approval_asked(self, run: _Run | None, event: ApprovalAsked) -> None:
        self._asked[event.approval] = event.call

    def _approval_answered(self, run: _Run | None, event: ApprovalAnswered) -> None:
        call = self._asked.pop(event.approval, "")
        if run is not None and event.arguments is not None and call in run.written:
            run.written[call] = (run.written[call][0], event.arguments)

    def _tool_started(self, run: _Run | None, event: ToolStarted) -> None:
        if run is None:
            return
        self._settle(run)
        run.tool_calls += 1
        provided, arguments = run.written.get(event.call, (event.call, None))
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": event.name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": provided,
            "gen_ai.agent.name": run.name,
            "headwater.run.id": event.run,
        }
        if run.started.thread:
            attributes["gen_ai.conversation.id"] = run.started.thread
        span = self._start(f"execute_tool {event.name}", run.context, attributes, event.time)
        if arguments is not None and span.is_recording():
            span.set_attribute("gen_ai.tool.call.arguments", shapes.as_json(shapes.arguments_of(arguments)))
        run.tools[event.call] = _Tool(span, event.time)
        if self._out.tools is not None:
            self._out.tools[event.run, event.call] = span

    def _tool_finished(self, run: _Run | None, event: ToolFinished) -> None:
        if run is None or event.call not in run.tools:
            return
        failed = event.error is not None and event.error != CANCELLED
        span = run.tools[event.call].span
        if self._out.content and span.is_recording():
            span.set_attribute("gen_ai.tool.call.result", shapes.as_json(shapes.result_of(event.result)))
        error = names.tool_error_type(event) if failed else ""
        if error:
            self._mark(span, error, event.error or "")
        self._end_tool(run, event.call, event.time, event.name, error)
        run.written.pop(event.call, None)

    def _end_tool(self, run: _Run, call: str, time: float, name: str = "", error: str = "") -> None:
        tool = run.tools.pop(call)
        if self._out.tools is not None:
            self._out.tools.pop((run.started.run, call), None)
        tool.span.end(nanoseconds(time))
        if self._out.measures is not None and name:
            attributes = {"gen_ai.tool.name": name, "gen_ai.tool.type": "function", "gen_ai.agent.name": run.name}
            self._out.measures.tool(attributes, max(0.0, time - tool.begun), error, tool.context)

    # --- guards

    def _guard_tripped(self, run: _Run | None, event: GuardTripped) -> None:
        """An event of the span of what it checked."""
        if run is None:
            return
        about = run.tools.get(event.call or "") if event.on == "result" else run.chat
        span = about.span if about is not None else self._spans[event.run]
        attributes: dict[str, Any] = {
            "headwater.guard": event.guard,
            "headwater.guard.on": event.on,
            "headwater.guard.action": event.action,
        }
        if event.note and self._out.content:
            attributes["headwater.guard.note"] = event.note
        span.add_event("headwater.guard.tripped", attributes, nanoseconds(event.time))

    # --- spans

    def _start(
        self,
        name: str,
        around: Context,
        attributes: dict[str, Any],
        time: float,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Span:
        return self._out.tracer.start_span(name, around, kind, attributes, start_time=nanoseconds(time))

    def _fail(self, span: Span, error: ErrorInfo | None) -> None:
        if error is not None:
            self._mark(span, names.error_type(error), error.message)

    def _mark(self, span: Span, type: str, message: str) -> None:
        span.set_attribute("error.type", type)
        # What an error says may quote what was sent.
        span.set_status(Status(StatusCode.ERROR, message if self._out.content else None))

    def _write(self, span: Span, name: str, messages: Callable[[], Iterable[Message]]) -> None:
        if self._out.content and span.is_recording():
            span.set_attribute(name, shapes.as_json(shapes.messages_of(messages())))


_HANDLERS: Final[dict[type[Event], Callable[[TreeSpans, _Run | None, Any], None]]] = {
    ApprovalAnswered: TreeSpans._approval_answered,
    ApprovalAsked: TreeSpans._approval_asked,
    AttemptAccepted: TreeSpans._attempt_accepted,
    AttemptFailed: TreeSpans._attempt_failed,
    AttemptStarted: TreeSpans._attempt_started,
    CallReady: TreeSpans._call_ready,
    CallStarted: TreeSpans._call_started,
    ChildFinished: TreeSpans._child_finished,
    ChildStarted: TreeSpans._child_started,
    FileMade: TreeSpans._chunk_came,
    GuardTripped: TreeSpans._guard_tripped,
    ReasoningStarted: TreeSpans._chunk_came,
    RunCancelled: TreeSpans._ended,
    RunFailed: TreeSpans._ended,
    RunFinished: TreeSpans._ended,
    RunStarted: TreeSpans._run_started,
    StepFinished: TreeSpans._step_finished,
    StepStarted: TreeSpans._step_started,
    TextStarted: TreeSpans._chunk_came,
    ToolFinished: TreeSpans._tool_finished,
    ToolStarted: TreeSpans._tool_started,
    UsageReported: TreeSpans._usage,
}
