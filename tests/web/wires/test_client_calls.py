from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Agent
from headwater.backends.offline import Call, Cut, Say, ScriptedModel
from headwater.events import Event
from headwater.events.tree import Tree
from headwater.testing import check_surface
from headwater.web.wires.client_calls import ClientCalls, arguments_text
from tests.support.streams import log_of


class Told:
    """A reader of a log that feeds the tree first, as wires do."""

    def __init__(self) -> None:
        self._tree = Tree()
        self._calls = ClientCalls(self._tree)

    def __call__(self, event: Event) -> list[Any]:
        self._tree.add(event)
        return [*self._calls(event)]


def told(log: list[Event]) -> list[tuple[str, Any]]:
    of = Told()
    return [(event.type, call) for event in log for call in of(event)]


def logged(*turns: Any, **options: Any) -> list[Event]:
    agent: Agent[Any, Any] = Agent(model=ScriptedModel(list(turns)), client_tools=[{"name": "pick"}], **options)
    return asyncio.run(log_of(agent.run_stream("Go.")))


def test_it_reads_every_log_and_changes_none() -> None:
    check_surface(Told)


def test_calls_are_told_with_the_end_of_their_step() -> None:
    log = logged([Say("Pick."), Call("pick", {"n": 1}), Call("pick", {"n": 2})])
    calls = told(log)
    assert [kind for kind, _ in calls] == ["step.finished", "step.finished"]
    assert [call["function"] for _, call in calls] == [
        {"name": "pick", "arguments": '{"n":1}'},
        {"name": "pick", "arguments": '{"n":2}'},
    ]
    assert len({call["id"] for _, call in calls}) == 2


def test_calls_of_an_attempt_that_failed_are_not() -> None:
    log = logged([Call("pick", {"n": 1}), Cut()], [Call("pick", {"n": 2})], on_interrupted="restart", retries=2)
    assert [call["function"]["arguments"] for _, call in told(log)] == ['{"n":2}']


@pytest.mark.parametrize(("arguments", "text"), [({"a": "é"}, '{"a":"é"}'), ({}, "{}"), ("free text", "free text")])
def test_arguments_are_told_as_text(arguments: Any, text: str) -> None:
    assert arguments_text(arguments) == text
