"""Chat Completions: a run as the chunks that OpenAI's clients read, or as one completion.

Only what the run says, thinks and refuses stands in it, and calls of the client's own tools; what the agent does by
itself does not. No `id:` and no `retry:` is sent: with comments between, clients for Python up to 3.57 fail on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from headwater.events import Event, RunCancelled, RunFailed, RunFinished, RunStarted
from headwater.events.messages import Usage
from headwater.web.native.wire import SSE_HELLO, SSE_IDLE, SSE_TYPE
from headwater.web.wires.client_calls import ClientCalls
from headwater.web.wires.voice import Said, Voice
from headwater.web.wires.wire import Wire

__all__ = ("CANCELLED", "DONE", "chat_wire", "completion", "failure", "sse_data")

DONE: Final = b"data: [DONE]\n\n"
CANCELLED: Final = "cancelled"

_FIELDS: Final = {"text": "content", "reasoning": "reasoning_content", "refusal": "refusal"}
_REASONS: Final = {"length": "length", "content_filter": "content_filter", "tool_calls": "tool_calls"}


def sse_data(value: Any) -> bytes:
    """A value as a server-sent event without a name."""
    return b"data: %s\n\n" % msgspec.json.encode(value)


def chat_wire(model: str, *, usage: bool) -> Wire:
    """The wire of a run of `model`; `usage` asks for a last chunk with the usage."""
    return Wire(
        key=("chat", model, usage),
        make=lambda: _Chat(model, usage),
        media_type=SSE_TYPE,
        hello=SSE_HELLO,
        idle=SSE_IDLE,
    )


class _Chat:
    """A map; see `wire.Map`."""

    def __init__(self, model: str, usage: bool) -> None:
        self._voice = Voice()
        self._calls = ClientCalls(self._voice.tree)
        self._usage = usage
        self._model = model
        self._head: dict[str, Any] = {}
        self._run = ""
        self._number = 0

    def __call__(self, event: Event) -> bytes:
        said = self._voice(event)
        calls = self._calls(event)
        if not (said or calls or event.run == self._run or not self._run):
            return b""
        return b"".join(map(sse_data, self._chunks(event, said, calls))) + (DONE if self._ends(event) else b"")

    def _ends(self, event: Event) -> bool:
        return event.run == self._run and isinstance(event, (RunFinished, RunFailed, RunCancelled))

    def _chunks(self, event: Event, said: Iterable[Said], calls: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        if not self._run:
            self._run = event.run
            self._head = head_of(event, self._model, "chat.completion.chunk")
            yield self._chunk({"role": "assistant", "content": ""})
        for one in said:
            yield self._chunk({_FIELDS[one.kind]: one.text})
        for call in calls:
            yield self._chunk({"tool_calls": [{"index": self._number, **call}]})
            self._number += 1
        if not self._ends(event):
            return
        if isinstance(event, RunFinished):
            yield self._chunk({}, reason_of(event))
            if self._usage:
                yield {**self._head, "choices": [], "usage": usage_of(event.usage)}
        else:
            yield failure(event)

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def head_of(event: Event, model: str, kind: str) -> dict[str, Any]:
    """What stands in each chunk; the run's own id and time, so that it is the same for whoever reads it."""
    return {"id": f"chatcmpl-{event.run}", "object": kind, "created": int(event.time), "model": model}


def reason_of(end: RunFinished) -> str:
    """Why it stopped, in OpenAI's words."""
    return _REASONS.get(end.finish_reason or "", "stop")


def usage_of(usage: Usage) -> dict[str, Any]:
    """What it cost, in OpenAI's words."""
    asked, said = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "total_tokens": asked + said,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens or 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
    }


def failure(end: Event) -> dict[str, Any]:
    """How a run that did not finish is told."""
    if isinstance(end, RunFailed):
        message, code = end.error.message, end.error.type
    else:
        by = end.by if isinstance(end, RunCancelled) else "nobody"
        message, code = f"The run was cancelled ({by}).", CANCELLED
    return {"error": {"message": message, "type": "server_error", "param": None, "code": code}}


def completion(log: Iterable[Event], model: str) -> dict[str, Any]:
    """A run that has ended as one chat completion, or as an error where it did not finish."""
    voice = Voice()
    calls = ClientCalls(voice.tree)
    said: dict[str, str] = {}
    called: list[dict[str, Any]] = []
    first = last = None
    for event in log:
        first, last = first or event, event
        for one in voice(event):
            said[one.kind] = said.get(one.kind, "") + one.text
        called += calls(event)
    if first is None or not isinstance(last, RunFinished):
        return failure(last or RunStarted())
    message: dict[str, Any] = {
        "role": "assistant",
        "content": said.get("text", "") if said.get("text") or not called else None,
        "refusal": said.get("refusal"),
    }
    if said.get("reasoning"):
        message["reasoning_content"] = said["reasoning"]
    if called:
        message["tool_calls"] = called
    choice = {"index": 0, "message": message, "finish_reason": reason_of(last), "logprobs": None}
    return {**head_of(first, model, "chat.completion"), "choices": [choice], "usage": usage_of(last.usage)}
