"""AG-UI: a run as the events from which clients build messages, activities and interrupts.

Clients fail a run on an event out of order, on a null, and on RUN_FINISHED while anything is open. So everything open
is tracked by its run, and closed with it. The output of a retracted attempt is closed, and a snapshot of all messages
leaves it out. When the run waits only for people, the client's run ends with interrupts; the next one continues.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import UNSET

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    ChildFinished,
    ChildStarted,
    Event,
    InputAsked,
    MessageAdded,
    ReasoningDelta,
    ReasoningEnded,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)
from headwater.events.growing import NOT_RUN, refusal_text
from headwater.events.tree import Tree
from headwater.web.ag_ui.asked import HELPER
from headwater.web.ag_ui.costs import Costs
from headwater.web.ag_ui.document import Document
from headwater.web.ag_ui.interrupts import interrupt_of
from headwater.web.ag_ui.news import NEWS, content_of, custom, news
from headwater.web.native.wire import SSE_HELLO, SSE_IDLE, SSE_TYPE
from headwater.web.openai.chat import sse_data
from headwater.web.wires.client_calls import arguments_text
from headwater.web.wires.questions import Questions
from headwater.web.wires.values import plain
from headwater.web.wires.wire import Wire

__all__ = ("END", "PROTOCOL", "Exchange", "ag_ui_wire")

PROTOCOL: Final = "1.0"

END: Final = b": end\n\n"
"""A comment after the last event, by which the sender of a stream detects its end."""

_PROGRESS: Final = "headwater.progress"
_RETRACTED: Final = "This text was retracted."

_Out: TypeAlias = dict[str, Any]


class Exchange(NamedTuple):
    """The properties of a request on which its stream depends."""

    thread: str
    run: str
    """The client's id of the run."""
    modern: bool
    """Whether the client uses version 1.0 rather than 0.0.x."""
    messages: tuple[Mapping[str, Any], ...] = ()
    """The client's messages."""
    warnings: tuple[str, ...] = ()
    skip: int = 0
    """The stream starts after the run has waited only for people this many times."""
    stop: int = 1
    """The stream ends with this wait, or with the run. If equal to `skip`, it only repeats the open questions."""
    subagents: bool = True
    """Whether the client supports subagent events, as clients do since 0.0.59; older ones fail on them."""


def ag_ui_wire(exchange: Exchange, key: Hashable) -> Wire:
    """Returns the wire of an exchange; `key` must be equal only for equal exchanges."""
    return Wire(
        key=("ag-ui", key),
        make=lambda: _Stream(exchange),
        media_type=SSE_TYPE,
        hello=SSE_HELLO,
        idle=SSE_IDLE,
        last=END,
    )


class _Call:
    """A call that was sent to the client."""

    __slots__ = ("answered", "by_client", "earlier", "error", "id", "progress", "run", "started", "written")

    def __init__(self, id: str, run: str, *, by_client: bool) -> None:
        self.id = id
        self.run = run
        self.by_client = by_client
        self.earlier = False
        """Whether another stream has sent it."""
        self.error = ""
        """Why it cannot run."""
        self.written = self.started = self.answered = False
        self.progress = False
        """Whether this stream has sent its progress."""


