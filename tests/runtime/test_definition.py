from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from headwater import Agent, ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from headwater.events import RunStarted
from headwater.testing import ScriptedModel


def _hash(runnable: Any) -> str:
    """The hash that a run of it writes."""
    started = next(event for event in runnable.run_stream("Go.").events() if isinstance(event, RunStarted))
    return str(started.definition_hash)


def _look(place: str) -> str:
    """Look."""
    return place


def _look_else(place: str) -> str:
    """Look elsewhere."""
    return place


def _agent(**changed: Any) -> Agent[Any, Any]:
    options: dict[str, Any] = {"name": "writer", "instructions": "Be brief.", "tools": [_look], "max_steps": 3}
    return Agent(model=changed.pop("model", ScriptedModel(lambda request: ["7"])), **{**options, **changed})


def test_the_same_declaration_has_the_same_hash() -> None:
    one = _hash(_agent())
    assert one == _hash(_agent())
    assert len(one) == 16
    int(one, 16)


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "critic"},
        {"instructions": "Be long."},
        {"instructions": lambda context: "Be brief."},
        {"tools": []},
        {"tools": [_look_else]},
        {"max_steps": 4},
        {"max_loops": 2},
        {"output_type": int},
        {"model": ScriptedModel(lambda request: ["7"], model="other")},
        {"handoffs": [Agent(name="other", model="offline")]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_is_declared_otherwise_has_another(changed: dict[str, Any]) -> None:
    assert _hash(_agent(**changed)) != _hash(_agent())


def test_the_order_of_a_set_does_not_count() -> None:
    """Each process has its own: after a restart the agent would be another one."""
    hashes = set()
    for first, second in ((0, 8), (8, 0)):  # these collide, so their order in a set is that of their arrival
        ports = {first, second}
        kept = [*ports]
        assert kept == [first, second]

        class Chart(BaseModel):
            depths: frozenset[int] = frozenset(ports)

        def sound(depths: set[int] = ports, chart: Chart = Chart()) -> str:  # noqa: B008
            """Measure."""
            return ""

        for one in (Agent(model="offline", tools=[sound]), Agent(model="offline", output_type=Chart)):
            hashes.add(_hash(one))
    assert len(hashes) == 2


def test_what_instructions_say_does_not_count() -> None:
    assert _hash(_agent(instructions=lambda context: "A")) == _hash(_agent(instructions=lambda context: "B"))


def test_a_workflow_is_its_members_and_its_plan() -> None:
    def members(*names: str) -> list[Agent[Any, Any]]:
        return [_agent(name=name) for name in names]

    shapes = [
        SequentialWorkflow(members("a", "b"), name="team"),
        SequentialWorkflow(members("b", "a"), name="team"),
        SequentialWorkflow(members("a", "b"), name="team", max_loops=2),
        ConcurrentWorkflow(members("a", "b"), name="team"),
        GraphWorkflow(members("a", "b"), edges=[("a", "b")], name="team"),
        GraphWorkflow(members("a", "b"), edges=[("b", "a")], name="team"),
    ]
    hashes = [_hash(shape) for shape in shapes]
    assert len({*hashes}) == len(hashes)
    assert _hash(SequentialWorkflow(members("a", "b"), name="team")) == hashes[0]
