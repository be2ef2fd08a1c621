"""Checks a whole log, one event at a time: numbers, times, and the run of each event.

Owns the rules for the log as a whole; those within a run are in `run`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from headwater.events.checker.rules import LogError
from headwater.events.checker.run import Run
from headwater.events.types import Event, MessageReceived, RunResumed, RunStarted

__all__ = ("LogChecker", "check_log")


def check_log(events: Iterable[Event], *, parked: bool = False, trimmed: bool = False) -> None:
    """Checks a whole log, of one run or of a tree. Raises LogError for the first violation. Source: spec/00.

    `parked`: it may also stop where nothing is running, so that it can be resumed. `trimmed`: its deltas were left out,
    and its numbers have gaps in their place.
    """
    checker = LogChecker(trimmed=trimmed)
    for event in events:
        checker.add(event)
    checker.finish(parked=parked)


class LogChecker:
    """`check_log` one event at a time, to check a live stream.

    It cannot be used after a LogError.
    """

    def __init__(self, *, trimmed: bool = False) -> None:
        self._trimmed = trimmed
        self._seq = 0
        self._time = float("-inf")
        self._runs: dict[str, Run] = {}
        self._outermost: Run | None = None
        self._keys: set[str] = set()
        """The keys of the received messages."""

    def add(self, event: Event) -> None:
        """Checks the next event. Raises LogError if it is not allowed there."""
        if event.seq != self._seq and not (self._trimmed and event.seq > self._seq > 0):
            raise LogError("seq", f"number {self._seq} was expected", event)
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
            raise LogError("path", f"its path is {event.path!r}, but that of its run is {run.path!r}", event)
        run.add(event)
        if isinstance(event, RunResumed) and run is self._outermost:
            for one in self._runs.values():
                one.interrupt()
        elif isinstance(event, MessageReceived) and run.strict:
            if event.key in self._keys:
                raise LogError("heard", f"message {event.key!r} was received before", event)
            self._keys.add(event.key)

    def finish(self, *, parked: bool = False) -> None:
        """The log has ended. Raises LogError if it holds no run, or a run without an end.

        If it may be `parked`, only a run in which something is running needs an end.
        """
        if not self._runs:
            raise LogError("begin", "it is empty")
        for name, run in self._runs.items():
            if not run.over and not parked:
                raise LogError("end", f"run {name!r} has no end")
            if not run.rests():
                raise LogError("end", f"run {name!r} has no end, but something in it is running")

    def _begin(self, event: Event) -> Run:
        if not isinstance(event, RunStarted):
            raise LogError("begin", f"no event of run {event.run!r} may come before its run.started", event)
        if self._outermost is None:
            self._outermost = Run(event, trimmed=self._trimmed)
            return self._outermost
        named = self._runs.get(event.parent or "")
        for above in chain(() if named is None else (named,), self._runs.values()):
            child = above.children.open.get(event.run)
            if child is not None and not above.over:
                return above.begin_child(child, event)
        raise LogError("child", f"no open run has started run {event.run!r}", event)
