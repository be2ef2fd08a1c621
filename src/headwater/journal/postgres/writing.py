"""Writes to a journal in PostgreSQL: jobs for a connection, each one statement or one transaction.

Owns the statements that write. Each may run twice: the second time finds the result of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec

from headwater.journal.postgres.connection import Database
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
    Worker,
)
from headwater.journal.wording import busy, ended, plain, unknown

__all__ = (
    "New",
    "append_many",
    "beat",
    "create_in_thread",
    "create_many",
    "delete",
    "delete_thread",
    "expire",
    "forget",
    "post",
    "put_pack",
)

CREATE: Final = """
    insert into headwater.runs(root, agent, key, thread, request, labels, keep, wake_at)
    select root, agent, key, thread, request, labels::jsonb, keep, to_timestamp(not_before) from unnest(
        %(root)s::text[], %(agent)s::text[], %(key)s::text[], %(thread)s::text[], %(request)s::bytea[],
        %(labels)s::text[], %(keep)s::float8[], %(not_before)s::float8[]
    ) with ordinality as c(root, agent, key, thread, request, labels, keep, not_before, place)
    where thread is null or %(queue_up)s or not exists (select 1 from headwater.runs o
        where o.thread = c.thread and o.state in ('queued', 'running', 'waiting'))
    order by place on conflict do nothing returning root"""

STANDING: Final = """
    select s.root from unnest(%s::text[], %s::text[], %s::text[]) with ordinality as c(root, agent, key, place)
    left join lateral (select r.root from headwater.runs r
        where r.root = c.root or (r.agent = c.agent and r.key = c.key) order by r.root = c.root desc limit 1) s on true
    order by place"""

OPEN_ONE: Final = """
    select root from headwater.runs where thread = %s and state in ('queued', 'running', 'waiting')
    order by no limit 1"""


class New(NamedTuple):
    """A run to create; see `RunLog.create`."""

    run: str
    request: Request
    key: str | None
    queue_up: bool


async def create_many(db: Database, new: Sequence[New]) -> list[Created | Exception]:
    """Creates runs without threads, each independently; see `RunLog.create`."""
    return await _create(db, new, queue_up=True)


async def create_in_thread(db: Database, new: New, thread: str) -> Created | Exception:
    """Creates a run of that thread; see `RunLog.create`. ThreadBusy is an answer here."""
    async with db.transaction():  # of two that create a run of one thread, the second sees the first's
        await db.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (thread,))
        return (await _create(db, [new], queue_up=new.queue_up))[0]


async def _create(db: Database, new: Sequence[New], *, queue_up: bool) -> list[Created | Exception]:
    rows = await (await db.execute(CREATE, {**_columns(new), "queue_up": queue_up})).fetchall()
    made = {root for (root,) in rows}
    answers: list[Created | Exception] = []
    for one in new:
        answers.append(Created(one.run, new=one.run in made))
        made.discard(one.run)  # of two with the same id, the first is the one
    others = [at for at, one in enumerate(answers) if not (isinstance(one, Created) and one.new)]
    if others:
        names = (
            [new[at].run for at in others],
            [new[at].request.agent for at in others],
            [new[at].key for at in others],
        )
        standing = await (await db.execute(STANDING, names)).fetchall()
        for at, (root,) in zip(others, standing, strict=True):
            answers[at] = await _kept_out(db, new[at], queue_up=queue_up) if root is None else Created(root, new=False)
    return answers


async def _kept_out(db: Database, new: New, *, queue_up: bool) -> Created | Exception:
    """The answer to a run that was not created, and whose id and key no other run has."""
    row = await (await db.execute(OPEN_ONE, (new.request.thread,))).fetchone()
    if row is None:  # what kept it out, a run of its thread or with its key, has ended or is deleted by now
        return (await _create(db, [new], queue_up=queue_up))[0]
    return busy(new.request.thread or "", row[0])


def _columns(new: Sequence[New]) -> dict[str, Any]:
    return {
        "root": [one.run for one in new],
        "agent": [one.request.agent for one in new],
        "key": [one.key for one in new],
        "thread": [one.request.thread for one in new],
        "request": [msgspec.json.encode(one.request) for one in new],
        "labels": [msgspec.json.encode(one.request.labels).decode() for one in new],
        "keep": [one.request.keep for one in new],
        "not_before": [one.request.not_before for one in new],
    }


APPEND: Final = """
    with b as (
        select * from unnest(%(root)s::text[], %(first)s::int[], %(n)s::int[], %(by)s::text[], %(data)s::bytea[])
            as b(root, first, n, by, data)
    ), stored as (
        insert into headwater.events(no, first, n, by, data)
        select r.no, b.first, b.n, b.by, b.data from b join headwater.runs r on r.root = b.root
        where r.state in ('queued', 'running', 'waiting') and b.first = coalesce(
            (select e.first + e.n from headwater.events e where e.no = r.no order by e.first desc limit 1), 0)
        order by r.no on conflict do nothing returning no
    ){more}
    select r.root from stored s join headwater.runs r on r.no = s.no"""

CHANGES: Final = """, c as (
        select * from unnest(%(root)s::text[], %(owner)s::text[], %(state)s::text[], %(wake)s::float8[],
            %(heard)s::int[], %(outcome)s::text[], %(said)s::bytea[], %(first)s::int[])
            as c(root, owner, state, wake, heard, outcome, said, first)
    ), changed as (
        update headwater.runs r set
            owner = coalesce(c.owner, r.owner),
            drives = r.drives + (c.owner is not null)::int,
            state = coalesce(c.state, case when c.owner is not null then 'running' end, r.state),
            wake_at = case
                when c.state = 'waiting' then
                    case when r.posted > c.heard then clock_timestamp() else to_timestamp(c.wake) end
                when c.owner is null and (c.state is null or c.state in ('queued', 'running')) then r.wake_at
            end,
            ended_at = case when c.state in ('finished', 'failed', 'cancelled') then clock_timestamp() end,
            expires_at = case when c.state in ('finished', 'failed', 'cancelled')
                then clock_timestamp() + r.keep * interval '1 second' end,
            outcome = c.outcome
        from c where r.root = c.root and r.no in (select no from stored)
            and (c.owner is not null or c.state is not null)
    ), said as (
        insert into headwater.threads(thread, no, first, data)
        select r.thread, r.no, c.first, c.said from c join headwater.runs r on r.root = c.root
        where c.said is not null and r.thread is not null and r.no in (select no from stored)
    )"""

REFUSED: Final = """
    select b.root, r.state, e.first, e.n, e.by,
        (e.first, e.n, e.by, e.data) = (b.first, b.n, b.by, b.data), coalesce(l.last, p.n, 0)
    from unnest(%(root)s::text[], %(first)s::int[], %(n)s::int[], %(by)s::text[], %(data)s::bytea[])
        as b(root, first, n, by, data)
    left join headwater.runs r on r.root = b.root
    left join headwater.packs p on p.no = r.no
    left join lateral (select * from headwater.events e where e.no = r.no and e.first <= b.first
        order by e.first desc limit 1) e on true
    left join lateral (select e.first + e.n as last from headwater.events e where e.no = r.no
        order by e.first desc limit 1) l on true"""


async def append_many(db: Database, batches: Sequence[tuple[Batch, bytes]]) -> list[Appended | None]:
    """See RunLog; None for an unknown run."""
    done: dict[str, Appended | None] = {}
    left = list(batches)
    while left:
        changes = any(batch.owner or batch.state or batch.said for batch, _ in left)
        statement = APPEND.format(more=CHANGES if changes else "")
        values = _values(left)
        if changes:
            values |= _changes([batch for batch, _ in left])
        stored = {root for (root,) in await (await db.execute(cast(Any, statement), values)).fetchall()}
        done |= {batch.run: batch.end for batch, _ in left if batch.run in stored}
        left = [one for one in left if one[0].run not in stored]
        if left:
            found = await (await db.execute(REFUSED, _values(left))).fetchall()
            left = _judged(left, {row[0]: row for row in found}, done)
    return [done[batch.run] for batch, _ in batches]


def _values(batches: Sequence[tuple[Batch, bytes]]) -> dict[str, Any]:
    return {
        "root": [batch.run for batch, _ in batches],
        "first": [batch.first for batch, _ in batches],
        "n": [len(batch.lines) for batch, _ in batches],
        "by": [batch.by for batch, _ in batches],
        "data": [data for _, data in batches],
    }


def _changes(batches: Sequence[Batch]) -> dict[str, Any]:
    return {
        "owner": [batch.owner for batch in batches],
        "state": [batch.state for batch in batches],
        "wake": [batch.wake_at for batch in batches],
        "heard": [batch.heard for batch in batches],
        "outcome": [plain(batch.outcome) for batch in batches],
        "said": [b"\n".join(batch.said) if batch.said else None for batch in batches],
    }


def _judged(
    left: list[tuple[Batch, bytes]], found: dict[str, tuple[Any, ...]], done: dict[str, Appended | None]
) -> list[tuple[Batch, bytes]]:
    """Determines why each was refused; returns those to try again, because the cause has disappeared."""
    again = []
    for batch, data in left:
        _, state, first, n, by, mine, end = found[batch.run]
        if state is None:
            done[batch.run] = None
        elif mine:
            done[batch.run] = batch.end
        elif state in ENDED:
            done[batch.run] = Closed(batch.run, state)
        elif end == batch.first:
            again.append((batch, data))
        else:
            there = first is not None and first + n > batch.first
            done[batch.run] = Conflict(batch.run, end, by if there else "")
    return again


POST: Final = """
    with r as (select no, state from headwater.runs where root = %(root)s for update),
    posted as (
        insert into headwater.inbox(no, kind, key, body)
        select no, %(kind)s, %(key)s, %(body)s from r where state in ('queued', 'running', 'waiting')
        on conflict (no, key) do nothing returning id
    ), woken as (
        update headwater.runs set posted = posted + 1,
            wake_at = case when state = 'waiting' then clock_timestamp() else wake_at end
        where %(wakes)s and no = (select no from r) and exists (select 1 from posted)
    )
    select r.no, r.state, (select id from posted) from r"""


async def post(db: Database, run: str, kind: LetterKind, key: str, body: bytes) -> Posted:
    """See RunLog. Raises UnknownRun, RunEnded."""
    values = {"root": run, "kind": kind, "key": key, "body": body, "wakes": kind in WAKING}
    row = await (await db.execute(POST, values)).fetchone()
    if row is None:
        raise unknown(run)
    no, state, number = row
    if number is not None:
        return Posted(Letter(number, kind, key, body), ours=True)
    stands = "select id, kind, key, body from headwater.inbox where no = %s and key = %s"
    letter = await (await db.execute(stands, (no, key))).fetchone()
    if letter is None:
        raise ended(run, state) if state in ENDED else unknown(run)
    return Posted(Letter(*letter), ours=(letter[1], letter[3]) == (kind, body))


async def beat(db: Database, worker: Worker) -> float:
    """See RunLog."""
    about = msgspec.json.encode(worker.about)
    cursor = await db.execute(
        """insert into headwater.workers values (%s, %s, %s, %s, %s, clock_timestamp())
        on conflict (id) do update set host = excluded.host, boot = excluded.boot, pid = excluded.pid,
            about = excluded.about, beat = excluded.beat returning extract(epoch from beat)::float8""",
        (worker.id, worker.host, worker.boot, worker.pid, about),
    )
    row = await cursor.fetchone()
    assert row is not None
    return float(row[0])


async def forget(db: Database, worker: str) -> None:
    """See RunLog."""
    await db.execute("delete from headwater.workers where id = %s", (worker,))


async def put_pack(db: Database, no: int, many: int, data: bytes) -> bool:
    """Replaces a log's events with the packed log; False if another process did, or the run was deleted."""
    async with db.transaction():
        taken = await db.execute("update headwater.runs set packed = true where no = %s and not packed", (no,))
        if not taken.rowcount:
            return False
        await db.execute("insert into headwater.packs values (%s, %s, %s)", (no, many, data))
        await db.execute("delete from headwater.events where no = %s", (no,))
    return True


