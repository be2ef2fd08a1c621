"""What stores in a database have in common: the checks of what is stored and looked for, and who is told of it.

A subclass executes the statements. None of them gets a name that nothing can have: PostgreSQL and SQLite refuse some of
these, each others, as values.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Literal

from headwater.journal.following import Following
from headwater.journal.run_log import (
    Appended,
    Batch,
    Created,
    Letter,
    LetterKind,
    Page,
    Posted,
    Request,
    RunInfo,
    RunLog,
    State,
)
from headwater.journal.wording import check_known, check_name, check_request, is_name, unknown

__all__ = ("DatabaseLog",)


class DatabaseLog(RunLog):
    """A store in a database. The methods with an underscore are the subclass's."""

    _following: Following

    async def create(
        self, run: str, request: Request, *, key: str | None = None, when_busy: Literal["raise", "queue"] = "raise"
    ) -> Created:
        """See RunLog."""
        check_request(run, request, key)
        return await self._create(run, request, key, when_busy == "queue")

    async def append_many(self, batches: Sequence[Batch]) -> list[Appended]:
        """See RunLog."""
        if not batches:
            return []
        done = await self._append([(batch, batch.data()) for batch in batches])
        self._stored([batch.run for batch in batches], anywhere=False)
        for batch, one in zip(batches, done, strict=True):
            if one is None:
                raise unknown(batch.run)
        return [one for one in done if one is not None]

    async def read(self, run: str, after: int = -1, *, limit: int = 1000) -> Page:
        """See RunLog."""
        check_known(run)
        return await self._read(run, after, limit)

    def tail_many(self, runs: Mapping[str, int]) -> AsyncGenerator[Page, None]:
        """See RunLog."""
        self._follow()
        return self._following.tail_many(runs)

    def letters(self, run: str) -> AsyncGenerator[list[Letter], None]:
        """See RunLog."""
        self._follow()
        return self._following.letters(run)

    async def info(self, run: str) -> RunInfo:
        """See RunLog."""
        check_known(run)
        return await self._info(run)

    async def history(self, run: str) -> list[bytes]:
        """See RunLog."""
        check_known(run)
        return await self._history(run)

    async def thread(self, thread: str) -> list[bytes]:
        """See RunLog."""
        return await self._thread(thread) if is_name(thread) else []

    async def inbox(self, run: str) -> list[Letter]:
        """See RunLog."""
        check_known(run)
        return await self._inbox(run)

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
        """See RunLog."""
        equal = {"agent": agent, "thread": thread, "owner": owner}
        wanted = {name: value for name, value in equal.items() if value is not None}
        if before is not None:
            check_known(before)
        texts = (*wanted.values(), *(one for one in (labels or {}).values() if one), *(labels or {}))
        if not all(map(is_name, (*texts, begins) if begins else texts)):
            return []
        return await self._runs(tuple(states), wanted, dict(labels or {}), begins, before, limit)

    async def post(self, run: str, kind: LetterKind, key: str, body: bytes) -> Posted:
        """See RunLog."""
        check_known(run)
        check_name("letter's key", key)
        posted = await self._post(run, kind, key, body)
        self._stored([run])
        return posted

    async def expire(self, *, limit: int = 100) -> int:
        """See RunLog."""
        gone = await self._expire(limit)
        if gone:
            self._following.bump()
        return gone

    async def delete(self, run: str) -> bool:
        """See RunLog."""
        gone = is_name(run) and await self._delete(run)
        self._stored([run])
        return gone

    async def delete_thread(self, thread: str) -> int:
        """See RunLog."""
        gone = await self._delete_thread(thread) if is_name(thread) else 0
        self._following.bump()
        return gone

    # --- followers

    def _stored(self, runs: Iterable[str], *, anywhere: bool = True) -> None:
        """Wakes the readers that follow these runs; `anywhere`: not only their logs."""
        self._following.bump(None if anywhere else runs)

    def _follow(self) -> None:
        """Called when a reader begins to follow."""

    # --- the statements

    async def _create(self, run: str, request: Request, key: str | None, queue_up: bool) -> Created:
        raise NotImplementedError

    async def _append(self, rows: Sequence[tuple[Batch, bytes]]) -> list[Appended | None]:
        raise NotImplementedError

    async def _read(self, run: str, after: int, limit: int) -> Page:
        raise NotImplementedError

    async def _info(self, run: str) -> RunInfo:
        raise NotImplementedError

    async def _history(self, run: str) -> list[bytes]:
        raise NotImplementedError

    async def _thread(self, thread: str) -> list[bytes]:
        raise NotImplementedError

    async def _inbox(self, run: str) -> list[Letter]:
        raise NotImplementedError

    async def _runs(
        self,
        states: tuple[State, ...],
        equal: dict[str, Any],
        labels: dict[str, str],
        begins: str,
        before: str | None,
        limit: int,
    ) -> list[RunInfo]:
        raise NotImplementedError

    async def _post(self, run: str, kind: LetterKind, key: str, body: bytes) -> Posted:
        raise NotImplementedError

    async def _expire(self, limit: int) -> int:
        raise NotImplementedError

    async def _delete(self, run: str) -> bool:
        raise NotImplementedError

    async def _delete_thread(self, thread: str) -> int:
        raise NotImplementedError
