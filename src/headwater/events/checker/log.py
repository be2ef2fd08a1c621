"""Reading a whole log, an event at a time: numbers, times, and which run each event is of.

Owns what holds for the log as a whole. What holds within a run is `run`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from headwater.events.checker.rules import LogError
from headwater.events.checker.run import Run
from headwater.events.types import Event, MessageReceived, RunResumed, RunStarted

__all__ = ("LogChecker", "check_log")


def check_log(events: Iterable[Event], *, parked: bool = False, trimmed: bool = False) -> None:
    """Check a whole log, of one run or of a tree of them. Raises LogError for the first breach. Source: spec/00.

    `parked`: it may also stop where nothing is at work, so that it can be taken up again. `trimmed`: its deltas were
    left out, and its numbers have gaps where they stood.
    """
    checker = LogChecker(trimmed=trimmed)
    for event in events:
        checker.add(event)
    checker.finish(parked=parked)


class LogChecker:
    """`check_log` an event at a time, so that a live stream can be held to the rules.

    After a LogError it is of no further use.
    """

    def __init__(self, *, trimmed: bool = False) -> None:
        self._trimmed = trimmed
        self._seq = 0
        self._time = float("-inf")
        self._runs: dict[str, Run] = {}
        self._outermost: Run | None = None
        self._keys: set[str] = set()
        """The keys of the messages that were received."""

    def add(self, event: Event) -> None:
        """Take in the next event. Raises LogError where it may not stand there."""
        if event.seq != self._seq and not (self._trimmed and event.seq > self._seq > 0):
            raise LogError("seq", f"number {self._seq} was due", event)
        if not event.time >= self._time:
            raise LogError("time", f"its time {event.time!r} is before {self._time!r}", event)
        self._seq, self._time = event.seq + 1, event.time
        run = self._runs.get(event.run)
        if run is None:
            run = self._runs[event.run] = self._begin(event)
        elif isinstance(event, RunStarted):
            raise LogError("begin", f"run {event.run!r} was started before", event)
        elif run.over:
            raise LogError("end", f"run {event.run!r} is over", event)
        if event.path != run.path:
            raise LogError("path", f"its path is {event.path!r}, its run's is {run.path!r}", event)
        run.add(event)
        if isinstance(event, RunResumed) and run is self._outermost:
            for one in self._runs.values():
                one.interrupt()
        elif isinstance(event, MessageReceived) and run.strict:
            if event.key in self._keys:
                raise LogError("heard", f"message {event.key!r} was received before", event)
            self._keys.add(event.key)

    def finish(self, *, parked: bool = False) -> None:
        """The log has ended. Raises LogError where it holds no run, or one that has no end.

        Where it may be `parked`, that is one in which something is at work.
        """
        if not self._runs:
            raise LogError("begin", "it holds nothing")
        for name, run in self._runs.items():
            if not run.over and not parked:
                raise LogError("end", f"run {name!r} has no end")
            if not run.rests():
                raise LogError("end", f"run {name!r} has no end, and something in it is at work")

    def _begin(self, event: Event) -> Run:
        if not isinstance(event, RunStarted):
            raise LogError("begin", f"nothing of run {event.run!r} may stand before its run.started", event)
        if self._outermost is None:
            self._outermost = Run(event, trimmed=self._trimmed)
            return self._outermost
        named = self._runs.get(event.parent or "")
        for above in chain(() if named is None else (named,), self._runs.values()):
            child = above.children.open.get(event.run)
            if child is not None and not above.over:
                return above.begin_child(child, event)
        raise LogError("child", f"no run that is going on has started run {event.run!r}", event)
