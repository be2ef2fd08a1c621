"""What a log tells of each run of its tree, for a process that goes on with it.

Owns two readings of a log that stopped: `Past`, a run's own events and the runs below it, which wait to be taken up
again in the order in which they began; and `Standing`, where an agent's run stood in the middle of its step. All of it
comes from the events alone. It must never decide what happens next: that is `agent_loop`'s, and what a run says first
when it is taken up is `agent_run`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from headwater.errors import InvalidRecord
from headwater.events import (
    ApprovalAsked,
    AttemptFailed,
    AttemptStarted,
    CallStarted,
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Event,
    Handoff,
    InputAsked,
    ReasoningStarted,
    Retracted,
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
from headwater.events.tree import Node, Tree

__all__ = ("Past", "Standing", "past_of")


class Past:
    """One run as its log has left it; `children` are the runs that it began, in order."""

    __slots__ = ("children", "events", "node", "resumed", "stands_since", "taken", "told", "waited")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.events: list[Event] = []
        self.children: list[Past] = []
        self.told = False
        """Whether the run above has told of its end."""
        self.taken = False
        """Whether a run has been made to go on with it."""
        self.resumed = -1
        """The number of the event that told last that the log was taken up again; -1 for none."""
        self.waited = 0.0
        """Seconds for which it stood still: it waited for people, or it was parked."""
        self.stands_since: float | None = None
        """Since when it stands still, in Unix seconds; None where it was at work when its log stopped."""

    @property
    def fold(self) -> Fold:
        """What its events come to."""
        if self.node.fold is None:
            self.node.fold = Fold()
        return self.node.fold

    @property
    def over(self) -> bool:
        """Whether nothing of it is left to be done: it has ended, or was stopped before it began."""
        return self.told or self.fold.end is not None

    @property
    def at_work(self) -> bool:
        """Whether the run itself is in the middle of an answer or a tool; what its runs below do is not counted.

        What had begun before its log was taken up again is at work no more.
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
        """For how many seconds it has stood still, up to `now`, in Unix seconds."""
        return self.waited + (0.0 if self.stands_since is None else max(0.0, now - self.stands_since))

    def child(self, role: str, name: str, call: str | None) -> Past | None:
        """The next run below of that place that nobody has gone on with, which from now on is taken."""
        for child in self.children:
            node = child.node
            if not child.taken and (node.role, node.name, node.call) == (role, name, call):
                child.taken = True
                return child
        return None

    def unbegun(self, name: str) -> Past | None:
        """The next run of the workflow's member of that name, where it could not begin; then it is taken."""
        following = next((one for one in self.children if not one.taken and one.node.name == name), None)
        if following is None or following.node.unbegun is None:
            return None
        following.taken = True
        return following

    def helpers(self) -> Iterator[Past]:
        """The helpers that go on in the log; they are taken from now on."""
        for child in self.children:
            if child.node.role == "helper" and not child.taken and not child.told:
                child.taken = True
                yield child

    def abandoned(self, call: str | None = None) -> Iterator[Past]:
        """The runs below that go on in the log and that nobody has gone on with; they are taken from now on.

        Only those that answer `call`, where one is given.
        """
        for child in self.children:
            if not child.taken and not child.told and call in (None, child.node.call):
                child.taken = True
                yield child


class Record:
    """A whole log, read: the outermost run's past, and what the next event goes on from."""

    __slots__ = ("events", "last", "root")

    def __init__(self, root: Past, events: tuple[Event, ...]) -> None:
        self.root = root
        self.events = events
        self.last = events[-1]

    def questions(self) -> dict[str, ApprovalAsked | InputAsked]:
        """The questions that stand open, by id."""
        found: dict[str, ApprovalAsked | InputAsked] = {}
        runs = [self.root]
        while runs:
            run = runs.pop()
            found.update(run.fold.asked.open)
            runs.extend(run.children)
        return found


def past_of(events: Iterable[Event]) -> Record:
    """Read a log, or any prefix of one that is not empty. Raises InvalidRecord where it cannot be gone on with."""
    log = tuple(events)
    first = log[0] if log else None
    if not isinstance(first, RunStarted):
        raise InvalidRecord(
            "This log does not begin with run.started, so there is no run to go on with.",
            hint="Give all the events of the run, from its first.",
        )
    if first.grammar < 2:
        raise InvalidRecord(
            "This log was written by headwater 0.1, which did not note all that going on needs.",
            hint="Go on from what was said: history=tree_response(log).messages.",
        )
    tree = Tree()
    known: dict[str, Past] = {}
    waiting: dict[str, RunWaiting] = {}
    for number, event in enumerate(log):
        if event.seq != number:
            raise InvalidRecord(
                f"Event {number} of this log bears the number {event.seq}.",
                hint="Give every event of the run, in order; a log without its deltas cannot be gone on with.",
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


def _stand(known: dict[str, Past], waiting: dict[str, RunWaiting], last: float) -> None:
    """The log stops here: who waits stands still since then, and all do where nothing is at work any more."""
    rests = not any(past.at_work for past in known.values())
    for name, past in known.items():
        if (waits := waiting.get(name)) is not None:
            past.stands_since = waits.time
        elif rests:
            past.stands_since = last


def _end_waiting(event: Event, past: Past, known: dict[str, Past], waiting: dict[str, RunWaiting]) -> None:
    """The next event of a run, or of one below it, ends its waiting."""
    if event.type in ("message.received", "warning", "custom", "unknown"):
        return
    run: Past | None = past
    while run is not None:
        if (waits := waiting.pop(run.node.id, None)) is not None:
            run.waited += max(0.0, event.time - waits.time)
        run = known.get(run.node.parent)


class Standing:
    """Where an agent's run stood when its log stopped, beyond what its fold and its loop know."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.call_keys: set[str] = set()
        """The keys of all its calls."""
        self.bad_calls: dict[str, int] = {}
        """By tool: calls in a row whose arguments did not fit."""
        self.retries = 0
        """How many it has made, over all its steps."""
        self.attempt = 0
        """The last attempt of the step."""
        self.failed: AttemptFailed | None = None
        """How that one failed; None where it did not, or has not yet."""
        self.retracted = False
        """Whether what it had shown was taken back."""
        self.tries = 0
        """Retries of the backend that is asked in this step."""
        self.backend = 0
        """Which of the backends is asked: the first, or the so many-th fallback."""
        self.part = 0
        """The first number for a part that is free in the step."""
        self.decided = False
        """Whether anything has been done since the step was finished."""
        self.finished: list[ToolFinished] = []
        """The tools of the step that have ended."""
        self.handoff: Handoff | None = None
        for event in events:
            self._add(event)

    @property
    def failure(self) -> ErrorInfo | None:
        """What the run is to fail with: the last attempt failed, and nothing was to repair it."""
        return self.failed.error if self.failed is not None and self.failed.then == "raise" else None

    @property
    def cause(self) -> Literal["first", "retry", "fallback", "restart", "resume", "guard"]:
        """Why the next attempt of the step is made."""
        if self.failed is None or self.failed.then == "raise":
            return "first"
        return self.failed.then

    def taken_back(self, fold: Fold, step: int) -> list[Event]:
        """The events that end the attempt that was going on, if one was, and take back what was heard of it."""
        events: list[Event] = []
        if fold.in_attempt is not None:
            error = ErrorInfo(type="Interrupted", message="The process that listened to this answer ended.")
            events += fold.closing_step(error.message)
            if (estimate := fold.estimate()) is not None:
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


_DECISIONS = frozenset({"tool.started", "approval.asked", "message.added", "child.started", "run.waiting"})
"""What shows that something was made of a finished step."""
