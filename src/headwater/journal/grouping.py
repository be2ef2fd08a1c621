"""Calls that are made together: those that come while one is under way are the next one.

Owns the calls that wait. There is no timer: a single call is made at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

__all__ = ("Grouped",)

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


class Grouped(Generic[ItemT, AnswerT]):
    """Calls of one event loop. `do` makes up to `most` of them at once and returns an answer, or an error, to each."""

    def __init__(
        self, do: Callable[[Sequence[ItemT]], Awaitable[Sequence[AnswerT | Exception]]], *, most: int = 100
    ) -> None:
        self._do = do
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
                some, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                answers: Sequence[AnswerT | Exception]
                try:
                    answers = await self._do([item for item, _ in some])
                except Exception as error:
                    answers = [error] * len(some)
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

    async def settle(self) -> None:
        """Waits until every call has its answer."""
        if self._task is not None:
            await asyncio.wait([self._task])
