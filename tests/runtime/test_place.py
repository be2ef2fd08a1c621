"""A run's place: started from another run it ends with it; as a child run it writes into its parent's log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Agent, Timeouts
from headwater.backends.offline import Call, Say, Wait
from headwater.errors import RunTimeout
from headwater.events import ChildFinished, ChildStarted, Custom, TextDelta
from headwater.runtime.context import Origin
from headwater.tools.context import ToolContext
from tests.runtime.runs import Saying, Team, log_of_run
from tests.support.streams import always, scripted, types_of
from tests.support.virtual import run_virtual


def test_every_run_has_a_unique_id() -> None:
    names = {Saying("ann").id for _ in range(1000)}
    assert len(names) == 1000
    assert all(name.startswith("run_") for name in names)


def test_a_run_started_by_a_tool_has_its_deadline_and_ends_with_its_run() -> None:
    async def main() -> None:
        outer = Saying("outer", "One ", "two.", pause=10)
        outer.deadline = 500.0
        reading = asyncio.ensure_future(log_of_run(outer))
        await asyncio.sleep(1)
        call: ToolContext[None] = ToolContext(None, deadline=300.0)
        inner = Saying("inner", "x", pause=1000, origin=Origin(outer, call))
        assert (inner.parent, inner.deadline) == (outer.id, 300.0)
        assert inner.path == ("inner",), "it writes a log of its own"
        assert Saying("beside", origin=Origin(outer)).deadline == 500.0
        inner_reading = asyncio.ensure_future(log_of_run(inner))
        await asyncio.sleep(1)
        outer.cancel()
        await reading
        log = await inner_reading
        assert types_of(log, "run.") == ["run.started", "run.cancelled"]

    run_virtual(main())


def test_a_child_of_a_stopped_run_never_starts() -> None:
    async def main() -> None:
        outer = Saying("outer", "One.")
        log = await log_of_run(outer, lambda event: isinstance(event, TextDelta))
        assert log
        outer.cancel()
        assert outer.told_to_stop
        inner = Saying("inner", "x", origin=Origin(outer))
        assert inner.stopping
        await log_of_run(outer)
        assert not Saying("later", origin=Origin(outer)).stopping, "it is over, and nobody waits for what comes after"

    run_virtual(main())


def test_a_child_of_a_stopped_tool_never_starts() -> None:
    outer = Saying("outer")
    call: ToolContext[None] = ToolContext(None)
    call.stop()
    assert Saying("inner", origin=Origin(outer, call)).stopping


def test_a_run_that_joins_a_parent_is_not_linked_any_more() -> None:
    outer, team, inner = Saying("outer"), Team("team"), Saying("x")
    inner.begin_for(Origin(outer))
    assert outer.links is not None
    inner.join(team, role="member", name="inner", after=("run_1",), final=True)
    assert outer.links._linked == {}
    assert (inner.name, inner.path, inner.parent, inner.above) == ("inner", ("team", "inner"), team.id, (team,))
    assert inner._log is team._log
    assert inner.node.after == ("run_1",)
    deeper = Saying("deep")
    deeper.join(inner, role="tool", call="c1")
    assert deeper.path == ("team", "inner", "deep")
    assert deeper.above == (team, inner)


@pytest.mark.parametrize(
    ("role", "final", "told"),
    [("member", True, True), ("member", None, None), ("tool", True, None), ("helper", None, None)],
)
def test_a_run_is_announced_as_what_it_is_to_its_parent(role: Any, final: bool | None, told: bool | None) -> None:
    run = Saying("ann")
    run.join(Team("team"), role=role, call="c1" if role == "tool" else None, after=("run_0",), final=final)
    assert run.started_event() == ChildStarted(
        child=run.id, name="ann", call=run.call, role=role, after=("run_0",), final=told
    )


def test_the_end_of_a_child_is_reported_as_in_its_own_log() -> None:
    async def main() -> None:
        never = Saying("never")
        assert never.finished_event() == ChildFinished(child=never.id, name="never", outcome="cancelled")
        run = Saying("ann", "One.")
        await log_of_run(run)
        run.cancel()  # too late
        assert run.finished_event().outcome == "finished"

    run_virtual(main())


def test_events_are_marked_as_the_runs_own_once() -> None:
    run = Saying("ann")
    mine, others = Custom(name="mine"), Custom(name="others", run="run_other", path=("other",))
    assert run.take([mine, others]) == [mine, others]
    assert (mine.run, mine.path) == (run.id, ("ann",))
    assert (others.run, others.path) == ("run_other", ("other",))


def test_a_deadline_is_handed_down() -> None:
    """The inner agent has time enough of its own; the outer one's is what counts."""
    inner = Agent(name="inner", model=always("In ", Wait(1000)), timeouts=Timeouts(run=500))
    outer = scripted([Say(["Out "]), Call("inner", {"task": "x"})], tools=[inner], timeouts=Timeouts(run=5))

    async def main() -> None:
        seen: list[Any] = []
        with pytest.raises(RunTimeout, match="5 s"):
            await outer.run("Go.", on_event=seen.append)
        assert "".join(event.text for event in seen if isinstance(event, TextDelta)) == "Out In "
        assert types_of(seen, "run.") == ["run.started", "run.started", "run.cancelled", "run.failed"]

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(5)
