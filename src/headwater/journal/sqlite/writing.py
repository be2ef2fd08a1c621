"""Writes to a journal in SQLite: functions of a connection, each within a transaction of its caller.

Owns the statements that write. Checks come first: a rejected call writes nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headwater.journal.run_log import (
    ENDED,
    WAKING,
    Appended,
    Batch,
    Closed,
    Conflict,
    Created,
    Letter,
    LetterKind,
    Posted,
    Request,
    State,
    Worker,
)
from headwater.journal.sqlite.reading import DAY, END
from headwater.journal.wording import busy, ended, plain, unknown

__all__ = (
    "append_many",
    "beat",
    "create",
    "delete",
    "delete_thread",
    "expire",
    "forget",
    "post",
    "put_pack",
)

OF_A_RUN: Final = ("events", "packs", "inbox", "threads", "runs")
"""The tables that have rows of a run."""


def create(db: sqlite3.Connection, run: str, request: Request, key: str | None, queue_up: bool, now: float) -> Created:
    """See RunLog. Raises ThreadBusy."""
    row = db.execute(
        "select root from runs where root = ? or (agent = ? and key = ?) order by root = ? desc",
        (run, request.agent, key, run),
    ).fetchone()
    if row is not None:
        return Created(row[0], new=False)
    if request.thread is not None and not queue_up:
        open_one = "select root from runs where thread = ? and state in ('queued', 'running', 'waiting') order by no"
        if (ahead := db.execute(open_one, (request.thread,)).fetchone()) is not None:
            raise busy(request.thread, ahead[0])
    db.execute(
        "insert into runs(root, agent, key, thread, request, labels, wake_at, created_at) values (?,?,?,?,?,?,?,?)",
        (
            run,
            request.agent,
            key,
            request.thread,
            msgspec.json.encode(request),
            json.dumps(request.labels),
            request.not_before,
            now,
        ),
    )
    return Created(run, new=True)


AT_ONCE: Final = 100
"""Batches in one statement: SQLite allows 32,766 parameters, and 999 where it is old."""


def append_many(db: sqlite3.Connection, batches: Sequence[tuple[Batch, bytes]], now: float) -> list[Appended | None]:
    """See RunLog; None for an unknown run.

    Each statement gives up Python's lock, which a busy event loop keeps for a while: two for all batches, not three
    for each.
    """
    done: list[Appended | None] = []
    for at in range(0, len(batches), AT_ONCE):
        done += _append_some(db, batches[at : at + AT_ONCE], now)
    return done


def _append_some(db: sqlite3.Connection, batches: Sequence[tuple[Batch, bytes]], now: float) -> list[Appended | None]:
    found = {
        row[0]: row[1:]
        for row in db.execute(
            f"select root, no, state, case when packed then 0 else {END} end from runs"
            f" where root in ({', '.join('?' * len(batches))})",
            [batch.run for batch, _ in batches],
        )
    }
    done: list[Appended | None] = []
    stored: list[tuple[Batch, int]] = []
    values: list[Any] = []
    for batch, data in batches:
        if (row := found.get(batch.run)) is None:
            done.append(None)
            continue
        no, state, end = row
        if batch.first != end or state in ENDED:
            if values:  # the batch before may be of the same run
                _insert(db, values)
                values = []
            done.append(_refused(db, batch, data, no, state, end))
            continue
        values += (no, batch.first, len(batch.lines), batch.by, data)
        found[batch.run] = no, batch.state if batch.state in ENDED else state, batch.end
        stored.append((batch, no))
        done.append(batch.end)
    if values:
        _insert(db, values)
    for batch, no in stored:
        _change(db, batch, no, now)
    return done


def _insert(db: sqlite3.Connection, values: Sequence[Any]) -> None:
    db.execute(f"insert into events values {', '.join(['(?,?,?,?,?)'] * (len(values) // 5))}", values)


def _change(db: sqlite3.Connection, batch: Batch, no: int, now: float) -> None:
    """What a stored batch changes in its run, beside the log."""
    if batch.said:
        said = "insert into threads select thread, no, ?, ? from runs where no = ? and thread is not null"
        db.execute(said, (batch.first, b"\n".join(batch.said), no))
    if batch.owner is not None:
        claim = "update runs set owner = ?, drives = drives + 1, state = 'running', wake_at = null where no = ?"
        db.execute(claim, (batch.owner, no))
    if batch.state == "waiting":
        waits = "update runs set state = 'waiting', wake_at = case when posted > ? then ? else ? end where no = ?"
        db.execute(waits, (batch.heard, now, batch.wake_at, no))
    elif batch.state in ENDED:
        _end(db, batch, no, now)
    elif batch.state is not None:
        db.execute("update runs set state = ? where no = ?", (batch.state, no))


def _end(db: sqlite3.Connection, batch: Batch, no: int, now: float) -> None:
    request = msgspec.json.decode(
        db.execute("select request from runs where no = ?", (no,)).fetchone()[0], type=Request
    )
    expires = None if request.keep is None else now + request.keep
    db.execute(
        "update runs set state = ?, outcome = ?, ended_at = ?, expires_at = ?, wake_at = null where no = ?",
        (batch.state, plain(batch.outcome), now, expires, no),
    )


def _refused(db: sqlite3.Connection, batch: Batch, data: bytes, no: int, state: State, end: int) -> Appended:
    stands = db.execute(
        'select first, n, "by", data from events where no = ? and first <= ? order by first desc limit 1',
        (no, batch.first),
    ).fetchone()
    if stands == (batch.first, len(batch.lines), batch.by, data):
        return batch.end
    if state in ENDED:
        return Closed(batch.run, state)
    there = stands is not None and stands[0] + stands[1] > batch.first
    return Conflict(batch.run, end, stands[2] if there else "")


def post(db: sqlite3.Connection, run: str, kind: LetterKind, key: str, body: bytes, now: float) -> Posted:
    """See RunLog. Raises UnknownRun, RunEnded."""
    row = db.execute("select no, state from runs where root = ?", (run,)).fetchone()
    if row is None:
        raise unknown(run)
    no, state = row
    stands = db.execute("select id, kind, key, body from inbox where no = ? and key = ?", (no, key)).fetchone()
    if stands is not None:
        return Posted(Letter(*stands), ours=(stands[1], stands[3]) == (kind, body))
    if state in ENDED:
        raise ended(run, state)
    insert = "insert into inbox(no, kind, key, body) values (?,?,?,?) returning id"
    number = db.execute(insert, (no, kind, key, body)).fetchone()[0]
    if kind in WAKING:
        wake = "case when state = 'waiting' then ? else wake_at end"
        db.execute(f"update runs set posted = posted + 1, wake_at = {wake} where no = ?", (now, no))
    return Posted(Letter(number, kind, key, body), ours=True)


def beat(db: sqlite3.Connection, worker: Worker, now: float) -> None:
    """See RunLog."""
    db.execute(
        "insert into workers values (?,?,?,?,?,?) on conflict(id) do update set host = excluded.host,"
        " boot = excluded.boot, pid = excluded.pid, about = excluded.about, beat = excluded.beat",
        (worker.id, worker.host, worker.boot, worker.pid, json.dumps(worker.about), now),
    )


def forget(db: sqlite3.Connection, worker: str) -> None:
    """See RunLog."""
    db.execute("delete from workers where id = ?", (worker,))


def put_pack(db: sqlite3.Connection, no: int, packed: tuple[int, bytes]) -> int:
    """Replaces a log's events with the packed log; 0 if another process did, or the run was deleted."""
    if not db.execute("update runs set packed = 1 where no = ? and packed = 0", (no,)).rowcount:
        return 0
    db.execute("insert into packs values (?,?,?)", (no, *packed))
    db.execute("delete from events where no = ?", (no,))
    return 1


def expire(db: sqlite3.Connection, now: float, limit: int) -> int:
    """See RunLog."""
    rows = db.execute(
        """select no from runs r where expires_at <= :now and not exists (select 1 from runs o
            where o.thread = r.thread and (o.expires_at is null or o.expires_at > :now)) order by no limit :limit""",
        {"now": now, "limit": limit},
    ).fetchall()
    for (no,) in rows:
        _delete(db, no)
    db.execute("delete from workers where beat <= ?", (now - DAY,))
    return len(rows)


def delete(db: sqlite3.Connection, run: str) -> bool:
    """See RunLog."""
    row = db.execute("select no from runs where root = ?", (run,)).fetchone()
    if row is not None:
        _delete(db, row[0])
    return row is not None


def delete_thread(db: sqlite3.Connection, thread: str) -> int:
    """See RunLog."""
    rows = db.execute("select no from runs where thread = ?", (thread,)).fetchall()
    for (no,) in rows:
        _delete(db, no)
    return len(rows)


def _delete(db: sqlite3.Connection, no: int) -> None:
    for table in OF_A_RUN:
        db.execute(f"delete from {table} where no = ?", (no,))
