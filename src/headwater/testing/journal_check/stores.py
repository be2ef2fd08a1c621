"""Two stores on the same data, with what the rules need to write, read and compare.

Owns the fixtures of `check_journal` and its error. It must never know which store it is given.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from headwater.events.codec import encode
from headwater.events.messages import Message, Text
from headwater.events.types import (
    AttemptStarted,
    Event,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
)
from headwater.journal.run_log import Batch, Page, Request, RunLog, State

__all__ = ("JournalBreach", "OpenStore", "Rule", "Stores")

OpenStore: TypeAlias = Callable[[], Awaitable[RunLog]]

PATIENCE: Final = 30.0
"""Seconds for anything that must happen: far more than any store needs, so that only what hangs meets it."""

T = TypeVar("T")


class JournalBreach(AssertionError):
    """A store breaks a rule of the protocol. The message names the rule and what the store did."""


class Stores:
    """Two stores, `a` and `b`, on the same data; what is named by `name` is deleted at the end."""

    a: RunLog
    b: RunLog

    def __init__(self, rule: str, open_store: OpenStore) -> None:
        self.rule = rule
        self.mark: str = secrets.token_hex(6)
        """Part of every name that the rule uses, so that runs of other checks are not in the way."""
        self._open = open_store
        self._made: list[str] = []

    async def __aenter__(self) -> Stores:
        self.a = await self._open()
        try:
            self.b = await self._open()
        except BaseException:
            await self.a.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            for run in self._made:
                await self.a.delete(run)
                await self.a.forget(run)
        finally:
            await self.a.close()
            await self.b.close()

    def name(self, what: str = "run") -> str:
        """A name that nothing else has; as a run's id, it is deleted at the end."""
        name = f"{what}_{self.mark}_{len(self._made)}"
        self._made.append(name)
        return name

    async def new(self, *, key: str | None = None, queue_up: bool = False, **request: Any) -> str:
        """A new run, created through `a`."""
        run = self.name()
        asked = Request(**{"agent": f"agent_{self.mark}", **request})
        await self.a.create(run, asked, key=key, when_busy="queue" if queue_up else "raise")
        return run

    async def written(self, *sizes: int, end: State | None = None, **request: Any) -> str:
        """A new run with a batch of each size, the last of which ends it where `end` says so."""
        run, first = await self.new(**request), 0
        for number, size in enumerate(sizes):
            last = end if number == len(sizes) - 1 else None
            await self.a.append(batch(run, first, size, state=last))
            first += size
        return run

    def hold(self, holds: bool, otherwise: str) -> None:
        """Raise JournalBreach unless it holds."""
        if not holds:
            raise JournalBreach(f"{self.rule}: {otherwise}")

    def same(self, what: str, is_: object, due: object) -> None:
        """Raise JournalBreach unless both are equal."""
        self.hold(is_ == due, f"{what} is {is_!r:.300}, not {due!r:.300}")

    async def refuses(self, kind: type[Exception], doing: Awaitable[Any], what: str) -> Any:
        """Raise JournalBreach unless it raises that error, which is returned."""
        try:
            await self.soon(doing, what)
        except kind as error:
            return error
        except JournalBreach:
            raise
        except Exception as error:
            raise JournalBreach(f"{self.rule}: {what} raises {error!r}, not {kind.__name__}") from error
        raise JournalBreach(f"{self.rule}: {what} does not raise {kind.__name__}")

    async def soon(self, doing: Awaitable[T], what: str) -> T:
        """Raise JournalBreach where it takes more than `PATIENCE`."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await doing
        except TimeoutError:
            raise JournalBreach(f"{self.rule}: {what} took more than {PATIENCE:g} seconds") from None

    async def all_of(self, log: RunLog, run: str, after: int = -1, *, limit: int = 1000) -> list[tuple[int, bytes]]:
        """The log, read page by page."""
        found: list[tuple[int, bytes]] = []
        while True:
            page = await log.read(run, after, limit=limit)
            found = [*page.lines()] if page.reset else [*found, *page.lines()]
            if not page.spans or page.after >= page.end - 1:
                return found
            self.hold(page.after > after, f"a page after {after} ends at {page.after}")
            after = page.after

    async def followed(self, pages: AsyncGenerator[Page, None]) -> list[tuple[int, bytes]]:
        """What a tail that ends hands out, with resets obeyed."""

        async def read() -> list[tuple[int, bytes]]:
            found: list[tuple[int, bytes]] = []
            async with aclosing(pages):
                async for page in pages:
                    found = [*page.lines()] if page.reset else [*found, *page.lines()]
            return found

        return await self.soon(read(), "a tail of a run that ends")


Rule: TypeAlias = Callable[[Stores], Awaitable[None]]


def lines(run: str, first: int, many: int, said: str = "word ") -> tuple[bytes, ...]:
    """Events of a log, encoded, with their numbers."""
    numbers = range(first, first + many)
    return tuple(encode(TextDelta(seq=seq, time=1.0 + seq, run=run, step=1, part=0, text=said)) for seq in numbers)


def batch(run: str, first: int, many: int = 1, *, by: str = "w#1", said: str = "word ", **more: Any) -> Batch:
    """A batch of that many events."""
    return Batch(run=run, first=first, lines=lines(run, first, many, said), by=by, **more)


def numbered(run: str, many: int, said: str = "word ") -> list[tuple[int, bytes]]:
    """What a log of that many events reads as."""
    return list(enumerate(lines(run, 0, many, said)))


def sample(run: str, deltas: Sequence[str]) -> tuple[bytes, ...]:
    """A small whole log whose deltas trimming drops."""
    events: list[Event] = [
        RunStarted(agent_name="a", grammar=2),
        StepStarted(step=1),
        AttemptStarted(step=1),
        TextStarted(step=1, part=0),
        *(TextDelta(step=1, part=0, text=text) for text in deltas),
        TextEnded(step=1, part=0),
        StepFinished(step=1, message=Message(role="assistant", content=(Text("".join(deltas)),))),
        RunFinished(),
    ]
    return tuple(
        encode(msgspec.structs.replace(event, seq=seq, run=run, path=("a",))) for seq, event in enumerate(events)
    )
