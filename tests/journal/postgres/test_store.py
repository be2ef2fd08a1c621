"""The store in PostgreSQL: every rule of a store, directly and through pgbouncer, and under faults."""

from __future__ import annotations

import asyncio
import logging
import random
import subprocess
import sys

import psycopg
import pytest

from headwater.errors import InvalidRecord, JournalUnavailable, UnknownRun
from headwater.journal.postgres.store import LIVE, QUIET, PostgresLog, upgrade_postgres
from headwater.journal.run_log import Batch, Conflict, Created, Page, Request
from headwater.testing import JOURNAL_RULES, check_journal
from tests.journal.postgres.databases import (
    batch,
    execute,
    name_of,
    opened,
    shared,
    someone_waits_for_a_lock,
    through_pgbouncer,
    until,
)
from tests.support.effort import LONG
from tests.support.postgres import Postgres, running_postgres
from tests.support.proxy import Proxy

PROGRAM = """
import asyncio, sys
from headwater.journal import Batch, Conflict, open_journal

async def main(url, by):
    log, first = await open_journal(url), 0
    while first < 600:
        try:
            first = await log.append(Batch(run="r", first=first, lines=(by.encode(),) * 3, by=by))
            print(first, flush=True)
        except Conflict as conflict:
            first = conflict.end
    await log.close()

asyncio.run(main(*sys.argv[1:]))
"""

pytestmark = pytest.mark.xdist_group("postgres")  # one server is enough


@pytest.mark.parametrize("rule", JOURNAL_RULES)
def test_it_keeps_the_rule(rule: str) -> None:
    url = shared()
    asyncio.run(check_journal(lambda: PostgresLog.open(url), rules=[rule]))


@pytest.mark.long
@pytest.mark.parametrize("rule", [rule for at, rule in enumerate(JOURNAL_RULES) if LONG or at % 3 == 0])
def test_it_keeps_the_rule_through_pgbouncer_without_hints(rule: str) -> None:
    url = through_pgbouncer(shared())
    asyncio.run(check_journal(lambda: PostgresLog.open(url, hints=False), rules=[rule]))


READY = b"Z\0\0\0\5"
"""The beginning of what the server ends each answer with."""


class Trips(Proxy):
    """Counts the answers of the server."""

    many = 0

    def passing(self, data: bytes, *, back: bool) -> None:
        self.many += data.count(READY) if back else 0


def test_what_begins_a_run_is_one_round_trip_also_for_many_at_once() -> None:
    async def main() -> None:
        url = running_postgres().database()
        async with Trips(running_postgres().port) as trips:
            log = await PostgresLog.open(running_postgres().url(name_of(url), trips.port), hints=False)
            await log.create("first", Request(agent="a"))
            await log.append(batch(0, run="first"))
            trips.many = 0
            await asyncio.gather(*(log.create(f"r{number}", Request(agent="a")) for number in range(20)))
            assert trips.many == 1
            trips.many = 0
            assert (await log.standing("r1")).info.run == "r1"
            assert trips.many == 1
            trips.many = 0
            await log.append_many([batch(0, run=f"r{number}") for number in range(20)])
            assert trips.many == 1
            await log.close()

    asyncio.run(main())


def test_a_run_that_the_server_refuses_keeps_no_other_out() -> None:
    wild = "".join(map(chr, random.Random(1).sample(range(0x10000, 0x10FFFF), 500)))

    async def main() -> None:
        log = await PostgresLog.open(running_postgres().database(), hints=False)
        agents = ["a", wild, "b"]
        made = await asyncio.gather(
            *(log.create(agent, Request(agent=agent), key=wild) for agent in agents), return_exceptions=True
        )
        assert [type(one) for one in made] == [Created, InvalidRecord, Created]
        await asyncio.gather(*(log.append(batch(0, run=run)) for run in ("a", "b")))
        readers = [log.tail("a"), log.tail("b", 2**70), log.tail("no\0run"), log.tail("b")]
        pages = await asyncio.gather(*map(anext, readers), return_exceptions=True)
        assert [type(page) for page in pages] == [Page, InvalidRecord, UnknownRun, Page]
        await log.close()

    asyncio.run(main())


class Received(Proxy):
    """Counts the bytes of the server."""

    many = 0

    def passing(self, data: bytes, *, back: bool) -> None:
        self.many += len(data) if back else 0


def test_a_run_with_letters_is_read_once_and_not_once_for_each() -> None:
    async def main() -> None:
        url = running_postgres().database()
        async with Received(running_postgres().port) as received:
            log = await PostgresLog.open(running_postgres().url(name_of(url), received.port), hints=False)
            await log.create("r", Request(agent="a"))
            long = Batch(run="r", first=0, lines=(b'"%s"' % (b"x" * 100_000),), by="w")
            await log.append(long)
            for number in range(20):
                await log.post("r", "steer", f"s{number}", b'"go on"')
            received.many = 0
            standing = await log.standing("r")
            assert standing.lines == long.lines
            assert [letter.key for letter in standing.letters] == [f"s{number}" for number in range(20)]
            assert [*standing.letters] == await log.inbox("r")
            assert received.many < 200_000
            await log.close()

    asyncio.run(main())


