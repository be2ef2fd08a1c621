"""Submits this process's runs to the engine of a journal, from which workers on any machine take them.

Owns the connection to the engine, on the journal's thread. What cannot be submitted stays in the journal, where the
search for due runs finds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from headwater.errors import HeadwaterError
from headwater.journal.engines.engine import Engine
from headwater.journal.engines.opening import open_engine
from headwater.journal.run_log import Due

__all__ = ("Queue",)

_logger = logging.getLogger("headwater.journal")


class Queue:
    """`engine` is the engine's address, None means the journal's own queue. `loop` returns the journal's loop, on which
    the connection is kept; `now` the store's time.
    """

    def __init__(
        self,
        url: str,
        engine: str | None = None,
        *,
        loop: Callable[[], asyncio.AbstractEventLoop],
        now: Callable[[], float],
    ) -> None:
        self.engine = engine
        self._url = url
        self._loop = loop
        self._now = now
        self._opened: Engine | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def _engine(self) -> Engine:
        if self._opened is None:
            self._opened = open_engine(self._url, self.engine, now=self._now)
        return self._opened

    def put(self, run: str, **options: Any) -> None:
        """Submits the run without waiting for it, from any thread. For the options see `Executor.submit`."""
        with contextlib.suppress(RuntimeError):  # the process ends
            self._loop().call_soon_threadsafe(self._begin, run, options)

    def _begin(self, run: str, options: dict[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._put(run, options), name=f"headwater submit {run}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _put(self, run: str, options: dict[str, Any]) -> None:
        try:
            await self._engine.submit(run, **options)
        except HeadwaterError as error:
            _logger.warning("%s could not be submitted, and is submitted again later: %s", run, error.message)

    async def put_due(self, due: Sequence[Due]) -> None:
        """Submits the due runs that do not wait in the queue already; call it on the journal's loop."""
        waiting = await self._engine.waiting([one.run for one in due])
        await asyncio.gather(*(self._put(one.run, _options(one)) for one in due if one.run not in waiting))

    async def close(self) -> None:
        """Closes the connection after pending submissions; call it on the journal's loop."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._opened is not None:
            await self._opened.close()


def _options(due: Due) -> dict[str, Any]:
    return {"queue": due.queue, "agent": due.agent, "priority": due.priority}
