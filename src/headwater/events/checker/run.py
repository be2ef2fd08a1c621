"""Checks one run of a log: its end, its waiting, and the messages that people send it.

Owns what concerns the run as a whole; the modules `steps`, `tools` and `children` check those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from headwater.events.checker.children import CHILD_HANDLERS, Child, Children
from headwater.events.checker.rules import LogError, check_usage
from headwater.events.checker.steps import STEP_HANDLERS, Steps
from headwater.events.checker.tools import TOOL_HANDLERS, Tools
from headwater.events.fold import Fold
from headwater.events.types import (
    Custom,
    Event,
    GuardTripped,
    Handoff,
    MessageAdded,
    MessageReceived,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStarted,
    RunWaiting,
    StepStarted,
    ToolFinished,
    Unknown,
    Warned,
)

__all__ = ("Run",)

_QUIET = (MessageReceived, Warned, Custom, Unknown)
"""Events that may reach a waiting run without waking it."""


class Run:
    """The state of one run. `above` is its parent, `child` its entry there."""

    def __init__(
        self, started: RunStarted, *, above: Run | None = None, child: Child | None = None, trimmed: bool = False
    ) -> None:
        self.id: str = started.run
        self.path: tuple[str, ...] = started.path
        self.strict: bool = started.grammar > 1
        """Whether it follows grammar 2."""
        self.over: bool = False
        self.waiting: bool = False
        """Whether it reported that it waits, and nothing has happened in it or below since."""
        self.end: RunFinished | RunFailed | RunCancelled | None = None
        self._above = above
        self._successor = above is not None and above.strict and child is not None and child.started.role == "handoff"
        self._trimmed = trimmed
        self._fold = Fold()
        helper = self.strict and child is not None and child.started.role == "helper"
        self.steps: Steps = Steps(
            self._fold,
            strict=self.strict,
            # Whether its text counts as its parent's, so that it may continue the text there.
            goes_on=started.parent is not None and started.call is None and not helper,
            trimmed=trimmed,
        )
        self.tools: Tools = Tools(self.steps, run=self.id, strict=self.strict)
        self.children: Children = Children(started, self.tools, strict=self.strict)
        self._unheard: set[str] = set()

    def add(self, event: Event) -> None:
        """Checks the next event of this run."""
        kind = event.__class__
        if self.waiting and kind not in _QUIET:
            self.waiting = False
        above = self._above
        while above is not None:
            if above.waiting and kind not in _QUIET:
                above.waiting = False
            above = above._above
        if found := _HANDLERS.get(kind):
            part, handler = found
            handler(getattr(self, part) if part else self, event)
        self._fold.add(event)

    def begin_child(self, child: Child, event: RunStarted) -> Run:
        """Returns the run that this one has announced."""
        if event.path[:-1] != self.path or event.path[-1:] != (child.started.name,):
            raise LogError("path", f"{(*self.path, child.started.name)!r} was expected, not {event.path!r}", event)
        if (event.parent, event.call) != (self.id, child.started.call):
            raise LogError("child", f"it names as its parent {event.parent!r}, and as its call {event.call!r}", event)
        run = Run(event, above=self, child=child, trimmed=self._trimmed)
        child.run = run
        return run

    def interrupt(self) -> None:
        """The log is resumed: whatever was running was interrupted."""
        if self.strict and not self.over:
            self.steps.interrupt()
            self.tools.interrupt()

    def rests(self) -> bool:
        """Whether nothing in it is running, so that its log may stop here."""
        if self.over:
            return True
        resting = [child for child in self.children.open.values() if child.run is None or child.run.rests()]
        if self.steps.at_work or len(resting) < len(self.children.open):
            return False
        return self.tools.working <= self._waited_for(resting)

    def _waited_for(self, children: list[Child]) -> set[str | None]:
        """Returns the calls whose tools wait for an answer, or for one of these children."""
        return {*self.tools.inputs.values(), *self.tools.approvals.values(), *(one.started.call for one in children)}

    # --- waiting and resuming

    def _resumed(self, event: RunResumed) -> None:
        if self.strict and self._above is not None:
            raise LogError("resumed", f"run {self.id!r} is not the outermost", event)

    def _waits(self, event: RunWaiting) -> None:
        if not self.strict:
            return
        if self.steps.open is not None:
            raise LogError("waiting", f"step {self.steps.open.number} is not finished", event)
        waiting = []
        for name, child in self.children.open.items():
            if child.run is None or not child.run.waiting:
                raise LogError("waiting", f"child {name!r} does not wait", event)
            waiting.append(child)
        tools = self.tools
        if busy := (tools.working | tools.lost) - self._waited_for(waiting):
            raise LogError("waiting", f"the tool of call {min(busy)!r} does not wait", event)
        due = {*tools.approvals, *tools.inputs, *self.children.open}
        if set(event.ids) != due or len(event.ids) != len(due):
            raise LogError("waiting", f"it waits for {event.ids!r}, but {sorted(due)!r} was expected", event)
        on = "approval" if tools.approvals else "input" if tools.inputs else "children" if waiting else "time"
        if event.on != on:
            raise LogError("waiting", f"it waits on {event.on!r}, but {on!r} was expected", event)
        if on == "time" and event.until is None:
            raise LogError("waiting", "it does not say until when", event)
        self.waiting = True

    # --- messages

    def _message_received(self, event: MessageReceived) -> None:
        if self.strict and not event.key:
            raise LogError("heard", "it has no key", event)
        self._unheard.add(event.key)

    def _message_added(self, event: MessageAdded) -> None:
        self._check_between_steps(event)
        if self.strict:
            self._check_replaces(event)
        if event.cause != "compact":
            self.steps.hear()
        if event.key and self.strict:
            run: Run | None = self
            while run is not None and event.key not in run._unheard:
                run = run._above if run._successor else None
            if run is None:
                raise LogError("heard", f"message {event.key!r} was not received, or was added before", event)
            run._unheard.remove(event.key)

    def _check_replaces(self, event: MessageAdded) -> None:
        replaces, there_are = event.message.replaces, len(self._fold.messages)
        if replaces and event.cause != "compact":
            raise LogError("compact", f"its cause is {event.cause!r}, but it replaces {replaces} messages", event)
        if not 0 <= replaces <= there_are:
            raise LogError("compact", f"it replaces {replaces} messages, but there are {there_are}", event)

    # --- steps and the end

    def _step_started(self, event: StepStarted) -> None:
        self.steps.begin(event)
        self.tools.check_settled(event)
        self.children.check_here(event)

    def _tool_finished(self, event: ToolFinished) -> None:
        self.tools.finish(event)
        self.children.check_none_below(event)

    def _handoff(self, event: Handoff) -> None:
        self._check_between_steps(event)
        self.children.hand_over()

    def _check_between_steps(self, event: MessageAdded | Handoff) -> None:
        if self.steps.open is not None:
            raise LogError("settled", f"step {self.steps.open.number} is not finished", event)
        self.tools.check_settled(event)
        self.children.check_here(event)

    def _guard_tripped(self, event: GuardTripped) -> None:
        if not self.strict:
            return
        step, call = event.step, event.call
        if step is not None and not 1 <= step <= self.steps.number:
            raise LogError("guard", f"there is no step {step}", event)
        if call is not None and (call not in self.steps.calls or step not in (None, self.steps.calls[call].step)):
            raise LogError("guard", f"there is no call {call!r} in that step", event)
        if event.action == "retry":
            self.steps.ask_again(event)

    def _ended(self, event: RunFinished | RunFailed | RunCancelled) -> None:
        if self.steps.open is not None:
            raise LogError("step", f"step {self.steps.open.number} is not finished", event)
        self.tools.check_settled(event)
        if self.children.open:
            raise LogError("child", f"child {next(iter(self.children.open))!r} is not finished", event)
        if isinstance(event, RunFinished):
            self._check_outcome(event)
            if self.strict:
                self.children.check_answer(event)
        check_usage(event, event.usage, self._fold.usage)
        self.steps.check_transcript(event)
        self.end = event
        self.over = True

    def _check_outcome(self, event: RunFinished) -> None:
        if self.children.conversation != "here":
            if not self.strict:
                return
            due = self.children.last_word(event)
        elif self.steps.number:
            due = self.steps.finish_reason
        else:
            return
        if self.strict and event.finish_reason == "tool_calls" and self.tools.has_client_calls:
            return  # the client has to run them, whatever finish reason the provider reported
        if event.finish_reason != due:
            raise LogError("outcome", f"its finish reason is {event.finish_reason!r}, not {due!r}", event)


_Found: TypeAlias = tuple[str, Callable[[Any, Any], None]]
_HANDLERS: Final[dict[type[Event], _Found]] = {
    **{kind: ("steps", handler) for kind, handler in STEP_HANDLERS.items()},
    **{kind: ("tools", handler) for kind, handler in TOOL_HANDLERS.items()},
    **{kind: ("children", handler) for kind, handler in CHILD_HANDLERS.items()},
    RunFinished: ("", Run._ended),
    RunFailed: ("", Run._ended),
    RunCancelled: ("", Run._ended),
    RunResumed: ("", Run._resumed),
    RunWaiting: ("", Run._waits),
    StepStarted: ("", Run._step_started),
    ToolFinished: ("", Run._tool_finished),
    Handoff: ("", Run._handoff),
    GuardTripped: ("", Run._guard_tripped),
    MessageReceived: ("", Run._message_received),
    MessageAdded: ("", Run._message_added),
}