def test_two_processes_race_and_every_batch_is_stored_once() -> None:
    url = running_postgres().database()

    async def prepare() -> None:
        await (await opened(url)).close()

    asyncio.run(prepare())
    command = [sys.executable, "-c", PROGRAM, url]
    racing = [subprocess.Popen([*command, by], stdout=subprocess.PIPE, text=True) for by in ("one", "two")]
    acknowledged = [process.communicate(timeout=120)[0].split() for process in racing]
    assert [process.returncode for process in racing] == [0, 0]
    assert sorted(int(end) for one in acknowledged for end in one) == list(range(3, 601, 3))
    rows = asyncio.run(execute(url, "select first, n from headwater.events order by first"))
    assert rows == [(first, 3) for first in range(0, 600, 3)]


def test_letters_that_commit_out_of_order_are_all_received() -> None:
    url = running_postgres().database()

    async def main() -> None:
        log = await opened(url)
        heard = log.letters("r")
        assert await anext(heard) == []
        async with await psycopg.AsyncConnection.connect(url) as early:
            insert = (
                "insert into headwater.inbox(no, kind, key, body) select no, 'steer', 'early', '' from headwater.runs"
            )
            await early.execute(insert)  # has its id, and is not committed
            await log.post("r", "steer", "late", b"{}")
            assert [letter.key for letter in await anext(heard)] == ["late"]
            await early.commit()
            letters = await anext(heard)
        assert [letter.key for letter in letters] == ["early", "late"], "the lower id is not missed"
        assert letters[0].id < letters[1].id
        await heard.aclose()
        await log.close()

    asyncio.run(main())


def test_an_answer_that_commits_while_the_run_starts_to_wait_wakes_it() -> None:
    url = running_postgres().database()

    async def main() -> None:
        log = await opened(url)
        async with await psycopg.AsyncConnection.connect(url) as other:
            await other.execute("select 1 from headwater.runs where root = 'r' for update")  # as post does
            await other.execute("update headwater.runs set posted = posted + 1 where root = 'r'")
            waits = Batch(run="r", first=0, lines=(b"{}",), by="w", state="waiting")
            waiting = asyncio.create_task(log.append(waits))
            await someone_waits_for_a_lock(url)
            await other.commit()
            assert await waiting == 1
        assert [one.why for one in await log.due()] == ["wake"]
        await log.close()

    asyncio.run(main())


def test_acknowledged_writes_survive_a_killed_server_and_work_continues() -> None:
    postgres = Postgres(running_postgres().binaries)
    try:
        asyncio.run(killed(postgres))
    finally:
        postgres.stop()


async def killed(postgres: Postgres) -> None:
    log = await opened(postgres.database())
    seen: list[int] = []

    async def follow() -> None:
        async for page in log.tail("r"):
            assert not page.reset
            seen.extend(number for number, _ in page.lines())

    reader = asyncio.create_task(follow())
    for number in range(50):
        await log.append(batch(number))
    await asyncio.to_thread(postgres.kill)
    with pytest.raises(JournalUnavailable, match="does not answer") as raised:
        await log.append(batch(50))
    assert raised.value.retryable
    with pytest.raises(JournalUnavailable):
        await log.info("r")
    await asyncio.to_thread(postgres.start)
    while True:
        try:
            assert await log.append(batch(50)) == 51
            break
        except JournalUnavailable:  # it is still in recovery
            await asyncio.sleep(0.05)
    await log.append(Batch(run="r", first=51, lines=(b"{}",), by="w#1", state="finished"))
    await reader
    assert seen == list(range(52))
    await log.close()


def test_lost_acknowledgements_are_settled_by_appending_again() -> None:
    url, dice = running_postgres().database(), random.Random(7)

    async def main() -> None:
        async with Proxy(running_postgres().port) as proxy:
            log = await opened(running_postgres().url(name_of(url), proxy.port), patience=5.0, hints=False)
            proxy.loses = lambda: dice.random() < 0.1
            end = 0
            for number in range(150):
                mine = batch(end, 1 + number % 3, said=b"%d" % number)
                while True:
                    try:
                        end = await log.append(mine)
                        break
                    except JournalUnavailable:
                        continue
            proxy.loses = lambda: False
            assert proxy.lost > 10
            lines = [line for _, line in (await log.read("r", limit=1000)).lines()]
            assert lines == [b"%d" % number for number in range(150) for _ in range(1 + number % 3)]
            await log.close()

    asyncio.run(main())


