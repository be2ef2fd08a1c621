"""The type that an answer must have, as a run needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from headwater import Agent
from headwater.agents.output import output_of
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


def test_a_type_is_told_to_the_provider_and_read_back() -> None:
    output = output_of(Weather)
    assert output is not None
    assert output.spec.name == "Weather"
    assert output.spec.schema["properties"].keys() == {"city", "degrees"}
    assert output.spec.strict
    assert output.parse('{"city": "Paris", "degrees": 21}') == Weather("Paris", 21)


def test_what_does_not_fit_is_told_in_words_that_a_model_can_mend() -> None:
    output = output_of(Weather)
    assert output is not None
    with pytest.raises(ValueError, match="degrees"):
        output.parse('{"city": "Paris"}')


def test_what_is_no_object_is_wrapped_for_the_provider_and_unwrapped_again() -> None:
    output = output_of(list[int])
    assert output is not None
    assert output.spec.schema["type"] == "object"
    (name,) = output.spec.schema["properties"]
    assert output.parse(f'{{"{name}": [1, 2]}}') == [1, 2]


def test_a_type_that_cannot_be_told_is_refused() -> None:
    class Odd:
        pass

    with pytest.raises(ConfigurationError, match="Odd"):
        output_of(Odd)


def test_the_mode_says_where_the_type_is_asked_for() -> None:
    for mode, in_words in (("native", False), ("prompted", True)):
        agent = Agent(model=ScriptedModel([["[1, 2]"]]), output_type=list[int], output_mode=mode)  # type: ignore[arg-type]
        assert agent.run("q").output == [1, 2]
        (request,) = asked(agent)
        assert request.output is not None
        assert request.output.in_words is in_words
    with pytest.raises(ConfigurationError, match="output_mode is 'telepathy'"):
        Agent(model="offline", output_mode="telepathy")  # type: ignore[arg-type]


def test_a_schema_may_stand_in_place_of_a_type() -> None:
    schema: Any = {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]}
    response = Agent(model=ScriptedModel([["{}"], ['{"port": "Brest"}']]), output_type=schema).run("q")
    assert response.output == {"port": "Brest"}


def test_a_union_may_be_an_output_type() -> None:
    kind: Any = int | list[str]
    assert Agent(model=ScriptedModel([['{"result": ["a"]}']]), output_type=kind).run("q").output == ["a"]
