"""What a model says that it supports is what its requests can hold."""

from __future__ import annotations

import pytest

from headwater import Agent, Model, Settings, errors
from headwater.agents.features import FEATURES
from headwater.providers.catalog import PROVIDERS


def supported(name: str, base_url: str | None = None) -> set[str]:
    model = Model(name, base_url=base_url, api_key="sk-1")
    return {feature for feature in FEATURES if model.supports(feature)}


def test_every_setting_is_a_feature() -> None:
    assert {*Settings.__struct_fields__} - {"extra"} <= {*FEATURES}


@pytest.mark.parametrize(
    ("name", "has", "lacks"),
    [
        (
            "openai/gpt-5.4",
            "streaming tools images files native_output reasoning store verbosity",
            "stop seed audio video",
        ),
        ("openai-chat/gpt-5.4", "streaming tools images files audio seed stop native_output", "video top_k"),
        (
            "anthropic/claude-sonnet-5",
            "streaming tools images files cache native_output",
            "temperature top_k seed audio",
        ),
        ("anthropic/claude-3-5-haiku-latest", "tools images temperature top_k", "native_output reasoning"),
        ("gemini/gemini-3-flash", "tools images files audio video native_output top_k", "verbosity user"),
        ("ollama/llama3.2", "tools images native_output seed reasoning", "files audio video tool_choice user"),
        ("deepseek/deepseek-chat", "tools reasoning", "native_output seed video parallel_tool_calls"),
        ("offline", "streaming tools native_output max_tokens", "images files seed"),
    ],
)
def test_what_each_api_takes(name: str, has: str, lacks: str) -> None:
    found = supported(name)
    assert {*has.split()} <= found
    assert not {*lacks.split()} & found


def test_every_provider_streams_and_calls_tools() -> None:
    for name, provider in PROVIDERS.items():
        agent = Agent(model=f"{name}/{provider.example}", api_key="sk-1", base_url="http://127.0.0.1:9/v1")
        assert agent.llm.supports("streaming")
        assert agent.llm.supports("tools")
        assert hasattr(agent.llm, "stream")


def test_a_feature_that_is_none() -> None:
    with pytest.raises(errors.ConfigurationError, match="Unknown feature 'telepathy'") as caught:
        Model("offline").supports("telepathy")
    assert "images" in caught.value.hint
