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
    "Standing",
    "State",
    "Worker",
    "answer",
)

State: TypeAlias = Literal["queued", "running", "waiting", "finished", "failed", "cancelled"]
"""The state of a run: created and not started, being driven, waiting without a driver, or ended."""

MAX_SHOWN: Final = 200
"""Characters of a request's body in its repr."""

OPEN: Final[tuple[State, ...]] = ("queued", "running", "waiting")
ENDED: Final[tuple[State, ...]] = ("finished", "failed", "cancelled")

LetterKind: TypeAlias = Literal["answer", "steer", "cancel", "note"]
"""A note is for the next driver and is not delivered to the run."""

WAKING: Final[tuple[LetterKind, ...]] = ("answer", "cancel")
"""The letters that make a waiting run due; a steering message waits until the run is driven."""


# --- input


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The request of a run: written once, and read by its drivers."""

    agent: str
    """The name under which a worker finds the agent."""
    body: msgspec.Raw = msgspec.Raw(b"null")
    """The task, context and options, as JSON: for the driver; stores do not read it."""
    thread: str | None = None
    """The conversation that the run is part of; a thread's runs are driven one at a time, in order of creation."""
    queue: str = "default"
    priority: int = 0
    not_before: float | None = None
    """It is not driven before this time, in Unix seconds of the store's clock."""
    labels: dict[str, str] = {}
    keep: float | None = None
    """How many seconds it is kept after its end; None keeps it forever."""
    deltas: bool = True
    """Whether a packed log keeps its deltas."""

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        shown["body"] = bytes(self.body).decode(errors="replace")
        if len(shown["body"]) > MAX_SHOWN:
            shown["body"] = f"{shown['body'][:MAX_SHOWN]}…"
        return f"Request({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


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
    """With `state="waiting"`: how many letters that wake (`WAKING`) the driver had read. If there are more by now, the
    run is due at once."""
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


