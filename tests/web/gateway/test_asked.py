from __future__ import annotations

from typing import Any

import pytest

from headwater.providers.request import OutputSpec, ProviderTool, ToolSpec
from headwater.web.gateway.asked import ANY_OBJECT, asked_of_model
from headwater.web.problems import Problem

FUNCTION = {"name": "pick", "description": "Pick.", "parameters": {"type": "object"}, "strict": True}
PICK = ToolSpec(name="pick", description="Pick.", parameters={"type": "object"}, strict=True)


def chat(**body: Any) -> Any:
    given = {"model": "fast", "messages": [{"role": "user", "content": "Hi"}], **body}
    return asked_of_model(given, responses=False).options


def responses(**body: Any) -> Any:
    return asked_of_model({"model": "fast", "input": "Hi", **body}, responses=True)


def test_settings_of_chat_completions() -> None:
    settings = chat(
        temperature=0.3,
        top_p=0.9,
        max_completion_tokens=50,
        stop="END",
        seed=7.0,
        presence_penalty=0.5,
        frequency_penalty=0.1,
        reasoning_effort="low",
        verbosity="high",
        parallel_tool_calls=False,
        user="ann",
        store=False,
        service_tier="flex",
    )["settings"]
    assert settings == {
        "temperature": 0.3,
        "top_p": 0.9,
        "max_tokens": 50,
        "stop": ("END",),
        "seed": 7,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.1,
        "reasoning": "low",
        "verbosity": "high",
        "parallel_tool_calls": False,
        "user": "ann",
        "store": False,
        "service_tier": "flex",
    }
    assert chat(stop=["A", "B"], max_tokens=5)["settings"] == {"stop": ("A", "B"), "max_tokens": 5}


def test_settings_of_responses() -> None:
    asked = responses(
        max_output_tokens=50,
        temperature=0.3,
        reasoning={"effort": "low", "summary": "auto"},
        text={"verbosity": "low", "format": {"type": "text"}},
        instructions="Be kind.",
        metadata={"a": "b"},
    )
    assert asked.options["settings"] == {
        "max_tokens": 50,
        "temperature": 0.3,
        "reasoning": "low",
        "verbosity": "low",
        "extra": {"metadata": {"a": "b"}},
    }
    assert asked.told["instructions"] == "Be kind."
    assert asked.told["max_output_tokens"] == 50
    assert "model" not in asked.told


def test_default_values_are_ignored() -> None:
    nothing = {"presence_penalty": 0, "frequency_penalty": 0.0, "top_p": 1, "n": 1, "logprobs": False, "seed": None}
    more = {"service_tier": "auto", "parallel_tool_calls": True, "logit_bias": {}, "stop": [], "tool_choice": "auto"}
    assert chat(**nothing, **more) == {"settings": {}}


def test_fields_that_are_not_known_are_the_providers_own() -> None:
    assert chat(min_p=0.1, reasoning={"max_tokens": 5})["settings"] == {
        "extra": {"min_p": 0.1, "reasoning": {"max_tokens": 5}}
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", "hot"),
        ("max_tokens", 0),
        ("max_completion_tokens", 1.5),
        ("seed", []),
        ("stop", [1]),
        ("reasoning_effort", "huge"),
        ("n", 2),
        ("logprobs", True),
        ("functions", [{}]),
        ("response_format", {"type": "xml"}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a"}}),
        ("response_format", "json"),
    ],
)
def test_an_unsupported_field_is_rejected_by_name(field: str, value: Any) -> None:
    with pytest.raises(Problem) as refused:
        chat(**{field: value})
    assert refused.value.param == field


def test_tools_in_either_api() -> None:
    given = [{"type": "function", "function": FUNCTION}, {"type": "web_search_20250305", "name": "web_search"}]
    search = ProviderTool({"type": "web_search_20250305", "name": "web_search"})
    assert chat(tools=given)["tools"] == (PICK, search)
    options = responses(tools=[{"type": "function", **FUNCTION}, {"type": "web_search"}]).options
    assert options["tools"] == (PICK, ProviderTool({"type": "web_search"}))
    bare = {"type": "function", "function": {"name": "go"}}
    assert chat(tools=[bare])["tools"][0].parameters == {"type": "object", "properties": {}}
    for wrong in ({"type": "custom", "custom": {"name": "x"}}, {}, "x", {"type": "function", "function": {}}):
        with pytest.raises(Problem, match="function"):
            chat(tools=[wrong])


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "pick"}}, "pick"),
        ({"type": "function", "name": "pick"}, "pick"),
    ],
)
def test_which_tool_is_to_be_called(given: Any, setting: str) -> None:
    tools = [{"type": "function", "function": FUNCTION}]
    assert chat(tools=tools, tool_choice=given)["settings"] == {"tool_choice": setting}
    assert chat(tool_choice=given)["settings"] == {}
    with pytest.raises(Problem, match="tool_choice"):
        chat(tools=tools, tool_choice={"type": "allowed_tools"})


def test_the_shape_of_the_answer() -> None:
    schema = {"name": "port", "schema": {"type": "object"}, "strict": True, "description": "A port."}
    shape = OutputSpec(name="port", schema={"type": "object"}, strict=True, description="A port.")
    assert chat(response_format={"type": "json_schema", "json_schema": schema})["output"] == shape
    assert responses(text={"format": {"type": "json_schema", **schema}}).options["output"] == shape
    assert chat(response_format={"type": "json_object"})["output"] == ANY_OBJECT
    assert "output" not in chat(response_format={"type": "text"})
