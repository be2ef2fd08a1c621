"""A client of AG-UI, stricter than the official ones: what it holds after a stream, or why it would not read it.

    client = Client(modern=True)
    for event in streamed(log):
        client.read(event)

The official clients read the same streams in tests/system/clients; this one is here for every test.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from headwater.events import Event
from headwater.web.ag_ui.wire import END, Exchange, ag_ui_wire

__all__ = ("HI", "Client", "streamed")

HI = {"id": "u1", "role": "user", "content": "Hi"}

KNOWN = {
    *("RUN_STARTED", "RUN_FINISHED", "RUN_ERROR", "STEP_STARTED", "STEP_FINISHED", "MESSAGES_SNAPSHOT", "CUSTOM"),
    *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"),
    *("REASONING_START", "REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT", "REASONING_MESSAGE_END"),
    *("REASONING_END", "TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "TOOL_CALL_RESULT"),
    *("ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA", "SUBAGENT_STARTED", "SUBAGENT_FINISHED", "SUBAGENT_ERROR"),
}
FREE = {"metadata", "value", "content", "patch", "result", "responseSchema"}
"""Fields that may hold any JSON."""


def streamed(log: Iterable[Event], *, modern: bool = True, **exchange: Any) -> list[dict[str, Any]]:
    """The events that a client is sent of a log."""
    of = ag_ui_wire(Exchange("t", "r", modern, **{"messages": (HI,), **exchange}), 0).make()
    data = b"".join(map(of, log))
    ended = data.endswith(END)
    frames = data.removesuffix(END).decode().split("\n\n")
    assert END.decode() not in "\n\n".join(frames)
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames if frame)
    events = [json.loads(frame[6:]) for frame in frames if frame]
    assert ended == bool(events and events[-1]["type"] in ("RUN_FINISHED", "RUN_ERROR"))
    return events


class Client:
    """What a client makes of the events, and what it would not take."""

    def __init__(self, *, modern: bool = True, messages: Iterable[dict[str, Any]] = (HI,)) -> None:
        self.modern = modern
        self.messages: dict[str, dict[str, Any]] = {one["id"]: {**one} for one in messages}
        self.open: dict[tuple[str, str | None, str], dict[str, Any]] = {}
        """What is open: its kind, for steps whose it is, and its id; and the event that opened it."""
        self.calls: dict[str, dict[str, Any]] = {
            call["id"]: call for one in self.messages.values() for call in one.get("toolCalls", ())
        }
        self.started: list[str] = []
        self.answered: set[str] = set()
        self.subagents: dict[str, str] = {}
        """Each run inside, and how it stands."""
        self.custom: list[dict[str, Any]] = []
        self.begun: dict[str, Any] | None = None
        self.end: dict[str, Any] | None = None

    def read(self, event: dict[str, Any]) -> None:
        """Take in the next event; an AssertionError says what is wrong with it."""
        kind = event["type"]
        assert kind in KNOWN, kind
        assert self.end is None, f"{kind} after the end"
        assert (self.begun is None) == (kind == "RUN_STARTED"), kind
        assert not _nulls(event), event
        getattr(self, f"_{kind.lower()}")(event)

    def text(self, run: str | None = None) -> str:
        """What a run has said, None for the outermost one."""
        said = [one for one in self.messages.values() if one["role"] == "assistant" and one.get("subagentRunId") == run]
        return "".join(one.get("content", "") for one in said)

    def thought(self) -> str:
        """All reasoning that is shown."""
        return "".join(one["content"] for one in self.messages.values() if one["role"] == "reasoning")

    @property
    def pending(self) -> list[str]:
        """The calls that are the client's to answer."""
        return [call for call in self.started if call not in self.answered]

    # --- what opens and closes

    def _opens(self, kind: str, name: str, event: dict[str, Any], of: str | None = None) -> None:
        assert (kind, of, name) not in self.open, f"{name} is open"
        self.open[kind, of, name] = event

    def _is_open(self, kind: str, name: str, event: dict[str, Any], of: str | None = None) -> None:
        opened = self.open[kind, of, name]
        assert opened.get("subagentRunId") == event.get("subagentRunId"), event

    def _closes(self, kind: str, name: str, event: dict[str, Any], of: str | None = None) -> None:
        self._is_open(kind, name, event, of)
        del self.open[kind, of, name]

    def _by(self, event: dict[str, Any]) -> dict[str, Any]:
        return {"subagentRunId": event["subagentRunId"]} if "subagentRunId" in event else {}

    # --- the run

    def _run_started(self, event: dict[str, Any]) -> None:
        assert ("protocolVersion" in event) is self.modern
        self.begun = event

    def _run_finished(self, event: dict[str, Any]) -> None:
        assert not self.open, self.open
        assert "active" not in self.subagents.values(), self.subagents
        assert (event["threadId"], event["runId"]) == ("t", "r")
        outcome = event.get("outcome", {"type": "success"})
        assert ("outcome" in event) is (self.modern or not self.pending or outcome["type"] != "success")
        assert outcome["type"] in ("success", "interrupt", *(("cancelled",) if self.modern else ()))
        if outcome["type"] == "success":
            assert outcome.get("pendingToolCallIds", []) == (self.pending if self.modern else [])
        if outcome["type"] == "interrupt":
            assert outcome["interrupts"]
        self.end = event

    def _run_error(self, event: dict[str, Any]) -> None:
        assert event["message"]
        self.end = event

    def _step_started(self, event: dict[str, Any]) -> None:
        self._opens("step", event["stepName"], event, event.get("subagentRunId"))

    def _step_finished(self, event: dict[str, Any]) -> None:
        self._closes("step", event["stepName"], event, event.get("subagentRunId"))

    # --- messages

    def _text_message_start(self, event: dict[str, Any]) -> None:
        self._opens("text", event["messageId"], event)
        assert event["messageId"] not in self.messages, "a message is told twice"
        new = {"id": event["messageId"], "role": event["role"], "content": "", **self._by(event)}
        self.messages[event["messageId"]] = new

    def _text_message_content(self, event: dict[str, Any]) -> None:
        self._is_open("text", event["messageId"], event)
        self.messages[event["messageId"]]["content"] += event["delta"]

    def _text_message_end(self, event: dict[str, Any]) -> None:
        self._closes("text", event["messageId"], event)

    def _reasoning_start(self, event: dict[str, Any]) -> None:
        self._opens("span", event["messageId"], event)

    def _reasoning_message_start(self, event: dict[str, Any]) -> None:
        self._opens("reasoning", event["messageId"], event)
        new = {"id": event["messageId"], "role": event["role"], "content": "", **self._by(event)}
        self.messages[event["messageId"]] = new

    def _reasoning_message_content(self, event: dict[str, Any]) -> None:
        self._is_open("reasoning", event["messageId"], event)
        self.messages[event["messageId"]]["content"] += event["delta"]

    def _reasoning_message_end(self, event: dict[str, Any]) -> None:
        self._closes("reasoning", event["messageId"], event)

    def _reasoning_end(self, event: dict[str, Any]) -> None:
        self._closes("span", event["messageId"], event)

    def _messages_snapshot(self, event: dict[str, Any]) -> None:
        told = {one["id"]: {**one} for one in event["messages"]}
        roles = {one["role"] for one in told.values()}
        for name, one in told.items():
            emptied = one["role"] == "reasoning" and not one["content"]
            assert emptied or one == self.messages[name], "a snapshot changes what it keeps"
        held = [name for name, one in self.messages.items() if name in told]
        assert held == [*told], "a snapshot changes the order"
        kept = {
            name: told.get(name, one)
            for name, one in self.messages.items()
            if name in told or (one["role"] in ("activity", "reasoning") and one["role"] not in roles)
        }
        self.messages = {**kept, **{name: one for name, one in told.items() if name not in kept}}
        calls = [call for one in self.messages.values() for call in one.get("toolCalls", ())]
        self.calls = {call["id"]: call for call in calls}

    # --- calls

    def _tool_call_start(self, event: dict[str, Any]) -> None:
        call = event["toolCallId"]
        self._opens("call", call, event)
        assert call not in self.started, "a call is told twice"
        self.started.append(call)
        parent = event["parentMessageId"]
        message = self.messages.setdefault(parent, {"id": parent, "role": "assistant", **self._by(event)})
        assert message["role"] == "assistant"
        assert message.get("subagentRunId") == event.get("subagentRunId")
        self.calls[call] = {
            "id": call,
            "type": "function",
            "function": {"name": event["toolCallName"], "arguments": ""},
        }
        message.setdefault("toolCalls", []).append(self.calls[call])

    def _tool_call_args(self, event: dict[str, Any]) -> None:
        self._is_open("call", event["toolCallId"], event)
        self.calls[event["toolCallId"]]["function"]["arguments"] += event["delta"]

    def _tool_call_end(self, event: dict[str, Any]) -> None:
        self._closes("call", event["toolCallId"], event)

    def _tool_call_result(self, event: dict[str, Any]) -> None:
        call = event["toolCallId"]
        assert call in self.calls, call
        assert call not in self.answered, "a call is answered twice"
        self.answered.add(call)
        more: dict[str, Any] = {name: event[name] for name in ("subagentRunId", "metadata") if name in event}
        new: dict[str, Any] = {
            "id": event["messageId"],
            "role": "tool",
            "toolCallId": call,
            "content": event["content"],
            **more,
        }
        messages = [*self.messages.values()]
        owner = next(at for at, one in enumerate(messages) if call in [call["id"] for call in one.get("toolCalls", ())])
        at = owner + 1
        while at < len(messages) and messages[at]["role"] == "tool":
            at += 1
        self.messages = {one["id"]: one for one in [*messages[:at], new, *messages[at:]]}

    def _activity_snapshot(self, event: dict[str, Any]) -> None:
        message = {"id": event["messageId"], "role": "activity", "content": event["content"], **self._by(event)}
        self.messages[event["messageId"]] = message

    def _activity_delta(self, event: dict[str, Any]) -> None:
        (patch,) = event["patch"]
        assert (patch["op"], patch["path"]) == ("replace", "/data")
        activity = self.messages[event["messageId"]]
        assert activity.get("subagentRunId") == event.get("subagentRunId")
        activity["content"] = {**activity["content"], "data": patch["value"]}

    # --- runs inside

    def _subagent_started(self, event: dict[str, Any]) -> None:
        assert event["subagentRunId"] not in self.subagents
        assert event.get("parentSubagentRunId") in (None, *self.subagents)
        assert event["name"]
        self.subagents[event["subagentRunId"]] = "active"

    def _subagent_finished(self, event: dict[str, Any]) -> None:
        assert self.subagents[event["subagentRunId"]] == "active"
        self._closed(event)
        self.subagents[event["subagentRunId"]] = event["outcome"]["type"]

    def _subagent_error(self, event: dict[str, Any]) -> None:
        assert self.subagents[event["subagentRunId"]] == "active"
        assert event["message"]
        self._closed(event)
        self.subagents[event["subagentRunId"]] = event.get("code", "failed")

    def _closed(self, event: dict[str, Any]) -> None:
        left = [one for one in self.open.values() if one.get("subagentRunId") == event["subagentRunId"]]
        assert not left, left

    def _custom(self, event: dict[str, Any]) -> None:
        assert event["name"]
        self.custom.append(event)


def _nulls(value: Any) -> bool:
    """Whether a field is null, where clients take none."""
    if isinstance(value, dict):
        fields = [(name, inner) for name, inner in value.items() if name != "value"]
        return any(inner is None or (name not in FREE and _nulls(inner)) for name, inner in fields)
    return isinstance(value, list) and any(map(_nulls, value))
