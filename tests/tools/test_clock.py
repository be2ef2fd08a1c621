"""A call's timeout pauses while the call waits for people, and continues with the remaining time."""

from __future__ import annotations

import asyncio

import pytest

from headwater.tools.clock import CallClock
from tests.support.virtual import run_virtual


@pytest.mark.parametrize("stops", [1, 3])
def test_it_continues_with_the_remaining_time(stops: int) -> None:
    waited: list[float] = []

    async def main() -> None:
        async with asyncio.timeout(10.0) as timeout:
            clock = CallClock(timeout)
            await asyncio.sleep(4.0)
            for _ in range(stops):
                clock.stand(True)
            await asyncio.sleep(1000.0)
            for _ in range(stops):
                clock.stand(False)
            try:
                await asyncio.sleep(7.0)
            finally:
                waited.append(asyncio.get_running_loop().time())

    with pytest.raises(TimeoutError):
        run_virtual(main())
    assert waited == [pytest.approx(1010.0)]


def test_it_pauses_until_every_pause_is_resumed() -> None:
    async def main() -> None:
        async with asyncio.timeout(10.0) as timeout:
            clock = CallClock(timeout)
            clock.stand(True)
            clock.stand(True)
            clock.stand(False)
            await asyncio.sleep(100.0)
            assert timeout.when() is None
            clock.stand(False)
            assert timeout.when() == pytest.approx(asyncio.get_running_loop().time() + 10.0)

    run_virtual(main())


def test_without_a_timeout_nothing_happens() -> None:
    async def main() -> None:
        async with asyncio.timeout(None) as timeout:
            clock = CallClock(timeout)
            clock.stand(True)
            await asyncio.sleep(1.0)
            clock.stand(False)
            assert timeout.when() is None

    run_virtual(main())


def test_an_expired_timeout_is_not_resumed() -> None:
    async def main() -> None:
        async with asyncio.timeout(1.0) as timeout:
            clock = CallClock(timeout)
            try:
                await asyncio.sleep(2.0)
            finally:
                clock.stand(True)
                clock.stand(False)

    with pytest.raises(TimeoutError):
        run_virtual(main())


def test_a_question_that_ends_after_its_call_leaves_the_timeout_alone() -> None:
    async def main() -> None:
        async with asyncio.timeout(10.0) as timeout:
            clock = CallClock(timeout)
            clock.stand(True)
            await asyncio.sleep(1.0)
        clock.close()
        clock.stand(False)
        assert timeout.when() is None

    run_virtual(main())