class _Stream:
    """A map; see `wire.Map`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._tree = Tree()
        self._questions = Questions()
        self._costs = Costs()
        self._document = Document(exchange.messages)
        self._root = ""
        self._begun = self._over = False
        self._open: dict[str, dict[str, list[_Out]]] = {}
        """The events that close each open item, by run and id."""
        self._calls: dict[tuple[str, str], _Call] = {}
        self._shown: dict[str, list[str]] = {}
        """The document ids that were sent for the current step of each run."""
        self._parents: dict[str, str] = {}
        """The message that will contain the next call of each run."""
        self._below: dict[str, _Out] = {}
        """The announcements of the active child runs, by id, in starting order."""
        self._announced: set[str] = set()
        """The child runs that this stream has announced."""
        self._failed: dict[str, RunFailed] = {}
        self._answers: dict[str, str] = {}
        """The text that each run has written in its answering call."""
        self._asked: dict[str, tuple[str, str]] = {}
        """The run and the call of each approval."""

    def __call__(self, event: Event) -> bytes:
        """Returns the frames of the next event."""
        if self._over:
            return b""
        if event.__class__ is not TextDelta:
            self._tree.add(event)
            self._costs.add(event)
        self._root = self._root or event.run
        out = self._begin() if self._questions.waits >= self._exchange.skip else []
        out += self._told(event)
        waits = self._questions.add(event)
        if waits and self._questions.waits == self._exchange.skip:
            self._reset()
            out = []
        if waits and self._questions.waits == self._exchange.stop:
            out += [*self._begin(alone=True), *self._wait()]
        elif event.run == self._root and isinstance(event, _ENDS):
            out += [*self._begin(alone=True), *self._end(event)]
        elif not self._begun:
            return b""
        if not self._exchange.subagents:
            out = [one for given in out if (one := _without_subagents(given)) is not None]
        return b"".join(map(sse_data, out)) + (END if self._over else b"")

    def _told(self, event: Event) -> Iterator[_Out]:
        handler = _HANDLERS.get(event.__class__)
        return iter(()) if handler is None else handler(self, event)

    # --- the run that the client sees

    def _begin(self, *, alone: bool = False) -> list[_Out]:
        """Opens the client's run if it is not open, with the active child runs unless `alone`."""
        if self._begun:
            return []
        self._begun = True
        asked, node = self._exchange, self._tree.nodes[self._root]
        begun: _Out = {"type": "RUN_STARTED", "threadId": asked.thread, "runId": asked.run}
        if asked.modern:
            begun["protocolVersion"] = PROTOCOL
        begun["metadata"] = {"headwater": {"run": self._root, "agent": node.name}}
        warnings = [custom("headwater.warning", {"message": message}) for message in asked.warnings]
        below = [] if alone else [*self._below.values()]
        self._announced.update(one["subagentRunId"] for one in below)
        return [begun, *warnings, *below]

    def _reset(self) -> None:
        """Marks everything so far as sent by another stream."""
        self._begun = False
        self._open.clear()
        self._announced.clear()
        self._costs.begin()
        self._document = Document(self._exchange.messages)
        for call in self._calls.values():
            call.earlier, call.progress = True, False

    def _wait(self) -> Iterator[_Out]:
        """Closes the client's run, because the run waits only for people."""
        self._over = True
        for run in [*reversed(self._below), self._root]:
            yield from self._close(run)
            if run in self._announced:
                own = [number for number, asked in self._questions.open.items() if asked.run == run]
                outcome = {"type": "suspended", **({"interruptIds": own} if own else {})}
                yield {"type": "SUBAGENT_FINISHED", "subagentRunId": run, "outcome": outcome}
        asked = self._questions.open.values()
        interrupts = [interrupt_of(one, self._root, self._call_of(one)) for one in asked]
        yield self._finished({"type": "interrupt", "interrupts": interrupts})

    def _end(self, event: Event) -> Iterator[_Out]:
        """Closes the client's run with the outermost run."""
        self._over = True
        for run in [*reversed(self._below)]:
            yield from self._close(run)
            yield from self._settle(run)
            if run in self._announced:
                yield {
                    "type": "SUBAGENT_ERROR",
                    "subagentRunId": run,
                    "message": "The subagent was abandoned.",
                    "code": "cancelled",
                }
        yield from self._close(self._root)
        yield from self._settle(self._root)
        if isinstance(event, RunFinished):
            pending = [call.id for call in self._calls.values() if not (call.answered or call.earlier)]
            more = {} if event.output is UNSET or event.output is None else {"result": plain(event.output)}
            if event.finish_reason:
                more["metadata"] = {"headwater": {"finish_reason": event.finish_reason}}
            yield self._finished(_success(pending, modern=self._exchange.modern), **more)
        elif isinstance(event, RunCancelled) and self._exchange.modern:
            yield self._finished({"type": "cancelled"})
        elif isinstance(event, RunCancelled):
            yield self._with_usage({"type": "RUN_ERROR", "message": _cancelled(event), "code": "cancelled"})
        elif isinstance(event, RunFailed):
            yield self._with_usage({"type": "RUN_ERROR", "message": event.error.message, "code": event.error.type})

    def _finished(self, outcome: _Out | None, **more: Any) -> _Out:
        place = {"threadId": self._exchange.thread, "runId": self._exchange.run}
        how = {} if outcome is None else {"outcome": outcome}
        return self._with_usage({"type": "RUN_FINISHED", **place, **how, **more})

    def _with_usage(self, end: _Out) -> _Out:
        entries = self._costs.entries(modern=self._exchange.modern)
        return {**end, "usage": entries} if entries else end

    # --- what is open

    def _by(self, run: str) -> _Out:
        """Returns the fields that name the speaker; none for the outermost run."""
        return {} if run == self._root else {"subagentRunId": run}

    def _id(self, event: Any, part: Any = "") -> str:
        node = self._tree.node(event)
        own = "" if event.run in self._tree.speakers else HELPER
        return f"{own}{event.run}:{event.step}:{node.attempt}{part}"

    def _opened(self, run: str, id: str, *closing: _Out) -> None:
        self._open.setdefault(run, {})[id] = [{**one, **self._by(run)} for one in closing]

    def _closed(self, run: str, id: str) -> list[_Out]:
        return self._open.get(run, {}).pop(id, [])

    def _close(self, run: str) -> list[_Out]:
        """Closes everything open of the run, most recent first."""
        return [one for closing in reversed(self._open.pop(run, {}).values()) for one in closing]

    # --- steps and attempts

    def _step_started(self, event: StepStarted) -> Iterator[_Out]:
        yield from self._close(event.run)
        yield from self._settle(event.run)
        self._shown[event.run] = []
        self._parents.pop(event.run, None)
        name = {"stepName": f"step {event.step}"}
        self._opened(event.run, _STEP, {"type": "STEP_FINISHED", **name})
        yield {"type": "STEP_STARTED", **name, **self._by(event.run)}

    def _step_finished(self, event: StepFinished) -> Iterator[_Out]:
        yield from self._close(event.run)
        self._shown.pop(event.run, None)

    def _again(self, event: AttemptStarted | Retracted) -> Iterator[_Out]:
        """Retracts the output of the previous attempt."""
        self._parents.pop(event.run, None)
        shown = self._shown.get(event.run)
        if not shown:
            return
        step = self._closed(event.run, _STEP)
        yield from self._close(event.run)
        if step:
            self._open[event.run] = {_STEP: step}
        for call in [call for call in self._calls.values() if call.id in shown and not call.answered]:
            yield self._answer(call, _RETRACTED)
        self._document.forget(shown)
        shown.clear()
        yield {"type": "MESSAGES_SNAPSHOT", "messages": self._document.snapshot()}

    # --- text and reasoning

    def _text(self, event: TextDelta) -> Iterator[_Out]:
        message = self._id(event, f":{event.part}")
        if message not in self._open.get(event.run, ()):
            yield self._text_begins(event.run, message)
        self._document.say(message, event.text)
        yield {"type": "TEXT_MESSAGE_CONTENT", "messageId": message, "delta": event.text, **self._by(event.run)}

    def _text_begins(self, run: str, id: str, role: str = "assistant") -> _Out:
        by = self._by(run)
        self._parents[run] = id
        self._shown.setdefault(run, []).append(id)
        self._document.open(id, role, **by)
        self._opened(run, id, {"type": "TEXT_MESSAGE_END", "messageId": id})
        return {"type": "TEXT_MESSAGE_START", "messageId": id, "role": role, **by}

    def _whole_text(self, run: str, id: str, text: str, role: str = "assistant") -> Iterator[_Out]:
        yield self._text_begins(run, id, role)
        self._document.say(id, text)
        yield {"type": "TEXT_MESSAGE_CONTENT", "messageId": id, "delta": text, **self._by(run)}
        yield from self._closed(run, id)

    def _reasoning(self, event: ReasoningDelta) -> Iterator[_Out]:
        number, by = self._id(event, f":{event.part}"), self._by(event.run)
        message = {"messageId": number}
        if number not in self._open.get(event.run, ()):
            ends: list[_Out] = [{"type": "REASONING_MESSAGE_END", **message}, {"type": "REASONING_END", **message}]
            self._opened(event.run, number, *ends)
            self._shown.setdefault(event.run, []).append(number)
            self._document.open(number, "reasoning", **by)
            yield {"type": "REASONING_START", **message, **by}
            yield {"type": "REASONING_MESSAGE_START", **message, "role": "reasoning", **by}
        self._document.say(number, event.text)
        yield {"type": "REASONING_MESSAGE_CONTENT", **message, "delta": event.text, **by}

    def _part_ended(self, event: TextEnded | ReasoningEnded) -> Iterator[_Out]:
        return iter(self._closed(event.run, self._id(event, f":{event.part}")))

    def _heard(self, event: MessageAdded) -> Iterator[_Out]:
        """A message that a person sent during the run."""
        if event.cause == "steer" and event.message.text and event.run in self._tree.speakers:
            yield from self._whole_text(event.run, f"{event.run}:{event.seq}", event.message.text, "user")

    # --- calls

    def _call_of(self, event: Any) -> str:
        """Returns the id of an event's call, or "" if the client does not know it."""
        call = self._calls.get((event.run, event.call))
        return "" if call is None else call.id

    def _call_started(self, event: CallStarted | CallReady | CallRejected) -> Iterator[_Out]:
        node = self._tree.node(event)
        if event.by == "provider" or (event.name and event.name == node.answer_tool):
            return
        run, by = event.run, self._by(event.run)
        again = f":{node.attempt}" if node.attempt > 1 else ""
        call = self._calls[run, event.call] = _Call(f"{run}:{event.call}{again}", run, by_client=event.by == "client")
        parent = self._parents.setdefault(run, self._id(event))
        self._shown.setdefault(run, []).append(call.id)
        self._document.call(call.id, event.name, parent, **by)
        self._opened(run, call.id, {"type": "TOOL_CALL_END", "toolCallId": call.id})
        named = {"toolCallId": call.id, "toolCallName": event.name, "parentMessageId": parent}
        yield {"type": "TOOL_CALL_START", **named, **by}

    def _call_delta(self, event: CallDelta) -> Iterator[_Out]:
        call = self._calls.get((event.run, event.call))
        if call is not None and call.id in self._open.get(event.run, ()):
            yield self._arguments(call, event.json)

    def _arguments(self, call: _Call, text: str) -> _Out:
        call.written = True
        self._document.say(call.id, text)
        return {"type": "TOOL_CALL_ARGS", "toolCallId": call.id, "delta": text, **self._by(call.run)}

    def _call_ended(self, event: CallReady | CallRejected) -> Iterator[_Out]:
        text = arguments_text(event.arguments) if isinstance(event, CallReady) else event.raw
        if event.name and event.name == self._tree.node(event).answer_tool:
            self._answers[event.run] = text
        if (event.run, event.call) not in self._calls:
            yield from self._call_started(event)
        call = self._calls.get((event.run, event.call))
        if call is None or call.id not in self._open.get(event.run, ()):
            return
        if text and not call.written:
            yield self._arguments(call, text)
        if isinstance(event, CallRejected):
            call.error = event.error
        yield from self._closed(event.run, call.id)

    def _answer(self, call: _Call, content: Any, *, error: bool = True) -> _Out:
        call.answered = True
        message, by = f"{call.id}:result", self._by(call.run)
        more: _Out = {**by, **({"metadata": {"headwater": {"error": True}}} if error else {})}
        self._document.answer(call.id, message, content, **more)
        return {"type": "TOOL_CALL_RESULT", "messageId": message, "toolCallId": call.id, "content": content, **more}

    def _settle(self, run: str) -> Iterator[_Out]:
        """Answers the run's calls that will get no result; the client answers the calls of its own tools."""
        for call in self._calls.values():
            if call.run == run and not (call.answered or call.by_client):
                yield self._answer(call, call.error or NOT_RUN)

    # --- tools

    def _tool_started(self, event: ToolStarted) -> Iterator[_Out]:
        if (call := self._calls.get((event.run, event.call))) is not None:
            call.started = True
        return iter(())

    def _progress(self, event: ToolProgress) -> Iterator[_Out]:
        call = self._calls.get((event.run, event.call))
        if call is None:
            return
        place: _Out = {"messageId": f"{call.id}:progress", "activityType": _PROGRESS}
        data = plain(event.data)
        if call.progress:
            patch = [{"op": "replace", "path": "/data", "value": data}]
            yield {"type": "ACTIVITY_DELTA", **place, "patch": patch, **self._by(event.run)}
        else:
            call.progress = True
            content = {"toolCallId": call.id, "tool": event.name, "data": data}
            yield {"type": "ACTIVITY_SNAPSHOT", **place, "content": content, **self._by(event.run)}

    def _tool_finished(self, event: ToolFinished) -> Iterator[_Out]:
        call = self._calls.get((event.run, event.call))
        if call is not None and not call.answered:
            content = content_of(event.result, parts=self._exchange.modern)
            yield self._answer(call, content, error=event.error is not None)

    # --- people

    def _is_asked(self, event: ApprovalAsked | InputAsked) -> Iterator[_Out]:
        if isinstance(event, ApprovalAsked):
            self._asked[event.approval] = event.run, event.call
        asked = interrupt_of(event, self._root, self._call_of(event))
        yield {**custom("headwater.asked", asked), **self._by(event.run)}

    def _decided(self, event: ApprovalAnswered) -> Iterator[_Out]:
        call = self._calls.get(self._asked.get(event.approval, ("", "")))
        if call is not None and not (event.allowed or call.started or call.answered):
            yield self._answer(call, refusal_text(event))

    # --- child runs

    def _child_started(self, event: ChildStarted) -> Iterator[_Out]:
        if event.child in self._announced or event.child == self._root:
            return
        begun: _Out = {"type": "SUBAGENT_STARTED", "subagentRunId": event.child, "name": event.name or event.child}
        if event.run in self._announced:
            begun["parentSubagentRunId"] = event.run
        call = self._calls.get((event.run, event.call or ""))
        if call is not None:
            begun["parentToolCallId"] = call.id
        self._below[event.child] = begun
        self._announced.add(event.child)
        yield begun

    def _child_finished(self, event: ChildFinished) -> Iterator[_Out]:
        yield from self._run_ended(event.child)
        if self._below.pop(event.child, None) is None:
            return
        ended: _Out = {"type": "SUBAGENT_ERROR", "subagentRunId": event.child}
        failed = self._failed.get(event.child)
        error = failed.error if failed is not None else event.error
        if event.outcome == "finished":
            yield {**ended, "type": "SUBAGENT_FINISHED", "outcome": {"type": "success"}}
        elif event.outcome == "cancelled":
            yield {**ended, "message": "The subagent was cancelled.", "code": "cancelled"}
        elif error is not None:
            yield {**ended, "message": error.message, "code": error.type}
        else:
            yield {**ended, "message": "The subagent failed."}

    def _run_ended(self, run: str) -> Iterator[_Out]:
        yield from self._close(run)
        yield from self._settle(run)

    def _finish(self, event: RunFinished | RunFailed | RunCancelled) -> Iterator[_Out]:
        if isinstance(event, RunFailed):
            self._failed[event.run] = event
        yield from self._run_ended(event.run)
        if isinstance(event, RunFinished) and self._tree.node(event).gave and event.run in self._answers:
            own = "" if event.run in self._tree.speakers else HELPER
            yield from self._whole_text(event.run, f"{own}{event.run}:answer", self._answers[event.run])

    def _told_of(self, event: Event) -> Iterator[_Out]:
        return ({**one, **self._by(event.run)} for one in news(event))


