"""A thread that owns one connection to the file and runs jobs on it, one after another.

Owns the threads, their queue, and how many jobs share a commit. It must not depend on what a job does.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from headwater.errors import JournalUnavailable
from headwater.journal.sqlite.schema import transaction
from headwater.journal.wording import unavailable

__all__ = ("DatabaseThread", "in_thread")

T = TypeVar("T")

TOGETHER: Final = 200
"""Maximum number of jobs in one commit: enough to share its cost, and no job waits long."""

_Job = tuple[Callable[[sqlite3.Connection], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


async def in_thread(work: Callable[[], T]) -> T:
    """Calls `work` in a thread of its own. Returns its result, or raises its exception. `work` is never cancelled.

    An event loop's executor takes nothing more once the interpreter ends, when a journal is still to be closed.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def call() -> None:
        result: Any
        try:
            result = work()
        except Exception as error:
            result = _Raised(error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(_tell, future, result)

    threading.Thread(target=call, name="headwater journal", daemon=True).start()
    return await future


class DatabaseThread:
    """Runs jobs with its own connection, which `connect` opens in the thread.

    A writer shares one commit among the jobs that were added during the previous one. A job that raises must not have
    written anything before.
    """

    def __init__(self, url: str, connect: Callable[[], sqlite3.Connection], *, writes: bool) -> None:
        self._url = url
        self._connect = connect
        self._begin = "begin immediate" if writes else "begin"
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"headwater journal {url}", daemon=True)
        self._stopped = False
        self._thread.start()

    async def do(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Returns the result of the job once it is committed. Raises its exception, or JournalUnavailable.

        The job is completed even if the caller is cancelled.
        """
        if self._stopped:
            raise JournalUnavailable("The journal was closed.", hint="Open it again.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((job, loop, future))
        return await future

    def stop(self) -> None:
        """Finishes the earlier jobs, then ends."""
        if not self._stopped:
            self._stopped = True
            self._jobs.put(None)

    async def stopped(self) -> None:
        """Waits until the thread has ended."""
        await in_thread(self._thread.join)

    def _work(self) -> None:
        db: sqlite3.Connection | None = None
        going = True
        while going:
            jobs = [self._jobs.get()]
            while len(jobs) < TOGETHER:
                try:
                    jobs.append(self._jobs.get_nowait())
                except queue.Empty:
                    break
            going = None not in jobs
            some = [job for job in jobs if job is not None]
            try:
                db = db or self._connect()
            except sqlite3.Error as error:  # the next job tries again
                self._answer(some, [unavailable(self._url, error)] * len(some))
            else:
                self._do(db, some)
        if db is not None:
            db.close()

    def _do(self, db: sqlite3.Connection, jobs: list[_Job]) -> None:
        try:
            done = self._together(db, jobs)
        except sqlite3.Error as error:
            if len(jobs) > 1:  # a job that fails must not fail the others
                for job in jobs:
                    self._do(db, [job])
                return
            done = [unavailable(self._url, error)] if jobs else []
        self._answer(jobs, done)

    def _answer(self, jobs: list[_Job], done: list[Any]) -> None:
        for (_, loop, future), result in zip(jobs, done, strict=True):
            if not loop.is_closed():
                loop.call_soon_threadsafe(_tell, future, result)

    def _together(self, db: sqlite3.Connection, jobs: list[_Job]) -> list[Any]:
        if not jobs:
            return []
        done: list[Any] = []
        with transaction(db, self._begin):
            for job, _, _ in jobs:
                try:
                    done.append(job(db))
                except sqlite3.Error:
                    raise
                except Exception as error:
                    done.append(_Raised(error))
        return done


class _Raised:
    """The exception of a job."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


def _tell(future: asyncio.Future[Any], result: Any) -> None:
    if future.done():
        return
    if isinstance(result, (_Raised, JournalUnavailable)):
        future.set_exception(result.error if isinstance(result, _Raised) else result)
    else:
        future.set_result(result)
