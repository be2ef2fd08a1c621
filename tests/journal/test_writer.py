"""The writer: what is one append, who waits for it, and what becomes of a run whose append is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from headwater.errors import HeadwaterError, InvalidRecord, JournalUnavailable, RunLost, ThreadBusy
from headwater.events import Event, RunFinished, RunStarted, RunWaiting, TextDelta
from headwater.journal.grouping import MAX_BYTES
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Appended, Batch, Request, RunLog
from headwater.journal.writer import MAX_TOGETHER, MAX_UNSTORED, Writer, Writing
from tests.support.virtual import run_virtual


class Slow(MemoryLog):
    """A store that answers when it is told to, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.appends: list[list[tuple[str, int, int]]] = []
        self.open = asyncio.Event()
        self.fails: list[bool] = []
        """For each append to come, whether it fails; True: after it was stored."""

    async def append_many(self, batches: Sequence[Batch]) -> list[Appended]:
        self.appends.append([(batch.run, batch.first, batch.end) for batch in batches])
        await self.open.wait()
        if self.fails:
            if self.fails.pop(0):
                await super().append_many(batches)
            raise JournalUnavailable("It does not answer.")
        return await super().append_many(batches)


def text(seq: int, run: str = "r") -> TextDelta:
    return TextDelta(step=1, part=0, text="x", seq=seq, time=1.0, run=run)


async def writing(
    store: RunLog,
    run: str = "r",
    *,
    writer: Writer | None = None,
    lost: list[HeadwaterError] | None = None,
    **more: Any,
) -> Writing:
    async def opened() -> RunLog:
        return store

    if more.pop("create", True):
        await store.create(run, Request(agent="a"))
    told: list[HeadwaterError] = [] if lost is None else lost
    return Writing(writer or Writer(opened), run, first=0, by=f"w/{run}", owner="w", lost=told.append, **more)


def put(log: Writing, events: Sequence[Event]) -> None:
    for event in events:
        log.put(event)
    log.whole()


async def turns(times: int = 10) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


def test_events_during_an_append_of_all_runs_are_the_next_one() -> None:
    async def main() -> None:
        store = Slow()

        async def opened() -> RunLog:
            return store

        writer = Writer(opened)
        one, two = await writing(store, "one", writer=writer), await writing(store, "two", writer=writer)
        put(one, [text(0, "one")])
        await turns()
        put(one, [text(1, "one"), text(2, "one")])
        put(two, [text(0, "two")])
        put(one, [text(3, "one")])
        await turns()
        assert store.appends == [[("one", 0, 1)]]
        store.open.set()
        await one.settle()
        await two.settle()
        assert store.appends[1:] == [[("one", 1, 4), ("two", 0, 1)]]
        assert one.idle

    asyncio.run(main())


