"""Reads a journal in SQLite: functions of a connection, each within a transaction of its caller.

Owns the SELECT statements; it must never write.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headwater.journal.following import Looked, Wanted
from headwater.journal.packing import unpack
from headwater.journal.run_log import ENDED, Due, Letter, Page, Request, RunInfo, Span, State, Worker
from headwater.journal.wording import unknown

__all__ = (
    "END",
    "due",
    "end_of",
    "history",
    "inbox",
    "info",
    "look",
    "newest_letter",
    "number",
    "page",
    "runs",
    "thread",
    "unpacked",
    "whole",
    "workers",
)

DAY: Final = 86_400.0

_request: Final = msgspec.json.Decoder(Request)

LOOKED_AT: Final = 1000
"""Events of one log in one look for its followers: what is more comes with the next."""


def number(db: sqlite3.Connection, run: str) -> int:
    """The number under which the run's rows are stored. Raises UnknownRun."""
    row = db.execute("select no from runs where root = ?", (run,)).fetchone()
    if row is None:
        raise unknown(run)
    return int(row[0])


END: Final = """
    coalesce((select first + n from events e where e.no = runs.no order by first desc limit 1),
        (select p.n from packs p where p.no = runs.no), 0)"""
"""The number of the log's next event, of a row of runs."""


def end_of(db: sqlite3.Connection, no: int) -> int:
    """The number of the log's next event."""
    row = db.execute(f"select {END} from runs where no = ?", (no,)).fetchone()
    return 0 if row is None else int(row[0])


def page(db: sqlite3.Connection, run: str, after: int, limit: int) -> Page | None:
    """The log after that number; None for an unknown run."""
    row = db.execute("select no, state, packed from runs where root = ?", (run,)).fetchone()
    if row is None:
        return None
    no, state, packed = row
    if packed:
        read = unpack(db.execute("select data from packs where no = ?", (no,)).fetchone()[0])
        spans, reset = read.after(after)
        return Page(run, spans, read.end, state, read.end - 1, reset)
    end = end_of(db, no)
    reset = after >= end
    begin = 0 if reset else after + 1
    lines = _lines(db, no, begin, limit) if begin < end else []
    spans = (Span(begin, tuple(lines)),) if lines else ()
    return Page(run, spans, end, state, begin + len(lines) - 1, reset)


def _lines(db: sqlite3.Connection, no: int, begin: int, limit: int) -> list[bytes]:
    place = "select first from events where no = ? and first <= ? order by first desc limit 1"
    rows = db.execute(
        f"select first, data from events where no = ? and first >= ifnull(({place}), 0) order by first",
        (no, no, begin),
    )
    lines: list[bytes] = []
    for first, data in rows:
        lines.extend(data.split(b"\n")[max(begin - first, 0) :])
        if len(lines) >= limit:
            break
    rows.close()
    return lines


def newest_letter(db: sqlite3.Connection) -> int:
    """The id of the newest letter; 0 if there is none."""
    return int(db.execute("select coalesce(max(id), 0) from inbox").fetchone()[0])


def look(db: sqlite3.Connection, pages: set[Wanted], letters: set[Wanted]) -> Looked:
    """The news for followers."""
    looked = Looked()
    for wanted in pages:
        run, after = wanted
        row = db.execute(
            "select no, state in ('finished', 'failed', 'cancelled') or packed,"
            " (select first + n from events e where e.no = runs.no order by first desc limit 1)"
            " from runs where root = ?",
            (run,),
        ).fetchone()
        if row is None:
            looked.missing.add(run)
        elif row[1] or (row[2] or 0) != after + 1:
            found = page(db, run, after, LOOKED_AT)
            assert found is not None
            looked.add_page(wanted, found)
    for wanted in letters:
        run, known = wanted
        row = db.execute(
            "select no, state in ('finished', 'failed', 'cancelled'),"
            " (select count(*) from inbox i where i.no = runs.no) from runs where root = ?",
            (run,),
        ).fetchone()
        if row is None:
            looked.missing.add(run)
        elif row[1] or row[2] > known:
            looked.letters[wanted] = inbox(db, row[0]), bool(row[1])
    return looked


def whole(db: sqlite3.Connection, no: int) -> tuple[list[bytes], bool]:
    """Every event of an unpacked log, and whether its deltas are kept."""
    rows = db.execute("select data from events where no = ? order by first", (no,)).fetchall()
    request = db.execute("select request from runs where no = ?", (no,)).fetchone()
    return [line for (data,) in rows for line in data.split(b"\n")], request is None or _request.decode(
        request[0]
    ).deltas


INFO: Final = """
    select root, request, state, key, no, owner, drives, wake_at, created_at, ended_at, expires_at, outcome, packed,
        (select a.root from runs a where a.thread = r.thread and a.no < r.no
            and a.state in ('queued', 'running', 'waiting') order by a.no limit 1) as ahead
    from runs r"""