def test_an_append_that_was_stored_and_never_acknowledged_fences_another_driver() -> None:
    url = running_postgres().database()

    async def main() -> None:
        async with Proxy(running_postgres().port) as proxy:
            log = await opened(running_postgres().url(name_of(url), proxy.port), hints=False)
            await log.append(batch(0))
            losing = iter([True])
            proxy.loses = lambda: next(losing, False)
            assert await log.append(batch(1)) == 2, "it was appended again over a new connection"
            assert proxy.lost == 1
            other = await PostgresLog.open(url)
            with pytest.raises(Conflict) as conflict:
                await other.append(batch(1, by="w#2"))
            assert (conflict.value.end, conflict.value.by) == (2, "w#1")
            await other.close()
            await log.close()

    asyncio.run(main())


def test_a_connection_that_stalls_is_given_up_in_time_and_replaced() -> None:
    url = running_postgres().database()

    async def main() -> None:
        async with Proxy(running_postgres().port) as proxy:
            log = await opened(running_postgres().url(name_of(url), proxy.port), patience=0.5, hints=False)
            await log.append(batch(0))
            proxy.stalled = True
            async with asyncio.timeout(20):
                with pytest.raises(JournalUnavailable, match=r"no answer within 0\.5 seconds"):
                    await log.append(batch(1))
            other = await PostgresLog.open(url)
            await other.append(batch(1, by="w#2"))
            proxy.stalled = False
            while not isinstance(
                done := (await asyncio.gather(log.append(batch(1)), return_exceptions=True))[0], Conflict
            ):
                assert isinstance(done, JournalUnavailable)  # what had stalled comes through first
            assert done.by == "w#2"
            await other.close()
            await log.close()

    asyncio.run(main())


def test_readers_are_woken_soon_by_hints_alone() -> None:
    url = running_postgres().database()

    async def main() -> None:
        writer, reader = await opened(url), await opened(url)
        reader._following._interval = lambda: 3600.0  # without a hint it would never look again
        for log in (writer, reader):
            assert log.hints is not None
            await log.hints.heard.wait()

        async def follow() -> list[Page]:
            return [page async for page in reader.tail("r")]

        async def announced() -> bool:
            return writer.hints is not None and "r" in writer.hints._followers

        following = asyncio.create_task(follow())
        await until(announced)
        for number in range(20):
            await writer.append(batch(number))
        await writer.append(Batch(run="r", first=20, lines=(b"{}",), by="w#1", state="finished"))
        async with asyncio.timeout(60):
            pages = await following
        assert [number for page in pages for number, _ in page.lines()] == list(range(21))
        await writer.close()
        await reader.close()

    asyncio.run(main())


def test_who_only_waits_for_letters_polls_rarely_and_whoever_reads_a_log_often() -> None:
    """Each driven run waits for letters: a worker would poll forty times a second for what hardly ever comes."""

    async def main() -> None:
        log = await opened(running_postgres().database(), hints=False)
        letters = log.letters("r")
        assert await anext(letters) == []
        assert log._interval() == QUIET
        pages = log.tail("r")
        assert log._interval() == LIVE
        for reading in (letters, pages):
            await reading.aclose()
        await log.close()

    asyncio.run(main())


def test_without_notifications_it_says_so_and_polls(caplog: pytest.LogCaptureFixture) -> None:
    url = running_postgres().database()

    async def main() -> None:
        with caplog.at_level(logging.WARNING, "headwater.journal"):
            reader, writer = await opened(through_pgbouncer(url)), await opened(url)
            tail = reader.tail("r")
            while "delivers no notifications" not in caplog.text:
                waiting = asyncio.ensure_future(anext(tail))
                await asyncio.sleep(0)
                await writer.append(batch((await writer.info("r")).end))
                assert (await waiting).spans
            await tail.aclose()
            await reader.close()
            await writer.close()

    asyncio.run(main())


def test_a_reader_past_the_end_of_a_restored_backup_starts_over() -> None:
    url = running_postgres().database()

    async def main() -> None:
        log = await opened(url)
        await log.append(batch(0, 3))
        await log.append(batch(3, 4))
        await execute(url, "delete from headwater.events where first >= 3")  # as after a failover that lost writes
        page = await log.read("r", 6)
        assert (page.reset, page.after, page.end) == (True, 2, 3)
        tail = log.tail("r", 6)
        assert (await anext(tail)).reset
        await tail.aclose()
        assert await log.append(batch(3, by="w#2")) == 4
        await log.close()

    asyncio.run(main())


def test_many_processes_set_up_and_write_at_once() -> None:
    url = running_postgres().database()

    async def main() -> None:
        assert sorted(await asyncio.gather(*(upgrade_postgres(url) for _ in range(6)))) == [0, 1, 1, 1, 1, 1]
        logs = await asyncio.gather(*(PostgresLog.open(url) for _ in range(4)))
        made = await asyncio.gather(*(log.create(f"r{at}", Request(agent="a"), key="k") for at, log in enumerate(logs)))
        assert len({one.run for one in made}) == 1
        assert "tests@127.0.0.1" in repr(logs[0])
        for log in logs:
            await log.close()
            await log.close()
        with pytest.raises(JournalUnavailable, match="closed"):
            await logs[0].info("r0")

    asyncio.run(main())
