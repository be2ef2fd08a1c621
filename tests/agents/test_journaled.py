"""What an agent and a workflow are declared with for a journal, and that without one nothing of it is brought in."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from headwater import Agent, ConcurrentWorkflow, SequentialWorkflow
from headwater.agents.spellings import METHODS
from headwater.errors import ConfigurationError
from headwater.testing import ScriptedModel


def test_mistakes_are_reported_at_the_declaration() -> None:
    with pytest.raises(ConfigurationError, match="webhook"):
        Agent(on_waiting="nowhere")
    with pytest.raises(ConfigurationError, match="unknown scheme"):
        Agent(journal="redis://localhost")
    with pytest.raises(ConfigurationError, match="context_from"):
        Agent(context_from=3)  # type: ignore[call-overload]
    member = Agent(model=ScriptedModel(["So."]))
    flow = SequentialWorkflow([member], journal="memory:", on_waiting=print, context_from=len)
    assert (flow.journal, flow.on_waiting, flow.context_from) == ("memory:", print, len)


def test_without_a_journal_none_of_it_is_imported() -> None:
    program = (
        "import sys\n"
        "from headwater import Agent\n"
        "Agent(model='offline').run('Hi')\n"
        "assert not [name for name in sys.modules if name.startswith(('headwater.durable', 'headwater.journal'))]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# --- methods of other libraries


def agent(**more: Any) -> Agent[Any, Any]:
    return Agent(name="a", model=ScriptedModel(lambda request: "Hello."), **more)


@pytest.mark.parametrize("make", [agent, lambda: ConcurrentWorkflow([agent()])])
def test_it_says_what_to_write(make: Callable[[], Any]) -> None:
    for name in METHODS:
        assert not hasattr(type(make()), name) or name == "stream"
        with pytest.raises(AttributeError, match=f"has no '{name}'. Use "):
            getattr(make(), name)
    with pytest.raises(AttributeError, match=r"has no 'nonsense'$"):
        make().nonsense  # noqa: B018


def test_the_argument_of_a_methods_name_stays_one() -> None:
    told: list[Any] = []
    later = agent()
    later.stream = True
    for one in (agent(stream=True), later, copy.deepcopy(later)):
        one.run_sync("Hi", streaming_callback=told.append)
        assert isinstance(told.pop(0), dict)
        told.clear()


def test_a_property_of_a_subclass_shows_its_own_error() -> None:
    class Pilot(Agent[Any, Any]):
        @property
        def harbor(self) -> str:
            return self.name.nothing  # type: ignore[attr-defined,no-any-return]

    with pytest.raises(AttributeError, match="'str' object has no attribute 'nothing'"):
        Pilot(name="a", model="offline").harbor  # noqa: B018