DELETE: Final = """
    with gone as (delete from headwater.runs where no in ({which}) returning no),
    e as (delete from headwater.events where no in (select no from gone)),
    p as (delete from headwater.packs where no in (select no from gone)),
    i as (delete from headwater.inbox where no in (select no from gone)),
    t as (delete from headwater.threads where no in (select no from gone))
    select count(*) from gone"""

EXPIRED: Final = """
    select no from headwater.runs r where expires_at <= clock_timestamp() and not exists (
        select 1 from headwater.runs o where o.thread = r.thread
            and (o.expires_at is null or o.expires_at > clock_timestamp()))
    order by no limit %s for update skip locked"""


async def _delete(db: Database, which: str, *values: Any) -> int:
    row = await (await db.execute(cast(Any, DELETE.format(which=which)), values)).fetchone()
    return 0 if row is None else int(row[0])


async def expire(db: Database, limit: int) -> int:
    """See RunLog."""
    await db.execute("delete from headwater.workers where beat <= clock_timestamp() - interval '1 day'")
    return await _delete(db, EXPIRED, limit)


async def delete(db: Database, run: str) -> bool:
    """See RunLog."""
    return await _delete(db, "select no from headwater.runs where root = %s", run) > 0


async def delete_thread(db: Database, thread: str) -> int:
    """See RunLog."""
    return await _delete(db, "select no from headwater.runs where thread = %s", thread)