@pytest.mark.parametrize(
    ("runs", "size", "together"),
    [
        (2 * MAX_TOGETHER + 1, 1, [1, MAX_TOGETHER, MAX_TOGETHER]),  # the first run does not wait for the others
        (5, MAX_BYTES // 2, [1, 1, 1, 1, 1]),
        (5, MAX_BYTES // 4, [1, 3, 1]),
        (2, 2 * MAX_BYTES, [1, 1]),
    ],
)
def test_much_at_once_is_stored_in_several_appends(runs: int, size: int, together: list[int]) -> None:
    """A store that answers within its time for a part would never answer for all of it."""

    async def main() -> None:
        store = Slow()

        async def opened() -> RunLog:
            return store

        writer = Writer(opened)
        logs = [await writing(store, f"r{number}", writer=writer) for number in range(runs)]
        put(logs[0], [text(0, "r0")])
        await turns()
        for number, log in enumerate(logs[1:], 1):
            put(log, [TextDelta(step=1, part=0, text="x" * size, seq=0, time=1.0, run=f"r{number}")])
        store.open.set()
        await writer.settle()
        assert [len(batches) for batches in store.appends] == together
        assert all(log.idle and log.stored_until == 1 for log in logs)

    run_virtual(main())


def test_only_complete_batches_are_stored() -> None:
    async def main() -> None:
        store = Slow()
        store.open.set()
        log = await writing(store)
        put(log, [text(0)])
        log.put(text(1))
        await log.settle()
        assert (await store.info("r")).end == 1
        log.end()
        await log.settle()
        assert (await store.info("r")).end == 2

    asyncio.run(main())


def test_who_waits_for_an_event_waits_until_it_is_stored() -> None:
    async def main() -> None:
        store = Slow()
        log = await writing(store)
        put(log, [text(0), text(1)])
        wait = log.stored(1)
        assert wait is not None
        task = asyncio.ensure_future(wait)
        await turns()
        assert not task.done()
        store.open.set()
        await task
        assert log.stored(1) is None

    asyncio.run(main())


def test_a_run_is_held_back_where_the_store_is_far_behind() -> None:
    async def main() -> None:
        store = Slow()
        log = await writing(store)
        for seq in range(MAX_UNSTORED):
            log.put(text(seq))
            assert log.whole() is None
        log.put(text(MAX_UNSTORED))
        behind = log.whole()
        assert behind is not None
        store.open.set()
        await behind
        assert log.stored_until > MAX_UNSTORED // 2

    asyncio.run(main())


@pytest.mark.parametrize("stored_first", [True, False])
def test_an_append_whose_outcome_is_unknown_is_settled(stored_first: bool) -> None:
    async def main() -> None:
        store, lost = Slow(), list[HeadwaterError]()
        store.open.set()
        store.fails = [stored_first, stored_first]
        log = await writing(store, lost=lost)
        put(log, [text(0), text(1)])
        await log.settle()
        assert store.appends == [[("r", 0, 2)]] * 3
        assert [line for _, line in (await store.read("r")).lines()]
        assert (await store.info("r")).end == 2
        assert lost == []

    run_virtual(main())


def test_an_abandoned_run_is_not_stored_later_and_others_are() -> None:
    async def main() -> None:
        store = Slow()
        store.open.set()
        store.fails = [False] * 20

        async def opened() -> RunLog:
            return store

        writer = Writer(opened)
        one, two = await writing(store, "one", writer=writer), await writing(store, "two", writer=writer)
        put(one, [text(0, "one")])
        put(two, [text(0, "two")])
        await turns()
        one.refused(RunLost("The journal does not answer."))
        await asyncio.sleep(3600.0)
        assert ((await store.info("one")).end, (await store.info("two")).end) == (0, 1)

        store.fails = [False] * 10**6
        put(two, [text(1, "two")])
        await turns()
        two.refused(RunLost("The journal does not answer."))
        async with asyncio.timeout(60.0):
            await writer.settle()

    run_virtual(main())


def test_a_run_that_another_drives_is_lost_and_nothing_of_it_is_stored() -> None:
    async def main() -> None:
        store, lost = Slow(), list[HeadwaterError]()
        store.open.set()
        log = await writing(store, lost=lost)
        await store.append(Batch(run="r", first=0, lines=(b"{}",), by="another"))
        put(log, [text(0), text(1)])
        wait = log.stored(1)
        assert wait is not None
        await wait
        (error,) = lost
        assert isinstance(error, RunLost)
        assert "another" in str(error)
        put(log, [text(2)])
        await turns()
        assert (await store.info("r")).end == 1
        assert log.stored(2) is None

    asyncio.run(main())


def test_a_run_that_is_over_or_deleted_is_lost_and_others_are_stored() -> None:
    async def main() -> None:
        store = Slow()
        store.open.set()

        async def opened() -> RunLog:
            return store

        writer, gone, over = Writer(opened), list[HeadwaterError](), list[HeadwaterError]()
        one = await writing(store, "one", writer=writer, lost=gone)
        two = await writing(store, "two", writer=writer, lost=over)
        three = await writing(store, "three", writer=writer)
        await store.delete("one")
        await store.append(Batch(run="two", first=0, lines=(b"{}",), by="another", state="cancelled"))
        for log, run in ((one, "one"), (two, "two"), (three, "three")):
            put(log, [text(0, run)])
        for log in (one, two, three):
            await log.settle()
        assert "deleted" in str(gone[0])
        assert "cancelled" in str(over[0])
        assert (await store.info("three")).end == 1

    asyncio.run(main())


def test_a_batch_that_the_store_refuses_loses_its_run_and_others_are_stored() -> None:
    class Refusing(Slow):
        async def append_many(self, batches: Sequence[Batch]) -> list[Appended]:
            if any(batch.run == "two" for batch in batches):
                raise InvalidRecord("No.")
            return await super().append_many(batches)

    async def main() -> None:
        store, lost = Refusing(), list[HeadwaterError]()
        store.open.set()

        async def opened() -> RunLog:
            return store

        writer = Writer(opened)
        logs = [await writing(store, run, writer=writer, lost=lost) for run in ("one", "two", "three")]
        for log in logs:
            put(log, [text(0, log.run)])
        await writer.settle()
        assert [(await store.info(log.run)).end for log in logs] == [1, 0, 1]
        assert [type(one) for one in lost] == [InvalidRecord]

    run_virtual(main())


def test_an_invalid_start_is_rejected() -> None:
    async def main() -> None:
        store, lost = Slow(), list[HeadwaterError]()
        store.open.set()

        async def begin(log: RunLog) -> None:
            raise ThreadBusy("There is another.")

        log = await writing(store, lost=lost, begin=begin)
        put(log, [text(0)])
        await log.settle()
        assert isinstance(lost[0], ThreadBusy)
        assert store.appends == []

    asyncio.run(main())


def test_new_runs_begin_together_and_each_until_it_has_begun() -> None:
    async def main() -> None:
        store, begun, lost = MemoryLog(), list[str](), list[HeadwaterError]()
        all_begin = asyncio.Barrier(3)

        async def opened() -> RunLog:
            return store

        def begins(run: str, *errors: HeadwaterError) -> Any:
            left = list(errors)

            async def begin(log: RunLog) -> None:
                begun.append(run)
                if len(begun) <= 3:
                    await all_begin.wait()
                if left:
                    raise left.pop()

            return begin

        writer = Writer(opened)
        failures: dict[str, list[HeadwaterError]] = {
            "one": [],
            "two": [JournalUnavailable("Once.")],
            "three": [ThreadBusy("There is another.")],
        }
        logs = [
            await writing(store, run, writer=writer, lost=lost, begin=begins(run, *errors))
            for run, errors in failures.items()
        ]
        for log in logs:
            put(log, [text(0, log.run)])
        await asyncio.gather(*(log.settle() for log in logs))
        assert begun == ["one", "two", "three", "two"]
        assert [(await store.info(run)).end for run in failures] == [1, 1, 0]
        assert [type(one) for one in lost] == [ThreadBusy]

    run_virtual(main())


def test_a_store_that_cannot_be_opened_is_reported_to_every_run() -> None:
    async def main() -> None:
        async def opened() -> RunLog:
            raise JournalUnavailable("There is none.")

        store, lost = MemoryLog(), list[HeadwaterError]()
        log = await writing(store, lost=lost, writer=Writer(opened))
        put(log, [text(0)])
        await log.settle()
        assert isinstance(lost[0], JournalUnavailable)

    asyncio.run(main())


def test_the_end_has_the_outcome_and_the_first_batch_the_driver() -> None:
    async def main() -> None:
        store = Slow()
        store.open.set()
        log = await writing(store, said=lambda: (b'{"role":"user"}',))
        put(log, [RunStarted(agent_name="a", input=(), seq=0, time=1.0, run="r", path=("a",))])
        await log.settle()
        info = await store.info("r")
        assert (info.state, info.owner, info.drives) == ("running", "w", 1)
        put(log, [RunFinished(finish_reason="stop", seq=1, time=1.0, run="r", path=("a",))])
        await log.settle()
        info = await store.info("r")
        assert (info.state, info.outcome, info.drives) == ("finished", "stop", 1)

    asyncio.run(main())


def test_a_wait_until_a_time_that_no_store_has_is_one_without_end() -> None:
    """A question may be asked for so many seconds, and what is refused takes other runs with it."""

    async def main() -> None:
        store = MemoryLog()
        log = await writing(store)
        log.put(text(0))
        log.waits(1e13, 0)
        log.end()
        await log.settle()
        info = await store.info("r")
        assert (info.state, info.wake_at) == ("waiting", None)

    run_virtual(main())


def test_a_released_run_says_until_when_it_waits() -> None:
    async def main() -> None:
        store = Slow()
        store.open.set()
        log = await writing(store)
        log.put(text(0))
        log.waits(99.0, 0)
        log.end()
        await log.settle()
        info = await store.info("r")
        assert (info.state, info.wake_at) == ("waiting", 99.0)

    asyncio.run(main())


def test_pending_events_are_stored_when_the_loop_ends() -> None:
    store = MemoryLog()

    async def main() -> None:
        log = await writing(store)
        put(log, [text(0)])

    asyncio.run(main())
    assert asyncio.run(store.info("r")).end == 1


def test_a_loop_that_ends_does_not_wait_for_a_store_that_does_not_answer() -> None:
    lost = list[HeadwaterError]()

    async def main() -> None:
        store = Slow()
        store.open.set()
        store.fails = [False] * 100
        log = await writing(store, lost=lost)
        put(log, [text(0)])
        await turns()

    asyncio.run(main())
    assert isinstance(lost[0], RunLost)


def test_held_events_are_stored_when_released_or_at_the_end() -> None:
    async def main() -> None:
        for stored_by in ("release", "end", "waits"):
            store = MemoryLog()
            log = await writing(store)
            for event in (RunStarted(agent_name="a", run="r"), text(1), RunWaiting(seq=2, run="r"), text(3)):
                log.put(event)
            log.hold_back(RunWaiting)
            log.whole()
            await log.settle()
            assert (await store.info("r")).end == 2
            if stored_by == "release":
                log.release()
            else:
                if stored_by == "waits":
                    log.waits(None, 0)
                log.end()
            await log.settle()
            info = await store.info("r")
            assert (info.end, info.state) == (4, "waiting" if stored_by == "waits" else "running")

    run_virtual(main())


def test_stored_events_are_not_held_back() -> None:
    async def main() -> None:
        store = MemoryLog()
        log = await writing(store)
        put(log, [RunStarted(agent_name="a", run="r"), RunWaiting(seq=1, run="r")])
        await log.settle()
        log.hold_back(RunWaiting)
        put(log, [text(2)])
        await log.settle()
        assert (await store.info("r")).end == 3

    run_virtual(main())
