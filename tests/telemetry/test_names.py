"""The names and values of the conventions."""

from __future__ import annotations

from decimal import Decimal

import pytest

from headwater.events import ErrorInfo, ToolFinished
from headwater.events.messages import Usage
from headwater.telemetry import names
from tests.telemetry.conventions import DEPRECATED, OURS, SPANS, TYPES, fits


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("gemini", "gcp.gemini"),
        ("vertex", "gcp.vertex_ai"),
        ("azure", "azure.ai.openai"),
        ("mistral", "mistral_ai"),
        ("xai", "x_ai"),
        ("bedrock", "aws.bedrock"),
        ("openai", "openai"),
        ("", "headwater"),
    ],
)
def test_providers_by_their_well_known_values(ours: str, theirs: str) -> None:
    assert names.provider_name(ours) == theirs


def test_settings_by_their_types_on_the_spans_that_have_them() -> None:
    given = {
        "temperature": 1,
        "top_p": 1,
        "top_k": 40,
        "max_tokens": 5,
        "stop": ["a", "b"],
        "seed": 3,
        "presence_penalty": 1,
        "frequency_penalty": 0,
        "reasoning": "low",
        "user": "ann",
    }
    for settings, operation in ((names.CHAT_SETTINGS, "chat"), (names.AGENT_SETTINGS, "invoke_agent")):
        found = names.of_settings(given, settings)
        assert len(found) == len(settings)
        assert found.keys() <= SPANS[operation].other
        assert all(fits(value, TYPES[name]) for name, value in found.items())
    assert names.of_settings({"reasoning": 2000}, names.CHAT_SETTINGS) == {}


def test_usage_as_far_as_it_is_known() -> None:
    usage = Usage(input_tokens=5, output_tokens=0, cached_input_tokens=2, cache_write_tokens=1, reasoning_tokens=0)
    found = names.of_usage(usage, details=True)
    assert found == {
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 0,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.cache_write.input_tokens": 1,
        "gen_ai.usage.reasoning.output_tokens": 0,
    }
    assert not found.keys() & DEPRECATED
    assert names.of_usage(Usage(cost=Decimal("0.25")), details=False) == {"headwater.cost": 0.25}
    assert "headwater.cost" in OURS


def test_errors_are_classes() -> None:
    assert names.error_type(ErrorInfo(type="RateLimited", message="Slow down.")) == "RateLimited"
    assert names.error_type(ErrorInfo(type="", message="")) == "_OTHER"


@pytest.mark.parametrize(
    ("error", "invalid", "type"),
    [
        ("ValueError: no such port: Brest", False, "ValueError"),
        ("KeyError", False, "KeyError"),
        ("it was denied", False, "_OTHER"),
        ("port: Field required", True, "invalid_arguments"),
        ("The run failed before this was done.", False, "_OTHER"),
    ],
)
def test_a_tools_error_is_the_class_that_it_names(error: str, invalid: bool, type: str) -> None:
    event = ToolFinished(step=1, call="c", name="look", result=error, error=error, invalid=invalid)
    assert names.tool_error_type(event) == type
