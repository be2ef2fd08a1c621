"""A run as a task of A2A: its state, its answer as an artifact, and the updates by which a stream tells them.

Pure: `Telling` is called with every event, and a task read at any time is what its updates add up to.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    InputAnswered,
    InputAsked,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
)
from headwater.web.wires.questions import Questions
from headwater.web.wires.voice import Voice
from headwater.web.wires.wire import Map, Wire

__all__ = ("LAST", "STATES", "Telling", "task_of", "task_wire")

LAST: Final = b": end\n\n"
"""What ends a stream: a comment after the last update."""

STATES: Final = {
    "queued": "TASK_STATE_SUBMITTED",
    "running": "TASK_STATE_WORKING",
    "waiting": "TASK_STATE_INPUT_REQUIRED",
    "finished": "TASK_STATE_COMPLETED",
    "failed": "TASK_STATE_FAILED",
    "cancelled": "TASK_STATE_CANCELED",
}

_ANSWER: Final = "answer"


class Telling:
    """Call `add` with every event of a run; `task` and `context` are its ids in the protocol."""

    def __init__(self, task: str, context: str) -> None:
        self._task = task
        self._context = context
        self._voice = Voice()
        self._questions = Questions()
        self._text = ""
        self._data: list[Any] = []
        self._status: dict[str, Any] = {"state": STATES["queued"]}
        self.rests: bool = False
        """Whether a stream ends here: the run is over, or waits for people alone."""

    def add(self, event: Event) -> list[dict[str, Any]]:
        """Take in the next event; returns the updates that it is."""
        said = "".join(one.text for one in self._voice(event) if one.kind != "reasoning")
        updates = [self._artifact({"text": said}, append=bool(self._text))] if said else []
        self._text += said
        self.rests = False
        waits = self._questions.add(event)
        root = self._voice.tree.root
        if waits:
            self.rests = True
            updates.append(self._now("waiting", event, self._asked()))
        elif isinstance(event, (ApprovalAnswered, InputAnswered)):
            if self._status["state"] == STATES["waiting"] and not self._questions.open:
                updates.append(self._now("running", event))
        elif root is not None and event.run == root.id:
            updates += self._of_root(event)
        return updates

    def _of_root(self, event: Event) -> list[dict[str, Any]]:
        """What an event of the outermost run is, if it begins or ends it."""
        if isinstance(event, RunStarted):
            return [self._now("running", event)]
        self.rests = isinstance(event, (RunFinished, RunFailed, RunCancelled))
        if isinstance(event, RunFailed):
            return [self._now("failed", event, [{"text": event.error.message}])]
        if isinstance(event, RunCancelled):
            return [self._now("cancelled", event, [{"text": f"The run was cancelled ({event.by})."}])]
        if not isinstance(event, RunFinished):
            return []
        updates = []
        if event.output is not msgspec.UNSET:
            self._data.append(event.output)
            updates.append(self._artifact({"data": event.output}, append=bool(self._text)))
        return [*updates, self._now("finished", event)]

    def _artifact(self, part: dict[str, Any], *, append: bool) -> dict[str, Any]:
        told = {"artifact": {"artifactId": _ANSWER, "parts": [part]}, "append": append}
        return {"artifactUpdate": {"taskId": self._task, "contextId": self._context, **told}}

    def _now(self, state: str, event: Event, parts: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        self._status = {"state": STATES[state], "timestamp": _moment(event.time)}
        if parts:
            ids = {"messageId": f"{self._task}-{event.seq}", "taskId": self._task, "contextId": self._context}
            self._status["message"] = {**ids, "role": "ROLE_AGENT", "parts": parts}
        return {"statusUpdate": {"taskId": self._task, "contextId": self._context, "status": self._status}}

    def _asked(self) -> list[dict[str, Any]]:
        """What people are asked: each question in words, and as data."""
        return [part for one in self._questions.open.values() for part in _question(one)]

    def task(self, *, artifacts: bool = True) -> dict[str, Any]:
        """The task as it is by now."""
        told: dict[str, Any] = {"id": self._task, "contextId": self._context, "status": self._status}
        parts = [*([{"text": self._text}] if self._text else []), *({"data": one} for one in self._data)]
        if parts and artifacts:
            told["artifacts"] = [{"artifactId": _ANSWER, "parts": parts}]
        return told


def _question(asked: ApprovalAsked | InputAsked) -> list[dict[str, Any]]:
    """A question in words, and as data."""
    told: dict[str, Any] = {"agent": asked.agent, "tool": asked.name}
    if isinstance(asked, ApprovalAsked):
        arguments = json.dumps(asked.arguments, ensure_ascii=False, default=str)
        why = f" {asked.reason}" if asked.reason else ""
        words = f"{asked.agent} wants to run {asked.name} with {arguments}.{why} Allow it?"
        data = {"id": asked.approval, "kind": "approval", "arguments": asked.arguments, **told}
    else:
        words = asked.message
        data = {"id": asked.input, "kind": "input", "schema": asked.schema, "url": asked.url, **told}
    return [{"text": words}, {"data": {name: value for name, value in data.items() if value != ""}}]


def _moment(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def task_of(events: Iterable[Event], task: str, context: str, *, artifacts: bool = True) -> dict[str, Any]:
    """The task that a log comes to."""
    telling = Telling(task, context)
    for event in events:
        telling.add(event)
    return telling.task(artifacts=artifacts)


def _frame(update: dict[str, Any], rpc: tuple[Any] | None) -> bytes:
    told = update if rpc is None else {"jsonrpc": "2.0", "id": rpc[0], "result": update}
    return b"data: " + msgspec.json.encode(told, enc_hook=str) + b"\n\n"


def task_wire(key: int, task: dict[str, Any], rpc: tuple[Any] | None) -> Wire:
    """The stream of a task, which begins with the task as it is; `rpc` holds the id of a JSON-RPC request."""

    def make() -> Map:
        telling = Telling(task["id"], task["contextId"])

        def frame_of(event: Event) -> bytes:
            frames = b"".join(_frame(update, rpc) for update in telling.add(event))
            return frames + LAST if telling.rests else frames

        return frame_of

    return Wire(
        key=("a2a", key),
        make=make,
        media_type="text/event-stream",
        hello=_frame({"task": task}, rpc),
        idle=b": \n\n",
        last=LAST,
    )