# --- events


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
    """Whether the reader has to discard what it has read: the page starts with the log's first event.

    True if the reader's position is past the log's end (the store was restored from a backup, or lost its last writes),
    or inside a part that trimming dropped.
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
    """The number of events in its log, which is also the number of the next event."""
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


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a process needs to drive a run."""

    info: RunInfo
    lines: tuple[bytes, ...] = ()
    """The whole log of an open run."""
    letters: tuple[Letter, ...] = ()
    """Its whole inbox."""
    said: tuple[bytes, ...] = ()
    """The messages of the earlier runs of its thread, if its log is empty."""
    now: float
    """The store's time."""


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
    """A store of runs. Every method except `close` raises JournalUnavailable if the store does not answer, and
    InvalidRecord, having stored nothing, if it can never store or find a value. An id that no run can have is that of
    an unknown run, and a name that nothing can have finds nothing.

    Subclass it: `append` and `tail` are inherited. One object belongs to the event loop that opened it.
    """

    # the log

    async def create(
        self, run: str, request: Request, *, key: str | None = None, when_busy: Literal["raise", "queue"] = "raise"
    ) -> Created:
        """Creates a run to drive. A known id, or a key that a run of the agent already has, changes nothing and returns
        that run. Two agents may have runs with the same key.

        Raises ThreadBusy if another run of the thread is open; with `when_busy="queue"` the run waits for its turn.
        """
        ...

    async def append_many(self, batches: Sequence[Batch]) -> list[Appended]:
        """Appends batches of different logs, each independently: a refused one does not affect the others.

        A batch that is already stored, unchanged and under the same `by`, returns its end again. Raises UnknownRun if
        one of the runs does not exist; the others are stored.
        """
        ...

    async def append(self, batch: Batch) -> int:
        """Appends one batch and returns the log's new end. Raises Conflict, Closed, UnknownRun."""
        done = (await self.append_many([batch]))[0]
        if isinstance(done, int):
            return done
        raise done

    async def read(self, run: str, after: int = -1, *, limit: int = 1000) -> Page:
        """Returns the events after that number: complete batches until there are `limit` events, at least one batch.
        Raises UnknownRun."""
        ...

    def tail(self, run: str, after: int = -1) -> AsyncGenerator[Page, None]:
        """Yields the log from there on, and what is appended to it, as it is stored, until the run has ended.

        A slow reader delays no one: it gets larger pages. Raises UnknownRun, also if the run is deleted meanwhile. It
        retries while the store does not answer.
        """
        return self.tail_many({run: after})

    def tail_many(self, runs: Mapping[str, int]) -> AsyncGenerator[Page, None]:
        """Yields several logs at once, each after its number, with one query for all. It ends with the last one."""
        ...

    async def info(self, run: str) -> RunInfo:
        """Returns information about the run. Raises UnknownRun."""
        ...

    async def standing(self, run: str) -> Standing:
        """Returns what a process needs to drive the run; a store may do so with one query. Raises UnknownRun."""
        info = await self.info(run)
        if info.over:
            return Standing(info=info, now=await self.now())
        lines = await self.lines(run)
        has_said = not lines and info.request.thread is not None
        said = tuple(await self.history(run)) if has_said else ()
        now = await self.now()
        return Standing(info=info, lines=lines, letters=tuple(await self.inbox(run)), said=said, now=now)

    async def lines(self, run: str, known: tuple[bytes, ...] = ()) -> tuple[bytes, ...]:
        """Returns the events of the run's log, which has no gaps; `known` are its first ones. Raises UnknownRun."""
        lines = list(known)
        while True:
            page = await self.read(run, len(lines) - 1)
            new = [line for _, line in page.lines()]
            lines += new
            if not new or page.after >= page.end - 1:
                return tuple(lines)

    async def runs(
        self,
        *,
        states: Iterable[State] = (),
        agent: str | None = None,
        thread: str | None = None,
        owner: str | None = None,
        labels: Mapping[str, str] | None = None,
        begins: str = "",
        before: str | None = None,
        limit: int = 100,
    ) -> list[RunInfo]:
        """Returns the runs that match all filters, newest first. Their ids begin with `begins`; `before` is the last
        run of the previous page.
        """
        ...

    async def history(self, run: str) -> list[bytes]:
        """Returns the messages of the earlier runs of its thread (`Batch.said`), in order. Raises UnknownRun."""
        ...

    async def thread(self, thread: str) -> list[bytes]:
        """Returns all messages of a thread's runs, in order; empty for an unknown thread."""
        ...

    # the inbox

    async def post(self, run: str, kind: LetterKind, key: str, body: bytes) -> Posted:
        """Posts a message to a run. The first letter with a key is kept; posting the same letter again has no effect.

        A letter that wakes makes a waiting run due. Raises UnknownRun, and RunEnded if the run has ended.
        """
        ...

    async def inbox(self, run: str) -> list[Letter]:
        """Returns all letters to the run, in order of their ids. Read all of them each time, never from a position."""
        ...

    def letters(self, run: str) -> AsyncGenerator[list[Letter], None]:
        """Yields the whole inbox, and again each time it has grown, until the run has ended or is deleted."""
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
        """Returns the open runs without a driver that are due, oldest first; of these agents, or of any (None).

        A run is due if it has not started `dead_after` seconds after its creation or its `not_before`; if it is waiting
        and its `wake_at` has passed or it got a letter that wakes; or if it is running and its owner has sent no
        heartbeat for `dead_after` seconds. A run that waits for its turn in a thread is not due.
        """
        ...

    # retention

    async def pack(self, *, after: float = 3600.0, limit: int = 100) -> int:
        """Compresses each log that ended `after` seconds ago into one row. Returns how many were packed."""
        ...

    async def expire(self, *, limit: int = 100) -> int:
        """Deletes runs whose `Request.keep` has passed; a thread is deleted as a whole. Returns how many.

        Workers without a heartbeat for a day are removed.
        """
        ...

    async def delete(self, run: str) -> bool:
        """Deletes a run: its log, its inbox, its messages in its thread. Returns whether it existed."""
        ...

    async def delete_thread(self, thread: str) -> int:
        """Deletes a thread and all its runs. Returns how many runs it had."""
        ...

    async def close(self) -> None:
        """Closes files and connections after active calls; a second call does nothing."""
        ...


async def answer(log: RunLog, run: str, question: str, body: Mapping[str, Any]) -> Letter:
    """Posts the answer to a question; `body["by"]` says who answers.

    Raises AlreadyAnswered if another answer is stored, RunEnded, UnknownRun.
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
