"""A stored run as a file: what `save=` would have written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from headwater import RunFile
from headwater.errors import UnknownRun
from headwater.events.codec import decode, encode
from headwater.journal.export import export
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Batch, Request
from headwater.testing import sample_logs


async def exported(log: MemoryLog, run: str) -> bytes:
    return b"".join([piece async for piece in export(log, run)])


@pytest.mark.parametrize("name", sample_logs())
def test_a_run_file_is_read_as_the_log(name: str, tmp_path: Path) -> None:
    events = sample_logs()[name]

    async def main() -> None:
        log = MemoryLog()
        await log.create("r", Request(agent="a"))
        for first in range(0, len(events), 700):
            lines = tuple(map(encode, events[first : first + 700]))
            await log.append(Batch(run="r", first=first, lines=lines, by="w"))
        (tmp_path / "r.jsonl").write_bytes(await exported(log, "r"))

    asyncio.run(main())
    file = RunFile(tmp_path / "r.jsonl")
    assert list(file.events) == [decode(encode(event)) for event in events]
    assert not file.cut
    first = (tmp_path / "r.jsonl").read_bytes().split(b"\n")[1]
    assert b'"seq":0' in first, "a reader without this library finds the number"


def test_more_than_a_page_is_exported_and_an_unknown_run_is_not() -> None:
    async def main() -> None:
        log = MemoryLog()
        await log.create("r", Request(agent="a"))
        events = sample_logs()[next(iter(sample_logs()))]
        more = [encode(events[0]), *(b'{"v":1,"type":"custom","seq":%d}' % seq for seq in range(1, 5000))]
        for first in range(0, 5000, 500):
            await log.append(Batch(run="r", first=first, lines=tuple(more[first : first + 500]), by="w"))
        assert (await exported(log, "r")).count(b"\n") == 5001
        with pytest.raises(UnknownRun):
            await exported(log, "s")

    asyncio.run(main())
