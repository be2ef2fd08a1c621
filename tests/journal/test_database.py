"""What stores in a database share: the checks come before the database is asked. The rest is in the rules of stores."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from headwater.errors import ConfigurationError, UnknownRun
from headwater.journal.run_log import Batch, Request
from headwater.journal.sqlite.store import SqliteLog


def test_nothing_wrong_is_stored_and_what_is_right_stays(tmp_path: Path) -> None:
    async def main() -> None:
        log = await SqliteLog.open(str(tmp_path / "runs.db"))
        with pytest.raises(ConfigurationError):
            await log.create("r" * 1000, Request(agent="a"))
        await log.create("r", Request(agent="a"))
        with pytest.raises(ConfigurationError):
            await log.post("r", "steer", "", b"null")
        assert await log.append_many([]) == []
        batches = [Batch(run=run, first=0, lines=(b"{}",), by="w") for run in ("nobody", "r")]
        with pytest.raises(UnknownRun):
            await log.append_many(batches)
        assert (await log.info("r")).end == 1  # the others are stored
        assert await log.inbox("r") == []
        assert [one.run for one in await log.runs(agent="a")] == ["r"]
        await log.close()

    asyncio.run(main())
