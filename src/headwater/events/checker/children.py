"""Checks the child runs of a run: their place, their role, and whose answer is the run's.

Owns the rules child, role, after, handoff and answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

from headwater.events.checker.rules import LogError, check_usage
from headwater.events.checker.tools import Tools
from headwater.events.types import (
    ChildFinished,
    ChildStarted,
    End,
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    ToolFinished,
)

__all__ = ("CHILD_HANDLERS", "Below", "Child", "Children")


class Below(Protocol):
    """The part of a child run that is needed here."""

    @property
    def end(self) -> End | None:
        """Its end, once there is one."""

    @property
    def waiting(self) -> bool:
        """Whether it reported that it waits."""

    def rests(self) -> bool:
        """Whether nothing in it is running."""


class Child:
    """A child run as its parent knows it; `run` is None until it starts."""

    __slots__ = ("finished", "run", "started")

    def __init__(self, started: ChildStarted) -> None:
        self.started: ChildStarted = started
        self.finished: ChildFinished | None = None
        self.run: Below | None = None


class Children:
    """The children of one run."""

    def __init__(self, started: RunStarted, tools: Tools, *, strict: bool) -> None:
        self.open: dict[str, Child] = {}
        """The open ones."""
        self.conversation: Literal["here", "handed over", "followed"] = "here"
        """Who has the conversation: this run, nobody yet, or the successor."""
        self._successor: Child | None = None
        self._tools = tools
        self._strict = strict
        self._workflow = started.workflow is not None
        self._all: dict[str, ChildStarted] = {}
        self._finished: set[str] = set()
        """The members that finished."""
        self._led_on: set[str] = set()
        """Those whose answers are part of another run's task."""

    def _child_started(self, event: ChildStarted) -> None:
        if event.child in self._all:
            raise LogError("child", f"child {event.child!r} was started before", event)
        if event.call is not None and event.call not in self._tools.working:
            raise LogError("child", f"the tool of its call {event.call!r} is not running", event)
        if self._strict:
            self._check_role(event)
            for run in event.after:
                if run not in self._finished:
                    raise LogError("after", f"run {run!r} is not a finished member", event)
            self._led_on.update(event.after)
        self._all[event.child] = event
        child = self.open[event.child] = Child(event)
        if event.role == "handoff":
            self.conversation, self._successor = "followed", child

    def _check_role(self, event: ChildStarted) -> None:
        role = event.role
        if (role == "tool") != (event.call is not None):
            raise LogError("role", f"its role is {role!r}, and its call {event.call!r}", event)
        if role == "handoff" and self.conversation == "here":
            raise LogError("role", "no handoff precedes it", event)
        if role == "handoff" and self.conversation == "followed":
            raise LogError("handoff", "another run followed the handoff already", event)
        if role == "member" and not self._workflow:
            raise LogError("role", "it is a member, but its run is not a workflow", event)

    def _child_finished(self, event: ChildFinished) -> None:
        child = self.open.pop(event.child, None)
        if child is None:
            raise LogError("child", f"child {event.child!r} is not open", event)
        child.finished = event
        if (event.name, event.call) != (child.started.name, child.started.call):
            raise LogError("child", "its name and call are not those of its child.started", event)
        if self._strict and event.error is not None and (child.run is not None or event.outcome != "failed"):
            raise LogError("child", "only a child that could not start has an error here", event)
        if child.run is None:
            if event.outcome == "finished":
                raise LogError("child", "it never started, so it cannot have finished", event)
            return
        end = child.run.end
        if end is None:
            raise LogError("child", f"run {event.child!r} has not ended", event)
        if end.type != f"run.{event.outcome}":
            raise LogError("child", f"it ended with {end.type}, not as {event.outcome}", event)
        if event.outcome == "finished" and child.started.role == "member":
            self._finished.add(event.child)
        check_usage(event, event.usage, end.usage)

    def check_none_below(self, event: ToolFinished) -> None:
        """Checks a tool's end against the children that answer its call."""
        for name, child in self.open.items():
            if child.started.call == event.call:
                raise LogError("child", f"child {name!r} of this call is not finished", event)

    # --- the conversation, and whose text counts

    def hand_over(self) -> None:
        """The conversation is handed to another run."""
        self.conversation = "handed over"

    def check_here(self, event: Event) -> None:
        """Checks that the conversation was not handed over, for an event that continues it."""
        if self._strict and self.conversation != "here":
            raise LogError("handoff", "the conversation was handed over before", event)

    def last_word(self, event: RunFinished) -> str | None:
        """The finish reason of a run that handed over: that of its successor."""
        successor = self._successor
        finished = successor.finished if successor is not None else None
        if successor is None or finished is None:
            raise LogError("handoff", "the conversation was handed over, but no run followed", event)
        end = successor.run.end if successor.run is not None else None
        if finished.outcome == "failed" or isinstance(end, RunFailed):
            raise LogError("handoff", f"run {finished.child!r}, which it was handed to, failed", event)
        if isinstance(end, RunFinished):
            return end.finish_reason
        return "cancelled" if isinstance(end, RunCancelled) else event.finish_reason  # stopped before it started

    def check_answer(self, event: RunFinished) -> None:
        """Checks a run's end against the children whose text may be its own."""
        speakers = {name: child for name, child in self._all.items() if child.role in ("member", "handoff")}
        for run in event.answer:
            if run not in speakers:
                raise LogError("answer", f"run {run!r} is neither a member nor a successor", event)
            if speakers[run].final is False:
                raise LogError("answer", f"the answer of run {run!r} was declared not to be the workflow's", event)
            if run in self._led_on:
                raise LogError("answer", f"the answer of run {run!r} is part of another run's task", event)
        if len(set(event.answer)) < len(event.answer):
            raise LogError("answer", "it names a run twice", event)
        if speakers and not event.answer:
            raise LogError("answer", "it does not say whose answer is its own", event)


CHILD_HANDLERS: Final[dict[type[Event], Callable[[Children, Any], None]]] = {
    ChildStarted: Children._child_started,
    ChildFinished: Children._child_finished,
}
