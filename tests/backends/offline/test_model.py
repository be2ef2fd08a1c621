"""The offline model: its names, invalid arguments, and its repr."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from headwater import errors
from headwater.backends.offline import (
    Call,
    OfflineModel,
    ScriptedModel,
    Shape,
    from_name,
)
from headwater.events import (
    CallReady,
    TextStarted,
    UsageReported,
)
from headwater.providers.decoder import Place
from headwater.providers.request import ToolSpec
from tests.backends.offline.answers import CLOCK, answer_to, ask, only


@pytest.mark.parametrize(
    ("name", "shape"), [("offline", None), ("offline/markdown", "markdown"), ("offline:poem", "poem")]
)
def test_a_name_may_contain_the_shape(name: str, shape: Shape | None) -> None:
    model = from_name(name, rate=50)
    assert (model.model, model.shape, model.rate) == (name, shape, 50)


@pytest.mark.parametrize("name", ["offline/limerick", "offline/", "online"])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises(errors.UnknownModel, match="offline/poem"):
        from_name(name)


@pytest.mark.parametrize(("choice", "tools"), [("required", ()), ("sundial", (CLOCK,))])
def test_an_impossible_tool_choice(choice: str, tools: tuple[ToolSpec, ...]) -> None:
    with pytest.raises(errors.ConfigurationError, match="tool_choice"):
        OfflineModel().open(ask(tools=tools, tool_choice=choice), Place())


@pytest.mark.parametrize("model", [OfflineModel(), OfflineModel(rate=7), ScriptedModel(lambda _: "one two three")])
def test_a_request_can_set_the_pace(model: OfflineModel) -> None:
    unhurried = answer_to(model, ask(extra={"rate": 50}))
    assert unhurried.times == pytest.approx([token / 50 for token in range(len(unhurried.tokens))])
    at_once = answer_to(model, ask(extra={"rate": 0}))
    assert set(at_once.times) == {0}
    assert at_once.text == unhurried.text


@pytest.mark.parametrize("rate", [-1, "fast", float("nan"), float("inf")])
def test_an_invalid_pace(rate: object) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"rate.*tokens per second"):
        OfflineModel().open(ask(extra={"rate": rate}), Place())


def test_an_invalid_shape() -> None:
    with pytest.raises(ValueError, match="prose"):
        OfflineModel(shape="limerick")  # type: ignore[arg-type]


def test_part_numbers_follow_the_place() -> None:
    place = Place(step=3, attempt=2, part=5, lead="\n\n", call_prefix="run7", calls={"c1"})
    answer = answer_to(ScriptedModel([["Hi", Call("clock", id="c1"), Call("clock")]]), place=place)
    started = only(TextStarted, answer)
    assert (started.step, started.part, started.lead) == (3, 5, "\n\n")
    assert [event.call for event in answer.events if isinstance(event, CallReady)] == ["c1#2", "run7_1"]
    assert only(UsageReported, answer).attempt == 2


def test_a_script_ignores_settings() -> None:
    model = ScriptedModel("one two three", model="gpt", provider="openai", api="openai-chat")
    answer = answer_to(model, ask(max_tokens=1, stop=("two",), tool_choice="required"))
    assert (answer.text, answer.decoder.finish_reason, answer.decoder.model) == ("one two three", "stop", "gpt")
    assert (model.model, model.provider, model.api) == ("gpt", "openai", "openai-chat")


def test_repr() -> None:
    assert repr(OfflineModel()) == "OfflineModel(model='offline')"
    assert repr(ScriptedModel(["a", "b"])) == "ScriptedModel(<2 turns>, model='offline')"
    assert repr(ScriptedModel(lambda request: "a")) == "ScriptedModel(<function>, model='offline')"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_starts_the_script_again(copied: Any) -> None:
    model = OfflineModel(["One.", "Two."], rate=100, seed=2, model="m")
    assert answer_to(model, ask()).text == "One."
    twin = copied(model)
    assert (twin.rate, twin.seed, twin.model, twin.requests) == (100, 2, "m", ())
    assert answer_to(twin, ask()).text == "One."
    assert answer_to(model, ask()).text == "Two."
    assert len(model.requests) == 2
