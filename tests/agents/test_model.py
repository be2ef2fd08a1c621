from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Agent, Message, Model, Settings, Timeouts, tool
from headwater.agents.model import as_model, merged
from headwater.backends.http import HTTPBackend
from headwater.backends.offline import Call, OfflineModel, Say, ScriptedModel
from headwater.errors import ConfigurationError, MissingKey, ModelNotNamed, UnknownModel, UnsupportedSetting
from headwater.providers.request import OutputSpec
from tests.support.streams import always, log_of

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HEADWATER_MODEL", "OPENAI_BASE_URL")


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


# --- looking up


def test_a_name_is_looked_up_when_it_is_first_asked() -> None:
    model = Model("openai/gpt-5.4")
    with pytest.raises(MissingKey, match="OPENAI_API_KEY"):
        _ = model.backend
    with pytest.raises(MissingKey):
        list(Agent(model=model).run_stream("Go."))


def test_the_key_of_the_environment_and_the_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    own = Model("openai/gpt-5.4", api_key="sk-own")
    for model, key in ((Model("openai/gpt-5.4"), "sk-environment"), (own, "sk-own")):
        source = model.backend
        assert isinstance(source, HTTPBackend)
        assert source.endpoint.key is not None
        assert source.endpoint.key.reveal() == key
        assert model.backend is source
        assert key not in repr(model) + repr(source) + repr(vars(model))


def test_the_environment_names_a_model_where_the_program_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelNotNamed, match="HEADWATER_MODEL"):
        _ = Model().backend
    monkeypatch.setenv("HEADWATER_MODEL", "offline")
    assert isinstance(Model().backend, OfflineModel)
    assert Agent().run_sync("Hello.").text


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(UnknownModel, match="no-such"):
        _ = Model("no-such/model").backend


def test_any_server_can_be_asked_by_its_address() -> None:
    source = Model("my-model", base_url="http://localhost:8000/v1", headers={"x-team": "a"}).backend
    assert isinstance(source, HTTPBackend)
    assert (source.model, source.endpoint.base_url) == ("my-model", "http://localhost:8000/v1")
    assert source.endpoint.headers["x-team"] == "a"


def test_a_model_is_anything_that_can_be_asked() -> None:
    scripted = ScriptedModel(["Hello."])
    assert as_model(scripted).backend is scripted
    model = Model("offline")
    assert as_model(model) is model
    assert as_model("offline").name == "offline"
    with pytest.raises(ConfigurationError, match="model"):
        Model(5)  # type: ignore[arg-type]


def test_fallbacks_are_models_in_order() -> None:
    first, second, third = always("1"), always("2"), always("3")
    model = Model(first, fallback=[Model(second, fallback=[third])])
    assert model.backends == (first, second, third)
    with pytest.raises(ConfigurationError, match="fallback"):
        Model("offline", fallback="openai/gpt-5.4")


@pytest.mark.parametrize(
    "wrong", [{"retries": -1}, {"retries": 1.5}, {"on_interrupted": "continue"}, {"timeouts": 5}], ids=str
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Model("offline", **wrong)


# --- asking


def test_a_model_is_asked_once_with_an_agents_faces() -> None:
    async def main() -> None:
        model = Model(always(Say(["Hel", "lo."])), temperature=0.5)
        stream = model.stream("Go.", max_tokens=5)
        assert [chunk.content async for chunk in stream] == ["Hel", "lo.", ""]
        assert stream.response == "Hello."
        await log_of(model.stream("Go."))
        assert await model.stream("Go.").result() == "Hello."
        source: Any = model.backend
        assert source.model == "offline"

    asyncio.run(main())
    assert "".join(Model(always("Hello.")).stream("Go.").text()) == "Hello."


def test_a_conversation_is_handed_over_as_it_is() -> None:
    source = ScriptedModel(["Hello."])
    messages = [Message.system("Be brief."), Message.user("Hi."), Message.assistant("Hi."), Message.user("Go.")]
    Model(source, seed=1).stream(messages, seed=2, timeouts=Timeouts(run=5)).result_sync()
    (request,) = source.requests
    assert [(message.role, message.text) for message in request.messages] == [
        ("system", "Be brief."),
        ("user", "Hi."),
        ("assistant", "Hi."),
        ("user", "Go."),
    ]
    assert request.settings.given() == {"seed": 2}


def test_tools_are_described_and_not_run() -> None:
    @tool
    def look() -> str:
        """Look."""
        raise AssertionError

    source = ScriptedModel([["I look.", Call("look", id="a")]])
    response = Model(source).stream("Go.", tools=[look]).result_sync()
    assert [(call.name, call.id) for call in response.tool_calls] == [("look", "a")]
    assert response.finish_reason == "tool_calls"
    assert not response.partial
    assert [spec.name for spec in source.requests[0].tools] == ["look"]


# --- settings and tasks


def test_settings_are_laid_over_each_other() -> None:
    base = Settings(temperature=0.5, stop=("A",))
    assert merged(base, {}) is base
    assert merged(base, {"temperature": None}).temperature == 0.5
    assert merged(base, {"stop": "B", "seed": 1}).given() == {"temperature": 0.5, "stop": ("B",), "seed": 1}
    with pytest.raises((UnsupportedSetting, TypeError), match="temperature"):
        merged(base, {"temperatur": 1})
    with pytest.raises(ConfigurationError, match="temperature"):
        merged(base, {"temperature": "hot"})


def test_a_shape_is_asked_for_and_not_checked() -> None:
    source = ScriptedModel(["no JSON at all"])
    shape = OutputSpec(name="port", schema={"type": "object", "properties": {"name": {"type": "string"}}})

    async def main() -> None:
        assert await Model(source).stream("Go.", output=shape).result() == "no JSON at all"

    asyncio.run(main())
    assert source.requests[0].output == shape
