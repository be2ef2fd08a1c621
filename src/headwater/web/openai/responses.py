"""Responses: a run as events for OpenAI clients, or as one response.

The agent's own tool calls are `mcp_call` items, which clients show and never run; calls of the client's own tools are
`function_call` items. A client that declares an agent as an MCP server is asked to approve its calls: the response then
ends with `mcp_approval_request` items, and another one continues the run. Events are numbered without gaps, so a client
can resume after a number. Clients require that each item is opened, filled and closed, and that the last event contains
all items.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    CallReady,
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunWaiting,
    ToolFinished,
    ToolStarted,
)
from headwater.events.messages import Text, Usage
from headwater.web.native.wire import SSE_HELLO, SSE_IDLE, SSE_TYPE
from headwater.web.openai.chat import DONE, WAITS
from headwater.web.openai.failures import CANCELLED, failure, model_failure
from headwater.web.wires.client_calls import CallPiece, ClientCalls, StreamedCalls, arguments_text
from headwater.web.wires.endings import is_filtered
from headwater.web.wires.questions import Questions
from headwater.web.wires.voice import Said, Voice, sent_back
from headwater.web.wires.wire import Wire

__all__ = ("Part", "Responses", "approval_of", "response_id", "response_of", "responses_wire", "run_id")

_PREFIX: Final = "resp_"
_REQUEST: Final = "mcpr_"
_ENDS: Final = (RunFinished, RunFailed, RunCancelled)
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}

_Told = Iterator[tuple[str, dict[str, Any]]]
"""Events as their type and their other fields."""


class Part(NamedTuple):
    """The part of a run that one response has, by how often the run has waited for people."""

    begin: int = 0
    """The wait that it follows; 0 for the start of the run."""
    end: int | None = None
    """The wait with which it ends; None for the end of the run."""
    approvers: frozenset[str] = frozenset()
    """The agents that the client knows as MCP servers."""


_WHOLE_RUN: Final = Part()


def response_id(run: str, begin: int = 0) -> str:
    """Returns the id of a run's response that follows that wait."""
    return f"{_PREFIX}{run}.{begin}" if begin else f"{_PREFIX}{run}"


def run_id(response: str) -> tuple[str, int]:
    """Returns the id of a response's run, and the wait that the response follows; "" if it is not from this server."""
    run, _, begin = response.removeprefix(_PREFIX).partition(".")
    return (run, int(begin) if begin.isdecimal() else 0) if response.startswith(_PREFIX) else ("", 0)


def approval_of(request: str) -> tuple[str, str]:
    """Returns the run and the approval of an approval request's item; "" if it is not from this server."""
    run, _, approval = request.removeprefix(_REQUEST).partition(".")
    return (run, approval) if request.startswith(_REQUEST) else ("", "")


def responses_wire(model: str, *, after: int = -1, bare: bool = False, part: Part = _WHOLE_RUN, **asked: Any) -> Wire:
    """Returns the wire of a run of `model`, after the event with that number. It repeats the fields in `asked`.

    For a `bare` model nothing is sent before its first output, so that a failure can still set the HTTP status.
    """
    return Wire(
        key=("responses", model, after, bare, part, msgspec.json.encode(asked)),
        make=lambda: Responses(model, after=after, bare=bare, part=part, **asked),
        media_type=SSE_TYPE,
        hello=b"" if bare else SSE_HELLO,
        idle=SSE_IDLE,
        last=b"" if bare or (asked.get("background") and not part.approvers) else WAITS,
    )


