"""Reads a run: yields chunks, events or text, in async or sync code.

Owns the readers and the shapes. Whatever ends a reading ends the run at once. `stream` owns who may read what.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, Self, TypeAlias, cast

from typing_extensions import TypeVar

from headwater.errors import Cancelled, HeadwaterError, IncompleteStream
from headwater.events import AnyEvent, Event, RunFinished, TextDelta
from headwater.readers.chunks import Chunks, StreamChunk
from headwater.readers.hold import Hold
from headwater.readers.kept_loop import KeptLoop
from headwater.readers.selection import Choice, Everyone, Selection
from headwater.runtime.context import forget_our_frames

if TYPE_CHECKING:
    from headwater.runtime.run import Run

__all__ = (
    "AsyncReading",
    "OneByOne",
    "Reader",
    "as_chunks",
    "as_events",
    "as_text",
    "chosen_chunks",
    "chosen_events",
    "drain_blocking",
    "read_plainly",
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


# --- the shapes: for each reading, a function from an event to an item, or None


def as_chunks(run: Run) -> Callable[[Event], StreamChunk | None]:
    """Chunks of text, with the state of the run."""
    chunks = Chunks(run.id, None, run.fold, past=_past(run), anew=run.resets > 0)
    of, own, agent = chunks.of, run.id, run.path[-1]
    new, delta = object.__new__, TextDelta

    def project(event: Event) -> StreamChunk | None:
        # The fast path: most events by far are text deltas of the run itself without a lead.
        if event.__class__ is delta and chunks.plain and event.run == own:
            # Set field by field, because calling the class costs 50 % more; every field is set.
            chunk = new(StreamChunk)
            chunk.content = chunk.delta = event.text
            chunk.is_final = False
            chunk.finish_reason = chunk.metadata = None
            chunk.agent = agent
            chunk.event = event
            return chunk
        return of(event)

    return project


def as_events(run: Run) -> Callable[[Event], AnyEvent | None]:
    """Each event of the log."""
    return _same


def _same(event: Event) -> AnyEvent:
    """A log holds events of the union alone, which only type checkers do not know."""
    return event  # type: ignore[return-value]


def as_text(run: Run) -> Callable[[Event], str | None]:
    """Only the text; text that may be retracted waits. Raises IncompleteStream where the log starts again."""
    if run.resets:
        raise IncompleteStream(
            f"The log of {run.id} starts again: its journal was restored, or has dropped what was being read.",
            hint="Text that was read cannot be taken back: read the run again, or read chunks or events.",
        )
    chunks = Chunks(run.id, None, run.fold, past=_past(run))
    hold: Hold[str] = Hold(_past(run))
    speakers, held, text_of = chunks.speakers, hold.held, chunks.text_of

    def project(event: Event) -> str | None:
        if event.__class__ is TextDelta:
            text = text_of(event) if event.run in speakers else ""
            if held and text:
                text = "".join(hold(event, (text,)))  # a string cannot be retracted, so it waits
            return text or None
        chunks.of(event)
        return "".join(hold(event)) or None if event.run in speakers else None

    return project


def _past(run: Run) -> Sequence[Event]:
    """The earlier events of a resumed log."""
    return run.record.events if run.record is not None else ()


def _selection(run: Run, choice: Choice) -> Callable[[Event], list[Event]]:
    """The active choice; for a resumed log it passes on only new events, also of held ones."""
    selection, past = Selection(choice), _past(run)
    for event in past:
        selection(event)
    if not past:
        return selection
    new = past[-1].seq + 1
    return lambda event: [one for one in selection(event) if one.seq >= new]


def chosen_events(run: Run, choice: Choice) -> Callable[[Event], list[AnyEvent] | None]:
    """The events of the part of the tree that was chosen."""
    selection = _selection(run, choice)
    return lambda event: cast("list[AnyEvent]", selection(event)) or None


def chosen_chunks(run: Run, choice: Choice) -> Callable[[Event], list[StreamChunk] | None]:
    """The text of the part of the tree that was chosen."""
    selection = _selection(run, choice)
    everyone = Everyone() if choice.by_place else None
    chunks = Chunks(run.id, everyone, run.fold, leads=not choice.final_only, past=_past(run), anew=run.resets > 0)

    def project(event: Event) -> list[StreamChunk] | None:
        chosen = selection(event)
        if not any(one is event for one in chosen):
            chunks.tree.add(event)  # the speakers are derived from all of them
        return [chunk for one in chosen if (chunk := chunks.of(one)) is not None] or None

    return project


def _shape(run: Run, project: Callable[[Run], Callable[[Event], T | None]]) -> Callable[[Event], T | None]:
    """Returns the function from the run's events to items; created with the first event if only that identifies the
    run, and again where its log starts again."""
    if run.known:
        return project(run)
    made: Callable[[Event], T | None] | None = None
    resets = 0

    def shape(event: Event) -> T | None:
        nonlocal made, resets
        if made is None or run.resets != resets:
            made, resets = project(run), run.resets
        return made(event)

    return shape


# --- reading in async code


async def _read(run: Run, project: Callable[[Event], T | None]) -> AsyncGenerator[T, None]:
    """Pulls, appends and yields: nothing else is done per token. Ends the run on whatever ends the reading."""
    pull, append = run.pull, run.append
    try:
        while events := await pull():
            for event in events:
                if (wait := append(event)) is not None:
                    await wait
                if (item := project(event)) is not None:
                    yield item
    except GeneratorExit:
        run.abort("left")
        raise
    except BaseException:
        run.abort("caller")
        raise
    run.raise_error()


class Reader(Generic[T]):
    """An iterator over a stream whose end, however it comes, ends the run at once.

    `async for` drops its iterator when the loop is left; this one then closes everything without waiting, because the
    event loop would close an asynchronous generator only some time later.
    """

    # `__anext__` is a slot with the generator's own method: the interpreter finds it on the type as a descriptor and
    # calls it without a Python frame in between, which would cost as much as the generator itself.
    __slots__ = ("__anext__", "__weakref__", "_generator", "_run")

    __anext__: Callable[[], Awaitable[T]]

    def __init__(self, run: Run, project: Callable[[Run], Callable[[Event], T | None]]) -> None:
        shape = _shape(run, project)  # it may raise, and then there is nothing to close
        self._run = run
        self._generator = _read(run, shape)
        self.__anext__ = self._generator.__anext__

    def __aiter__(self) -> Self:
        return self

    async def aclose(self) -> None:
        """Leave now, and wait until nothing is left."""
        await self._generator.aclose()
        self._run.abort("left")
        await self._run.settle()

    def __del__(self) -> None:
        if not hasattr(self, "_run"):
            return
        run = self._run
        if not run.over and (run.fold.started is not None or run.stopping):
            run.abort("left")
        # The generator is suspended at its yield, where closing needs no waiting; so it is closed immediately, and the
        # event loop has nothing to finalize. If it is running (a discarded task), it ends on its own.
        with contextlib.suppress(StopIteration, RuntimeError):
            self._generator.aclose().send(None)


class OneByOne(Generic[T]):
    """Yields the items of batches one by one; releasing it releases the reader."""

    __slots__ = ("__weakref__", "_items", "_reader")

    def __init__(self, reader: Reader[Sequence[T]]) -> None:
        self._reader = reader
        self._items: Iterator[T] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            for item in self._items:
                return item
            self._items = iter(await self._reader.__anext__())

    async def aclose(self) -> None:
        """Leave now, and wait until nothing is left."""
        await self._reader.aclose()


AsyncReading: TypeAlias = Reader[T_co] | OneByOne[T_co]
"""An iterator over a stream in async code."""


# --- reading in sync code


def read_plainly(
    run: Run, kept: KeptLoop, project: Callable[[Run], Callable[[Event], T | None]]
) -> Generator[T, None, None]:
    """Like `_read`, on the thread's kept loop: yields everything that arrived before it runs the loop again."""
    shape, append = _shape(run, project), run.append
    try:
        while events := kept.run(run.pull()):
            for event in events:
                if (wait := append(event)) is not None:
                    kept.run(_awaited(wait))
                if (item := shape(event)) is not None:
                    yield item
    except GeneratorExit:
        run.abort("left")
        raise
    except BaseException as error:
        run.abort("caller")
        if isinstance(error, KeyboardInterrupt):
            error.response = run.response()  # type: ignore[attr-defined]
        raise
    finally:
        _leave(run, kept)
        kept.let_go()
    run.raise_error()


def drain_blocking(run: Run, kept: KeptLoop, *, alone: bool = False) -> None:
    """Reads a run to its end on a kept loop, `alone` as in `Run.drain`.

    Raises the error that ended it; on Ctrl-C, with the partial Response as its `response`.
    """
    try:
        kept.run(run.drain(alone=alone))
    except KeyboardInterrupt as interrupt:
        run.abort("caller")
        interrupt.response = run.response()  # type: ignore[attr-defined]
        raise
    except HeadwaterError as error:
        forget_our_frames(error)
        raise
    except asyncio.CancelledError as error:
        raise Cancelled("The run was cancelled from inside its loop.", response=run.response()) from error
    finally:
        _leave(run, kept)


def _leave(run: Run, kept: KeptLoop) -> None:
    """Runs one more turn of the loop to release closed resources; an idle loop would do so only at its next use."""
    if kept.loop.is_closed() or kept.busy:
        return
    if not run.settled:
        kept.run(run.settle())
    if not isinstance(run.fold.end, RunFinished):
        kept.settle()


async def _awaited(wait: Awaitable[T]) -> T:
    return await wait
