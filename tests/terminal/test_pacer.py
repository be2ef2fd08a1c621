"""When something is drawn: by a clock, as often as it may be, and never by how much has changed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from headwater.terminal.pacer import Pace, Pacer
from tests.support.virtual import run_virtual

PACE = Pace(between=0.1, longest=3.0, share_of_time=0.05, share_of_core=0.01)


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that this thread has used, which passes only where a test says so."""
    used = [0.0]
    monkeypatch.setattr(time, "thread_time", lambda: used[0])
    return used


class Drawn:
    """What a pacer draws: remembers when, and does as it is told while it is drawn."""

    def __init__(self, pace: Pace = PACE, rest: float | None = None) -> None:
        self.times: list[float] = []
        self.problems: list[Exception] = []
        self.during: Callable[[], object] = lambda: None
        self.rest = rest
        self.pacer = Pacer(self._draw, lambda: self.rest, self.problems.append, pace)

    def _draw(self, now: float) -> None:
        self.times.append(now)
        self.during()


async def changes(pacer: Pacer, count: int, seconds: float) -> None:
    for _ in range(count):
        pacer.soon()
        await asyncio.sleep(seconds / count)


def test_the_first_change_is_drawn_at_once_and_the_others_by_the_clock() -> None:
    drawn = Drawn()
    run_virtual(changes(drawn.pacer, 1000, 1.0))
    assert drawn.times[0] == 0.0
    assert drawn.times[:10] == pytest.approx([0.1 * number for number in range(10)], abs=0.002)
    assert len(drawn.times) <= 11


def test_nothing_is_drawn_where_nothing_changes() -> None:
    drawn = Drawn()

    async def main() -> None:
        drawn.pacer.soon()
        await asyncio.sleep(60.0)

    run_virtual(main())
    assert drawn.times == [0.0]


def test_what_moves_by_itself_is_drawn_as_often_as_it_asks() -> None:
    drawn = Drawn(rest=1.0)

    async def main() -> None:
        drawn.pacer.soon()
        await asyncio.sleep(3.5)
        drawn.rest = None
        await asyncio.sleep(60.0)

    run_virtual(main())
    assert drawn.times == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_change_does_not_wait_for_what_moves_by_itself() -> None:
    drawn = Drawn(rest=1.0)

    async def main() -> None:
        drawn.pacer.soon()
        await asyncio.sleep(0.5)
        drawn.pacer.soon()
        await asyncio.sleep(1.2)

    run_virtual(main())
    assert drawn.times == [0.0, 0.5, 1.5]


def slow_by(seconds: float) -> None:
    """The terminal takes its time: the loop's clock goes on meanwhile."""
    loop = asyncio.get_running_loop()
    loop._clock.now += seconds  # type: ignore[attr-defined]


def test_a_slow_terminal_is_drawn_to_less_often() -> None:
    drawn = Drawn()
    drawn.during = lambda: slow_by(0.1)
    run_virtual(changes(drawn.pacer, 100, 10.0))
    assert len(drawn.times) <= 1 + 10 / (0.1 / PACE.share_of_time)
    assert len(drawn.times) >= 4


def test_what_is_expensive_to_draw_is_drawn_less_often(processor: list[float]) -> None:
    drawn = Drawn()

    def use() -> None:
        processor[0] += 0.01

    drawn.during = use
    run_virtual(changes(drawn.pacer, 100, 10.0))
    assert drawn.times[:10] == pytest.approx([*range(10)], abs=0.11)
    assert len(drawn.times) <= 11


def test_a_terminal_that_was_halted_for_minutes_is_drawn_to_again_soon() -> None:
    drawn = Drawn()
    halts = iter((120.0,))
    drawn.during = lambda: slow_by(next(halts, 0.0))
    run_virtual(changes(drawn.pacer, 100, 10.0))
    first, second, *_ = drawn.times
    assert second - (first + 120.0) <= PACE.longest + 0.1


def test_nothing_is_drawn_after_the_stop_until_there_is_a_change() -> None:
    drawn = Drawn(rest=1.0)

    async def main() -> None:
        drawn.pacer.soon()
        await asyncio.sleep(1.5)
        drawn.pacer.soon()
        drawn.pacer.stop()
        drawn.pacer.soon_from_any_thread()
        await asyncio.sleep(10.0)
        assert drawn.times == [0.0, 1.0]
        drawn.pacer.soon()
        await asyncio.sleep(0.5)

    run_virtual(main())
    assert drawn.times == [0.0, 1.0, 11.5]


def test_a_draw_that_stops_is_the_last() -> None:
    drawn = Drawn(rest=1.0)
    drawn.during = drawn.pacer.stop

    async def main() -> None:
        drawn.pacer.soon()
        await asyncio.sleep(10.0)

    run_virtual(main())
    assert drawn.times == [0.0]


def test_another_thread_may_ask() -> None:
    drawn = Drawn()

    async def main() -> None:
        drawn.pacer.soon()
        await asyncio.sleep(1.0)
        thread = threading.Thread(target=drawn.pacer.soon_from_any_thread)
        thread.start()
        await asyncio.to_thread(thread.join)
        await asyncio.sleep(0.5)

    run_virtual(main())
    assert len(drawn.times) == 2
    drawn.pacer.soon_from_any_thread()  # the loop is closed: nobody draws, and nothing is raised


def test_a_problem_of_a_draw_by_the_timer_is_handed_on() -> None:
    drawn = Drawn(rest=1.0)

    def fail() -> None:
        raise RuntimeError("no")

    drawn.during = fail

    async def main() -> None:
        drawn.pacer.soon()
        await asyncio.sleep(10.0)

    run_virtual(main())
    assert [str(problem) for problem in drawn.problems] == ["no"]
    assert drawn.times == [0.0]


def test_without_a_loop_it_is_drawn_at_once_if_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    drawn = Drawn()
    drawn.pacer.soon()
    clock[0] += 0.05
    drawn.pacer.soon()
    assert drawn.times == [100.0]
    clock[0] += 0.1
    drawn.pacer.soon()
    assert drawn.times == pytest.approx([100.0, 100.15])


def test_a_second_loop_has_a_clock_of_its_own() -> None:
    drawn = Drawn(rest=1.0)

    async def main() -> None:
        await asyncio.sleep(5.0)
        drawn.pacer.now()
        drawn.pacer.soon()
        await asyncio.sleep(0.5)

    run_virtual(main())
    run_virtual(main())
    drawn.pacer.stop()
    drawn.pacer.soon()
    assert drawn.times[:2] == [5.0, 5.0]
    assert len(drawn.times) == 3
