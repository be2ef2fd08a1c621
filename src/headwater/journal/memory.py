"""Runs stored in the memory of this process: for tests, and for `headwater serve` without a database.

Owns the simplest store that follows every rule of `run_log`; it must never touch a file. It may be used from several
event loops and threads at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from headwater.journal.packing import pack, unpack
from headwater.journal.run_log import (
    ENDED,
    WAKING,
    Appended,
    Batch,
    Closed,
    Conflict,
    Created,
    Due,
    Letter,
    LetterKind,
    Page,
    Posted,
    Request,
    RunInfo,
    RunLog,
    Span,
    State,
    Worker,
)
from headwater.journal.wording import busy, check_name, check_request, ended, plain, unknown

__all__ = ("MemoryLog",)

DAY = 86_400.0


class _Row(msgspec.Struct):
    """A batch as it is stored."""

    first: int
    lines: tuple[bytes, ...]
    by: str


class _Run(msgspec.Struct):
    """A run."""

    id: str
    request: Request
    key: str | None
    created_at: float
    rows: list[_Row] = []
    pack: bytes | None = None
    letters: list[Letter] = []
    said: list[bytes] = []
    state: State = "queued"
    end: int = 0
    owner: str | None = None
    drives: int = 0
    posted: int = 0
    wake_at: float | None = None
    ended_at: float | None = None
    outcome: str = ""

    @property
    def over(self) -> bool:
        return self.state in ENDED

    @property
    def expires_at(self) -> float | None:
        keep = self.request.keep
        return None if keep is None or self.ended_at is None else self.ended_at + keep


class MemoryLog(RunLog):
    """A store in memory. `clock` tells the store's time."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._runs: dict[str, _Run] = {}
        self._keys: dict[tuple[str, str | None], str] = {}
        """Runs by their agent and key."""
        self._workers: dict[str, tuple[Worker, float]] = {}
        self._waiting: list[tuple[frozenset[str], asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._letters = 0

    # --- the log

    async def create(
        self, run: str, request: Request, *, key: str | None = None, when_busy: Literal["raise", "queue"] = "raise"
    ) -> Created:
        """See RunLog."""
        check_request(run, request, key)
        with self._lock:
            standing = run if run in self._runs else self._keys.get((request.agent, key))
            if standing is not None:
                return Created(standing, new=False)
            if when_busy == "raise" and (ahead := self._ahead(request.thread)) is not None:
                raise busy(request.thread or "", ahead.id)
            self._runs[run] = _Run(run, request, key, self._clock(), wake_at=request.not_before)
            if key is not None:
                self._keys[request.agent, key] = run
            return Created(run, new=True)

    async def append_many(self, batches: Sequence[Batch]) -> list[Appended]:
        """See RunLog."""
        for batch in batches:
            batch.data()
        with self._lock:
            done = [
                None if (run := self._runs.get(batch.run)) is None else self._append(run, batch) for batch in batches
            ]
        for batch in batches:
            self._ring(batch.run)
        for batch, one in zip(batches, done, strict=True):
            if one is None:
                raise unknown(batch.run)
        return [one for one in done if one is not None]

    def _append(self, run: _Run, batch: Batch) -> Appended:
        standing = next((row for row in reversed(run.rows) if row.first <= batch.first), None)
        if standing == _Row(batch.first, batch.lines, batch.by):
            return batch.end
        if run.over:
            return Closed(run.id, run.state)
        if batch.first != run.end:
            stands = standing is not None and standing.first + len(standing.lines) > batch.first
            return Conflict(run.id, run.end, standing.by if stands and standing is not None else "")
        run.rows.append(_Row(batch.first, batch.lines, batch.by))
        run.end = batch.end
        run.said.extend(batch.said)
        if batch.owner is not None:
            run.owner, run.drives, run.state, run.wake_at = batch.owner, run.drives + 1, "running", None
        if batch.state is not None:
            run.state = batch.state
        if batch.state == "waiting":
            run.wake_at = self._clock() if run.posted > batch.heard else batch.wake_at
        elif batch.state in ENDED:
            run.ended_at, run.outcome, run.wake_at = self._clock(), plain(batch.outcome), None
        return run.end

    async def read(self, run: str, after: int = -1, *, limit: int = 1000) -> Page:
        """See RunLog."""
        with self._lock:
            return self._read(self._run(run), after, limit)

    def _read(self, run: _Run, after: int, limit: int) -> Page:
        if run.pack is not None:
            spans, reset = unpack(run.pack).after(after)
            return Page(run.id, spans, run.end, run.state, run.end - 1, reset)
        reset = after >= max(run.end, 0)
        begin = 0 if reset else after + 1
        lines: list[bytes] = []
        for row in run.rows:
            if row.first + len(row.lines) > begin and len(lines) < limit:
                lines.extend(row.lines[max(begin - row.first, 0) :])
        spans = (Span(begin, tuple(lines)),) if lines else ()
        return Page(run.id, spans, run.end, run.state, begin + len(lines) - 1, reset)

    async def tail_many(self, runs: Mapping[str, int]) -> AsyncGenerator[Page, None]:
        """See RunLog."""
        after = dict(runs)
        while after:
            with self._lock:
                waiter = self._listen(after)
                pages = [
                    page for run, number in after.items() if _news(page := self._read(self._run(run), number, 1000))
                ]
            for page in pages:
                after[page.run] = page.after
                if page.done:
                    del after[page.run]
                if page.spans or page.reset:
                    yield page
            if not pages:
                await waiter

    async def info(self, run: str) -> RunInfo:
        """See RunLog."""
        with self._lock:
            return self._info(self._run(run))

    def _info(self, run: _Run) -> RunInfo:
        ahead = None if run.over else self._ahead(run.request.thread, run.id)
        return RunInfo(
            run=run.id,
            request=run.request,
            state=run.state,
            key=run.key,
            end=run.end,
            owner=run.owner,
            drives=run.drives,
            ahead=None if ahead is None else ahead.id,
            wake_at=run.wake_at,
            created_at=run.created_at,
            ended_at=run.ended_at,
            expires_at=run.expires_at,
            outcome=run.outcome,
            packed=run.pack is not None,
            trimmed=run.pack is not None and not run.request.deltas,
        )

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
        wanted, found = tuple(states), list[RunInfo]()
        with self._lock:
            newest = list(reversed(self._runs.values()))
            if before is not None:
                newest = newest[newest.index(self._run(before)) + 1 :]
            for run in newest:
                request = run.request
                if (
                    (not wanted or run.state in wanted)
                    and run.id.startswith(begins)
                    and agent in (None, request.agent)
                    and thread in (None, request.thread)
                    and owner in (None, run.owner)
                    and (labels or {}).items() <= request.labels.items()
                    and len(found) < limit
                ):
                    found.append(self._info(run))
        return found

    async def history(self, run: str) -> list[bytes]:
        """See RunLog."""
        with self._lock:
            thread, said = self._run(run).request.thread, list[bytes]()
            for other in self._runs.values():
                if other.id == run:
                    break
                if thread is not None and other.request.thread == thread:
                    said.extend(other.said)
            return said

    async def thread(self, thread: str) -> list[bytes]:
        """See RunLog."""
        with self._lock:
            return [said for run in self._runs.values() if run.request.thread == thread for said in run.said]

    # --- the inbox

    async def post(self, run: str, kind: LetterKind, key: str, body: bytes) -> Posted:
        """See RunLog."""
        with self._lock:
            found = self._run(run)
            check_name("letter's key", key)
            for letter in found.letters:
                if letter.key == key:
                    return Posted(letter, ours=(letter.kind, letter.body) == (kind, body))
            if found.over:
                raise ended(run, found.state)
            self._letters += 1
            letter = Letter(self._letters, kind, key, body)
            found.letters.append(letter)
            if kind in WAKING:
                found.posted += 1
                if found.state == "waiting":
                    found.wake_at = self._clock()
        self._ring(run)
        return Posted(letter, ours=True)

    async def inbox(self, run: str) -> list[Letter]:
        """See RunLog."""
        with self._lock:
            return list(self._run(run).letters)

    async def letters(self, run: str) -> AsyncGenerator[list[Letter], None]:
        """See RunLog."""
        seen = -1
        while True:
            with self._lock:
                found = self._runs.get(run)
                if found is None:
                    if seen < 0:
                        raise unknown(run)
                    return
                letters, over = list(found.letters), found.over
                waiter = self._listen((run,))
            if len(letters) > seen:
                seen = len(letters)
                yield letters
            elif over:
                return
            else:
                await waiter

    # --- workers and due runs

    async def now(self) -> float:
        """See RunLog."""
        return self._clock()

    async def beat(self, worker: Worker) -> float:
        """See RunLog."""
        with self._lock:
            now = self._clock()
            self._workers[worker.id] = worker, now
            return now

    async def forget(self, worker: str) -> None:
        """See RunLog."""
        with self._lock:
            self._workers.pop(worker, None)

    async def workers(self) -> list[Worker]:
        """See RunLog."""
        with self._lock:
            now = self._clock()
            aged = [msgspec.structs.replace(worker, age=now - beat) for worker, beat in self._workers.values()]
            return [worker for worker in aged if worker.age < DAY]

    async def due(
        self, *, agents: Iterable[str] | None = None, dead_after: float = 10.0, limit: int = 100
    ) -> list[Due]:
        """See RunLog."""
        with self._lock:
            now, found = self._clock(), list[Due]()
            known = None if agents is None else frozenset(agents)
            for run in self._runs.values():
                if known is not None and run.request.agent not in known:
                    continue
                why = None if run.over or self._ahead(run.request.thread, run.id) else self._why(run, now, dead_after)
                if why is not None and len(found) < limit:
                    found.append(Due(run.id, run.request.queue, run.request.priority, why, run.request.agent))
            return found

    def _why(self, run: _Run, now: float, dead_after: float) -> Literal["unclaimed", "wake", "owner"] | None:
        if run.state == "queued":
            since = run.created_at if run.wake_at is None else run.wake_at
            return "unclaimed" if since + dead_after <= now else None
        if run.state == "waiting":
            return "wake" if run.wake_at is not None and run.wake_at <= now else None
        beat = self._workers.get(run.owner or "")
        return "owner" if beat is None or beat[1] + dead_after <= now else None

    # --- retention

    async def pack(self, *, after: float = 3600.0, limit: int = 100) -> int:
        """See RunLog."""
        with self._lock:
            before = self._clock() - after
            found = [run for run in self._runs.values() if run.rows and (run.ended_at or before + 1) <= before][:limit]
            for run in found:
                run.pack = pack([line for row in run.rows for line in row.lines], deltas=run.request.deltas)
                run.rows = []
            return len(found)

    async def expire(self, *, limit: int = 100) -> int:
        """See RunLog."""
        with self._lock:
            now = self._clock()
            old = [run for run in self._runs.values() if run.expires_at is not None and run.expires_at <= now]
            gone = {run.id for run in old}
            threads = {run.request.thread for run in self._runs.values() if run.id not in gone} - {None}
            old = [run for run in old if run.request.thread not in threads][:limit]
            for run in old:
                self._delete(run)
            self._workers = {name: one for name, one in self._workers.items() if one[1] + DAY > now}
        return len(old)

    async def delete(self, run: str) -> bool:
        """See RunLog."""
        with self._lock:
            found = self._runs.get(run)
            if found is not None:
                self._delete(found)
            return found is not None

    async def delete_thread(self, thread: str) -> int:
        """See RunLog."""
        with self._lock:
            found = [run for run in self._runs.values() if run.request.thread == thread]
            for run in found:
                self._delete(run)
            return len(found)

    def _delete(self, run: _Run) -> None:
        del self._runs[run.id]
        if run.key is not None:
            del self._keys[run.request.agent, run.key]
        self._ring(run.id)

    async def close(self) -> None:
        """See RunLog. What is stored stays for as long as the object lives."""

    # --- inside

    def _run(self, run: str) -> _Run:
        if (found := self._runs.get(run)) is None:
            raise unknown(run)
        return found

    def _ahead(self, thread: str | None, run: str | None = None) -> _Run | None:
        """Returns the oldest open run of the thread, if it is older than `run`."""
        if thread is None:
            return None
        for other in self._runs.values():
            if other.id == run:
                return None
            if other.request.thread == thread and not other.over:
                return other
        return None

    def _listen(self, runs: Iterable[str]) -> asyncio.Future[None]:
        """Done when something of one of the runs changes."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiting = [one for one in self._waiting if not one[2].done()]
        self._waiting.append((frozenset(runs), loop, waiter))
        return waiter

    def _ring(self, run: str) -> None:
        with self._lock:
            ringing = [one for one in self._waiting if run in one[0]]
            self._waiting = [one for one in self._waiting if run not in one[0]]
        for _, loop, waiter in ringing:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_finish, waiter)


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _news(page: Page) -> bool:
    return bool(page.spans) or page.reset or page.done
