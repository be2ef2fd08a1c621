from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from headwater import Message, Settings
from headwater.backends.http import HTTPBackend
from headwater.backends.offline import ScriptedModel
from headwater.providers import registry
from headwater.providers.decoder import Place
from headwater.providers.request import OutputSpec, Request
from headwater.web.gateway.asked import ANY_OBJECT
from headwater.web.gateway.target import Target

KEY = "sk-simulated-key-0123456789"
SHAPE = OutputSpec(name="port", schema={"type": "object", "properties": {}})


def at(name: str, **options: Any) -> Target:
    resolved = registry.resolve(name, api_key=KEY, env={})
    return Target(HTTPBackend(resolved.endpoint, resolved.model, registry.load_api(resolved.endpoint.api)), **options)


def written(target: Target, *, output: OutputSpec | None = None, **settings: Any) -> dict[str, Any]:
    """The body that is sent for a request with these settings."""
    request = Request(model=target.model, messages=(Message.user("Hi"),), settings=Settings(**settings), output=output)
    backend: Any = target._backend
    body: dict[str, Any] = msgspec.json.decode(backend.written(target.fitted(request)).body)
    return body


def test_it_behaves_like_its_model() -> None:
    target = at("groq/openai/gpt-oss-120b")
    backend: Any = target._backend
    assert (target.provider, target.model, target.api) == ("groq", "openai/gpt-oss-120b", "openai-chat")
    assert (target.quota, target.connect) == (backend.quota, backend.connect)
    assert (target.name, repr(target)) == ("groq/openai/gpt-oss-120b", "Target(groq/openai/gpt-oss-120b)")
    assert KEY not in repr(target)


def test_settings_are_passed_on_over_those_of_the_file() -> None:
    target = at("openai-chat/gpt-4.1", defaults=Settings(temperature=0.2, seed=1), drop={"seed", "min_p"})
    body = written(target, temperature=0.7, max_tokens=9, extra={"min_p": 0.1, "logit_bias": {"5": 1}})
    assert (body["temperature"], body["logit_bias"]) == (0.7, {"5": 1})
    assert not {"seed", "min_p"} & {*body}
    assert written(target)["temperature"] == 0.2


def test_hints_go_to_models_that_support_them() -> None:
    extra = {"metadata": {"a": "b"}, "prompt_cache_key": "k", "own": 1}
    hints: dict[str, Any] = {"store": True, "user": "ann", "extra": extra}
    body = written(at("openai-chat/gpt-4.1"), **hints)
    assert (body["store"], body["user"], body["metadata"], body["prompt_cache_key"], body["own"]) == (
        True,
        "ann",
        {"a": "b"},
        "k",
        1,
    )
    body = written(at("moonshot/kimi-k2"), **hints)
    assert not {"store", "metadata", "prompt_cache_key"} & {*body}
    assert body["own"] == 1


def test_what_changes_the_answer_is_taken_or_not() -> None:
    target = at("anthropic/claude-sonnet-5")
    assert not target.takes("seed")
    assert target.takes("max_tokens")
    assert target.takes("user")
    assert target.takes("extra")
    assert at("anthropic/claude-sonnet-5", drop={"seed"}).takes("seed")
    assert Target(ScriptedModel(["Hi"])).takes("seed")


@pytest.mark.parametrize(
    ("name", "place", "told"),
    [
        ("openai-chat/gpt-4.1", "response_format", {"type": "json_object"}),
        ("openai-responses/gpt-4.1", "text", {"format": {"type": "json_object"}}),
        ("ollama/llama3.2", "format", {"type": "object"}),
    ],
)
def test_any_json_object_is_asked_for_as_each_api_does(name: str, place: str, told: Any) -> None:
    assert written(at(name), output=ANY_OBJECT)[place] == told


def test_any_json_object_is_asked_for_in_words_where_shapes_name_each_field() -> None:
    body = written(at("anthropic/claude-sonnet-5"), output=ANY_OBJECT)
    assert "JSON" in str(body["system"])
    assert "output_config" not in body


def test_a_response_format_is_passed_unchanged_along_with_verbosity() -> None:
    assert written(at("openai-chat/gpt-4.1"), output=SHAPE)["response_format"]["json_schema"]["name"] == "port"
    body = written(at("openai-responses/gpt-5.4"), output=ANY_OBJECT, verbosity="low")
    assert body["text"] == {"format": {"type": "json_object"}, "verbosity": "low"}


def test_it_is_opened_with_the_request_as_it_takes_it() -> None:
    model = ScriptedModel(["Hi"])
    target = Target(model, defaults=Settings(temperature=0.5))

    async def main() -> None:
        exchange = target.open(Request(model="m", messages=(Message.user("Hi"),)), Place(step=1))
        await exchange.pull()
        exchange.abort()

    asyncio.run(main())
    assert model.requests[0].settings.temperature == 0.5
