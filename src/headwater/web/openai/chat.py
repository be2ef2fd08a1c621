"""Chat Completions: a run as chunks for OpenAI clients, or as one completion.

Contains only the run's text, reasoning and refusals, and calls of the client's own tools, not the agent's own tool
calls. It must never send `id:` or `retry:`: with comments in between, Python clients up to 3.57 fail on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from headwater.events import Event, RunCancelled, RunFailed, RunFinished, RunWaiting, TextDelta
from headwater.events.messages import Usage
from headwater.web.native.wire import SSE_HELLO, SSE_IDLE, SSE_TYPE
from headwater.web.openai.failures import failure, model_failure
from headwater.web.wires.client_calls import CallPiece, ClientCalls, StreamedCalls
from headwater.web.wires.endings import is_filtered
from headwater.web.wires.voice import Said, Voice, sent_back
from headwater.web.wires.wire import Wire

__all__ = ("DONE", "WAITS", "chat_wire", "completion", "sse_data")

DONE: Final = b"data: [DONE]\n\n"
WAITS: Final = b": waiting\n\n"
"""The comment at which a stream ends if the run waits for people and nobody can answer."""

_ENDS: Final = (RunFinished, RunFailed, RunCancelled)
_MARK: Final = "\0"
_MARKED: Final = b'"\\u0000"'
"""A placeholder for a piece of text, which no model's name contains."""

_FIELDS: Final = {"text": "content", "reasoning": "reasoning_content", "refusal": "refusal"}
_REASONS: Final = {"length": "length", "content_filter": "content_filter", "tool_calls": "tool_calls"}


_encode: Final = msgspec.json.Encoder().encode


def sse_data(value: Any) -> bytes:
    """Encodes a value as a server-sent event without a name."""
    return b"data: %s\n\n" % msgspec.json.encode(value)


def chat_wire(model: str, *, usage: bool, bare: bool = False) -> Wire:
    """Returns the wire of a run of `model`; with `usage`, the last chunk has the usage.

    For a `bare` model nothing is sent before its first output, so that a failure can still set the HTTP status.
    """
    return Wire(
        key=("chat", model, usage, bare),
        make=lambda: _Chat(model, usage, bare),
        media_type=SSE_TYPE,
        hello=b"" if bare else SSE_HELLO,
        idle=SSE_IDLE,
        last=b"" if bare else WAITS,
    )


