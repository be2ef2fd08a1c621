"""The protocol of a store for durable runs, and its values.

Theory of operation. A tree of runs is one log, named by its outermost run, and one process drives it at a time. That
process numbers the events; the store never does. The one write is a conditional append: `append` stores a batch at
`first` only where `first` is the log's end. This alone excludes two drivers: a new driver first appends `run.resumed`
at the end that it read, so the old one and the new one append at the same place, and one of them is refused.

* An append that raised `JournalUnavailable` may have been stored or not. Append the same batch again: if it is already
  stored, under the same `by`, the result is as if it were stored now.
* Messages to a run (answers, steering, cancellation) go into its inbox, never into its log.
* `owner` and `workers` are only for liveness: they say which runs to submit again. Two drivers at once are wasteful but
  never wrong.
* All times are the store's: `now()`. They are never compared with another clock.

A store stores bytes: an event is a line of JSON (`events.codec.encode`), and only packing reads it.
`headwater.testing.check_journal` tests every rule of this file. This file owns the protocol; it must never
open a file or a socket.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

from headwater.errors import AlreadyAnswered
from headwater.events.codec import decode
from headwater.events.types import Event

__all__ = (
    "ENDED",
    "OPEN",
    "WAKING",
    "Appended",
    "Batch",
    "Closed",
    "Conflict",
    "Created",
    "Due",
    "Letter",
    "LetterKind",
    "Page",
    "Posted",
    "Request",
    "RunInfo",
    "RunLog",
    "Span",
    "State",
    "Worker",
    "answer",
)

State: TypeAlias = Literal["queued", "running", "waiting", "finished", "failed", "cancelled"]
"""The state of a run: created and not started, being driven, waiting without a driver, or ended."""

OPEN: Final[tuple[State, ...]] = ("queued", "running", "waiting")
ENDED: Final[tuple[State, ...]] = ("finished", "failed", "cancelled")

LetterKind: TypeAlias = Literal["answer", "steer", "cancel", "note"]
"""A note is for the next driver and is not delivered to the run."""

WAKING: Final[tuple[LetterKind, ...]] = ("answer", "cancel")
"""The letters for which a waiting run is driven again; steering waits until it is."""


# --- input


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The request of a run: written once, and read by its drivers."""

    agent: str
    """The name under which a worker finds the agent."""
    body: msgspec.Raw = msgspec.Raw(b"null")
    """The task, context and options, as JSON: the driver's, unread by stores."""
    thread: str | None = None
    """The conversation that the run is part of; a thread's runs are driven one at a time, in order of creation."""
    queue: str = "default"
    priority: int = 0
    not_before: float | None = None
    """Unix seconds of the store's clock before which it is not driven."""
    labels: dict[str, str] = {}
    keep: float | None = None
    """Seconds after its end for which it is kept; None is for ever."""
    deltas: bool = True
    """Whether a packed log keeps its deltas."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one log, stored completely or not at all. The result of a `pull`, or the end of a run, is one batch."""

    run: str
    """The outermost run's id: the log."""
    first: int
    """The number of the first event: the log's end, as the driver knows it."""
    lines: tuple[bytes, ...]
    """The events, encoded, each without a line end; at least one."""
    by: str
    """The writer: an id of worker, process and drive that no other drive has."""
    owner: str | None = None
    """With the first batch of a drive: the worker that drives from now on. Sets the state `running`."""
    state: State | None = None
    """The new state of the run; None keeps it."""
    wake_at: float | None = None
    """With `state="waiting"`: when the run is driven again without an answer."""
    heard: int = 0
    """With `state="waiting"`: how many letters that wake (`WAKING`) the driver had read. Where there are more by now,
    the run is due at once."""
    outcome: str = ""
    """With an end: the outcome, in a word or a line."""
    said: tuple[bytes, ...] = ()
    """Messages, encoded, that are appended to the run's thread together with the batch."""

    @property
    def end(self) -> int:
        """The log's end after the batch."""
        return self.first + len(self.lines)

    def data(self) -> bytes:
        """The stored lines. Raises ValueError if one is empty or contains a line end."""
        data = b"\n".join(self.lines)
        if not self.lines or data.count(b"\n") != len(self.lines) - 1 or not all(self.lines):
            raise ValueError("A batch is at least one event, each one line of JSON without a line end.")
        return data


# --- received events out


class Conflict(Exception):
    """The append was refused: the batch does not start at the log's end. Nothing was stored."""

    def __init__(self, run: str, end: int, by: str = "") -> None:
        super().__init__(f"The log of {run} ends at {end}{f', where {by} appended' if by else ''}.")
        self.run = run
        self.end = end
        """Where the log ends."""
        self.by = by
        """The writer of the events at the batch's place; empty if there are none."""


