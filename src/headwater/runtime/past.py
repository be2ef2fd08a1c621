"""Restores the state of each run in a tree from its log, for a process that resumes it.

Owns two readings of a log that stopped: `Past`, a run's own events and its child runs, which are resumed in the order
in which they started; and `Standing`, the state of an agent's run in the middle of its step. Both come from the events
alone. It must never decide what happens next: `agent_loop` does, and `agent_run` creates the first events of a resumed
run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import msgspec

from headwater.errors import ConfigurationError, InvalidRecord
from headwater.events import (
    ApprovalAsked,
    AttemptFailed,
    AttemptStarted,
    CallStarted,
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Event,
    GuardTripped,
    Handoff,
    InputAsked,
    MessageAdded,
    ReasoningStarted,
    Retracted,
    RunFinished,
    RunResumed,
    RunStarted,
    RunWaiting,
    StepFinished,
    StepStarted,
    TextStarted,
    ToolFinished,
)
from headwater.events.fold import Fold
from headwater.events.messages import Usage
from headwater.events.questions import Question
from headwater.events.tree import Node, Tree

__all__ = ("Past", "Standing", "past_of")


class Past:
    """The state of one run from its log; `children` are the runs that it started, in order."""

    __slots__ = ("children", "events", "node", "resumed", "stands_since", "taken", "told", "waited")

    def __init__(self, node: Node) -> None:
        self.node: Node = node
        self.events: list[Event] = []
        self.children: list[Past] = []
        self.told: bool = False
        """Whether the parent has reported its end."""
        self.taken: bool = False
        """Whether a run was created to continue it."""
        self.resumed: int = -1
        """The number of the last event that resumed the log; -1 for none."""
        self.waited: float = 0.0
        """Seconds for which it paused: it waited for people, or it was parked."""
        self.stands_since: float | None = None
        """The start of its pause, in Unix seconds; None if it was running when its log stopped."""

    @property
    def fold(self) -> Fold:
        """The fold of its events."""
        if self.node.fold is None:
            self.node.fold = Fold()
        return self.node.fold

    @property
    def over(self) -> bool:
        """Whether nothing is left to do: it has ended, or was stopped before it started."""
        return self.told or self.fold.end is not None

    @property
    def at_work(self) -> bool:
        """Whether the run itself is in the middle of an answer or a tool; child runs do not count.

        Anything that started before its log was resumed was interrupted.
        """
        fold = self.fold
        if self.over:
            return False
        if fold.in_step is not None:
            asked = next(event for event in reversed(self.events) if isinstance(event, (AttemptStarted, StepStarted)))
            return asked.seq > self.resumed
        waits = {asked.call for asked in fold.asked.open.values()}
        waits.update(child.node.call for child in self.children if not child.told and child.node.call is not None)
        begun = (call for call in fold.open_calls() if call.started is not None and call.started.seq > self.resumed)
        return any(call.key not in waits for call in begun)

    def stood(self, now: float) -> float:
        """Returns the seconds for which it has paused, up to `now` (Unix seconds)."""
        return self.waited + (0.0 if self.stands_since is None else max(0.0, now - self.stands_since))

    def child(self, role: str, name: str, call: str | None) -> Past | None:
        """Takes and returns the next child run at that place that was not continued yet."""
        for child in self.children:
            node = child.node
            if not child.taken and (node.role, node.name, node.call) == (role, name, call):
                child.taken = True
                return child
        return None

    def unbegun(self, name: str) -> Past | None:
        """Takes and returns the next run of the workflow's member of that name, if it could not start."""
        following = next((one for one in self.children if not one.taken and one.node.name == name), None)
        if following is None or following.node.unbegun is None:
            return None
        following.taken = True
        return following

    def helpers(self) -> Iterator[Past]:
        """Takes and returns the helpers that are open in the log.

        Those that failed are taken too, and those whose result was used: only the others answer from the log.
        """
        used = max((event.seq for event in self.events if _is_compaction(event)), default=-1)
        for child in self.children:
            if child.node.role != "helper" or child.taken:
                continue
            end = child.fold.end
            if not child.told or not isinstance(end, RunFinished) or end.seq < used:
                child.taken = True
            if not child.told:
                yield child

    def abandoned(self, call: str | None = None) -> Iterator[Past]:
        """Takes and returns the open child runs that were not continued.

        Only those that answer `call`, if given.
        """
        for child in self.children:
            if not child.taken and not child.told and call in (None, child.node.call):
                child.taken = True
                yield child


