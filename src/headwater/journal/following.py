"""Readers that follow runs: one query to the store for all of them, when something may have changed.

Owns the list of waiting readers, and when the store is queried. The query, and how a change is detected, belong to the
store.

A reader takes part in a query only while it waits: a slow one gets more events at once later, and nothing is queued
for it. Each change has a number; readers whose last query is older than one that concerns them are included in the
next one. An append of this process concerns the readers of that log only: a process with a hundred runs, which all wait
for letters, would otherwise query all of their inboxes after each of its own appends.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from headwater.errors import InvalidRecord, JournalUnavailable
from headwater.journal.run_log import Letter, Page
from headwater.journal.wording import check_known, unknown

__all__ = ("Following", "Looked", "Wanted")

Wanted = tuple[str, int]
"""A run, with the number after which its log is requested, or the number of known letters."""

RETRY: Final = 0.5
"""Seconds until a store that did not answer is queried again."""


class Looked:
    """The result of one query; runs without news are in none of its fields."""

    __slots__ = ("letters", "missing", "pages")

    def __init__(self) -> None:
        self.pages: dict[Wanted, Page] = {}
        self.letters: dict[Wanted, tuple[list[Letter], bool]] = {}
        """The whole inbox, and whether the run is over."""
        self.missing: set[str] = set()
        """Runs that do not exist."""

    def add_page(self, wanted: Wanted, page: Page) -> None:
        """Keeps a page that has events, a reset, or the end of the run."""
        if page.spans or page.reset or page.done:
            self.pages[wanted] = page


class _Follower:
    __slots__ = ("future", "letters", "pages", "seen")

    def __init__(self) -> None:
        self.seen = -1
        """The number of the last change before its last query."""
        self.pages: frozenset[Wanted] = frozenset()
        self.letters: frozenset[Wanted] = frozenset()
        self.future: asyncio.Future[Looked] | None = None


class Following:
    """The followers in one event loop.

    `look` queries the store for all waiting readers. While there are any, `changed` is called every `interval()`
    seconds and returns whether something may have changed.
    """

    def __init__(
        self,
        look: Callable[[set[Wanted], set[Wanted]], Awaitable[Looked]],
        *,
        interval: Callable[[], float],
        changed: Callable[[], bool],
    ) -> None:
        self._look = look
        self._interval = interval
        self._changed = changed
        self._changes = 0
        self._version = 0
        """The last change that may concern every reader."""
        self._tailed: Counter[str] = Counter()
        """How many readers each log has, waiting or not."""
        self._appended: dict[str, int] = {}
        """By log that is read: its last change."""
        self._waiting: set[_Follower] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._pump: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def followed(self) -> set[str]:
        """The runs that readers currently wait for."""
        return {run for one in self._waiting for run, _ in one.pages | one.letters}

    def bump(self, runs: Iterable[str] | None = None) -> None:
        """Notes that something may have changed: in the logs of these runs, or (None) anywhere."""
        if runs is None:
            self._changes += 1
            self._version = self._changes
        else:
            if not self._tailed or not (tailed := self._tailed.keys() & {*runs}):
                return
            self._changes += 1
            self._appended |= dict.fromkeys(tailed, self._changes)
        self._stir()

    async def tail_many(self, runs: Mapping[str, int]) -> AsyncGenerator[Page, None]:
        """See RunLog."""
        after, follower = dict(runs), _Follower()
        for run in after:
            check_known(run)
        self._tailed.update(after.keys())
        try:
            async for page in self._pages(after, follower):
                yield page
        finally:
            for run in runs:
                self._tailed[run] -= 1
                if not self._tailed[run]:
                    del self._tailed[run]
                    self._appended.pop(run, None)

    async def _pages(self, after: dict[str, int], follower: _Follower) -> AsyncGenerator[Page, None]:
        while after:
            follower.pages = frozenset(after.items())
            looked = await self._next(follower)
            for wanted, page in looked.pages.items():
                if wanted not in follower.pages:
                    continue
                after[page.run] = page.after
                if page.done:
                    del after[page.run]
                elif page.after < page.end - 1:
                    follower.seen = -1  # there is more than a page
                if page.spans or page.reset:
                    yield page
            if gone := looked.missing & after.keys():
                raise unknown(min(gone))

    async def letters(self, run: str) -> AsyncGenerator[list[Letter], None]:
        """See RunLog."""
        check_known(run)
        known, follower = -1, _Follower()
        while True:
            follower.letters = frozenset({(run, known)})
            looked = await self._next(follower)
            if run in looked.missing:
                if known < 0:
                    raise unknown(run)
                return
            if (found := looked.letters.get((run, known))) is not None:
                letters, over = found
                if len(letters) > known:
                    known = len(letters)
                    yield letters
                if over:
                    return

    def close(self) -> None:
        """Raises in all waiting readers that the store was closed."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pump is not None:
            self._pump.cancel()
        for one in self._waiting:
            if one.future is not None and not one.future.done():
                one.future.set_exception(JournalUnavailable("The journal was closed while a reader followed a run."))

    async def _next(self, follower: _Follower) -> Looked:
        if self._closed:
            raise JournalUnavailable("The journal was closed.", hint="Open it again.")
        follower.future = asyncio.get_running_loop().create_future()
        self._waiting.add(follower)
        try:
            self._stir()
            self._time()
            return await follower.future
        finally:
            self._waiting.discard(follower)

    def _time(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._interval(), self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._waiting:
            if self._changed():
                self.bump()
            self._time()

    def _is_stale(self, one: _Follower) -> bool:
        """Whether something that concerns it may have changed since its last query."""
        if one.seen < self._version:
            return True
        changed = self._appended
        return bool(changed) and any(changed.get(run, -1) > one.seen for run, _ in one.pages)

    def _stir(self) -> None:
        if self._pump is None and any(map(self._is_stale, self._waiting)):
            self._pump = asyncio.get_running_loop().create_task(self._look_at_all(), name="headwater journal readers")

    async def _look_at_all(self) -> None:
        try:
            while todo := [one for one in self._waiting if self._is_stale(one)]:
                await self._look_for(todo)
        finally:
            self._pump = None

    async def _look_for(self, todo: Sequence[_Follower]) -> None:
        seen = self._changes
        try:
            looked = await self._look(
                {wanted for one in todo for wanted in one.pages},
                {wanted for one in todo for wanted in one.letters},
            )
        except JournalUnavailable:
            await asyncio.sleep(RETRY)
        except Exception as error:  # raised in the readers, not in an unobserved task
            if isinstance(error, InvalidRecord) and len(todo) > 1:  # only in the one that asks for what no store has
                for one in todo:
                    await self._look_for([one])
                return
            for one in todo:
                if one.future is not None and not one.future.done():
                    one.future.set_exception(error)
                self._waiting.discard(one)
        else:
            for one in todo:
                one.seen = seen
                self._hand_out(one, looked)

    def _hand_out(self, one: _Follower, looked: Looked) -> None:
        news = (
            not looked.pages.keys().isdisjoint(one.pages)
            or not looked.letters.keys().isdisjoint(one.letters)
            or any(run in looked.missing for run, _ in one.pages | one.letters)
        )
        if news and one.future is not None and not one.future.done():
            one.future.set_result(looked)
            self._waiting.discard(one)