class Responses:
    """A map; see `wire.Map`."""

    def __init__(
        self,
        model: str,
        *,
        after: int = -1,
        bare: bool = False,
        part: Part = _WHOLE_RUN,
        sent_back: Collection[tuple[str, int]] = (),
        **asked: Any,
    ) -> None:
        self._voice = Voice(sent_back)
        self._calls = StreamedCalls() if bare else ClientCalls(self._voice.tree)
        self._bare = bare
        self._model = model
        self._asked = asked
        self._after = after
        self._number = 0
        self._run = ""
        self._created = 0
        self._begun = False
        self._items: list[dict[str, Any]] = []
        self._open: _Open | None = None
        self._ready: dict[tuple[str, str], CallReady] = {}
        self._awaited: dict[tuple[str, str], str] = {}
        """The call of each approval."""
        self._client_at: dict[str, int] = {}
        """The index of the item of each client tool call."""
        self._at: dict[tuple[str, str], int] = {}
        """The index of the item of each of our own tool calls."""
        self._part = part
        self._questions = Questions() if part.begin or part.end is not None else None
        self._requests: dict[tuple[str, str], str] = {}
        """The approval request of each call that the client was asked about."""
        self._leads = part.begin > 0
        """Whether the next text is the first of a response in the middle of a run."""
        self.complete: bool = False
        """Whether the response has ended before its run."""

    def __call__(self, event: Event) -> bytes:
        """Returns the frames of the next event."""
        if self.complete:
            return b""
        frames = self._frames(self._events(event))
        if self.complete or (event.run == self._run and isinstance(event, _ENDS)):
            return frames + DONE
        if event.run == self._run and isinstance(event, RunWaiting):
            begun = self._questions is None or self._questions.waits > self._part.begin
            return frames + WAITS if begun else frames
        return frames

    def ending(self, part: Part) -> Responses:
        """Returns a new map of the same response, with the end of its part."""
        return Responses(self._model, after=self._after, bare=self._bare, part=part, **self._asked)

    def failed(self, message: str) -> bytes:
        """Returns the frames that end a stream before its run."""
        return self._frames(self._fail(message, None)) + DONE

    def _frames(self, told: _Told) -> bytes:
        frames = []
        for kind, rest in told:
            if self._number > self._after:
                data = msgspec.json.encode({"type": kind, "sequence_number": self._number, **rest})
                frames.append(b"event: %s\ndata: %s\n\n" % (kind.encode(), data))
            self._number += 1
        return b"".join(frames)

    def _events(self, event: Event) -> _Told:
        if self._questions is None:
            yield from self._all(event)
            return
        waits = self._questions.add(event)
        if self._questions.waits < self._part.begin or (waits and self._questions.waits == self._part.begin):
            for _ in self._all(event):
                pass  # another response has it
            if waits:
                self._begin_again()
        elif not self.complete:
            yield from self._all(event)
            if waits and self._questions.waits == self._part.end:
                yield from self._ask(self._questions)

    def _begin_again(self) -> None:
        """Begins a response in the middle of the run."""
        self._number, self._begun, self._items, self._open = 0, False, [], None
        self._at, self._client_at, self._leads = {}, {}, True
        assert self._questions is not None
        for asked in self._questions.open.values():
            if isinstance(asked, ApprovalAsked):
                self._requests[asked.run, asked.call] = self._request_id(asked)

    @property
    def _name(self) -> str:
        """What the ids of items contain: they differ between the responses of a run."""
        return f"{self._run}_{self._part.begin}" if self._part.begin else self._run

    def _request_id(self, asked: ApprovalAsked) -> str:
        return f"{_REQUEST}{self._run}.{asked.approval}"

    def _ask(self, questions: Questions) -> _Told:
        """Ends the response with the approvals that the run waits for."""
        yield from self._close()
        for asked in questions.open.values():
            assert isinstance(asked, ApprovalAsked)
            item = {
                "id": self._request_id(asked),
                "type": "mcp_approval_request",
                "server_label": asked.agent if asked.agent in self._part.approvers else self._model,
                "name": asked.name,
                "arguments": arguments_text(asked.arguments),
            }
            index = len(self._items)
            self._items.append(item)
            for kind in ("added", "done"):
                yield f"response.output_item.{kind}", {"output_index": index, "item": item}
        yield "response.completed", {"response": self.response("completed", Usage())}  # the last one has the usage
        self.complete = True

    def _all(self, event: Event) -> _Told:
        said = self._voice(event)
        calls = self._calls(event)
        if not self._run:
            self._run, self._created = event.run, int(event.time)
        if not self._begun:
            if self._bare and not (said or calls or isinstance(event, _ENDS)):
                return
            self._begun = True
            yield "response.created", {"response": self.response("in_progress")}
            yield "response.in_progress", {"response": self.response("in_progress")}
        for one in said:
            yield from self._say(one)
        for call in calls:
            yield from self._client_call(call)
        yield from self._own_call(event)
        if event.run == self._run:
            yield from self._end(event)

    # --- text and reasoning

    def _say(self, one: Said) -> _Told:
        text = one.text
        if self._leads:  # the text before it is in another response
            text = text.lstrip("\n")
            if not text:
                return
            self._leads = False
        if self._open is not None and not self._open.takes(one.kind):
            yield from self._close()
        if self._open is None:
            self._open = _Open(one.kind, self._name, len(self._items))
            self._items.append(self._open.item("in_progress"))
            yield from self._open.begin()
        if one.kind != self._open.kind:
            yield from self._open.next_part(one.kind)
        yield self._open.say(text)

    def _close(self, status: str = "completed") -> _Told:
        if self._open is not None:
            yield from self._open.end(status)
            self._items[self._open.index] = self._open.item(status)
            self._open = None

    # --- calls

    def _client_call(self, call: CallPiece) -> _Told:
        if call.name:
            yield from self._close()
            index = self._client_at[call.id] = len(self._items)
            item = {"id": f"fc_{self._name}_{index}", "type": "function_call", "call_id": call.id, "name": call.name}
            self._items.append({**item, "arguments": "", "status": "in_progress"})
            yield "response.output_item.added", {"output_index": index, "item": self._items[index]}
        index = self._client_at[call.id]
        item = self._items[index]
        place = {"item_id": item["id"], "output_index": index}
        if call.arguments:
            yield "response.function_call_arguments.delta", {**place, "delta": call.arguments}
        if call.whole is not None:
            done = self._items[index] = {**item, "arguments": call.whole, "status": "completed"}
            told = {**place, "name": item["name"], "arguments": call.whole}
            yield "response.function_call_arguments.done", told
            yield "response.output_item.done", {"output_index": index, "item": done}

    def _own_call(self, event: Event) -> _Told:
        """Handles the tool calls of agents that give the answer, not those of their subagents."""
        if event.run not in self._voice.tree.speakers:
            return
        match event:
            case CallReady(by="agent"):
                self._ready[event.run, event.call] = event
            case ToolStarted(try_=1):
                yield from self._begin_call(event, event.call)
            case ApprovalAsked():
                self._awaited[event.run, event.approval] = event.call
            case ApprovalAnswered(allowed=False):
                call = self._awaited.get((event.run, event.approval))
                if call is not None and (event.run, call) not in self._at:
                    yield from self._begin_call(event, call)
                    yield from self._end_call(event, call, "", f"Denied{f': {event.note}' if event.note else ''}.")
            case ToolFinished():
                if (event.run, event.call) not in self._at:
                    return
                text = event.result if isinstance(event.result, str) else _text_of(event.result)
                yield from self._end_call(event, event.call, text, event.error)

    def _begin_call(self, event: Event, call: str) -> _Told:
        yield from self._close()
        ready = self._ready.get((event.run, call))
        index = self._at[event.run, call] = len(self._items)
        arguments = arguments_text(ready.arguments) if ready is not None else "{}"
        item = {
            "id": f"mcp_{self._name}_{index}",
            "type": "mcp_call",
            "server_label": event.agent,
            "name": ready.name if ready is not None else "",
            "arguments": arguments,
            "output": None,
            "error": None,
            "status": "in_progress",
        }
        if (request := self._requests.get((event.run, call))) is not None:
            item["approval_request_id"] = request
        self._items.append(item)
        place = {"item_id": item["id"], "output_index": index}
        yield "response.output_item.added", {"output_index": index, "item": {**item, "arguments": ""}}
        yield "response.mcp_call.in_progress", place
        yield "response.mcp_call_arguments.delta", {**place, "delta": arguments}
        yield "response.mcp_call_arguments.done", {**place, "arguments": arguments}

    def _end_call(self, event: Event, call: str, output: str, error: str | None) -> _Told:
        index = self._at[event.run, call]
        told: dict[str, Any] = {"status": "completed", "output": output}
        if error:
            told = {"status": "failed", "error": _execution_error(error)}
        item = self._items[index] = {**self._items[index], **told}
        place = {"item_id": item["id"], "output_index": index}
        yield f"response.mcp_call.{item['status']}", place
        yield "response.output_item.done", {"output_index": index, "item": item}

    # --- its end

    def _end(self, event: Event) -> _Told:
        match event:
            case RunFinished():
                reason = _INCOMPLETE.get(event.finish_reason or "")
                yield from self._close("incomplete" if reason else "completed")
                status = "incomplete" if reason else "completed"
                yield f"response.{status}", {"response": self.response(status, event.usage, reason=reason)}
            case _ if is_filtered(event):
                yield from self._close("incomplete")
                told = self.response("incomplete", event.usage, reason="content_filter")
                yield "response.incomplete", {"response": told}
            case RunFailed():
                told_error = (model_failure(event) if self._bare else failure(event))["error"]
                yield from self._fail(told_error["message"], event.usage)
            case RunCancelled():
                yield from self._close("incomplete")
                told = self.response("incomplete", event.usage, reason=CANCELLED)
                yield "response.incomplete", {"response": told}

    def _fail(self, message: str, usage: Usage | None) -> _Told:
        error = {"code": "server_error", "message": message}
        yield from self._close("incomplete")
        yield "response.failed", {"response": self.response("failed", usage, error=error)}

    def response(
        self,
        status: str,
        usage: Usage | None = None,
        *,
        reason: str | None = None,
        error: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Returns the response so far."""
        return {
            "id": response_id(self._run, self._part.begin),
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": error,
            "incomplete_details": {"reason": reason} if reason else None,
            "instructions": None,
            "metadata": {},
            "model": self._model,
            "output": [*self._items],
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "store": True,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            "usage": None if usage is None else _usage_of(usage),
            **self._asked,
        }


class _Open:
    """An open item: a message or reasoning."""

    def __init__(self, kind: str, run: str, index: int) -> None:
        self.kind = kind
        self.index = index
        self._thought = kind == "reasoning"
        self._id = f"{'rs' if self._thought else 'msg'}_{run}_{index}"
        self._done: list[dict[str, Any]] = []
        self._text: list[str] = []

    def takes(self, kind: str) -> bool:
        """Whether text of that kind belongs to the same item."""
        return (kind == "reasoning") == self._thought

    def item(self, status: str) -> dict[str, Any]:
        """Returns the item so far."""
        if self._thought:
            parts = [self._part("".join(self._text))] if self._text else []
            return {"id": self._id, "type": "reasoning", "summary": parts, "status": status}
        parts = [*self._done, *([self._part("".join(self._text))] if self._text else [])]
        return {"id": self._id, "type": "message", "role": "assistant", "status": status, "content": parts}

    def _part(self, text: str) -> dict[str, Any]:
        if self._thought:
            return {"type": "summary_text", "text": text}
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    @property
    def _place(self) -> dict[str, Any]:
        index = {"summary_index": 0} if self._thought else {"content_index": len(self._done)}
        return {"item_id": self._id, "output_index": self.index, **index}

    @property
    def _name(self) -> str:
        return {"reasoning": "reasoning_summary_text", "refusal": "refusal"}.get(self.kind, "output_text")

    def begin(self) -> _Told:
        """Opens the item."""
        yield "response.output_item.added", {"output_index": self.index, "item": self.item("in_progress")}
        yield self._begin_part()

    def _begin_part(self) -> tuple[str, dict[str, Any]]:
        kind = "reasoning_summary_part" if self._thought else "content_part"
        return f"response.{kind}.added", {**self._place, "part": self._part("")}

    def next_part(self, kind: str) -> _Told:
        """Switches to another kind of text."""
        yield from self._end_part()
        self.kind = kind
        yield self._begin_part()

    def say(self, text: str) -> tuple[str, dict[str, Any]]:
        """Adds text."""
        self._text.append(text)
        more: dict[str, Any] = {"logprobs": []} if self.kind == "text" else {}
        return f"response.{self._name}.delta", {**self._place, "delta": text, **more}

    def _end_part(self) -> _Told:
        text = "".join(self._text)
        part = self._part(text)
        field = "refusal" if self.kind == "refusal" else "text"
        more: dict[str, Any] = {"logprobs": []} if self.kind == "text" else {}
        yield f"response.{self._name}.done", {**self._place, field: text, **more}
        kind = "reasoning_summary_part" if self._thought else "content_part"
        yield f"response.{kind}.done", {**self._place, "part": part}
        if not self._thought:
            self._done.append(part)
            self._text = []

    def end(self, status: str) -> _Told:
        """Closes the item."""
        yield from self._end_part()
        yield "response.output_item.done", {"output_index": self.index, "item": self.item(status)}


def _execution_error(message: str) -> dict[str, Any]:
    """Returns what an `mcp_call` has for a tool that failed, as of 2026: an object with the tool's output.

    https://platform.openai.com/docs/api-reference/responses/object
    """
    return {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": message}]}


def _text_of(parts: Iterable[Any]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


def _usage_of(usage: Usage) -> dict[str, Any]:
    asked, said = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": asked,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens or 0,
            "cache_write_tokens": usage.cache_write_tokens or 0,
        },
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": asked + said,
    }


def response_of(
    log: Iterable[Event], model: str, *, bare: bool = False, part: Part = _WHOLE_RUN, **asked: Any
) -> dict[str, Any] | None:
    """Returns the run so far as one response; None before its first event. The status shows a cancelled run."""
    log = [*log]
    made = Responses(model, bare=bare, part=part, sent_back=sent_back(log), **asked)
    last: dict[str, Any] | None = None
    end: Event | None = None
    for event in log:
        for kind, rest in made._events(event):
            if kind in _WHOLE:
                last = rest["response"]
        end = event
    if end is None:
        return None
    if last is None or last["status"] == "in_progress":
        return made.response("in_progress")
    if isinstance(end, RunCancelled) and not made.complete:
        return {**last, "status": "cancelled", "incomplete_details": None}
    return last


_WHOLE: Final = ("response.created", "response.completed", "response.incomplete", "response.failed")