class Record:
    """A whole log: the outermost run's past, and the state for the next event."""

    __slots__ = ("events", "last", "root")

    def __init__(self, root: Past, events: tuple[Event, ...]) -> None:
        self.root: Past = root
        self.events: tuple[Event, ...] = events
        self.last: Event = events[-1]

    @property
    def pending(self) -> tuple[Question, ...]:
        """The open questions of the whole tree, in the order in which they were asked; () once it has ended."""
        if self.root.over:
            return ()
        return tuple(Question.of(event) for event in sorted(self.questions().values(), key=lambda event: event.seq))

    def questions(self) -> dict[str, ApprovalAsked | InputAsked]:
        """The open questions, by id."""
        found: dict[str, ApprovalAsked | InputAsked] = {}
        runs = [self.root]
        while runs:
            run = runs.pop()
            found.update(run.fold.asked.open)
            runs.extend(run.children)
        return found


def past_of(events: Iterable[Event]) -> Record:
    """Reads a log, or any non-empty prefix of one. Raises InvalidRecord if it cannot be resumed, and ConfigurationError
    if these are not events.
    """
    log = _events(events)
    first = log[0] if log else None
    if not isinstance(first, RunStarted):
        raise InvalidRecord(
            "This log does not start with run.started, so there is no run to resume.",
            hint="Pass all events of the run, from the first one.",
        )
    if first.grammar < 2:
        raise InvalidRecord(
            "This log was written by headwater 0.1, which did not record everything that resuming needs.",
            hint="Continue from its messages: history=tree_response(log).messages.",
        )
    tree = Tree()
    known: dict[str, Past] = {}
    waiting: dict[str, RunWaiting] = {}
    for number, event in enumerate(log):
        if event.seq != number:
            raise InvalidRecord(
                f"Event {number} of this log has the number {event.seq}.",
                hint="Pass every event of the run, in order; a log without its deltas cannot be resumed.",
            )
        tree.add(event)
        past = known.get(event.run)
        if past is None:
            past = known[event.run] = Past(tree.node(event))
        if isinstance(event, ChildStarted):
            child = known[event.child] = Past(tree.nodes[event.child])
            past.children.append(child)
        elif isinstance(event, ChildFinished) and event.child in known:
            known[event.child].told = True
        if isinstance(event, RunResumed):
            _stand(known, waiting, log[number - 1].time)
            for one in known.values():
                one.waited, one.stands_since, one.resumed = one.stood(event.time), None, number
            waiting.clear()
        elif waiting:
            _end_waiting(event, past, known, waiting)
        if isinstance(event, RunWaiting):
            waiting[event.run] = event
        past.events.append(event)
        past.fold.add(event)
    _stand(known, waiting, log[-1].time)
    return Record(known[first.run], log)


def _events(events: Any) -> tuple[Event, ...]:
    if not isinstance(events, Iterable):
        raise _no_log(f"is of type {type(events).__name__}")
    log = tuple(events)
    for event in log:
        if not isinstance(event, Event):
            raise _no_log(f"contains an object of type {type(event).__name__}")
    return log


def _no_log(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The log to resume {what}.", hint="Pass the run's events: stream.log, error.log, or RunFile(path).events."
    )


def _stand(known: dict[str, Past], waiting: dict[str, RunWaiting], last: float) -> None:
    """Handles the end of the log: waiting runs pause since then, and all runs do if nothing is running any more."""
    rests = not any(past.at_work for past in known.values())
    for name, past in known.items():
        if (waits := waiting.get(name)) is not None:
            past.stands_since = waits.time
        elif rests:
            past.stands_since = last


def _end_waiting(event: Event, past: Past, known: dict[str, Past], waiting: dict[str, RunWaiting]) -> None:
    """Ends the waiting of a run at its next event, or that of a child run."""
    if event.type in ("message.received", "warning", "custom", "unknown"):
        return
    run: Past | None = past
    while run is not None:
        if (waits := waiting.pop(run.node.id, None)) is not None:
            run.waited += max(0.0, event.time - waits.time)
        run = known.get(run.node.parent)


