"""Scripts: their items, and which turn answers which request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import errors
from headwater.backends.offline import (
    Fail,
    ScriptedModel,
    Wait,
)
from headwater.events import (
    CallReady,
    ReasoningDelta,
)
from headwater.events.messages import (
    Message,
    Reasoning,
    ToolCall,
)
from headwater.providers.decoder import Place
from headwater.providers.request import Request
from tests.backends.offline.answers import Answer, answer_to, ask, drain, only, say
from tests.support.virtual import run_virtual


def test_turns_are_used_in_order() -> None:
    model = ScriptedModel(["one", ["two", " and a half"], lambda request: f"{request.messages[-1].text}!"])
    assert [answer_to(model, ask(task)).text for task in ("a", "b", "c")] == ["one", "two and a half", "c!"]
    assert [request.messages[0].text for request in model.requests] == ["a", "b", "c"]


def test_a_turn_is_taken_by_the_first_pull() -> None:
    model = ScriptedModel(["one", "two"])
    model.open(ask(), Place()).abort()
    assert model.requests == ()
    assert answer_to(model).text == "one"


def test_running_past_the_script() -> None:
    model = ScriptedModel("only this")
    assert answer_to(model).text == "only this"
    error = answer_to(model).error
    assert isinstance(error, errors.UsageError)
    assert not error.retryable
    assert "has 1 turn, but request number 2 arrived" in str(error)
    assert len(model.requests) == 2


def test_a_function_answers_a_thousand_at_once() -> None:
    model = ScriptedModel(lambda request: [request.messages[0].text, Wait(1), "."])

    async def main() -> list[Answer]:
        return await asyncio.gather(*(drain(model.open(ask(str(n)), Place())) for n in range(1000)))

    answers, seconds = run_virtual(main())
    assert [answer.text for answer in answers] == [f"{n}." for n in range(1000)]
    assert seconds == 1
    assert len(model.requests) == 1000


def test_a_function_that_raises() -> None:
    def turn(request: Request) -> str:
        assert request.tools, "no tools were offered"
        return "fine"

    assert isinstance(answer_to(ScriptedModel(turn)).error, AssertionError)


@pytest.mark.parametrize("script", [[1], [["a", None]], [{"text": "a"}]])
def test_invalid_scripts(script: Any) -> None:
    with pytest.raises(TypeError, match="is not allowed in a script"):
        ScriptedModel(script)


def test_an_assistants_message_is_a_turn() -> None:
    message = Message.assistant(Reasoning(text="Hm."), "Hello", ToolCall(id="c", name="clock", arguments={}))
    answer = answer_to(ScriptedModel([message]))
    assert answer.text == "Hello"
    assert only(CallReady, answer).call == "c"
    assert [event.text for event in answer.events if isinstance(event, ReasoningDelta)] == ["Hm", "."]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidRequest),
        (401, errors.AuthenticationFailed),
        (429, errors.RateLimited),
        (503, errors.Overloaded),
    ],
)
def test_failing_with_a_status(status: int, kind: type[errors.ProviderError]) -> None:
    error = say(Fail(status, "no luck", retry_after=2)).error
    assert type(error) is kind
    assert isinstance(error, errors.ProviderError)
    assert (error.status, error.retry_after, error.provider) == (status, 2, "offline")
    assert "no luck" in error.message


@pytest.mark.parametrize(("before", "kind"), [((), errors.ConnectionFailed), (("So it",), errors.IncompleteStream)])
def test_a_broken_connection(before: tuple[str, ...], kind: type[errors.ConnectionFailed]) -> None:
    failure = ConnectionResetError("gone")
    error = say(*before, Fail(failure)).error
    assert type(error) is kind
    assert error.__cause__ is failure
    assert "gone" in str(error)


def test_only_headwater_errors_fail_in_band() -> None:
    with pytest.raises(TypeError, match="in band"):
        Fail(ValueError("x"), in_band=True)


def test_a_script_is_named_as_such_in_a_message() -> None:
    assert "offline" not in str(say(Fail(503, "no luck")).error)
    assert str(say(Fail(503, "no luck")).error).startswith("The script answered (HTTP 503): no luck.")
