"""Merging streams: nothing is lost or reordered, no task runs far ahead, and none waits forever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import force_setattr

from headwater.backends.interrupt import Interruptible
from headwater.events import Custom, Event, TextDelta, ToolProgress
from headwater.runtime.merge import MAX_BATCHES_AHEAD, MAX_PENDING_PROGRESS, MAX_PENDING_PROGRESS_BYTES, Mux
from tests.support.virtual import run_virtual


def unheard(error: BaseException) -> None:
    raise AssertionError(error)


def mux(**options: Any) -> Mux:
    return Mux(Interruptible(), unheard, **options)


def word(run: str, number: int) -> Event:
    return Custom(name=str(number), run=run)


async def read(queue: Mux, pause: float = 0.0) -> list[Event]:
    """All that comes, by a reader that takes its time."""
    events: list[Event] = []
    while batch := await queue.pull():
        events += batch
        await asyncio.sleep(pause)
    return events


@given(
    st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(1, 3), max_size=12), min_size=1),
    st.integers(0, 5),
)
def test_each_runs_events_arrive_complete_and_in_order(batches: dict[str, list[int]], pause: int) -> None:
    async def main() -> None:
        queue = mux()
        due: dict[str, list[str]] = {}
        for name, sizes in batches.items():
            due[name] = [str(number) for number in range(sum(sizes))]

            async def say(name: str = name, sizes: list[int] = sizes) -> None:
                at = 0
                for size in sizes:
                    await queue.hand(name, [word(name, number) for number in range(at, at + size)])
                    at += size

            queue.spawn(say(), name)
        events = await read(queue, pause)
        for name, numbers in due.items():
            assert [event.name for event in events if event.run == name] == numbers  # type: ignore[attr-defined]
        assert queue.done

    run_virtual(main())


def test_who_is_ahead_of_the_reader_waits_and_the_others_do_not() -> None:
    async def main() -> None:
        queue = mux()
        handed: dict[str, int] = {"fast": 0, "slow": 0}

        async def say(name: str, pause: float) -> None:
            for number in range(100):
                await asyncio.sleep(pause)
                await queue.hand(name, [word(name, number)])
                handed[name] += 1

        queue.spawn(say("fast", 0.0), "fast")
        queue.spawn(say("slow", 10.0), "slow")
        await asyncio.sleep(35)
        assert handed == {"fast": MAX_BATCHES_AHEAD - 1, "slow": 3}, "the last batch waits for the reader"
        assert len(await queue.pull()) == MAX_BATCHES_AHEAD + 3
        queue.cancel()
        await queue.settle()

    run_virtual(main())


def test_a_slow_reader_may_have_pieces_joined_instead() -> None:
    async def main() -> None:
        queue = mux(slow_reader="coalesce")

        async def say() -> None:
            for number in range(100):
                await queue.hand("a", [TextDelta(step=1, part=0, text=f"{number} ", run="a")])

        queue.spawn(say(), "a")
        await asyncio.sleep(1)
        assert queue.done, "it did not wait"
        (event,) = await queue.pull()
        assert isinstance(event, TextDelta)
        assert event.text == "".join(f"{number} " for number in range(100))
        assert await queue.pull() == []

    run_virtual(main())


def test_news_of_a_tool_is_dropped_where_the_reader_is_far_behind_the_oldest_first() -> None:
    async def main() -> None:
        queue = mux()
        kept = [
            queue.put_progress(ToolProgress(step=1, call="c", name="t", data=number))
            for number in range(MAX_PENDING_PROGRESS + 3)
        ]
        assert kept == [True] * MAX_PENDING_PROGRESS + [False] * 3
        data = [event.data for event in queue.take() if isinstance(event, ToolProgress)]
        assert data == list(range(3, MAX_PENDING_PROGRESS + 3))
        assert queue.put_progress(ToolProgress(step=1, call="c", name="t", data=0)), "it has caught up"

    run_virtual(main())


def test_progress_is_dropped_by_size_too_and_everything_else_stays() -> None:
    async def main() -> None:
        queue = mux()
        large = "x" * (MAX_PENDING_PROGRESS_BYTES // 4)
        for number in range(8):
            queue.put([word("a", number)])
            kept = queue.put_progress(ToolProgress(step=1, call="c", name="t", data=f"{number}{large}"))
            assert kept is (number < 3)
        told = [event.data[0] if isinstance(event, ToolProgress) else event.name for event in queue.take()]  # type: ignore[attr-defined]
        assert told == ["0", "1", "2", "3", "4", "5", "5", "6", "6", "7", "7"]
        assert queue.put_progress(ToolProgress(step=1, call="c", name="t", data=large * 5)), "one alone always waits"
        assert not queue.put_progress(ToolProgress(step=1, call="c", name="t", data=1))
        assert [event.data for event in queue.take() if isinstance(event, ToolProgress)] == [1]

    run_virtual(main())


def test_a_reader_waits_for_an_event_or_the_last_writer() -> None:
    async def main() -> None:
        queue = mux()

        async def work() -> None:
            await asyncio.sleep(5)
            queue.put([word("a", 1)])
            await asyncio.sleep(5)

        queue.spawn(work(), "a")
        assert [event.run for event in await queue.pull()] == ["a"]
        assert await queue.pull() == []

    _, seconds = run_virtual(main())
    assert seconds == 10


def test_a_tasks_error_is_raised_once_and_its_events_are_kept() -> None:
    async def main() -> None:
        told: list[BaseException] = []
        queue = Mux(Interruptible(), told.append)

        async def fail() -> None:
            queue.put([word("a", 1)])
            raise LookupError

        queue.spawn(fail(), "a")
        assert len(await read(queue)) == 1
        assert [type(error) for error in told] == [LookupError]

    run_virtual(main())


def test_a_wait_can_be_ended_from_outside() -> None:
    async def main() -> None:
        interruptible = Interruptible()
        queue = Mux(interruptible, unheard)
        queue.spawn(asyncio.sleep(1000), "a")
        asyncio.get_running_loop().call_later(3, interruptible.interrupt, LookupError("stop"))
        with pytest.raises(LookupError):
            await queue.pull()
        queue.cancel()
        await queue.settle()
        assert queue.done

    _, seconds = run_virtual(main())
    assert seconds == 3


def test_of_a_batch_that_its_reader_left_the_rest_is_still_due() -> None:
    async def main() -> None:
        queue = mux()
        queue.put([word("a", number) for number in range(3)])
        first, second, third = await queue.pull()
        force_setattr(first, "seq", 7)  # it was appended, and the reader left before the next
        assert queue.rest() == [second, third]
        queue.put([word("b", 1)])
        await queue.pull()
        queue.put([word("b", 2)])
        assert [event.name for event in queue.rest()] == ["1", "2"]  # type: ignore[attr-defined]
        assert queue.rest() == []

    run_virtual(main())


def test_nothing_starts_after_all_were_stopped() -> None:
    async def main() -> None:
        queue = mux()
        begun: list[int] = []

        async def work() -> None:
            begun.append(1)
            await asyncio.Event().wait()

        queue.spawn(work(), "first")
        await asyncio.sleep(0)
        queue.cancel()
        queue.spawn(work(), "late")
        await queue.settle()
        assert begun == [1]
        assert queue.done

    run_virtual(main())
