"""A name has one declaration in a process, and an agent's runs are driven on the loop that started it last."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Agent, SequentialWorkflow
from headwater.durable.members import Members, driving_loop
from headwater.errors import ConfigurationError
from headwater.readers.kept_loop import kept_loop
from headwater.testing import ScriptedModel
from tests.support.journals import by_role


def agent(**more: Any) -> Agent[Any, Any]:
    return Agent(model=by_role(user="So."), **more)


def test_a_second_agent_of_the_default_name_is_refused() -> None:
    members, first = Members(), agent(instructions="Write.")
    members.add(first)
    with pytest.raises(ConfigurationError, match="Two different agents of this process are named 'agent'"):
        members.add(agent(instructions="Review."))
    assert members["agent"] is first
    members.add(agent(name="reviewer", instructions="Review."))
    assert [*members] == ["agent", "reviewer"]


def test_the_same_declaration_may_be_made_again_and_an_object_may_change() -> None:
    members, again = Members(), agent(instructions="Write.")
    members.add(agent(instructions="Write."))
    members.add(again)
    assert members["agent"] is again
    again.instructions = "Write more."
    members.add(again)
    assert len(members) == 1


def test_an_agent_and_a_workflow_never_share_a_name() -> None:
    members = Members()
    members.add(agent(name="flow"))
    with pytest.raises(ConfigurationError, match="named 'flow'"):
        members.add(SequentialWorkflow([agent(name="one")], name="flow"))


def test_the_loop_of_an_agent_is_the_one_that_started_it_last_while_it_runs() -> None:
    members = Members()
    members.add(agent())
    assert members.loop("agent") is None

    async def main() -> None:
        members.add(agent())
        assert members.loop("agent") is asyncio.get_running_loop()
        assert members.loop("nobody") is None

    asyncio.run(main())
    assert members.loop("agent") is None


def test_the_loop_that_is_kept_for_sync_code_drives_nothing() -> None:
    async def where() -> asyncio.AbstractEventLoop | None:
        return driving_loop()

    assert driving_loop() is None
    assert kept_loop().run(where()) is None
    assert asyncio.run(where()) is not None


def test_an_agent_that_cannot_run_here_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    members = Members()
    members.add(Agent(name="a", model="openai/gpt-5"))
    members.add(Agent(name="a", model=ScriptedModel(["So."])))
    assert len(members) == 1
