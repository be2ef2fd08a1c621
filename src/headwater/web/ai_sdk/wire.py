"""The AI SDK's UI message stream: a run as the chunks from which `useChat` builds one assistant message.

Clients abort the whole stream on a chunk that their version does not know, on a null, and on a delta without its start.
So only chunks of the client's version are sent, and `data-*` for the rest. Versions 5 and 6 cannot retract a step, so
a step that may be retracted is buffered. For approvals, versions 6 and 7 end the stream and continue the same message
in the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptFailed,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    ChildFinished,
    ChildStarted,
    Custom,
    Event,
    FileMade,
    GuardTripped,
    InputAnswered,
    InputAsked,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunWaiting,
    SourceFound,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolFinished,
    ToolProgress,
    Warned,
)
from headwater.events.messages import Text, data_url
from headwater.events.tree import Tree
from headwater.readers.hold import Hold
from headwater.web.native.wire import SSE_HELLO, SSE_IDLE, SSE_TYPE
from headwater.web.openai.chat import DONE, sse_data
from headwater.web.wires.endings import is_filtered
from headwater.web.wires.values import plain
from headwater.web.wires.wire import Wire

__all__ = ("LAST_LINE", "VERSIONS", "Version", "ai_sdk_lines", "ai_sdk_wire", "waits_for_approval")

Version: TypeAlias = Literal[5, 6, 7]
VERSIONS: Final[tuple[Version, ...]] = (5, 6, 7)

LAST_LINE: Final = b"[DONE]"

_Chunk: TypeAlias = dict[str, Any]

_REASONS: Final = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
    "refusal": "content-filter",
}
_ENDS: Final = (RunFinished, RunFailed, RunCancelled)


def ai_sdk_wire(version: Version, *, skip: int = 0, stop: int = 1) -> Wire:
    """Returns the wire for a client version.

    It starts after the run has waited for approval `skip` times, and ends with wait number `stop`. Version 5 does not
    support approvals, so its stream is the whole run.
    """
    if version == 5:
        skip, stop = 0, 1
    return Wire(
        key=("ai-sdk", version, skip, stop),
        make=lambda: _Stream(version, skip, stop, sse_data, DONE),
        media_type=SSE_TYPE,
        hello=SSE_HELLO,
        idle=SSE_IDLE,
        last=DONE,
    )


def ai_sdk_lines(version: Version, *, skip: int = 0, stop: int = 1) -> Wire:
    """Returns the same wire as lines of JSON for a socket: one chunk per line, then LAST_LINE."""
    if version == 5:
        skip, stop = 0, 1

    def line(chunk: _Chunk) -> bytes:
        return msgspec.json.encode(chunk) + b"\n"

    return Wire(
        key=("ai-sdk lines", version, skip, stop),
        make=lambda: _Stream(version, skip, stop, line, LAST_LINE + b"\n"),
        media_type="application/x-ndjson",
    )


def waits_for_approval(event: Event, root: str) -> bool:
    """Whether the run with the id `root` starts to wait for approval with this event."""
    return isinstance(event, RunWaiting) and event.run == root and event.on == "approval"


class _Stream:
    """A map; see `wire.Map`."""

    def __init__(self, version: Version, skip: int, stop: int, frame: Callable[[_Chunk], bytes], last: bytes) -> None:
        self._frame = frame
        self._last = last
        self._version = version
        self._skip = skip
        self._stop = stop
        self._waits = 0
        self._over = False
        self._tree = Tree()
        self._hold: Hold[_Chunk] = Hold()
        self._root = ""
        self._begun = False
        self._in_step = False
        self._open: dict[str, str] = {}
        """The open parts, each with the chunk that ends it."""
        self._calls: set[str] = set()
        """The calls whose input was sent."""
        self._asked: dict[str, str] = {}
        """The call of each approval."""

    def __call__(self, event: Event) -> bytes:
        """Returns the frames of the next event."""
        if event.__class__ is not TextDelta:
            self._tree.add(event)
        if not self._root:
            self._root = event.run
        if self._over:
            return b""
        chunks = self._told(event, [*self._chunks(event)])
        if self._version > 5 and waits_for_approval(event, self._root):
            self._waits += 1
            if self._waits < self._stop:
                return b""
            self._over = True
            chunks = [*self._begin(event), *chunks, *self._close(), _finish("tool-calls")]
        elif event.run == self._root and isinstance(event, _ENDS):
            self._over = True
            chunks = [*self._begin(event), *chunks, *self._end(event)]
        elif chunks or not self._begun:
            chunks = [*self._begin(event), *chunks]
        if self._waits < self._skip:
            self._begun = self._in_step = False
            return b""
        return b"".join(map(self._frame, chunks)) + (self._last if self._over else b"")

    def _told(self, event: Event, chunks: list[_Chunk]) -> Sequence[_Chunk]:
        """Returns the chunks that can be sent now, for versions that cannot retract them."""
        if self._version == 7 and self._bears_steps(event.run):
            return chunks
        return self._hold(event, chunks)

    def _begin(self, event: Event) -> list[_Chunk]:
        """Starts the message, in its first stream and in every stream that continues it."""
        if self._begun:
            return []
        self._begun = True
        metadata = {"run": self._root, "agent": self._tree.nodes[self._root].name}
        begun: list[_Chunk] = [{"type": "start", "messageId": self._root, "messageMetadata": metadata}]
        if self._waits or not self._bears_steps(self._root):
            begun += self._next_step()
        return begun

    # --- steps

    def _bears_steps(self, run: str) -> bool:
        """Whether the run's steps are steps of the message; not those of members that may run in parallel."""
        nodes = [*self._tree.between(run)]
        return all(node.shape is None and node.role in ("outermost", "handoff") for node in nodes)

    def _next_step(self) -> list[_Chunk]:
        chunks = [*self._close(), _chunk("start-step")]
        self._in_step = True
        return chunks

    def _close(self) -> list[_Chunk]:
        """Ends the open parts and the step."""
        chunks = [{"type": kind, "id": part} for part, kind in self._open.items()]
        self._open.clear()
        if self._in_step:
            self._in_step = False
            chunks.append(_chunk("finish-step"))
        return chunks

    def _end(self, event: Event) -> list[_Chunk]:
        chunks = self._close()
        usage = {"usage": event.usage.to_dict()} if event.usage else {}  # type: ignore[attr-defined]
        if isinstance(event, RunFinished):
            return [*chunks, _finish(_REASONS.get(event.finish_reason or "stop", "other"), usage)]
        if isinstance(event, RunFailed):
            told = [{"type": "message-metadata", "messageMetadata": usage}] if usage else []
            if is_filtered(event):
                return [*chunks, *told, _finish("content-filter")]
            return [*chunks, *told, {"type": "error", "errorText": event.error.message}, _finish("error")]
        by = event.by if isinstance(event, RunCancelled) else ""
        reason = "interrupted" if self._version == 7 else "other"
        return [*chunks, {"type": "abort", "reason": by}, _finish(reason, usage)]

    # --- chunks

    def _chunks(self, event: Event) -> Iterator[_Chunk]:
        if event.run in self._tree.speakers:
            yield from self._said(event)
            yield from self._called(event)
        yield from self._asked_of_people(event)
        match event:
            case ToolProgress() if self._id(event) in self._calls:
                yield {
                    **self._call("tool-output-available", event),
                    "output": plain("" if event.data is None else event.data),
                    "preliminary": True,
                }
            case ToolFinished() if self._id(event) in self._calls:
                yield self._outcome(event)
            case ChildStarted():
                yield {"type": "data-agent", "id": event.child, "data": _agent(event, "running")}
            case ChildFinished():
                yield {"type": "data-agent", "id": event.child, "data": _agent(event, event.outcome)}
            case GuardTripped():
                yield _news(event, guard=event.guard, on=event.on, action=event.action, note=event.note)
            case Warned():
                yield _news(event, code=event.code, message=event.message)
            case AttemptFailed():
                yield _news(event, then=event.then, error=event.error.type, message=event.error.message)
            case Custom():
                yield _news(event, name=event.name, data="" if event.data is None else plain(event.data))
            case _:
                pass

    def _said(self, event: Event) -> Iterator[_Chunk]:
        match event:
            case StepStarted() if self._bears_steps(event.run):
                yield from self._next_step() if self._begun else [*self._begin(event), *self._next_step()]
            case TextStarted() | ReasoningStarted():
                kind = "text" if isinstance(event, TextStarted) else "reasoning"
                part = self._part(event)
                self._open[part] = f"{kind}-end"
                yield {"type": f"{kind}-start", "id": part}
            case TextDelta():
                yield {"type": "text-delta", "id": self._part(event), "delta": event.text}
            case ReasoningDelta():
                yield {"type": "reasoning-delta", "id": self._part(event), "delta": event.text}
            case TextEnded() | ReasoningEnded():
                part = self._part(event)
                if kind := self._open.pop(part, ""):
                    yield {"type": kind, "id": part}
            case Retracted() if self._version == 7 and self._bears_steps(event.run):
                self._open.clear()
                yield _chunk("reset-step")
            case SourceFound() if event.url:
                title = {"title": event.title} if event.title else {}
                yield {"type": "source-url", "sourceId": f"{event.run}:{event.seq}", "url": event.url, **title}
            case FileMade() if event.data is not None or event.url:
                media = event.media_type or "application/octet-stream"
                url = event.url if event.data is None else data_url(event.data, media)
                yield {"type": "file", "url": url, "mediaType": media}
            case _:
                pass

    def _part(self, event: Any) -> str:
        return f"{event.run}:{event.step}:{self._tree.nodes[event.run].attempt}:{event.part}"

    def _called(self, event: Event) -> Iterator[_Chunk]:
        match event:
            case CallStarted() if event.by != "provider":
                yield self._call("tool-input-start", event, toolName=event.name)
            case CallDelta():
                if f"{event.run}:{event.call}" not in self._calls:
                    yield self._call("tool-input-delta", event, inputTextDelta=event.json)
            case CallReady() if event.by != "provider":
                yield self._input(event, event.name, event.arguments)
            case CallRejected() if event.by != "provider":
                told: _Chunk = {"toolName": event.name, "input": event.raw, "errorText": event.error}
                yield self._call("tool-input-error", event, **told)
            case _:
                pass

    def _input(self, event: Any, name: str, arguments: Any) -> _Chunk:
        self._calls.add(self._id(event))
        given = {"input": arguments} if isinstance(arguments, str) else arguments
        return self._call("tool-input-available", event, toolName=name, input=given)

    def _outcome(self, event: ToolFinished) -> _Chunk:
        if event.error is not None:
            return self._call("tool-output-error", event, errorText=event.error or "It failed.")
        return self._call("tool-output-available", event, output=_result(event))

    def _id(self, event: Any) -> str:
        return str(event.call) if event.run == self._root else f"{event.run}:{event.call}"

    def _call(self, kind: str, event: Any, **more: Any) -> _Chunk:
        return {"type": kind, "toolCallId": self._id(event), **more}

    # --- people

    def _asked_of_people(self, event: Event) -> Iterator[_Chunk]:
        match event:
            case ApprovalAsked():
                if self._id(event) not in self._calls:  # a subagent's call
                    yield self._call("tool-input-start", event, toolName=event.name)
                    yield self._input(event, event.name, event.arguments)
                self._asked[event.approval] = self._id(event)
                if self._version > 5:
                    yield self._call("tool-approval-request", event, approvalId=event.approval)
                else:
                    asked = {"tool": event.name, "arguments": event.arguments, "reason": event.reason}
                    yield self._question("data-approval", event.approval, "asked", **asked)
            case ApprovalAnswered():
                call = self._asked.get(event.approval)
                if self._version == 5:
                    yield self._question("data-approval", event.approval, "approved" if event.allowed else "denied")
                if not event.allowed and call is not None:
                    note = f"Denied{f': {event.note}' if event.note else ''}."
                    if self._version == 5:
                        yield {"type": "tool-output-error", "toolCallId": call, "errorText": note}
                    else:
                        yield {"type": "tool-output-denied", "toolCallId": call}
            case InputAsked():
                asked = {"message": event.message, "schema": event.schema, "url": event.url}
                yield self._question("data-question", event.input, "asked", **asked)
            case InputAnswered():
                yield self._question("data-question", event.input, event.action)
            case _:
                pass

    def _question(self, kind: str, number: str, state: str, **more: Any) -> _Chunk:
        """Returns a question, for a page to show and to answer through the native routes."""
        return {"type": kind, "id": number, "data": {"run": self._root, "state": state, **more}}


def _chunk(kind: str) -> _Chunk:
    return {"type": kind}


def _finish(reason: str, metadata: dict[str, Any] | None = None) -> _Chunk:
    return {"type": "finish", "finishReason": reason, **({"messageMetadata": metadata} if metadata else {})}


def _agent(event: ChildStarted | ChildFinished, state: str) -> dict[str, Any]:
    return {"name": event.name, "state": state, **({"call": event.call} if event.call else {})}


def _news(event: Event, **more: Any) -> _Chunk:
    """Returns a transient chunk, which the message does not keep."""
    return {"type": "data-headwater", "data": {"type": event.type, "agent": event.agent, **more}, "transient": True}


def _result(event: ToolFinished) -> Any:
    if isinstance(event.result, str):
        return event.result
    texts = [part.text for part in event.result if isinstance(part, Text)]
    return "".join(texts) if len(texts) == len(event.result) else plain(event.result)
