"""The behavior of every run: numbering, notifying, ending in order, and its timeout."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Agent, Timeouts
from headwater.backends.offline import Call, Say, Wait
from headwater.errors import LoopMisuse, RunTimeout, ServerError
from headwater.events import Event, RunCancelled, RunFailed, RunFinished, TextDelta
from headwater.runtime.run import Run
from headwater.runtime.shown import as_data
from headwater.testing import check_log
from tests.runtime.runs import Saying, Team, broken, log_of_run
from tests.support.streams import always, scripted
from tests.support.values import any_json
from tests.support.virtual import run_virtual

WORDS = ("One ", "two ", "three.")


# --- reading


def test_events_are_numbered_and_stamped_where_they_are_appended() -> None:
    async def main() -> None:
        run = Saying("ann", *WORDS)
        log = await log_of_run(run)
        check_log(log)
        assert [event.seq for event in log] == list(range(len(log)))
        assert {(event.run, event.path) for event in log} == {(run.id, ("ann",))}
        assert [event.time for event in log] == sorted(event.time for event in log)
        assert run.over
        assert run.response() == "One two three."
        assert await run.pull() == [], "a run that is over has nothing more to say"

    run_virtual(main())


def test_a_run_that_is_not_read_does_nothing() -> None:
    async def main() -> None:
        run = Saying("ann", *WORDS)
        await asyncio.sleep(100)
        assert not run.begun
        assert run.fold.started is None
        assert run.response().partial

    run_virtual(main())


def test_all_watchers_get_each_event_before_the_next_one() -> None:
    async def main() -> None:
        heard: list[str] = []

        async def slow(event: Event) -> None:
            await asyncio.sleep(5)
            heard.append(f"slow {event.seq}")

        run = Saying("ann", "One.")
        run.watch(lambda event: heard.append(f"fast {event.seq}"))
        run.watch(slow)
        await run.drain()
        count = len(heard) // 2
        assert heard == [f"{who} {seq}" for seq in range(count) for who in ("fast", "slow")]

    run_virtual(main())


def test_a_watchers_error_ends_the_reading_and_the_others_still_receive_the_event() -> None:
    async def main() -> None:
        heard: list[Event] = []

        def leave(event: Event) -> None:
            if isinstance(event, TextDelta):
                raise KeyboardInterrupt

        run = Saying("ann", *WORDS)
        run.watch(leave)
        run.watch(heard.append)
        with pytest.raises(KeyboardInterrupt):
            await run.drain()
        assert run.over
        assert "".join(event.text for event in heard if isinstance(event, TextDelta)) == "One "
        check_log(heard)

    run_virtual(main())


def test_an_error_ends_the_log_and_is_raised_with_the_text() -> None:
    async def main() -> None:
        run = Saying("ann", *WORDS, error=broken())
        log = await log_of_run(run)
        check_log(log)
        assert isinstance(log[-1], RunFailed)
        with pytest.raises(ServerError) as caught:
            run.raise_error()
        assert caught.value is run.error
        assert caught.value.response is not None
        assert caught.value.response.text == "One two three."
        assert caught.value.response.partial
        again = Saying("ann", error=broken())
        with pytest.raises(ServerError):
            await again.drain()

    run_virtual(main())


# --- stopping


@given(st.integers(0, 8), st.sampled_from(["caller", "left", "parent", "shutdown", "deadline"]))
def test_wherever_a_run_is_stopped_its_log_is_complete_and_the_first_cause_counts(at: int, by: Any) -> None:
    async def main() -> None:
        run = Saying("ann", *WORDS)

        def stop(event: Event) -> None:
            if event.seq == at:
                run.cancel(by)
                run.cancel("shutdown" if by == "caller" else "caller")

        run.watch(stop)
        log = await log_of_run(run)
        check_log(log)
        assert run.over
        end = log[-1]
        assert isinstance(end, RunCancelled) or (isinstance(end, RunFinished) and end.seq == at)
        if isinstance(end, RunCancelled):
            assert end.by == by
            assert run.released

    run_virtual(main())


def test_a_run_that_waits_is_stopped_at_once() -> None:
    async def main() -> None:
        run = Saying("ann", "Never.", pause=1000)
        reading = asyncio.ensure_future(log_of_run(run))
        await asyncio.sleep(1)
        run.cancel()
        log = await reading
        check_log(log)
        assert log[-1].type == "run.cancelled"

    _, seconds = run_virtual(main())
    assert seconds == 1


def test_a_run_that_waits_is_stopped_from_another_thread() -> None:
    async def main() -> None:
        run = Saying("ann", "Never.", pause=1000)
        reading = asyncio.ensure_future(log_of_run(run))
        await asyncio.sleep(0)
        thread = threading.Thread(target=run.cancel)
        thread.start()
        log = await asyncio.wait_for(reading, 30)
        thread.join()
        assert log[-1].type == "run.cancelled"

    asyncio.run(main())


def test_a_reader_whose_task_is_cancelled_leaves_a_complete_log() -> None:
    async def main() -> None:
        heard: list[Event] = []
        run = Saying("ann", "Never.", pause=1000)
        run.watch(heard.append)
        reading = asyncio.ensure_future(run.drain())
        await asyncio.sleep(1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        check_log(heard)
        assert isinstance(heard[-1], RunCancelled)
        assert heard[-1].by == "caller"

    run_virtual(main())


def test_leaving_a_run_closes_it_before_the_next_statement() -> None:
    async def main() -> None:
        heard: list[Event] = []
        run = Saying("ann", *WORDS)
        run.watch(heard.append)
        await log_of_run(run, lambda event: isinstance(event, TextDelta))
        run.abort()
        assert run.over
        assert run.released
        check_log(heard)
        assert isinstance(heard[-1], RunCancelled)
        assert heard[-1].by == "left"
        run.abort()
        assert len(heard) == heard[-1].seq + 1

    run_virtual(main())


def test_leaving_an_unread_run_leaves_no_log() -> None:
    heard: list[Event] = []
    run = Saying("ann", *WORDS)
    run.watch(heard.append)
    run.abort()
    assert run.over
    assert heard == []


def test_what_a_watcher_would_have_awaited_is_closed_where_a_run_is_left() -> None:
    async def main() -> None:
        async def told() -> None: ...

        def watch(event: Event) -> Awaitable[Any]:
            return told()

        run = Saying("ann", *WORDS)
        run.watch(watch)
        await log_of_run(run, lambda event: isinstance(event, TextDelta))
        run.abort()  # a coroutine that was never awaited would warn, and a warning is an error here

    run_virtual(main())


# --- the timeout


def test_the_clock_runs_from_the_first_read_and_fails_the_run() -> None:
    async def main() -> None:
        run = Saying("ann", *WORDS, pause=2, timeout=5)
        await asyncio.sleep(50)
        log = await log_of_run(run)
        check_log(log)
        assert isinstance(run.error, RunTimeout)
        assert run.error.clock == "run"
        assert run.response() == "One two "

    _, seconds = run_virtual(main())
    assert seconds == 55


def test_a_timeout_at_the_last_token_changes_nothing() -> None:
    async def main() -> None:
        run = Saying("ann", "One.", timeout=5)

        async def slow(event: Event) -> None:
            if isinstance(event, RunFinished):
                await asyncio.sleep(10)

        run.watch(slow)
        await run.drain()
        assert run.error is None
        assert isinstance(run.fold.end, RunFinished)

    run_virtual(main())


def test_a_run_is_read_in_an_event_loop() -> None:
    reading = Saying("ann").pull()
    with pytest.raises(LoopMisuse, match="no running asyncio event loop"):
        reading.send(None)


def test_the_base_class_says_what_a_subclass_has_to_implement() -> None:
    with pytest.raises(NotImplementedError):
        Run("ann")._started()


# --- a tree


def test_a_tree_is_stopped_as_a_whole() -> None:
    async def main() -> None:
        members = [Saying(name, *WORDS, pause=10) for name in ("ann", "bob")]
        team = Team("team", *members)
        reading = asyncio.ensure_future(log_of_run(team))
        await asyncio.sleep(15)
        team.cancel()
        log = await reading
        check_log(log)
        assert [(event.agent, event.by) for event in log if isinstance(event, RunCancelled)] == [
            ("ann", "parent"),
            ("bob", "parent"),
            ("team", "caller"),
        ]
        await team.settle()
        assert team.settled

    run_virtual(main())


# --- what a log can hold


@given(any_json())
def test_json_is_logged_unchanged(value: Any) -> None:
    assert as_data(value) == value


def test_values_without_json_are_logged_as_their_repr() -> None:
    class Odd:
        def __repr__(self) -> str:
            return "<odd>"

    assert as_data(Odd()) == "<odd>"
    assert as_data({"a": Odd(), 1: (2, 3)}) == {"a": "<odd>", "1": [2, 3]}
    turning: list[Any] = []
    turning.append(turning)
    assert isinstance(as_data(turning), list | str)


def test_the_run_timeout_is_wall_time_and_stops_everything() -> None:
    async def wait() -> None:
        """Wait."""
        await asyncio.sleep(1000)

    for turns in ([["So ", Wait(1000)]], [["So ", Call("wait")]], [[Say(["So "])]]):

        async def main(turns: Any = turns) -> None:
            agent = scripted(*turns, tools=[wait], timeouts=Timeouts(run=5, tool=None, idle=None, first_token=None))
            slow = asyncio.Event()

            async def hold(token: str) -> None:
                if turns == [[Say(["So "])]]:
                    await asyncio.sleep(6)
                slow.set()

            with pytest.raises(RunTimeout, match="longer than 5 s") as caught:
                await agent.run("Go.", streaming_callback=hold)
            assert caught.value.response.text == "So "
            assert caught.value.clock == "run"
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        _, seconds = run_virtual(main())
        assert seconds == pytest.approx(5, abs=1.1)


def test_the_runs_clock_is_set_for_one_run_alone() -> None:
    agent = Agent(model=always(Wait(5), "Late."))

    async def main() -> None:
        with pytest.raises(RunTimeout):
            await agent.run("Go.", timeouts=Timeouts(run=1))
        assert await agent.run("Go.") == "Late."

    run_virtual(main())
