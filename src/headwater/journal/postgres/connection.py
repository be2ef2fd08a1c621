"""One connection to PostgreSQL: opened when it is first needed and again after it breaks, for one job at a time.

Owns the timeouts and the meaning of the driver's errors. A job may run twice if its connection broke in the middle, so
every job must be idempotent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

import psycopg
from psycopg import AsyncConnection

from headwater.errors import ConfigurationError, JournalUnavailable
from headwater.journal.addresses import shown
from headwater.journal.wording import reason, refused, unavailable

__all__ = ("Connection", "Database", "connect")

T = TypeVar("T")
Database: TypeAlias = AsyncConnection[tuple[Any, ...]]

PATIENCE: Final = 10.0
"""Seconds for one job. A lease is as long, so a process that cannot write for this time has lost its runs anyway."""

TRIES: Final = 3
"""A job whose transaction lost against another (a deadlock), or whose connection had broken, is done again."""

CANCELS_WITHIN: Final = 1.0
"""Seconds for a server that is asked to cancel a job."""

ENDS_WITHIN: Final = 0.5
"""Seconds for a job to end after that."""

WRONG: Final = (
    psycopg.errors.InvalidPassword,
    psycopg.errors.InvalidAuthorizationSpecification,
    psycopg.errors.InvalidCatalogName,
    psycopg.errors.InsufficientPrivilege,
)
"""Errors that a retry does not fix."""

REFUSED: Final = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, UnicodeEncodeError)
"""Errors of values, which no retry stores: a time of another age, an index entry that is too long, half a character."""

SETTINGS: Final = {"plan_cache_mode": "force_generic_plan"}
"""Settings of every session: a statement is planned once, not again for each array. Planning takes longer than running
it."""

PLANNED_FOR: Final = 60.0
"""Seconds after which all is planned again. A plan that was made while the tables were empty is a bad one later, and
PostgreSQL itself notices that only when it has analyzed them."""


async def connect(url: str, *, patience: float = PATIENCE, settings: Mapping[str, str] | None = None) -> Database:
    """Connects. `settings` are the session's; behind a pooler, where sessions are shared, they are left out.

    Raises ConfigurationError if the URL, the password or the database is wrong; JournalUnavailable.
    """
    try:
        async with asyncio.timeout(patience):
            db = await AsyncConnection.connect(
                url, autocommit=True, application_name="headwater", connect_timeout=max(2, int(patience))
            )
            try:
                row = await (await db.execute("select pg_backend_pid()", prepare=False)).fetchone()
                if row is None or row[0] != db.info.backend_pid:
                    db.prepare_threshold = None  # behind a pooler each statement may run on another server
                elif settings:
                    await db.execute(
                        "select set_config(name, value, false) from unnest(%s::text[], %s::text[]) as s(name, value)",
                        ([*settings], [*settings.values()]),
                        prepare=False,
                    )
            except BaseException:  # also the time-out, and the end of the event loop
                await db.close()
                raise
    except TimeoutError as error:
        raise unavailable(url, TimeoutError(f"no answer within {patience:g} seconds")) from error
    except (*WRONG, psycopg.ProgrammingError) as error:
        raise _wrong(url, error) from None  # the driver quotes its arguments, including the password
    except psycopg.OperationalError as error:
        said = str(error)
        if "does not exist" in said or "authentication failed" in said or "no password supplied" in said:
            raise _wrong(url, error) from None
        raise unavailable(url, error) from None
    except (psycopg.Error, OSError) as error:
        raise unavailable(url, error) from None
    return db


def _wrong(url: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The journal {shown(url)} cannot be opened: {reason(url, error)}.",
        hint="Check the user, the password and the database in the URL; create the database with createdb.",
    )


class Connection:
    """A connection that reconnects. `settings` are those of its sessions besides the usual ones; see `connect`."""

    def __init__(self, url: str, *, patience: float = PATIENCE, settings: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._settings = {**SETTINGS, **(settings or {})}
        self._patience = patience
        self._db: Database | None = None
        self._planned_at = 0.0
        self._lock = asyncio.Lock()
        self._jobs: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def do(self, job: Callable[[Database], Awaitable[T]]) -> T:
        """Returns the job's result. Raises its exception, JournalUnavailable if the connection or the server fails, or
        InvalidRecord if the server refuses a value.

        The job is completed even if the caller is cancelled.
        """
        if self._closed:
            raise JournalUnavailable("The journal was closed.", hint="Open it again.")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        task = loop.create_task(self._answer(job, answer))
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        return await answer

    async def _answer(self, job: Callable[[Database], Awaitable[T]], answer: asyncio.Future[T]) -> None:
        # Who waits for a future goes on one turn of the event loop sooner than who waits for a task, and a turn of a
        # loop that reads a hundred streams takes as long as the server.
        try:
            result = await self._do(job)
        except asyncio.CancelledError:
            answer.cancel()
            raise
        except Exception as error:
            if not answer.done():  # a cancelled caller does not read it
                answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(result)

    async def _do(self, job: Callable[[Database], Awaitable[T]]) -> T:
        async with self._lock:
            for left in reversed(range(TRIES)):
                fresh = self._db is None or self._db.closed
                if fresh:
                    self._db = await connect(self._url, patience=self._patience, settings=self._settings)
                    self._planned_at = time.monotonic()
                assert self._db is not None
                try:
                    if time.monotonic() - self._planned_at > PLANNED_FOR:
                        self._planned_at = time.monotonic()
                        await self._bounded(self._db, _forget_plans)
                    return await self._bounded(self._db, job)
                except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as error:
                    if not left:
                        raise unavailable(self._url, error) from error
                except REFUSED as error:
                    raise refused(self._url, error) from error
                except (psycopg.Error, OSError) as error:
                    await self._drop()
                    if fresh or not left or not isinstance(error, psycopg.OperationalError):
                        raise unavailable(self._url, error) from error
            raise AssertionError("unreachable")

    async def _bounded(self, db: Database, job: Callable[[Database], Awaitable[T]]) -> T:
        """The job in this task, which is ended when it takes too long."""
        loop, task, stopping = asyncio.get_running_loop(), asyncio.current_task(), list[asyncio.Task[None]]()
        assert task is not None
        timer = loop.call_later(self._patience, lambda: stopping.append(loop.create_task(_stop(db, task))))
        try:
            return await job(db)
        except asyncio.CancelledError:
            if not stopping or not stopping[0].done():
                await self._drop()
                raise
            task.uncancel()  # `_stop` was what cancelled it
            raise self._too_long() from None
        except Exception:
            if stopping:
                raise self._too_long() from None
            raise
        finally:
            timer.cancel()
            if stopping:
                stopping[0].cancel()
                await asyncio.wait(stopping)
                await self._drop()  # the server may still be about to cancel what comes next

    def _too_long(self) -> JournalUnavailable:
        return unavailable(self._url, TimeoutError(f"no answer within {self._patience:g} seconds"))

    async def _drop(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            await db.close()

    async def close(self) -> None:
        """Waits for the active job, and closes."""
        self._closed = True
        while self._jobs:
            await asyncio.wait(self._jobs)
        await self._drop()


async def _forget_plans(db: Database) -> None:
    if db.prepare_threshold is not None:
        await db.execute("discard plans", prepare=False)


async def _stop(db: Database, task: asyncio.Task[Any]) -> None:
    """Ends the job of a task: the server is asked to cancel it; one that does not answer that either is cut off.

    The task is not cancelled at once: the driver would then ask the server on its own, for longer, and log how it went.
    """
    with contextlib.suppress(psycopg.Error, OSError):
        await db.cancel_safe(timeout=CANCELS_WITHIN)
    await asyncio.sleep(ENDS_WITHIN)
    _cut(db)
    await asyncio.sleep(ENDS_WITHIN)
    task.cancel()


def _cut(db: Database) -> None:
    """Ends the connection for both sides, without a word, so that whoever waits for the server waits no longer."""
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(db.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)