class _Chat:
    """A map; see `wire.Map`."""

    def __init__(self, model: str, usage: bool, bare: bool) -> None:
        self._voice = Voice()
        self._calls = StreamedCalls() if bare else ClientCalls(self._voice.tree)
        self._usage = usage
        self._bare = bare
        self._model = model
        self._head: dict[str, Any] = {}
        self._run = ""
        self._begun = False
        self._around: dict[str, tuple[bytes, bytes]] = {}
        """The constant bytes around each piece of text, by kind: only the text differs between chunks."""
        self._flows: tuple[str, int, int] | None = None
        """The run, step and part whose text is sent directly."""
        self._at: dict[str, int] = {}
        """The index of each call."""

    def __call__(self, event: Event) -> bytes:
        if event.__class__ is TextDelta and self._flows == (event.run, event.step, event.part):
            return self._piece(Said("text", event.text))  # nearly every event
        self._flows = None
        said = self._voice(event)
        calls = self._calls(event)
        if event.__class__ is RunWaiting and event.run == self._run:
            return b"".join(map(self._piece, said)) + WAITS
        if said and not calls and self._begun and not isinstance(event, _ENDS):
            if event.__class__ is TextDelta and said[-1].kind == "text" and self._voice.flows:
                self._flows = (event.run, event.step, event.part)
            return b"".join(map(self._piece, said))
        if not self._run:
            self._run = event.run
            self._head = head_of(event, self._model, "chat.completion.chunk")
        ends = event.run == self._run and isinstance(event, _ENDS)
        if not (said or calls or ends) and (self._bare or self._begun):
            return b""
        return b"".join(self._frames(event, said, calls, ends=ends))

    def _frames(self, event: Event, said: Iterable[Said], calls: Iterable[CallPiece], *, ends: bool) -> Iterator[bytes]:
        failed = ends and not (isinstance(event, RunFinished) or is_filtered(event))
        if not self._begun and not (failed and self._bare):
            self._begun = True
            yield self._chunk({"role": "assistant", "content": ""})
        yield from map(self._piece, said)
        for call in calls:
            if call.name or call.arguments:
                yield self._chunk({"tool_calls": [self._call(call)]})
        if not ends:
            return
        if isinstance(event, (RunFinished, RunFailed)) and not failed:
            yield self._chunk({}, reason_of(event, called=bool(self._at)))
            if self._usage:
                yield sse_data({**self._head, "choices": [], "usage": usage_of(event.usage)})
        else:
            yield sse_data(model_failure(event) if self._bare else failure(event))
        yield DONE

    def _piece(self, said: Said) -> bytes:
        around = self._around.get(said.kind)
        if around is None:
            before, _, after = self._chunk({_FIELDS[said.kind]: _MARK}).partition(_MARKED)
            around = self._around[said.kind] = (before, after)
        return b"%b%b%b" % (around[0], _encode(said.text), around[1])

    def _call(self, call: CallPiece) -> dict[str, Any]:
        if call.name:
            index = self._at[call.id] = len(self._at)
            function = {"name": call.name, "arguments": call.arguments}
            return {"index": index, "id": call.id, "type": "function", "function": function}
        return {"index": self._at[call.id], "function": {"arguments": call.arguments}}

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        return sse_data({**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


def head_of(event: Event, model: str, kind: str) -> dict[str, Any]:
    """Returns the fields of every chunk. Id and time are the run's, so all readers get the same bytes."""
    return {"id": f"chatcmpl-{event.run}", "object": kind, "created": int(event.time), "model": model}


def reason_of(end: RunFinished | RunFailed, *, called: bool) -> str:
    """Returns OpenAI's finish reason; `called` means with calls of client tools, which some APIs do not report."""
    if isinstance(end, RunFailed):
        return "content_filter"
    return _REASONS.get(end.finish_reason or "", "tool_calls" if called else "stop")


def usage_of(usage: Usage) -> dict[str, Any]:
    """Returns the usage in OpenAI's format."""
    asked, said = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "total_tokens": asked + said,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens or 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
    }


def completion(log: Iterable[Event], model: str, *, bare: bool = False) -> dict[str, Any]:
    """Returns an ended run as one chat completion, or as an error if it did not finish."""
    log = [*log]
    voice = Voice(sent_back(log))
    pieces = StreamedCalls() if bare else ClientCalls(voice.tree)
    said: dict[str, list[str]] = {}
    called: dict[str, dict[str, Any]] = {}
    first = last = None
    for event in log:
        first, last = first or event, event
        for one in voice(event):
            said.setdefault(one.kind, []).append(one.text)
        for piece in pieces(event):
            if piece.name:
                function = {"name": piece.name, "arguments": ""}
                called[piece.id] = {"id": piece.id, "type": "function", "function": function}
            if piece.whole is not None:
                called[piece.id]["function"]["arguments"] = piece.whole
    if first is None or not (isinstance(last, RunFinished) or is_filtered(last)):
        return model_failure(last) if bare else failure(last)
    text = "".join(said.get("text", ()))
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text if text or not called else None,
        "refusal": "".join(said["refusal"]) if "refusal" in said else None,
    }
    if "reasoning" in said:
        message["reasoning_content"] = "".join(said["reasoning"])
    if called:
        message["tool_calls"] = [*called.values()]
    choice = {"index": 0, "message": message, "finish_reason": reason_of(last, called=bool(called)), "logprobs": None}
    return {**head_of(first, model, "chat.completion"), "choices": [choice], "usage": usage_of(last.usage)}
