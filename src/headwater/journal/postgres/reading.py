"""Reads a journal in PostgreSQL: jobs for a connection, each one statement, for a consistent snapshot.

Owns the SELECT statements; it must never write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, Final, cast

import msgspec
from psycopg.types.json import Jsonb

from headwater.journal.following import Looked, Wanted
from headwater.journal.packing import unpack
from headwater.journal.postgres.connection import Database
from headwater.journal.run_log import ENDED, Due, Letter, Page, Request, RunInfo, Span, Standing, State, Worker
from headwater.journal.wording import unknown

__all__ = (
    "due",
    "history",
    "inbox",
    "info",
    "look",
    "page",
    "runs",
    "standing",
    "thread",
    "unpacked",
    "whole",
    "workers",
)

_request: Final = msgspec.json.Decoder(Request)
_about: Final = msgspec.json.Decoder(dict[str, str])

LOOKED_AT: Final = 1000
"""Rows of one log in one query for its followers; the rest follows with the next query."""

LAST: Final = """lateral (select e.first + e.n as last from headwater.events e where e.no = r.no
        order by e.first desc limit 1) l on true"""

ROWS: Final = f"""
    select w.root, w.after, r.state, r.packed, coalesce(l.last, 0), p.data, e.first, e.data
    from unnest(%(root)s::text[], %(after)s::bigint[]) as w(root, after)
    left join headwater.runs r on r.root = w.root
    left join {LAST}
    left join headwater.packs p on p.no = r.no
    left join lateral (
        select e.first, e.data from headwater.events e where e.no = r.no and e.first >= coalesce((
            select x.first from headwater.events x where x.no = r.no
                and x.first <= case when w.after >= coalesce(l.last, 0) then 0 else w.after + 1 end
            order by x.first desc limit 1), 0)
            and w.after + 1 <> l.last
        order by e.first limit %(rows)s
    ) e on true
    where %(all)s or r.no is null or r.packed or r.state in ('finished', 'failed', 'cancelled')
        or coalesce(l.last, 0) <> w.after + 1"""
"""Logs after given numbers: one row for each of their rows, one with nulls for a log that has none."""


async def _pages(db: Database, wanted: Iterable[Wanted], limit: int, *, everything: bool) -> dict[Wanted, Page | None]:
    asked = list(wanted)
    values = {"root": [run for run, _ in asked], "after": [at for _, at in asked], "rows": limit, "all": everything}
    rows = await (await db.execute(ROWS, values, binary=True)).fetchall()
    found: dict[Wanted, Page | None] = {}
    for key, some in groupby(sorted(rows, key=lambda row: (row[0], row[1], row[6] or 0)), key=lambda row: row[:2]):
        found[key[0], key[1]] = _page(key[0], key[1], list(some), limit)
    return found


def _page(run: str, after: int, rows: list[tuple[Any, ...]], limit: int) -> Page | None:
    _, _, state, packed, end, pack, _, _ = rows[0]
    if state is None:
        return None
    if packed:
        read = unpack(pack)
        spans, reset = read.after(after)
        return Page(run, spans, read.end, state, read.end - 1, reset)
    reset = after >= end
    begin = 0 if reset else after + 1
    lines: list[bytes] = []
    for row in rows:
        if row[6] is not None and len(lines) < limit:
            lines.extend(row[7].split(b"\n")[max(begin - row[6], 0) :])
    spans = (Span(begin, tuple(lines)),) if lines else ()
    return Page(run, spans, end, state, begin + len(lines) - 1, reset)


async def page(db: Database, run: str, after: int, limit: int) -> Page:
    """The log after that number. Raises UnknownRun."""
    found = (await _pages(db, [(run, after)], limit, everything=True)).get((run, after))
    if found is None:
        raise unknown(run)
    return found


INBOXES: Final = """
    select w.root, w.known, r.no, r.state, i.id, i.kind, i.key, i.body
    from unnest(%s::text[], %s::int[]) as w(root, known) left join headwater.runs r on r.root = w.root
    left join lateral (select i.* from headwater.inbox i where i.no = r.no
        and (select count(*) from headwater.inbox c where c.no = r.no) > w.known) i on true
    where r.no is null or i.no is not null or w.known < 0 or r.state in ('finished', 'failed', 'cancelled')
    order by w.root, w.known, i.id"""
"""The letters of inboxes that have more than a known number; one row with nulls where there are none, or no run."""


async def look(db: Database, pages: set[Wanted], letters: set[Wanted]) -> Looked:
    """The news for followers: one statement for all logs, one for all inboxes."""
    looked = Looked()
    if pages:
        for wanted, found in (await _pages(db, pages, LOOKED_AT, everything=False)).items():
            if found is None:
                looked.missing.add(wanted[0])
            else:
                looked.add_page(wanted, found)
    if letters:
        asked = list(letters)
        rows = await db.execute(INBOXES, ([run for run, _ in asked], [known for _, known in asked]))
        for (run, known), some in groupby(await rows.fetchall(), key=lambda row: row[:2]):
            found_rows = list(some)
            if found_rows[0][2] is None:
                looked.missing.add(run)
            else:
                inbox = [Letter(*row[4:]) for row in found_rows if row[4] is not None]
                looked.letters[run, known] = inbox, found_rows[0][3] in ENDED
    return looked


async def _letters(db: Database, no: int) -> list[Letter]:
    rows = await db.execute("select id, kind, key, body from headwater.inbox where no = %s order by id", (no,))
    return [Letter(*row) for row in await rows.fetchall()]


async def inbox(db: Database, run: str) -> list[Letter]:
    """All letters to the run. Raises UnknownRun."""
    row = await (await db.execute("select no from headwater.runs where root = %s", (run,))).fetchone()
    if row is None:
        raise unknown(run)
    return await _letters(db, row[0])


WHOLE: Final = "select data from headwater.events where no = %s order by first"


async def whole(db: Database, no: int) -> tuple[list[bytes], bool]:
    """Every event of an unpacked log, and whether its deltas are kept."""
    rows = await (await db.execute(WHOLE, (no,), binary=True)).fetchall()
    asked = await (await db.execute("select request from headwater.runs where no = %s", (no,))).fetchone()
    return [line for (data,) in rows for line in data.split(b"\n")], asked is None or _request.decode(asked[0]).deltas


INFO: Final = f"""
    select r.root, r.request, r.state, r.key, coalesce(l.last, p.n, 0) as last, r.owner, r.drives,
        extract(epoch from r.wake_at)::float8, extract(epoch from r.created_at)::float8,
        extract(epoch from r.ended_at)::float8, extract(epoch from r.expires_at)::float8, r.outcome, r.packed,
        (select a.root from headwater.runs a where a.thread = r.thread and a.no < r.no
            and a.state in ('queued', 'running', 'waiting') order by a.no limit 1)
    from headwater.runs r left join {LAST} left join headwater.packs p on p.no = r.no"""


def _info(row: tuple[Any, ...]) -> RunInfo:
    request = _request.decode(row[1])
    return RunInfo(
        run=row[0],
        request=request,
        state=row[2],
        key=row[3],
        end=row[4],
        owner=row[5],
        drives=row[6],
        wake_at=row[7],
        created_at=row[8],
        ended_at=row[9],
        expires_at=row[10],
        outcome=row[11],
        packed=row[12],
        trimmed=row[12] and not request.deltas,
        ahead=None if row[2] in ENDED else row[13],
    )


async def info(db: Database, run: str) -> RunInfo:
    """Returns information about the run. Raises UnknownRun."""
    row = await (await db.execute(INFO + " where r.root = %s", (run,))).fetchone()
    if row is None:
        raise unknown(run)
    return _info(row)


STANDING: Final = f"""
    select s.*, extract(epoch from clock_timestamp())::float8,
        array(select e.data from headwater.events e where e.no = r.no and r.ended_at is null
            order by e.first limit {LOOKED_AT}),
        array(select t.data from headwater.threads t where t.thread = r.thread and t.no < r.no
            and r.ended_at is null and s.last = 0 order by t.no, t.first),
        i.ids, i.kinds, i.keys, i.bodies
    from headwater.runs r join lateral ({INFO} where r.root = %(root)s) as s on true
    cross join lateral (
        select array_agg(i.id order by i.id) as ids, array_agg(i.kind order by i.id) as kinds,
            array_agg(i.key order by i.id) as keys, array_agg(i.body order by i.id) as bodies
        from headwater.inbox i where i.no = r.no and r.ended_at is null
    ) i where r.root = %(root)s"""
"""A run in one row, which repeats nothing of a long log: its information, the time, its log, what was said before, and
its letters by column, each null where there are none."""


async def standing(db: Database, run: str) -> tuple[Standing, bool]:
    """What a process needs to drive the run, and whether that is its whole log. Raises UnknownRun."""
    row = await (await db.execute(STANDING, {"root": run}, binary=True)).fetchone()
    if row is None:
        raise unknown(run)
    info = _info(row)
    now, batches, said = row[14:17]
    lines = tuple(line for data in batches for line in data.split(b"\n"))
    letters = tuple(map(Letter, *(column or () for column in row[17:])))
    earlier = tuple(line for data in said for line in data.split(b"\n"))
    found = Standing(info=info, lines=lines, letters=letters, said=earlier, now=now)
    return found, info.over or len(lines) >= info.end


async def runs(
    db: Database,
    states: tuple[State, ...],
    equal: Mapping[str, str],
    labels: Mapping[str, str],
    begins: str,
    before: str | None,
    limit: int,
) -> list[RunInfo]:
    """The runs that match, newest first. Raises UnknownRun for `before`."""
    conditions, values = ["true"], list[Any]()
    if states:
        conditions.append("r.state = any(%s)")
        values.append(list(states))
    for name, value in equal.items():
        conditions.append(f"r.{name} = %s")
        values.append(value)
    if labels:
        conditions.append("r.labels @> %s")
        values.append(Jsonb(dict(labels)))
    if begins:
        conditions.append("starts_with(r.root, %s)")
        values.append(begins)
    if before is not None:
        row = await (await db.execute("select no from headwater.runs where root = %s", (before,))).fetchone()
        if row is None:
            raise unknown(before)
        conditions.append("r.no < %s")
        values.append(row[0])
    statement = f"{INFO} where {' and '.join(conditions)} order by r.no desc limit %s"
    rows = await (await db.execute(cast(Any, statement), (*values, limit))).fetchall()
    return [_info(row) for row in rows]


async def history(db: Database, run: str) -> list[bytes]:
    """The messages of the earlier runs of the run's thread. Raises UnknownRun."""
    cursor = await db.execute(
        """select t.data from headwater.runs r left join headwater.threads t on t.thread = r.thread and t.no < r.no
        where r.root = %s order by t.no, t.first""",
        (run,),
    )
    rows = await cursor.fetchall()
    if not rows:
        raise unknown(run)
    return [line for (data,) in rows if data is not None for line in data.split(b"\n")]


