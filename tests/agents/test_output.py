"""The type that an answer must have, as a run needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from headwater import Agent
from headwater.agents.output import MODES, OutputMode, output_of
from headwater.backends.offline import ScriptedModel
from headwater.errors import ConfigurationError
from tests.support.members import asked


@dataclass
class Weather:
    """What it is like outside."""

    city: str
    degrees: float


@pytest.mark.parametrize("type_", [None, str])
def test_text_needs_no_output(type_: Any) -> None:
    assert output_of(type_) is None


def test_a_type_is_sent_to_the_provider_and_parsed() -> None:
    output = output_of(Weather)
    assert output is not None
    assert output.spec.name == "Weather"
    assert output.spec.schema["properties"].keys() == {"city", "degrees"}
    assert output.spec.strict
    assert output.parse('{"city": "Paris", "degrees": 21}') == Weather("Paris", 21)


def test_an_invalid_answer_is_explained_to_the_model() -> None:
    output = output_of(Weather)
    assert output is not None
    with pytest.raises(ValueError, match="degrees"):
        output.parse('{"city": "Paris"}')


def test_other_types_than_objects_are_wrapped_and_unwrapped() -> None:
    output = output_of(list[int])
    assert output is not None
    assert output.spec.schema["type"] == "object"
    (name,) = output.spec.schema["properties"]
    assert output.parse(f'{{"{name}": [1, 2]}}') == [1, 2]


def test_a_type_without_a_schema_is_rejected() -> None:
    class Odd:
        pass

    with pytest.raises(ConfigurationError, match="Odd"):
        output_of(Odd)


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_decides_how_the_type_is_sent(mode: OutputMode) -> None:
    agent = Agent(model=ScriptedModel([["[1, 2]"]]), output_type=list[int], output_mode=mode)
    assert agent.run("q").output == [1, 2]
    (request,) = asked(agent)
    assert request.output is not None
    assert request.output.in_words is (mode == "prompted")
    assert [tool.name for tool in request.tools] == ([request.output.tool] if mode == "tool" else [])


@pytest.mark.parametrize("mode", MODES)
def test_what_models_put_around_their_json_is_let_be_in_every_mode(mode: OutputMode) -> None:
    said = 'Here it is:\n```json\n{"city": "Paris", "degrees": 21}\n```\nAnything else?'
    agent = Agent(model=ScriptedModel([[said]]), output_type=Weather, output_mode=mode)
    response = agent.run("q")
    assert response.output == Weather("Paris", 21)
    assert response.text == said
    assert len(asked(agent)) == 1


def test_a_mode_that_is_none_is_refused() -> None:
    odd: Any = "telepathy"
    with pytest.raises(ConfigurationError, match="output_mode is 'telepathy'"):
        Agent(model="offline", output_mode=odd)
    with pytest.raises(ConfigurationError, match="output_mode is 'telepathy'"):
        Agent(model="offline", output_type=int).run("q", output_mode=odd)


def test_the_mode_may_be_set_later_and_for_one_run() -> None:
    agent = Agent(model=ScriptedModel(lambda request: "[1]"), output_type=list[int])
    agent.run("q")
    agent.run("q", output_mode="tool")
    agent.output_mode = "prompted"
    agent.run("q")
    agent.run("q", output_type=tuple[int], output_mode="native")
    specs = [request.output for request in asked(agent)]
    assert [(spec.in_words, bool(spec.tool)) for spec in specs if spec is not None] == [
        (False, False),
        (False, True),
        (True, False),
        (False, False),
    ]


def test_a_mode_without_a_type_sends_nothing() -> None:
    agent = Agent(model=ScriptedModel(["Hi."]), output_mode="tool")
    assert agent.run("q").output == "Hi."
    assert [(request.output, request.tools) for request in asked(agent)] == [(None, ())]


def test_a_tool_named_like_the_answer_tool_is_rejected() -> None:
    def final_answer() -> str:
        """Answer."""
        return "42"

    agent = Agent(model="offline", tools=[final_answer], output_type=int)
    assert agent.run("q").output is not None
    with pytest.raises(ConfigurationError, match=r"Two tools of 'agent' have the name 'final_answer'\. headwater uses"):
        agent.run("q", output_mode="tool")
    with pytest.raises(ConfigurationError, match="Two tools of 'agent' have the name 'final_answer'"):
        Agent(model="offline", tools=[final_answer], output_type=int, output_mode="tool")


def test_a_schema_can_replace_a_type() -> None:
    schema: Any = {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]}
    response = Agent(model=ScriptedModel([["{}"], ['{"port": "Brest"}']]), output_type=schema).run("q")
    assert response.output == {"port": "Brest"}


def test_a_union_may_be_an_output_type() -> None:
    kind: Any = int | list[str]
    assert Agent(model=ScriptedModel([['{"result": ["a"]}']]), output_type=kind).run("q").output == ["a"]
