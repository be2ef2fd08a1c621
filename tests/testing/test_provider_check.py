"""`check_provider` passes the decoders that are here, and tells of each way in which one can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headwater.backends.offline.performance import Pace
from headwater.backends.offline.script import Act, Call, Say, Think
from headwater.errors import ConfigurationError
from headwater.events import Event, TextDelta
from headwater.providers import ollama
from headwater.providers.ollama import response
from headwater.testing import Checked, ProviderBreach, check_provider
from headwater.testing.served_answer import write
from headwater.testing.wires import WIRES


def body_of(api: str) -> bytes:
    acts: list[Act] = [Think("Hm, well."), Say("Let me look: 🌊."), Call("weather", {"city": "Paris"})]
    answer = write(acts, WIRES[api]("m", {"stream": True}), pace=Pace(None), input_tokens=3)
    return b"".join(step for step in answer.steps if isinstance(step, bytes))


@pytest.mark.parametrize("api", WIRES)
def test_the_decoders_that_are_here_pass(api: str) -> None:
    body = body_of(api)
    checked = check_provider(api, body, cuts=None, flips=300, splits=4)
    assert (checked.splits, checked.cuts, checked.flips) == (5, len(body), 300)
    assert checked.cuts_complete + checked.cuts_incomplete + checked.cuts_failed == len(body)
    assert checked.cuts_incomplete > len(body) / 2
    ways = (checked.flips_complete, checked.flips_altered, checked.flips_incomplete, checked.flips_failed)
    assert sum(ways) == 300
    assert checked.flips_altered > 0, "most bytes are letters"


def test_an_api_is_named_or_given() -> None:
    body = body_of("ollama")
    given: list[Any] = ["ollama", ollama, response.Decoder]
    assert len({str(check_provider(api, body, cuts=20, flips=20)) for api in given}) == 1


def test_the_same_seed_tries_the_same() -> None:
    body = body_of("gemini")
    assert check_provider("gemini", body, cuts=30, seed=4) == check_provider("gemini", body, cuts=30, seed=4)


def test_an_empty_body_is_a_body() -> None:
    assert check_provider("anthropic", b"") == Checked(splits=4)


class Losing(response.Decoder):
    """Loses what comes in a piece of its own."""

    def _feed(self, data: bytes) -> None:
        if len(data) > 1 or data == b"\n":
            super()._feed(data)


class Inventing(response.Decoder):
    """Calls every answer whole."""

    def _finish(self) -> None:
        self.complete = True


class Repeating(response.Decoder):
    """Says something at the end that the whole does not say."""

    def _finish(self) -> None:
        if not self.complete:
            self.text("More.")


class Raising(response.Decoder):
    """Lets another exception out."""

    def _feed(self, data: bytes) -> None:
        if b"\xf0" not in data:
            raise KeyError("no wave")
        super()._feed(data)


class Foreign(response.Decoder):
    """Tells of an error that no stream can be."""

    def _finish(self) -> None:
        if not self.complete:
            self.error = ConfigurationError("Not a provider's.")


class Unordered(response.Decoder):
    """Says text outside any part."""

    def _finish(self) -> None:
        self.events.append(TextDelta(step=1, part=99, text="x"))


class Executing(response.Decoder):
    """Has a call ready before it is whole."""

    def finish(self) -> list[Event]:
        if not self.complete:
            self.end_call(self.start_call("call_9", "weather"), {})
        return super().finish()


@pytest.mark.parametrize(
    ("decoder", "why"),
    [
        (Losing, "a byte at a time"),
        (Inventing, "it is called complete, but its"),
        (Repeating, "is no beginning of"),
        (Raising, "KeyError came out of the decoder"),
        (Foreign, "which no provider's stream can be"),
        (Unordered, "part 99"),
        (Executing, "calls"),
    ],
)
def test_each_way_to_be_wrong_is_told(decoder: Callable[[], Any], why: str) -> None:
    with pytest.raises(ProviderBreach, match=why):
        check_provider(decoder, body_of("ollama"), cuts=None)


def test_between_two_answers_a_cut_is_whole() -> None:
    body = body_of("anthropic")
    with pytest.raises(ProviderBreach, match="it is called complete, but"):
        check_provider("anthropic", body + body.replace(b"toolu_1", b"toolu_2"), cuts=None, flips=0)
    check_provider("anthropic", body + body.replace(b"toolu_1", b"toolu_2"), cuts=None, flips=0, answers=2)