class Closed(Exception):
    """The append was refused: the run has ended. Nothing was stored."""

    def __init__(self, run: str, state: State) -> None:
        super().__init__(f"{run} is {state}: its log accepts no more events.")
        self.run = run
        self.state = state


Appended: TypeAlias = int | Conflict | Closed
"""The result of one batch: the log's new end, or why it was refused."""


class Created(msgspec.Struct, frozen=True):
    """The result of `create`: the run with the id or key, and whether it is new."""

    run: str
    new: bool


class Span(msgspec.Struct, frozen=True):
    """Consecutive events: `lines[i]` has the number `first + i`."""

    first: int
    lines: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """The number after the last one's."""
        return self.first + len(self.lines)


class Page(msgspec.Struct, frozen=True):
    """A part of a log, in order."""

    run: str
    spans: tuple[Span, ...]
    """More than one only if the log was trimmed."""
    end: int
    """Where the log ended when it was read."""
    state: State
    after: int
    """The position for the next read."""
    reset: bool = False
    """Whether the reader has to forget what it holds: the page begins with the log's first event.

    So it is where the number that it gave lies past the log's end (the store was restored from a backup, or lost its
    last writes), or inside what trimming has dropped.
    """

    @property
    def done(self) -> bool:
        """Whether the run has ended and this is its last page."""
        return self.state in ENDED and self.after >= self.end - 1

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Each event with its number."""
        for span in self.spans:
            yield from enumerate(span.lines, span.first)

    def events(self) -> Iterator[Event]:
        """Each event, decoded."""
        for span in self.spans:
            yield from map(decode, span.lines)


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Information about a run besides its log. Times are Unix seconds of the store's clock."""

    run: str
    request: Request
    state: State
    key: str | None
    end: int
    """The number of events in its log, which is the number of the next one."""
    owner: str | None
    """The worker that drives it, or drove it last."""
    drives: int
    """How often a drive has started."""
    ahead: str | None
    """The run of the same thread that must end before this one is driven."""
    wake_at: float | None
    created_at: float
    ended_at: float | None
    expires_at: float | None
    outcome: str
    packed: bool
    trimmed: bool
    """Whether deltas were dropped: `check_log(log, trimmed=True)`."""

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.state in ENDED


class Letter(msgspec.Struct, frozen=True):
    """A message to a run."""

    id: int
    """The order in which letters were accepted; one with a lower id may show up later."""
    kind: LetterKind
    key: str
    """Its unique key: for an answer, the question's id."""
    body: bytes
    """JSON."""


