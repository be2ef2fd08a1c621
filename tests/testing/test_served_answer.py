"""A turn of a script as the steps in which a provider would send it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from headwater.backends.offline.performance import Pace
from headwater.backends.offline.script import Call, Fail, Say, Think, Wait
from headwater.errors import (
    ConfigurationError,
    ConnectionFailed,
    IncompleteStream,
    Overloaded,
    ProviderError,
    RateLimited,
)
from headwater.events import TextStarted
from headwater.events.messages import Usage
from headwater.providers.failures import http_error
from headwater.providers.registry import load_api
from headwater.testing.served_answer import Broken, Endless, Pause, Step, text_of, write
from headwater.testing.wires import WIRES, Unspeakable
from tests.support.recordings import decode, telling
from tests.testing.wires.writing import APIS, body_of, frames, written


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (RateLimited("Slow down.", status=429, retry_after=3.0), RateLimited),
        (Overloaded("Busy.", status=503), Overloaded),
    ],
)
def test_an_exception_with_a_status_is_that_http_error(failure: ProviderError, kind: type[ProviderError]) -> None:
    answer = written("anthropic", [Fail(failure)])
    assert answer.status == failure.status
    assert answer.headers.get("Retry-After") == ("3" if failure.retry_after else None)
    assert isinstance(http_error("anthropic", answer.status, {}, body_of(answer)), kind)


def test_an_exception_in_band_or_without_a_status_is_sent_in_the_stream() -> None:
    for fail in (
        Fail(Overloaded("Busy.", status=503), in_band=True),
        Fail(Overloaded("Busy.", code="overloaded_error")),
    ):
        answer = written("anthropic", [fail])
        decoder = load_api("anthropic").Decoder()
        decode(decoder, [body_of(answer)])
        assert answer.status == 200
        assert isinstance(decoder.error, Overloaded)


@pytest.mark.parametrize("failure", [OSError("gone"), ConnectionFailed("gone")])
def test_an_exception_of_the_network_breaks_the_connection(failure: Exception) -> None:
    assert list(written("gemini", [Say("Hi."), Fail(failure)]).steps)[-1] == Broken("reset")


def test_an_incomplete_stream_is_cut() -> None:
    decoder = load_api("ollama").Decoder()
    decode(decoder, [body_of(written("ollama", [Say("Hi."), Fail(IncompleteStream("cut"))]))])
    assert not decoder.complete


@pytest.mark.parametrize("failure", [ConfigurationError("No."), ZeroDivisionError("No.")])
def test_an_exception_that_is_not_a_provider_error_is_refused(failure: Exception) -> None:
    with pytest.raises(Unspeakable):
        written("ollama", [Say("Hi."), Fail(failure)])


@pytest.mark.parametrize("api", APIS)
def test_consecutive_strings_are_one_text_unless_something_separates_them(api: str) -> None:
    decoder = load_api(api).Decoder()
    events = decode(decoder, [body_of(written(api, [Say("One "), Usage(), Say("two "), Think("hm"), Say("three")]))])
    assert telling(events).text == "One two three"
    assert sum(isinstance(event, TextStarted) for event in events) == 2


@pytest.mark.parametrize("api", APIS)
def test_a_pace_is_a_pause_after_every_token(api: str) -> None:
    answer = write([Say(["a", "b", "c"])], WIRES[api]("m", {}), pace=Pace(50), input_tokens=1)
    assert [step.seconds for step in answer.steps if isinstance(step, Pause)] == [0.02] * 3


def steps_of(acts: list[Any], **options: Any) -> list[Step]:
    return list(written("openai-chat", acts, **options).steps)


def test_pauses_stand_where_the_script_has_them() -> None:
    kinds = [type(step).__name__ for step in steps_of([Say(["a"]), Wait(2), Say(["b"])])]
    at = kinds.index("Pause")
    assert b'"a"' in steps_of([Say(["a"]), Wait(2), Say(["b"])])[at - 1]  # type: ignore[operator]
    assert steps_of([Say(["a"]), Wait(2), Say(["b"])])[at] == Pause(2)


def test_what_is_waited_before_an_http_error_is_waited_before_its_head() -> None:
    answer = written("openai-chat", [Wait(1), Wait(2), Fail(500)])
    assert (answer.status, answer.before) == (500, (Pause(1), Pause(2)))


def test_a_script_that_cannot_be_said_is_refused_before_the_head_is_sent() -> None:
    with pytest.raises(Unspeakable):
        written("ollama", [Say("Hi."), Call("f", "[1]")])


@pytest.mark.parametrize("what", ["answer", "event", "line"])
@pytest.mark.parametrize("api", APIS)
def test_an_endless_answer_continues_after_any_number_of_steps(api: str, what: Endless) -> None:
    steps = written(api, [Say(["On and on. "])], endless=what).steps
    size = sum(len(step) for step in itertools.islice(steps, 200) if isinstance(step, bytes))
    assert size > (2_000 if what == "answer" else 1_000_000)


def test_tokens_are_counted_where_the_script_does_not_say() -> None:
    *_, counts, _ = frames("openai-chat", [Think(["a", "b"]), Say(["c"]), Call("f", {})])
    assert counts["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 4,
        "total_tokens": 11,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def test_a_request_is_counted_in_all_its_strings() -> None:
    assert text_of({"messages": [{"role": "user", "content": "Hi."}], "n": 3, "stop": None}) == "user Hi. "