async def thread(db: Database, name: str) -> list[bytes]:
    """All messages of the thread's runs."""
    statement = "select data from headwater.threads where thread = %s order by no, first"
    return [line for (data,) in await (await db.execute(statement, (name,))).fetchall() for line in data.split(b"\n")]


async def workers(db: Database) -> list[Worker]:
    """The workers with a heartbeat within the last day."""
    cursor = await db.execute(
        """select id, host, boot, pid, about, greatest(extract(epoch from clock_timestamp() - beat)::float8, 0)
        from headwater.workers where beat > clock_timestamp() - interval '1 day' order by id"""
    )
    return [
        Worker(id=name, host=host, boot=boot, pid=pid, about=_about.decode(about), age=age)
        for name, host, boot, pid, about, age in await cursor.fetchall()
    ]


DUE: Final = """
    select root, request, case state when 'queued' then 'unclaimed' when 'waiting' then 'wake' else 'owner' end
    from headwater.runs r where state in ('queued', 'running', 'waiting') and case state
        when 'queued' then coalesce(wake_at, created_at) + %(dead)s * interval '1 second' <= clock_timestamp()
        when 'waiting' then wake_at <= clock_timestamp()
        else not exists (select 1 from headwater.workers w where w.id = r.owner
            and w.beat + %(dead)s * interval '1 second' > clock_timestamp())
    end and not exists (select 1 from headwater.runs a where a.thread = r.thread and a.no < r.no
        and a.state in ('queued', 'running', 'waiting'))
        and (%(agents)s::text[] is null or agent = any(%(agents)s))
    order by no limit %(limit)s"""


async def due(db: Database, agents: list[str] | None, dead_after: float, limit: int) -> list[Due]:
    """The open runs that are due."""
    rows = await (await db.execute(DUE, {"dead": float(dead_after), "agents": agents, "limit": limit})).fetchall()
    asked = [(root, _request.decode(request), why) for root, request, why in rows]
    return [Due(root, request.queue, request.priority, why, request.agent) for root, request, why in asked]


async def unpacked(db: Database, after: float, limit: int) -> list[int]:
    """Runs that ended so many seconds ago and are not packed."""
    cursor = await db.execute(
        """select no from headwater.runs where ended_at is not null and not packed
            and ended_at <= clock_timestamp() - %s * interval '1 second' order by ended_at limit %s""",
        (float(after), limit),
    )
    return [no for (no,) in await cursor.fetchall()]
