from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Agent, Model
from headwater.backends.offline import Call, Cut, Say, ScriptedModel
from headwater.events import CallDelta, CallReady, CallStarted, Event
from headwater.events.tree import Tree
from headwater.providers.request import ToolSpec
from headwater.testing import check_surface
from headwater.web.wires.client_calls import CallPiece, ClientCalls, StreamedCalls, arguments_text
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


def test_calls_are_sent_at_the_end_of_their_step() -> None:
    log = logged([Say("Pick."), Call("pick", {"n": 1}), Call("pick", {"n": 2})])
    calls = told(log)
    assert [kind for kind, _ in calls] == ["step.finished", "step.finished"]
    assert [call[1:] for _, call in calls] == [("pick", f'{{"n":{n}}}', f'{{"n":{n}}}') for n in (1, 2)]
    assert len({call.id for _, call in calls}) == 2


def test_calls_of_an_attempt_that_failed_are_not() -> None:
    log = logged([Call("pick", {"n": 1}), Cut()], [Call("pick", {"n": 2})], on_interrupted="restart", retries=2)
    assert [call.arguments for _, call in told(log)] == ['{"n":2}']


@pytest.mark.parametrize(("arguments", "text"), [({"a": "é"}, '{"a":"é"}'), ({}, "{}"), ("free text", "free text")])
def test_arguments_are_sent_as_text(arguments: Any, text: str) -> None:
    assert arguments_text(arguments) == text


def pieces(*turns: Any, **options: Any) -> list[CallPiece]:
    """What a model writes of calls, with what it took to write it."""
    model = Model(ScriptedModel(list(turns)), **options)
    of = StreamedCalls()
    log = asyncio.run(log_of(model.stream("Go.", tools=[ToolSpec(name="pick")])))
    return [piece for event in log for piece in of(event)]


def test_a_models_calls_are_streamed_as_they_are_generated() -> None:
    told = pieces([Say("Pick."), Call("pick", ['{"n"', ":1}"]), Call("pick", {"n": 2})])
    first = [piece for piece in told if piece.id == told[0].id]
    assert [piece.name for piece in first] == ["pick", *[""] * (len(first) - 1)]
    assert [piece.arguments for piece in first] == ["", '{"n"', ":1}", ""]
    assert [piece.whole for piece in told if piece.whole is not None] == ['{"n":1}', '{"n": 2}']
    assert "".join(piece.arguments for piece in told if piece.id != told[0].id) == '{"n": 2}'


def test_invalid_json_arguments_are_sent_unchanged() -> None:
    told = pieces([Call("pick", ['{"n": nothing'])])
    assert ("".join(piece.arguments for piece in told), told[-1].whole) == ('{"n": nothing', '{"n": nothing')


def test_calls_without_deltas_are_sent_at_once() -> None:
    of = StreamedCalls()
    assert [*of(CallStarted(step=1, call="a", name="pick"))] == [CallPiece("a", "pick", "")]
    assert [*of(CallReady(step=1, call="a", name="pick", arguments={"n": 1}))] == [
        CallPiece("a", "", '{"n":1}', '{"n":1}')
    ]
    assert [*of(CallStarted(step=1, call="b", name="search", by="provider"))] == []
    assert [*of(CallDelta(step=1, call="b", json="{}"))] == []


def test_a_models_calls_that_may_be_retracted_wait() -> None:
    told = pieces([Call("pick", {"n": 1}), Cut()], [Call("pick", {"n": 2})], on_interrupted="restart", retries=2)
    assert [piece.whole for piece in told if piece.whole is not None] == ['{"n": 2}']
    assert len({piece.id for piece in told}) == 1
