"""The shared state of a tree: a clock that never decreases, and the watchers still to be notified."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import force_setattr

from headwater.events import Event, ToolStarted
from headwater.runtime.log import Log


class Told:
    def __init__(self, name: str) -> None:
        self.id = name

    def tell(self, event: Event) -> None: ...


def test_a_clock_that_is_set_back_does_not_decrease(monkeypatch: pytest.MonkeyPatch) -> None:
    log, times = Log(), iter([10.0, 12.0, 5.0, 11.0, 13.0])
    monkeypatch.setattr(time, "time", lambda: next(times))
    read = []
    for _ in range(5):
        log.tick()
        read.append(log.now)
    assert read == [10.0, 12.0, 12.0, 12.0, 13.0]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"))))
def test_runs_are_known_from_their_joining_to_their_end(steps: list[tuple[bool, str]]) -> None:
    log, known = Log(), set[str]()
    for joins, name in steps:
        if joins:
            log.add(Told(name))
            known.add(name)
        else:
            log.remove(name)
            known.discard(name)
    assert set(log.runs or {}) == known


def test_waiting_for_an_event_ends_when_the_reader_has_appended_it() -> None:
    async def main() -> None:
        log, event, other = Log(), ToolStarted(step=1, call="c", name="t"), ToolStarted(step=1, call="d", name="t")
        waits = [asyncio.ensure_future(log.until_logged(one)) for one in (event, event, other)]
        await asyncio.sleep(0)
        force_setattr(event, "seq", 7)
        for expected in ([True, True, False], [True, True, False]):
            log.arrived(ending=False)
            await asyncio.sleep(0.01)
            assert [wait.done() for wait in waits] == expected
        force_setattr(other, "seq", 8)
        log.arrived(ending=False)
        await asyncio.wait_for(waits[2], 1)

    asyncio.run(main())


def test_one_waiter_may_be_cancelled_and_the_others_continue() -> None:
    async def main() -> None:
        log, event = Log(), ToolStarted(step=1, call="c", name="t")
        one, other = (asyncio.ensure_future(log.until_logged(event)) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.wait([one])
        force_setattr(event, "seq", 7)
        log.arrived(ending=False)
        await asyncio.wait_for(other, 1)

    asyncio.run(main())


def test_a_tree_of_one_run_keeps_no_list_of_runs() -> None:
    log = Log()
    log.remove("unknown")
    assert log.runs is None
