"""The tool that gives the conversation to another agent: how a model is told of it, and what becomes of its note."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headwater.agents.handoff import Handoff
from headwater.backends.offline import Call
from headwater.events import Handoff as HandoffEvent
from headwater.events.messages import Message
from headwater.runtime.run import Run
from tests.agents.working import Working
from tests.support.members import asked, log_of, speaker
from tests.support.virtual import run_virtual


def begin(*_: Any, **__: Any) -> Run:
    return Run("heir")


def test_the_model_gets_the_target_and_its_description() -> None:
    tool = Handoff("Billing & Co", "Knows invoices.", begin)
    assert tool.name == tool.spec.name == "transfer_to_Billing___Co"
    assert tool.spec.description == "Give the conversation to Billing & Co, who answers from here on. Knows invoices."
    assert Handoff("x", "", begin).spec.description.endswith("from here on.")
    assert tool.retries is None


def test_a_long_name_is_cut_to_what_providers_take() -> None:
    assert len(Handoff("x" * 100, "", begin).name) == 64


@pytest.mark.parametrize(
    ("arguments", "note"),
    [({"note": "He is angry."}, "He is angry."), ({}, ""), ({"note": 5}, ""), ("[]", ""), ({"other": "x"}, "")],
    ids=str,
)
def test_a_note_that_is_none_stops_no_handoff(arguments: Any, note: str) -> None:
    async def main() -> None:
        tool, work = Handoff("heir", "", begin), Working(arguments)
        assert (await tool.call(work)).error is None
        assert work.handed == [(tool, note)]

    run_virtual(main())


def test_the_successor_gets_the_whole_conversation() -> None:
    given: list[Any] = []

    def begins(*task: Any, **options: Any) -> Run:
        given.append((task, options))
        return Run("heir")

    make: Callable[..., Run] = begins
    messages = (Message.user("Help!"),)
    Handoff("heir", "", make).take_over(messages, {"user": 7})
    assert given == [(((),), {"shown": False, "history": messages, "context": {"user": 7}})]


def test_the_note_is_in_the_log() -> None:
    async def main() -> None:
        heir = speaker("heir")
        giver = speaker("giver", [Call("transfer_to_heir", {"note": "He is angry."})], handoffs=[heir])
        log = await log_of(giver.run_stream("Help!"))
        assert [(e.to, e.note) for e in log if isinstance(e, HandoffEvent)] == [("heir", "He is angry.")]
        assert [tool.name for tool in asked(giver)[0].tools] == ["transfer_to_heir"]

    run_virtual(main())