def _without_subagents(event: _Out) -> _Out | None:
    """Adapts an event for a client that supports neither subagents nor two steps with one name."""
    kind = event["type"]
    if kind.startswith("SUBAGENT_"):
        value = {name: inner for name, inner in event.items() if name != "type"}
        return custom(f"headwater.{kind.lower().replace('_', '.')}", value)
    return None if kind.startswith("STEP_") and "subagentRunId" in event else event


def _success(pending: Sequence[str], *, modern: bool) -> _Out | None:
    """The outcome of a finished run. 0.0.x clients do not know pending calls; some treat a `success` as complete."""
    if not pending:
        return {"type": "success"}
    return {"type": "success", "pendingToolCallIds": [*pending]} if modern else None


def _cancelled(event: RunCancelled) -> str:
    return f"The run was cancelled ({event.by})."


_STEP: Final = "step"
_ENDS: Final = (RunFinished, RunFailed, RunCancelled)

_HANDLERS: Final[dict[type[Event], Callable[[_Stream, Any], Iterator[_Out]]]] = {
    StepStarted: _Stream._step_started,
    StepFinished: _Stream._step_finished,
    AttemptStarted: _Stream._again,
    Retracted: _Stream._again,
    TextDelta: _Stream._text,
    TextEnded: _Stream._part_ended,
    ReasoningDelta: _Stream._reasoning,
    ReasoningEnded: _Stream._part_ended,
    MessageAdded: _Stream._heard,
    CallStarted: _Stream._call_started,
    CallDelta: _Stream._call_delta,
    CallReady: _Stream._call_ended,
    CallRejected: _Stream._call_ended,
    ToolStarted: _Stream._tool_started,
    ToolProgress: _Stream._progress,
    ToolFinished: _Stream._tool_finished,
    ApprovalAsked: _Stream._is_asked,
    InputAsked: _Stream._is_asked,
    ApprovalAnswered: _Stream._decided,
    ChildStarted: _Stream._child_started,
    ChildFinished: _Stream._child_finished,
    RunFinished: _Stream._finish,
    RunFailed: _Stream._finish,
    RunCancelled: _Stream._finish,
    **dict.fromkeys(NEWS, _Stream._told_of),
}