def _info(db: sqlite3.Connection, row: tuple[Any, ...]) -> RunInfo:
    request = _request.decode(row[1])
    return RunInfo(
        run=row[0],
        request=request,
        state=row[2],
        key=row[3],
        end=end_of(db, row[4]),
        owner=row[5],
        drives=row[6],
        wake_at=row[7],
        created_at=row[8],
        ended_at=row[9],
        expires_at=row[10],
        outcome=row[11],
        packed=bool(row[12]),
        trimmed=bool(row[12]) and not request.deltas,
        ahead=None if row[2] in ENDED else row[13],
    )


def info(db: sqlite3.Connection, run: str) -> RunInfo:
    """Returns information about the run. Raises UnknownRun."""
    row = db.execute(f"{INFO} where root = ?", (run,)).fetchone()
    if row is None:
        raise unknown(run)
    return _info(db, row)


def runs(
    db: sqlite3.Connection,
    states: tuple[State, ...],
    equal: Mapping[str, str],
    labels: Mapping[str, str],
    begins: str,
    before: str | None,
    limit: int,
) -> list[RunInfo]:
    """The runs that match, newest first. Raises UnknownRun for `before`."""
    conditions, values = ["1"], list[Any]()
    if states:
        conditions.append(f"state in ({', '.join('?' * len(states))})")
        values.extend(states)
    for name, value in equal.items():
        conditions.append(f"{name} = ?")
        values.append(value)
    for name, value in labels.items():
        conditions.append("exists (select 1 from json_each(labels) l where l.key = ? and l.value = ?)")
        values.extend((name, value))
    if begins:
        conditions.append("root >= ? and substr(root, 1, ?) = ?")  # the first part is for the index
        values.extend((begins, len(begins), begins))
    if before is not None:
        conditions.append("no < ?")
        values.append(number(db, before))
    rows = db.execute(f"{INFO} where {' and '.join(conditions)} order by no desc limit ?", (*values, limit)).fetchall()
    return [_info(db, row) for row in rows]


def history(db: sqlite3.Connection, run: str) -> list[bytes]:
    """The messages of the earlier runs of the run's thread. Raises UnknownRun."""
    no = number(db, run)
    said = "select t.data from threads t join runs r on r.thread = t.thread where r.no = ? and t.no < ?"
    return _said(db.execute(f"{said} order by t.no, t.first", (no, no)).fetchall())


def thread(db: sqlite3.Connection, name: str) -> list[bytes]:
    """All messages of the thread's runs."""
    return _said(db.execute("select data from threads where thread = ? order by no, first", (name,)).fetchall())


def _said(rows: list[tuple[bytes]]) -> list[bytes]:
    return [line for (data,) in rows for line in data.split(b"\n")]


def inbox(db: sqlite3.Connection, no: int) -> list[Letter]:
    """All letters to the run."""
    rows = db.execute("select id, kind, key, body from inbox where no = ? order by id", (no,)).fetchall()
    return [Letter(*row) for row in rows]


def workers(db: sqlite3.Connection, now: float) -> list[Worker]:
    """The workers with a heartbeat within the last day."""
    rows = db.execute("select id, host, boot, pid, about, ? - beat from workers where beat > ?", (now, now - DAY))
    return [
        Worker(id=name, host=host, boot=boot, pid=pid, about=json.loads(about), age=max(0.0, age))
        for name, host, boot, pid, about, age in rows.fetchall()
    ]


def due(db: sqlite3.Connection, now: float, agents: list[str] | None, dead_after: float, limit: int) -> list[Due]:
    """The open runs that are due."""
    rows = db.execute(
        """select root, request, case state when 'queued' then 'unclaimed' when 'waiting' then 'wake' else 'owner' end
        from runs r where state in ('queued', 'running', 'waiting') and case state
            when 'queued' then ifnull(wake_at, created_at) + :dead <= :now
            when 'waiting' then wake_at <= :now
            else not exists (select 1 from workers w where w.id = r.owner and w.beat + :dead > :now)
        end and not exists (select 1 from runs a where a.thread = r.thread and a.no < r.no
            and a.state in ('queued', 'running', 'waiting'))
            and (:agents is null or agent in (select value from json_each(:agents)))
        order by no limit :limit""",
        {"now": now, "dead": dead_after, "agents": None if agents is None else json.dumps(agents), "limit": limit},
    ).fetchall()
    asked = [(root, _request.decode(request), why) for root, request, why in rows]
    return [Due(root, request.queue, request.priority, why, request.agent) for root, request, why in asked]


def unpacked(db: sqlite3.Connection, before: float, limit: int) -> list[int]:
    """Runs that ended before that and are not packed."""
    where = "ended_at is not null and packed = 0 and ended_at <= ?"
    return [no for (no,) in db.execute(f"select no from runs where {where} order by ended_at limit ?", (before, limit))]
