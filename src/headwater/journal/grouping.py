"""Calls that are made together: those that come while one is under way are the next one.

Owns the calls that wait, and how much fits into one. There is no timer: a single call is made at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from headwater.errors import InvalidRecord

__all__ = ("MAX_BYTES", "Grouped", "together")

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


MAX_BYTES: Final = 4_000_000
"""Bytes in one call, if it is made for more than one. A store is given up after some seconds without an answer: a call
that takes longer than that, because it gathered while the store was slow, would never succeed."""


def together(items: Iterable[ItemT], size: Callable[[ItemT], int], most: int) -> list[ItemT]:
    """Returns the first of these that fit into one call: at least one, at most `most`. `size` is in bytes."""
    some: list[ItemT] = []
    total = 0
    for item in items:
        total += size(item)
        if some and (len(some) == most or total > MAX_BYTES):
            break
        some.append(item)
    return some


class Grouped(Generic[ItemT, AnswerT]):
    """Calls of one event loop. `do` makes up to `most` of them at once and returns an answer, or an error, to each.

    `size` is that of an item, in bytes. When `do` raises InvalidRecord it has done nothing, and each is made alone.
    """

    def __init__(
        self,
        do: Callable[[Sequence[ItemT]], Awaitable[Sequence[AnswerT | Exception]]],
        *,
        size: Callable[[ItemT], int] = lambda _: 0,
        most: int = 100,
    ) -> None:
        self._do = do
        self._size = size
        self._most = most
        self._waiting: list[tuple[ItemT, asyncio.Future[AnswerT]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, item: ItemT) -> AnswerT:
        """Returns the answer to this one. Raises its error, or what `do` raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[AnswerT] = loop.create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = loop.create_task(self._work(), name="headwater journal calls")
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                items = together((item for item, _ in self._waiting), self._size, self._most)
                some, self._waiting = self._waiting[: len(items)], self._waiting[len(items) :]
                try:
                    answers = await self._answers(items)
                except BaseException:  # the event loop ends
                    self._waiting = some + self._waiting
                    raise
                for (_, future), answer in zip(some, answers, strict=True):
                    if future.done():
                        continue  # whoever asked was cancelled
                    if isinstance(answer, Exception):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)
        finally:
            self._task = None
            left, self._waiting = self._waiting, []
            for _, future in left:
                future.cancel()

    async def _answers(self, items: Sequence[ItemT]) -> Sequence[AnswerT | Exception]:
        try:
            return await self._do(items)
        except InvalidRecord as error:
            if len(items) == 1:
                return [error]
            return [answer for item in items for answer in await self._answers([item])]
        except Exception as error:
            return [error] * len(items)

    async def settle(self) -> None:
        """Waits until every call has its answer."""
        if self._task is not None:
            await asyncio.wait([self._task])
