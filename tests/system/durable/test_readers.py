"""Readers of runs on two servers and one PostgreSQL, however they read: none misses, repeats or splices anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from headwater.testing import check_log
from tests.cli.commands import headwater
from tests.support.effort import tries
from tests.support.postgres import running_postgres
from tests.system.durable.machines import Machines, Reader

pytestmark = pytest.mark.xdist_group("postgres")

WORDS = str(tries(4, 30))


@pytest.fixture(scope="module")
def webs() -> Iterator[tuple[str, str]]:
    """The addresses of two servers; a worker drives their runs."""
    url = running_postgres().database()
    assert headwater("journal", "upgrade", url).returncode == 0
    machines = Machines(url)
    (_, one), (_, other), _ = machines.web(), machines.web(), machines.worker()
    yield one, other
    machines.stop()


def test_a_reader_that_reconnects_to_the_other_server_after_every_event(webs: tuple[str, str]) -> None:
    reader, connections = Reader.start(webs[0], "talker", WORDS), 0
    while not reader.over:
        connections += 1
        for _ in reader.read(webs[connections % 2]):
            break
    events = reader.events
    assert [event.seq for event in events] == [*range(len(events))]
    check_log(events)
    assert reader.resets == 0
    assert connections >= len(events)
    assert Reader(reader.run).to_the_end(webs[0]) == events


def test_a_slow_reader_delays_nobody_and_misses_nothing(webs: tuple[str, str]) -> None:
    """It takes its second event when the run has ended for another reader."""
    slow = Reader.start(webs[0], "talker", WORDS)
    quick, ended = Reader(slow.run), threading.Event()

    def read() -> None:
        quick.to_the_end(webs[1])
        ended.set()

    other = threading.Thread(target=read)
    for _ in slow.read(webs[0]):
        if not ended.is_set():
            other.start()
            assert ended.wait(60.0)
            other.join()
    assert slow.over
    assert slow.events == quick.events
    assert slow.resets == 0