class Posted(msgspec.Struct, frozen=True):
    """The result of `post`: the stored letter with the key, and whether it is the posted one."""

    letter: Letter
    ours: bool


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A process that drives runs, as reported in its heartbeat."""

    id: str
    host: str
    boot: str
    """The boot id of the machine, which makes a pid meaningful."""
    pid: int
    about: dict[str, str] = {}
    """For people: version, queues, how much it drives."""
    age: float = 0.0
    """Seconds since its last heartbeat; set by the store."""


class Due(msgspec.Struct, frozen=True):
    """A run to submit."""

    run: str
    queue: str
    priority: int
    why: Literal["unclaimed", "wake", "owner"]
    """Not started; its time has come or it got a letter; its owner sends no heartbeat."""
    agent: str


# --- the protocol


class RunLog(Protocol):
    """A store of runs. Every method except `close` raises JournalUnavailable if the store does not answer.

    Subclass it: `append` and `tail` are inherited. One object belongs to the event loop that opened it.
    """

    # the log

    async def create(
        self, run: str, request: Request, *, key: str | None = None, when_busy: Literal["raise", "queue"] = "raise"
    ) -> Created:
        """Store a run that is to be driven. A known id, or a key that a run of the agent has, creates nothing and
        changes nothing: it tells which run stands. Two agents may have runs of the same key.

        Raises ThreadBusy where another run of the thread is open; with `when_busy="queue"` the run waits its turn.
        """
        ...

    async def append_many(self, batches: Sequence[Batch]) -> list[Appended]:
        """Append batches of different logs, each on its own: one that is refused does not touch the others.

        A batch that stands already as it is given, under the same `by`, was stored before: the answer is its end.
        Raises UnknownRun where one of the runs is not there; the others are stored.
        """
        ...

    async def append(self, batch: Batch) -> int:
        """Appends one batch and returns the log's new end. Raises Conflict, Closed, UnknownRun."""
        done = (await self.append_many([batch]))[0]
        if isinstance(done, int):
            return done
        raise done

    async def read(self, run: str, after: int = -1, *, limit: int = 1000) -> Page:
        """The events after that number: whole batches until there are `limit` events, at least one. UnknownRun."""
        ...

    def tail(self, run: str, after: int = -1) -> AsyncGenerator[Page, None]:
        """The log from there on, and what is appended to it, as it is stored; it ends once the run is over.

        A reader that is slow holds up nobody: it is given larger pages. Raises UnknownRun, also where the run is
        deleted meanwhile. While the store does not answer it goes on trying.
        """
        return self.tail_many({run: after})

    def tail_many(self, runs: Mapping[str, int]) -> AsyncGenerator[Page, None]:
        """Several logs at once, each after the number given: one look at the store for all. It ends with the last."""
        ...

    async def info(self, run: str) -> RunInfo:
        """Returns information about the run. Raises UnknownRun."""
        ...

    async def runs(
        self,
        *,
        states: Iterable[State] = (),
        agent: str | None = None,
        thread: str | None = None,
        owner: str | None = None,
        labels: Mapping[str, str] | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[RunInfo]:
        """Returns the runs that match all filters, newest first; `before` is the last run of the previous page."""
        ...

    async def history(self, run: str) -> list[bytes]:
        """Returns the messages of the earlier runs of its thread (`Batch.said`), in order. Raises UnknownRun."""
        ...

    async def thread(self, thread: str) -> list[bytes]:
        """Returns all messages of a thread's runs, in order; empty for an unknown thread."""
        ...

    # the inbox

    async def post(self, run: str, kind: LetterKind, key: str, body: bytes) -> Posted:
        """Say something to a run. The first letter under a key stands; the same letter again is the same post.

        A waiting run becomes due for a letter that wakes. Raises UnknownRun, and RunEnded where it is over.
        """
        ...

    async def inbox(self, run: str) -> list[Letter]:
        """All letters to the run, in order of their ids. Read it whole each time, never from a position."""
        ...

    def letters(self, run: str) -> AsyncGenerator[list[Letter], None]:
        """The whole inbox, and again each time that it has grown, until the run is over or deleted."""
        ...

    # workers and due runs

    async def now(self) -> float:
        """The store's time, in Unix seconds."""
        ...

    async def beat(self, worker: Worker) -> float:
        """Records a heartbeat. Returns the store's time."""
        ...

    async def forget(self, worker: str) -> None:
        """Removes the worker: its open runs are due at once."""
        ...

    async def workers(self) -> list[Worker]:
        """Returns the workers and the ages of their heartbeats, up to one day."""
        ...

    async def due(
        self, *, agents: Iterable[str] | None = None, dead_after: float = 10.0, limit: int = 100
    ) -> list[Due]:
        """The open runs that nobody drives and somebody should, oldest first; of these agents, or of any (None).

        That is: not begun `dead_after` seconds after it was created or its `not_before` came; waiting, and its
        `wake_at` has come or a letter that wakes; running, and its owner has not beaten for `dead_after` seconds. A
        run that waits for its turn in a thread is not due.
        """
        ...

    # retention

    async def pack(self, *, after: float = 3600.0, limit: int = 100) -> int:
        """Make one compressed row of each log that ended `after` seconds ago. Returns how many were packed."""
        ...

    async def expire(self, *, limit: int = 100) -> int:
        """Delete what has been kept for long enough (`Request.keep`); a thread goes as a whole. Returns how many.

        Workers that have not beaten for a day are forgotten.
        """
        ...

    async def delete(self, run: str) -> bool:
        """Delete a run: its log, its inbox, what it said in its thread. Returns whether it was there."""
        ...

    async def delete_thread(self, thread: str) -> int:
        """Delete a thread and all its runs. Returns how many runs it had."""
        ...

    async def close(self) -> None:
        """Closes files and connections after active calls; a second call does nothing."""
        ...


async def answer(log: RunLog, run: str, question: str, body: Mapping[str, Any]) -> Letter:
    """Posts the answer to a question; `body["by"]` says who answers.

    Raises AlreadyAnswered where another answer stands, RunEnded, UnknownRun.
    """
    posted = await log.post(run, "answer", question, msgspec.json.encode(body))
    if posted.ours:
        return posted.letter
    try:
        said = msgspec.json.decode(posted.letter.body)
    except msgspec.DecodeError:
        said = None
    by = str(said.get("by", "")) if isinstance(said, dict) else ""
    raise AlreadyAnswered(
        f"The question {question} was already answered{f', by {by}' if by else ''}.",
        hint="The first answer is used; read it from the run.",
        by=by,
    )
