"""Copies of what is declared: each goes on by itself, and shares what is the user's own."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest

from headwater import (
    Agent,
    ConcurrentWorkflow,
    GraphWorkflow,
    Model,
    ProviderTool,
    SequentialWorkflow,
    Timeouts,
    Tool,
    tool,
)
from headwater.agents.deep_copy import DeepCopied
from headwater.events import Event, ToolFinished
from headwater.testing import Call, ScriptedModel

Copy: TypeAlias = Callable[[Any], Any]


@dataclass
class Tide:
    port: str
    hour: int


@tool
def high_water(port: str) -> str:
    """When the tide is highest."""
    return "06:12"


def greeting(request: Any) -> str:
    return "Hi."


def weather(port: str) -> str:
    """What it is like."""
    return "sunny"


class Harbour:
    """Something that may not be copied: it holds a lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.told: list[str] = []

    def berth(self, ship: str) -> str:
        """Where a ship lies."""
        return "3"

    def hear(self, token: str) -> None:
        self.told.append(token)


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


COPIES = [copy.copy, copy.deepcopy, pickled]


def _made() -> dict[str, Any]:
    """One of each kind of declaration, in all its variety."""
    inner = Agent(name="inner", model="offline")
    a, b = Agent(name="a", model="offline"), Agent(name="b", model="offline")
    schema = {"type": "object", "properties": {"port": {"type": "string"}}}
    tools = [high_water, weather, Tool.from_schema("tides", schema, weather), inner, inner.as_tool(name="ask")]
    return {
        "plain": Agent(model="offline"),
        "tools": Agent(model="offline", tools=tools),
        "provider tools": Agent(model="offline", tools=[ProviderTool({"type": "web_search"})]),
        "handoffs": Agent(model="offline", handoffs=[inner]),
        "typed": Agent(model="offline", output_type=Tide),
        "typed by a tool": Agent(model="offline", output_type=list[Tide], output_mode="tool"),
        "settings": Agent(model="offline", timeouts=Timeouts(run=30), fallback=["offline"]),
        "a Model": Agent(model=Model("offline", retries=3)),
        "scripted": Agent(model=ScriptedModel(greeting)),
        "sequential": SequentialWorkflow([a, b]),
        "concurrent": ConcurrentWorkflow([a, b], timeouts=Timeouts(run=30)),
        "graph": GraphWorkflow([a, b], edges=[("a", "b")]),
        "nested": SequentialWorkflow([SequentialWorkflow([a], name="deep"), b]),
    }


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("name", _made())
def test_a_copy_of_whatever_is_declared_runs_as_it_does(name: str, copied: Copy) -> None:
    original = _made()[name]
    twin = copied(original)
    assert twin is not original
    assert type(twin) is type(original)
    said, again = original.run("Hello"), twin.run("Hello")
    assert repr(said.members if name == "concurrent" else said.text) == repr(
        again.members if name == "concurrent" else again.text
    )
    assert repr(twin) == repr(original)


@pytest.mark.parametrize("copied", COPIES)
def test_what_is_set_on_a_copy_is_not_set_on_the_original(copied: Copy) -> None:
    original = Agent(name="one", model="offline", tools=[weather], output_type=Tide)
    twin = copied(original)
    twin.name, twin.tools, twin.output_type, twin.model = "two", [high_water], str, ScriptedModel(["Hi."])
    assert twin.run("Hello").output == "Hi."
    assert original.name == "one"
    assert [one.name for one in original.tools] == ["weather"]
    assert isinstance(original.run("Hello").output, Tide)


def test_a_deep_copy_has_copies_of_all_agents() -> None:
    inner = Agent(name="inner", model=ScriptedModel(["I."]))
    agent = Agent(name="top", model=ScriptedModel([Call("inner", {"task": "x"}), "Done."]), tools=[inner])
    heir = Agent(name="heir", model="offline", handoffs=[agent])
    agent.handoffs = (heir,)
    agent.tools = [*agent.tools, agent.as_tool(name="myself")]
    twin = copy.deepcopy(agent)
    assert twin.handoffs[0] is not heir
    assert twin.handoffs[0].handoffs[0] is twin, "also where they lead back"
    assert twin.llm is not agent.llm
    inner.model = ScriptedModel(["Changed."])
    log: list[Event] = []
    twin.run("x", on_event=log.append)
    assert [event.result for event in log if isinstance(event, ToolFinished)] == ["I."], "the copy's own agent is asked"
    members = SequentialWorkflow([inner, heir])
    assert not {*map(id, copy.deepcopy(members).agents)} & {*map(id, members.agents)}


def test_a_deep_copy_of_a_graph_runs_its_own_members() -> None:
    graph = GraphWorkflow([Agent(name="a", model=ScriptedModel(["One."]))])
    twin = copy.deepcopy(graph)
    (member,) = twin.agents
    assert isinstance(member, Agent)
    member.model = ScriptedModel(["Two."])
    assert (graph.run("x"), twin.run("x")) == ("One.", "Two.")


def test_what_is_the_users_own_is_shared() -> None:
    harbour = Harbour()
    agent = Agent(
        model=ScriptedModel([Call("berth", {"ship": "x"}), "Three."]),
        tools=[harbour.berth],
        streaming_callback=harbour.hear,
        instructions=lambda context: "Be brief.",
    )
    twin = copy.deepcopy(agent)
    assert twin.run("Where?") == "Three."
    assert "".join(harbour.told) == "Three."
    assert copy.deepcopy(SequentialWorkflow([agent], on_event=harbour.hear)).on_event == harbour.hear


def test_containers_in_containers_are_the_copys_own() -> None:
    class Declared(DeepCopied):
        def __init__(self, parts: Any) -> None:
            self.parts = parts

    leaf, lock = Declared("leaf"), threading.Lock()
    original = Declared({"a": [leaf, (leaf, lock)], "b": {1, 2}})
    twin = copy.deepcopy(original)
    first, (again, shared) = twin.parts["a"]
    assert first is again
    assert first is not leaf
    assert shared is lock
    assert twin.parts["b"] == {1, 2}
    assert twin.parts["b"] is not original.parts["b"]


@pytest.mark.parametrize("later", [False, True])
def test_what_was_looked_up_is_looked_up_again_after_a_pickle(later: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-this-machine")
    agent = Agent(model="openai/gpt-5.4")
    if later:
        assert agent.llm.backend.model == "gpt-5.4"
    data = pickle.dumps(agent)
    assert b"sk-of" not in data
    assert pickle.loads(data).llm.backend.model == "gpt-5.4"


@pytest.mark.parametrize("kind", [Agent, Model])
def test_objects_with_a_key_are_copied_and_not_pickled(kind: Any) -> None:
    made = Agent(model="gpt-5.4", api_key="sk-1234567") if kind is Agent else Model("gpt-5.4", api_key="sk-1234567")
    assert copy.deepcopy(made)._key == copy.copy(made)._key == made._key
    with pytest.raises(TypeError, match=r"A Secret cannot be pickled\. Pass the key again where it is needed"):
        pickle.dumps(made)
