"""A run with child runs: their events go into one log, each in order, and all end with it."""

from __future__ import annotations

import asyncio

import pytest

from headwater.errors import ConfigurationError
from headwater.events import ChildFinished, ChildStarted, Event, RunCancelled, RunFinished, TextDelta
from headwater.runtime.run import Run
from headwater.testing import check_log
from headwater.workflows.run import gather_or_cancel
from tests.runtime.runs import Saying, Team, broken, log_of_run
from tests.support.virtual import run_virtual

WORDS = ("One ", "two ", "three.")


def ended(log: list[Event]) -> list[tuple[str, str]]:
    return [(event.name, event.outcome) for event in log if isinstance(event, ChildFinished)]


def test_child_runs_write_into_one_log_each_in_its_own_order() -> None:
    async def main() -> None:
        team = Team("team", Saying("ann", *WORDS, pause=2), Saying("bob", *WORDS, pause=3))
        log = await log_of_run(team)
        check_log(log)
        for name in ("ann", "bob"):
            words = [event.text for event in log if isinstance(event, TextDelta) and event.agent == name]
            assert tuple(words) == WORDS
        assert ended(log) == [("ann", "finished"), ("bob", "finished")]
        speakers = [event.agent for event in log if isinstance(event, TextDelta)]
        assert speakers[:4] == ["ann", "bob", "ann", "bob"], "they are at work side by side"

    _, seconds = run_virtual(main())
    assert seconds == 18


def test_those_below_those_below() -> None:
    async def main() -> None:
        team = Team("top", Team("middle", Saying("deep", "One.")))
        log = await log_of_run(team)
        check_log(log)
        assert {event.path for event in log} == {("top",), ("top", "middle"), ("top", "middle", "deep")}
        assert ended(log) == [("deep", "finished"), ("middle", "finished")]

    run_virtual(main())


def test_an_error_of_a_child_is_kept_until_it_is_awaited() -> None:
    async def main() -> None:
        failing = Saying("ann", "One ", error=broken())
        team = Team("team", failing, Saying("bob", *WORDS))
        log = await log_of_run(team)
        check_log(log)
        assert ended(log) == [("ann", "failed"), ("bob", "finished")]
        assert failing.error is not None
        assert team.error is None

    run_virtual(main())


@pytest.mark.parametrize("leaves", ["cancel", "abort"])
def test_wherever_it_is_left_all_child_runs_have_ended_and_no_task_remains(leaves: str) -> None:
    async def main() -> None:
        whole = len(await log_of_run(Team("team", Saying("ann", *WORDS), Saying("bob", *WORDS, pause=3))))
        for at in range(whole):
            heard: list[Event] = []
            team = Team("team", Saying("ann", *WORDS), Saying("bob", *WORDS, pause=3))
            team.watch(heard.append)

            def leave(event: Event, team: Team = team, at: int = at) -> None:
                if event.seq == at:
                    team.cancel()

            if leaves == "cancel":
                team.watch(leave)
                await log_of_run(team)
            else:
                await log_of_run(team, lambda event, at=at: event.seq == at)  # type: ignore[misc]
                team.abort()
            check_log(heard)
            assert isinstance(heard[-1], RunCancelled | RunFinished)
            assert heard[-1].run == team.id
            await team.settle()
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_a_child_that_could_not_start_is_reported() -> None:
    async def main() -> None:
        team = Team("team", Saying("ann", "One."))
        await log_of_run(team, lambda event: event.type == "run.started")
        team.could_not_begin(ConfigurationError("No model."), "bob", role="member", final=True)
        log = await log_of_run(team)
        (announced,) = (event for event in log if isinstance(event, ChildStarted) and event.name == "bob")
        (told,) = (event for event in log if isinstance(event, ChildFinished) and event.name == "bob")
        assert announced.child == told.child
        assert (announced.role, announced.final) == ("member", True)
        assert told.outcome == "failed"
        assert told.error is not None
        assert told.error.message == "No model."

    run_virtual(main())


def test_a_task_that_raises_ends_the_run() -> None:
    async def main() -> None:
        team = Team("team", Saying("ann", *WORDS, pause=100))

        async def fail() -> None:
            await asyncio.sleep(5)
            raise broken()

        await log_of_run(team, lambda event: event.type == "run.started")
        team.mux.spawn(fail(), "failing")
        log = await log_of_run(team)
        assert [event.type for event in log[-2:]] == ["child.finished", "run.failed"]
        assert ended(log) == [("ann", "cancelled")]

    run_virtual(main())


def test_a_run_that_has_ended_starts_nothing() -> None:
    async def main() -> None:
        team = Team("team", Saying("ann", "One."))
        await log_of_run(team)
        assert team.over

        async def work() -> None:
            raise AssertionError("it was started")

        team.mux.spawn(work(), "work")
        assert team.settled
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_a_child_run_that_is_ended_does_not_go_on_with_what_it_waited_for() -> None:
    class Waiting(Saying):
        went_on = False

        async def _advance(self) -> list[Event]:
            if self.fold.in_step is None:
                return await super()._advance()
            await self._interruptible.wait(_come(gate))
            self.went_on = True
            return []

    class Planned(Team):
        """Its members are read in tasks of its tasks, as in a graph: these are cancelled one turn later."""

        async def conduct(self, child: Run) -> None:
            await gather_or_cancel([super().conduct(child)])

    async def main() -> None:
        waiting = Waiting("ann", *WORDS)
        team = Planned("team", waiting)
        await log_of_run(team, lambda event: event.type == "text.started")
        reader = asyncio.ensure_future(log_of_run(team))
        for _ in range(5):
            await asyncio.sleep(0)
        gate.set()  # it comes first, but the run is ended before it wakes
        team.abort()
        await reader
        await team.settle()
        assert not waiting.went_on

    gate = asyncio.Event()
    run_virtual(main())


async def _come(gate: asyncio.Event) -> None:
    await gate.wait()
