"""What is read from PostgreSQL: one statement for every log that is followed."""

from __future__ import annotations

import asyncio

import pytest

from headwater.journal.postgres.connection import connect
from headwater.journal.postgres.reading import look, page
from tests.journal.postgres.databases import batch, execute, opened
from tests.support.postgres import running_postgres

pytestmark = pytest.mark.xdist_group("postgres")


def test_a_query_is_a_snapshot_of_only_new_events() -> None:
    url = running_postgres().database()

    async def main() -> None:
        log = await opened(url)
        for first, many in ((0, 3), (3, 2), (5, 4)):
            await log.append(batch(first, many))
        db = await connect(url)
        looked = await look(db, {("r", 8), ("r", 4), ("r", 99), ("s", -1)}, {("r", 0), ("r", -1), ("t", 0)})
        lengths = {wanted: (found.reset, len(list(found.lines()))) for wanted, found in looked.pages.items()}
        assert lengths == {("r", 4): (False, 4), ("r", 99): (True, 9)}
        assert looked.letters == {("r", -1): ([], False)}
        assert looked.missing == {"s", "t"}
        for after in range(-1, 9):
            found = await page(db, "r", after, 4)
            numbers = [number for number, _ in found.lines()]
            assert numbers == list(range(after + 1, after + 1 + len(numbers)))
            assert found.after + 1 in (3, 5, 9)
        await db.close()
        await log.close()

    asyncio.run(main())


def test_following_a_thousand_runs_is_an_index_scan() -> None:
    url = running_postgres().database()

    async def main() -> None:
        log = await opened(url)
        await execute(
            url,
            "insert into headwater.runs(root, agent, request, labels) select 'r' || g, 'a', '{}', '{}'"
            " from generate_series(1, 20000) g",
        )
        await execute(
            url,
            "insert into headwater.events select no, f * 3, 3, 'w', '{}' from headwater.runs, generate_series(0, 9) f",
        )
        await execute(url, "analyze headwater.runs, headwater.events")
        from headwater.journal.postgres.reading import ROWS

        asked = ROWS.replace("%(root)s", "(select array_agg('r' || g) from generate_series(1, 1000) g)")
        asked = asked.replace("%(after)s", "array_fill(29::bigint, array[1000])")
        asked = asked.replace("%(rows)s", "1000").replace("%(all)s", "false")
        plan = "\n".join(str(line) for (line,) in await execute(url, f"explain {asked}"))
        assert "Seq Scan on events" not in plan, plan
        await log.close()

    asyncio.run(main())
