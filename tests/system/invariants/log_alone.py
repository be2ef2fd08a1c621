"""The law of the log: whatever anyone is shown of a run, its log alone shows to who knows nothing else of it.

    python -m tests.system.invariants.log_alone 20000
    python -m tests.system.invariants.log_alone 1 --first 4711

A play is wholly made up by its number: a tree of real runs (`trees`), how it is read, how it is left. Its log is
written as JSON, read back, and read anew (`late_reader`): the Response of the whole and of each member, chunks, text, a
choice of either, what callbacks are told, what printers write. All of it is what the live ones had. The exceptions:
`callback_errors` is not in the log, an output is its JSON, an error its ErrorInfo. And every log keeps the grammar, and
each of its prefixes has a Response: that of the run stopped right there. What `final_only` hands out is the text of the
answer.

The first command prints counts and the numbers of the plays that break the law, and ends with 1 where there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from headwater import AgentStream, Response, Results
from headwater.backends.jitter import seed
from headwater.errors import HeadwaterError
from headwater.events import (
    ChildFinished,
    ChildStarted,
    Event,
    Handoff,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
)
from headwater.events.answers import answering, tree_response
from headwater.events.checker import check_log
from headwater.events.codec import decode, encode
from headwater.events.tree import Node, Tree
from headwater.workflows.base import Workflow
from tests.support.late import late_stream
from tests.support.logs import closed, folds
from tests.support.virtual import run_virtual
from tests.system.invariants.late_reader import Asked, Way, heard, known, on_a_pipe, seen, shaped
from tests.system.invariants.trees import Ear, Hearing, RandomTree

__all__ = ("Difference", "Played", "Report", "differences", "live", "played")

WAYS: Final[tuple[Way, ...]] = (
    *("events", "chunks", "text", "result"),
    *("select", "select", "select"),
    *("chosen events", "chosen events"),
)
AFTER_AN_ITEM: Final = ("break", "raise", "cancel", "cancel and break", "close", "close the iterator")
LATER: Final = ("cancel later", "cancel task", "close later")
IN_A_CALLBACK: Final = ("cancel in a callback", "close in a callback")
LEAVES: Final = (*["never"] * 8, *AFTER_AN_ITEM, *LATER, *IN_A_CALLBACK)
CLOSES: Final = frozenset({"close", "close later", "close the iterator", "close in a callback"})
"""Where the rest of the log passes its reader by."""

ITEMS_AFTER_CANCEL: Final = 3
"""How many items who cancels and leaves still reads."""

PREFIXES: Final = 4
"""How many prefixes of each log are looked at."""

Difference = tuple[str, Any, Any]
"""What differs, as it was live, as the log alone has it."""


class Played(msgspec.Struct):
    """What came of one play."""

    number: int
    tree: RandomTree
    asked: Asked
    leave: str
    log: list[Event]
    read: list[Any]
    whole: bool
    """Whether its reader read to the end, and neither left nor was made to."""
    error: BaseException | None
    response: Any
    ear: Ear
    """The callback of the whole."""
    printed: dict[str, str]


# --- the live run


class _Enough(Exception):
    """What a reader raises in the middle of its loop."""


class _Reader:
    """Reads one stream in one way, and leaves it in one way."""

    def __init__(self, dice: random.Random, asked: Asked) -> None:
        self._asked = asked
        self.leave = dice.choice(LEAVES)
        self._items = dice.choice([0, dice.randint(0, 60)])
        self._seconds = dice.choice([0.0, 0.0, 0.05, 0.5, 1.0, 2.0, 4.0])
        self._pause = dice.choice([0.0, 0.0, 0.6])
        self.read: list[Any] = []

    async def carry_out(self, stream: AgentStream[Any]) -> bool:
        """Read; False where the reader left before the end."""
        if self._asked.way == "result":
            await stream.result()
            return True
        iterator = aiter(shaped(stream, self._asked.way, self._asked.choice))
        async for item in iterator:
            self.read.append(item)
            if len(self.read) > self._items and not await self._goes_on(stream, iterator):
                return False
            if self._pause:
                await asyncio.sleep(self._pause)
        return self.leave not in CLOSES

    async def _goes_on(self, stream: AgentStream[Any], iterator: Any) -> bool:
        """Leave, in whatever way it is; whether to read on."""
        leave = self.leave
        if leave == "raise":
            raise _Enough
        if leave in ("cancel", "cancel and break"):
            stream.cancel()
            return leave == "cancel" or len(self.read) <= self._items + ITEMS_AFTER_CANCEL
        if leave == "close":
            await stream.aclose()
        if leave == "close the iterator":
            await iterator.aclose()
        return leave not in ("break", "close the iterator")

    def arrange(self, stream: AgentStream[Any], task: asyncio.Task[Any]) -> None:
        """Have it left at its time, where it is left by the clock."""
        later: dict[str, Callable[[], Any]] = dict(zip(LATER, (stream.cancel, task.cancel, stream.close), strict=True))
        if self.leave in later:
            asyncio.get_running_loop().call_later(self._seconds, later[self.leave])

    def in_callback(self, stream: AgentStream[Any]) -> Callable[[], None]:
        """What a callback does after it has heard something."""
        does: dict[str, Callable[[], None]] = dict(zip(IN_A_CALLBACK, (stream.cancel, stream.close), strict=True))
        told = 0

        def then() -> None:
            nonlocal told
            told += 1
            if told > self._items:
                does[self.leave]()

        return then if self.leave in does else lambda: None


def _asked(dice: random.Random, tree: RandomTree) -> Asked:
    way = dice.choice(WAYS)
    choice = _choice(dice, sorted(tree.names)) if way in ("select", "chosen events") else {}
    return Asked(way, choice, Hearing.of(dice))


def _choice(dice: random.Random, names: Sequence[str]) -> dict[str, Any]:
    kind = dice.choice(["final", "final", "agent", "depth", "path"])
    final_only = kind == "final" or dice.random() < 0.5
    if kind == "agent":
        return {"agent": dice.choice(names), "final_only": final_only}
    if kind == "depth":
        return {"depth": dice.randint(0, 3), "final_only": final_only}
    if kind == "path":
        return {"agent": [dice.choice(names), dice.choice(names)], "final_only": final_only}
    return {"final_only": final_only}


def played(number: int) -> Played:
    """Carry out the play of that number, under a virtual clock."""
    seed(number)  # retries wait for a random time
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        result, _ = run_virtual(_play(number))
    assert not warned, f"Python warns: {[str(warning.message) for warning in warned]}"
    return result


async def _play(number: int) -> Played:
    dice = random.Random(number)
    tree = RandomTree(dice)
    asked = _asked(dice, tree)
    reader = _Reader(dice, asked)
    how = asked.hearing
    if dice.random() < 0.1 and reader.leave in ("never", "cancel", "cancel later"):
        how = msgspec.structs.replace(how, waits="before")  # where a run is left nothing is awaited any more
    ear = Ear(how, number)
    log: list[Event] = []
    told: dict[str, Any] = {"on_event": log.append, "streaming_callback": ear.callback, "on_retract": ear.on_retract}
    if isinstance(tree.whole, Workflow):
        told["slow_reader"] = dice.choice(["wait", "wait", "coalesce", "drop_progress"])
    tree.whole.stream = how.details
    stream: AgentStream[Any] = tree.whole.run_stream("Go.", **told)
    ear.then = reader.in_callback(stream)
    run = stream._begun()
    printers, written = on_a_pipe()
    for printer in printers:
        run.watch(printer)
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    task = asyncio.create_task(reader.carry_out(stream))
    reader.arrange(stream, task)
    error: BaseException | None = None
    try:
        whole = await task
    except (_Enough, asyncio.CancelledError) as raised:
        error, whole = raised, False
    except Exception as raised:  # ours, a condition's, a member's
        error, whole = raised, reader.leave not in CLOSES
    await stream.aclose()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks are left: {left}"
    assert not complaints, f"the event loop complains: {complaints}"
    return Played(number, tree, asked, reader.leave, log, reader.read, whole, error, run.response(), ear, written())


# --- what is compared


def differences(play: Played) -> list[Difference]:
    """Where the log alone says something else than the live run did. Raises LogError where it breaks the grammar."""
    log = [decode(encode(event)) for event in play.log]
    if not log:
        return []  # never begun
    check_log(log)
    late = seen(log, play.asked)
    if not play.whole:
        late["read"] = late["read"][: len(play.read)]
    found = [*_differ(play.log, log, "events"), *_differ(live(play), late, play.asked.way)]
    if isinstance(play.error, HeadwaterError) and isinstance(log[-1], RunFailed):
        assert play.error.response is not None
        found += _differ(known(play.error.response), late["response"], "error.response")
    found += _differ_below(play, log)
    found += _differ_prefixes(play, log, late["read"])
    found += _differ_final(log)
    return found


def live(play: Played) -> dict[str, Any]:
    """What was seen of the run as it happened, as `seen` gives it of a log."""
    return {
        "response": known(play.response),
        "read": play.read,
        "callback": play.ear.heard,
        "printed": play.printed,
    }


def _differ(live: Any, late: Any, at: str) -> Iterator[Difference]:
    if isinstance(live, dict) and isinstance(late, dict):
        for key in {**live, **late}:
            yield from _differ(live.get(key, "nothing"), late.get(key, "nothing"), f"{at}.{key}")
    elif isinstance(live, list) and isinstance(late, list) and len(live) == len(late):
        for place, (one, other) in enumerate(zip(live, late, strict=True)):
            yield from _differ(one, other, f"{at}[{place}]")
    elif live != late:
        yield at, live, late


def _differ_below(play: Played, log: Sequence[Event]) -> Iterator[Difference]:
    """What the callbacks of those in the tree were told."""
    for name, ear in play.tree.ears.items():
        runs = [*_runs_of(name, log)][::-1]  # of two, one inside the other, the inner one is told first
        told = sorted((one for run in runs for one in heard(ear.how, run)), key=lambda one: one[0])
        yield from _differ(ear.heard, [one for _, one in told], f"callback of {name}")
        events = sorted((event for run in runs for event in run), key=lambda event: event.seq)
        yield from _differ(play.tree.events[name], events, f"on_event of {name}")


def _runs_of(name: str, log: Sequence[Event]) -> Iterator[list[Event]]:
    """The part of the log that each run of that name is told of: its own events, and those of the runs in it."""
    above = {event.child: event.run for event in log if isinstance(event, ChildStarted)}

    def stands_in(run: str | None, outer: str) -> bool:
        while run is not None and run != outer:
            run = above.get(run)
        return run is not None

    runs = {event.run: event.agent for event in log}
    for outer, agent in runs.items():
        if agent == name:
            yield [event for event in log if stands_in(event.run, outer)]


def _differ_prefixes(play: Played, log: Sequence[Event], read: list[Any]) -> Iterator[Difference]:
    """Any prefix of a log can be read, and has a Response, with the text that it has where the run is stopped there."""
    dice = random.Random(play.number)
    for size in sorted({dice.randint(1, len(log)) for _ in range(PREFIXES)}):
        prefix = log[:size]
        so_far = seen(prefix, play.asked)["read"]
        yield from _differ(read[: len(so_far)], so_far[: len(read)], f"read of the first {size} events")
        stopped = closed(prefix)
        check_log(stopped)
        yield from _differ(_texts(tree_response(prefix)), _texts(tree_response(stopped)), f"the first {size} events")


def _differ_final(log: Sequence[Event]) -> Iterator[Difference]:
    """`final_only` hands out the last text of each run that has a part in the answer, and nothing else."""
    if not isinstance(log[-1], RunFinished):
        return
    tree = Tree()
    for event in log:
        tree.add(event)
    for run, fold in folds(log).items():
        tree.nodes[run].fold = fold
    assert tree.root is not None

    async def read() -> dict[str, str]:
        said: dict[str, str] = {}
        async for chunk in late_stream(log).select(final_only=True):
            assert chunk.event is not None
            before = said.get(chunk.event.run, "")
            kept = before[: len(before) - chunk.event.chars] if isinstance(chunk.event, Retracted) else before
            said[chunk.event.run] = kept + chunk.content
        return {run: text for run, text in said.items() if text}

    shown = asyncio.run(read())
    # Of a workflow that broke off the last one asked has the word, who was let go of where another was to follow.
    words = {run: text for run, text, sure in _last_words(tree.root) if sure or run in shown}
    yield from _differ(words, shown, "final_only")


def _last_words(node: Node, sure: bool = True) -> Iterator[tuple[str, str, bool]]:
    """The runs that have a part in the answer of this one, what they say last, and whether that was to be expected.

    An answer that was given by a call is not said: nobody is handed it as text.
    """
    if node.fold is None:
        return  # it could not begin
    if node.shape is not None:
        collects = node.shape.collect
        failed = [name for name, child in node.latest.items() if collects and child.outcome == "failed"]
        for child in answering(node, failed):
            yield from _last_words(child, sure and node.outcome == "finished")
    elif heirs := [child for child in node.children.values() if child.role == "handoff" and child.fold is not None]:
        yield from _last_words(heirs[-1], sure)
    elif node.fold.text and not node.gave:
        yield node.id, node.fold.text, sure


def _texts(whole: Response[Any] | Results) -> dict[str, Any]:
    members = {name: _texts(member) for name, member in whole.members.items()}
    if isinstance(whole, Results):
        return members
    return {"text": whole.text, "transcript": whole.transcript, "members": members}


# --- many


class Report:
    """What came of many plays."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._ways: Counter[str] = Counter()
        self._leaves: Counter[str] = Counter()
        self.failed: list[int] = []

    def add(self, number: int) -> list[Difference]:
        """Carry one out. What it raises is a difference too."""
        try:
            play = played(number)
            found = differences(play)
            self._count(play)
        except Exception as problem:
            trace = "".join(traceback.format_exception(problem)[-3:])
            found = [(type(problem).__name__, str(problem), trace)]
        if found:
            self.failed.append(number)
        return found

    def _count(self, play: Played) -> None:
        counts, log = self._counts, play.log
        counts["plays"] += 1
        counts["events"] += len(log)
        counts["never begun"] += not log
        counts["runs"] += len(folds(log))
        self._ways[play.asked.way] += 1
        self._leaves[play.leave] += 1
        counts.update(play.tree.kinds)
        for event in log:
            if isinstance(event, (RunFailed, RunCancelled, Retracted, Handoff)):
                counts[event.type] += 1
            elif isinstance(event, ChildStarted):
                counts[f"child: {event.role}"] += 1
            elif isinstance(event, ChildFinished) and event.error is not None:
                counts["could not begin"] += 1

    def lines(self) -> Iterator[str]:
        """The counts, and the plays that break the law."""
        for counted in (self._counts, self._ways, self._leaves):
            yield ", ".join(f"{name} {count}" for name, count in sorted(counted.items()))
        yield f"break the law: {len(self.failed)} {self.failed or ''}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out many plays. Returns 1 where one breaks the law."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.invariants.log_alone")
    parser.add_argument("count", type=int, help="how many plays")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one")
    options = parser.parse_args(arguments)
    logging.getLogger("headwater").addHandler(logging.NullHandler())  # callbacks raise
    begun = time.perf_counter()
    report = Report()
    for number in range(options.first, options.first + options.count):
        found = report.add(number)
        for what, live, late in found[:4] if len(report.failed) <= 10 else ():
            print(f"play {number}, {what}\n  live: {live!s:.700}\n  late: {late!s:.1500}")
    print(*report.lines(), f"{time.perf_counter() - begun:.0f} s", sep="\n")
    return bool(report.failed)


if __name__ == "__main__":
    sys.exit(main())
