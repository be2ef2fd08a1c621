"""Calls that are made together: which ones, and that each has its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from headwater.errors import InvalidRecord
from headwater.journal.grouping import MAX_BYTES, Grouped


class Doubling:
    """Doubles numbers when it is told to go on. Of odd ones it says that it cannot."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.goes = asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.asked.append([*numbers])
        await self.goes.wait()
        if 0 in numbers:
            raise ZeroDivisionError
        return [ValueError(f"{number}") if number % 2 else 2 * number for number in numbers]


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_calls_during_a_call_are_the_next_one_and_each_has_its_answer() -> None:
    async def main() -> None:
        double = Doubling()
        grouped = Grouped(double, most=3)
        first = asyncio.ensure_future(grouped(2))
        await turn()
        more = [asyncio.ensure_future(grouped(number)) for number in (4, 5, 6, 8)]
        await turn()
        assert double.asked == [[2]]
        more[2].cancel()
        double.goes.set()
        assert await first == 4
        answers = await asyncio.gather(*more, return_exceptions=True)
        assert double.asked[1:] == [[4, 5, 6], [8]]
        assert (answers[0], answers[3]) == (8, 16)
        assert isinstance(answers[1], ValueError)
        assert isinstance(answers[2], asyncio.CancelledError)
        await grouped.settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_failure_is_that_of_the_calls_that_were_made_together() -> None:
    async def main() -> None:
        double = Doubling()
        double.goes.set()
        grouped = Grouped(double)
        failed = await asyncio.gather(grouped(0), grouped(2), return_exceptions=True)
        assert [type(one) for one in failed] == [ZeroDivisionError, ZeroDivisionError]
        assert await grouped(2) == 4

    asyncio.run(main())


def test_what_the_store_refuses_does_not_keep_its_neighbors_out() -> None:
    async def main() -> None:
        async def doubled(numbers: Sequence[int]) -> list[int]:
            if -1 in numbers:
                raise InvalidRecord("No.")
            return [2 * number for number in numbers]

        grouped: Grouped[int, int] = Grouped(doubled)
        answers = await asyncio.gather(*map(grouped, (1, -1, 2, 3)), return_exceptions=True)
        assert [answer if isinstance(answer, int) else type(answer) for answer in answers] == [2, InvalidRecord, 4, 6]

    asyncio.run(main())


def test_a_call_is_made_for_no_more_bytes_than_a_store_takes_in_time() -> None:
    async def main() -> None:
        double = Doubling()
        double.goes.set()
        grouped = Grouped(double, size=lambda number: MAX_BYTES // 2 if number < 10 else 2 * MAX_BYTES)
        await asyncio.gather(*map(grouped, (2, 4, 6, 8, 10, 12)))
        assert double.asked == [[2, 4], [6, 8], [10], [12]]

    asyncio.run(main())


def test_at_the_end_of_the_loop_nobody_waits_for_an_answer() -> None:
    async def main() -> None:
        grouped = Grouped(Doubling())
        calls = [asyncio.ensure_future(grouped(number)) for number in (2, 4)]
        await turn()
        for task in asyncio.all_tasks() - {asyncio.current_task(), *calls}:
            task.cancel()
        await asyncio.wait(calls, timeout=5.0)
        assert all(call.cancelled() for call in calls)

    asyncio.run(main())
