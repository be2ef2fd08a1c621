"""What a run has cost is told with what that rests on, whoever of the tree has cost it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headwater.backends.offline import Call, Cut, Fail, Say
from headwater.events import ChildFinished, Event
from headwater.events.messages import Usage
from headwater.testing import check_log
from headwater.workflows import ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from tests.support.streams import scripted
from tests.support.virtual import run_virtual

BROKEN = [Say(["So ", "far"]), Cut()]
SILENT = [Say(["Done."]), Usage()]
"""An answer whose cost nobody reports."""

Turns = list[Any]
ORIGINS = [(["Done."], "measured"), ([BROKEN, "Done."], "estimated"), ([SILENT], "unknown")]


def _agent(turns: Turns, **more: Any) -> Any:
    return scripted(*turns, on_interrupted="restart", **more)


TREES: dict[str, Callable[[Turns], Any]] = {
    "alone": lambda turns: _agent(turns),
    "tool": lambda turns: scripted(Call("low", {"task": "x"}), "So.", tools=[_agent(turns, name="low")]),
    "heir": lambda turns: scripted(Call("transfer_to_low"), handoffs=[_agent(turns, name="low")]),
    "sequential": lambda turns: SequentialWorkflow([_agent(turns, name="low"), scripted("So.", name="last")]),
    "graph": lambda turns: GraphWorkflow(
        [_agent(turns, name="low"), scripted("So.", name="last")], edges=[("low", "last")]
    ),
    "deep": lambda turns: SequentialWorkflow(
        [
            SequentialWorkflow([ConcurrentWorkflow([_agent(turns, name="low")], name="inner")], name="outer"),
            scripted("So.", name="last"),
        ]
    ),
}


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize(("turns", "origin"), ORIGINS, ids=[origin for _, origin in ORIGINS])
def test_the_least_certain_usage_counts_for_all(tree: str, turns: Turns, origin: str) -> None:
    async def main() -> None:
        log: list[Event] = []
        response = await TREES[tree](turns).run("Go.", on_event=log.append)
        check_log(log)
        assert response.usage_origin == origin
        told = [event.origin for event in log if isinstance(event, ChildFinished) and event.name == "low"]
        assert told == ([] if tree == "alone" else [origin])

    run_virtual(main())


def test_a_rejected_request_costs_nothing() -> None:
    async def main() -> None:
        response = await scripted(Fail(429), "Done.").run("Go.")
        assert response.usage_origin == "measured"
        assert response.usage.output_tokens == 2

    run_virtual(main())
