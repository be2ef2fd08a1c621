"""The tool by which an answer is given: what it is told to be, what it takes, what it sends back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from headwater.agents.answer_tool import ANSWER_TOOL, AnswerTool
from headwater.agents.output import output_of
from tests.agents.working import Working


@dataclass
class Tide:
    """High water somewhere."""

    port: str
    hour: int


def _tool(output_type: Any) -> AnswerTool:
    output = output_of(output_type)
    assert output is not None
    tool = output.asked("tool").tool
    assert tool is not None
    return tool


def test_its_arguments_are_the_outputs_schema() -> None:
    tool = _tool(Tide)
    assert tool.name == tool.spec.name == ANSWER_TOOL
    assert tool.spec.parameters["properties"].keys() == {"port", "hour"}
    assert "final answer" in tool.spec.description
    assert _tool(list[int]).spec.parameters["properties"].keys() == {"result"}
    schema = {"type": "object", "properties": {"port": {"type": "string"}}}
    assert _tool(schema).spec.parameters == schema


@pytest.mark.parametrize(
    ("output_type", "arguments", "value"),
    [
        (Tide, {"port": "Brest", "hour": 4}, Tide("Brest", 4)),
        (list[int], {"result": [1, 2]}, [1, 2]),
        (int | None, {"result": None}, None),
        ({"type": "array", "items": {"type": "integer"}}, {"result": [1]}, [1]),
        (Tide, '{"port": "Brest", "hour": 4}', Tide("Brest", 4)),  # a custom tool's text
    ],
)
def test_what_fits_is_the_answer(output_type: Any, arguments: Any, value: Any) -> None:
    work = Working(arguments)
    outcome = asyncio.run(_tool(output_type).call(work))
    assert work.answered == [value]
    assert outcome.error is None


@pytest.mark.parametrize("arguments", [{"port": "Brest", "hour": "late"}, {}, "soon"])
def test_what_does_not_fit_is_the_models_mistake(arguments: Any) -> None:
    work = Working(arguments)
    outcome = asyncio.run(_tool(Tide).call(work))
    assert not work.answered
    assert outcome.invalid
    assert outcome.error is not None
    assert "answer" in outcome.error