class Standing:
    """The state of an agent's run when its log stopped, in addition to its fold and its loop."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.call_keys: set[str] = set()
        """The keys of all its calls."""
        self.bad_calls: dict[str, int] = {}
        """By tool: invalid calls in a row."""
        self.retries: int = 0
        """Number of retries over all its steps."""
        self.attempt: int = 0
        """The last attempt of the step."""
        self.failed: AttemptFailed | None = None
        """Its failure; None if it has not failed."""
        self.retracted: bool = False
        """Whether its shown text was retracted."""
        self.tries: int = 0
        """Retries of the current backend in this step."""
        self.backend: int = 0
        """The index of the current backend: 0 for the first, then the fallbacks."""
        self.part: int = 0
        """The first unused part number in the step."""
        self.decided: bool = False
        """Whether anything has happened since the step was finished."""
        self.finished: list[ToolFinished] = []
        """The tools of the step that have ended."""
        self.handoff: Handoff | None = None
        self.notes: list[str] = []
        """The reasons of guards for asking again in this step."""
        for event in events:
            self._add(event)

    @property
    def failure(self) -> ErrorInfo | None:
        """Returns the error that the run has to fail with: the last attempt failed without a retry."""
        return self.failed.error if self.failed is not None and self.failed.then == "raise" else None

    @property
    def fatal(self) -> ErrorInfo | None:
        """Returns the error that the run has to fail with: a tool of the step ended it."""
        return next((end.failure for end in self.finished if end.failure is not None), None)

    @property
    def cause(self) -> Literal["first", "retry", "fallback", "restart", "resume", "guard"]:
        """Returns the cause of the step's next attempt."""
        if self.failed is None or self.failed.then == "raise":
            return "first"
        return self.failed.then

    def taken_back(self, fold: Fold, step: int, priced: Callable[[Usage], Usage] | None = None) -> list[Event]:
        """Returns the events that end the open attempt, if any, and retract its text.

        `priced` adds the cost to the attempt's estimated usage.
        """
        events: list[Event] = []
        if fold.in_attempt is not None:
            error = ErrorInfo(type="Interrupted", message="The process that received this answer ended.")
            events += fold.closing_step(error.message)
            if (estimate := fold.estimate()) is not None:
                if priced is not None and estimate.usage:
                    estimate = msgspec.structs.replace(estimate, usage=priced(estimate.usage))
                events.append(estimate)
            usage = estimate.usage if estimate is not None else fold.reported or Usage()
            failed = AttemptFailed(step=step, attempt=self.attempt, error=error, then="resume", usage=usage)
            self._failed(failed)
            events.append(failed)
        if fold.visible and not self.retracted:
            cause = self.failed.error.type if self.failed is not None else ""
            events.append(Retracted(step=step, attempt=self.attempt, chars=fold.shown_chars, cause=cause))
        return events

    def _add(self, event: Event) -> None:
        match event:
            case StepStarted():
                self.attempt = self.tries = self.backend = self.part = 0
                self.failed, self.finished = None, []
                self.decided = False
                self.notes = []
            case GuardTripped(action="retry") if event.on != "result":
                self.notes.append(event.note)
            case AttemptStarted():
                self.attempt, self.failed, self.retracted = event.attempt, None, False
            case AttemptFailed():
                self._failed(event)
            case Retracted():
                self.retracted = True
            case TextStarted() | ReasoningStarted():
                self.part = max(self.part, event.part + 1)
            case CallStarted():
                self.call_keys.add(event.call)
            case ToolFinished():
                self.finished.append(event)
                self.bad_calls[event.name] = self.bad_calls.get(event.name, 0) + 1 if event.invalid else 0
                self.decided = True
            case Handoff():
                self.handoff = event
                self.decided = True
            case StepFinished():
                self.decided = False
            case MessageAdded() if _is_compaction(event):
                self.failed, self.decided = None, True
            case _:
                self.decided = self.decided or event.type in _DECISIONS

    def _failed(self, event: AttemptFailed) -> None:
        self.failed = event
        if event.then in ("retry", "restart"):
            self.tries += 1
            self.retries += 1
        elif event.then == "fallback":
            self.tries = 0
            self.backend += 1


def _is_compaction(event: Event) -> bool:
    return isinstance(event, MessageAdded) and event.cause == "compact"


_DECISIONS = frozenset({"tool.started", "approval.asked", "message.added", "child.started", "run.waiting"})
"""Events which show that a finished step was processed."""
