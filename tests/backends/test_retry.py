from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Agent, Model, Timeouts
from headwater.backends.base import Reply
from headwater.backends.http import HTTPBackend
from headwater.backends.offline import Call, Cut, Fail, Say, ScriptedModel, Think
from headwater.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ConnectTimeout,
    IncompleteStream,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    RateLimited,
    ServerError,
)
from headwater.events import AttemptFailed, AttemptStarted, Event, Retracted, TextDelta, UsageReported
from headwater.events.fold import fold
from headwater.providers import openai_chat
from headwater.providers.decoder import Decoder, Place
from headwater.providers.request import Endpoint, HTTPRequest, Request
from tests.support.streams import always, log_of, scripted, types_of
from tests.support.virtual import run_virtual


def _attempts(log: list[Event]) -> list[tuple[Any, ...]]:
    said: list[tuple[Any, ...]] = []
    for event in log:
        if isinstance(event, AttemptStarted):
            said.append((event.attempt, event.cause, event.model))
        elif isinstance(event, AttemptFailed):
            said.append((event.attempt, event.error.type, event.then))
    return said


# --- before any output


@pytest.mark.parametrize("what", [408, 409, 429, 500, 503, 529, ConnectionResetError(), "overloaded_error"])
def test_retryable_errors_are_retried(what: Any) -> None:
    async def main() -> None:
        stream = scripted(Fail(what), "Hello.").run_stream("Go.")
        log = await log_of(stream)
        assert stream.response == "Hello."
        assert [cause for _, cause, _ in _attempts(log)[::2]] == ["first", "retry"]
        assert types_of(log, "retracted") == []

    _, seconds = run_virtual(main())
    assert 0 <= seconds <= 0.5


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, AuthenticationFailed),
        (403, PermissionDenied),
        (404, ModelNotFound),
        (422, InvalidRequest),
    ],
)
def test_other_errors_are_raised_at_once(status: int, kind: type[Exception]) -> None:
    agent = scripted(Fail(status), "Hello.")
    with pytest.raises(kind):
        agent.run_sync("Go.")
    model: Any = agent.model
    assert len(model.requests) == 1


def test_retries_are_limited_and_their_waits_grow_with_jitter() -> None:
    waits: list[list[float]] = []

    async def main() -> None:
        agent = Agent(model=ScriptedModel(lambda request: Fail(500)), retries=4)
        log: list[Any] = []
        with pytest.raises(ServerError) as caught:
            await agent.run("Go.", on_event=log.append)
        failed = [event for event in log if isinstance(event, AttemptFailed)]
        assert [event.then for event in failed] == ["retry"] * 4 + ["raise"]
        waits.append([event.wait for event in failed[:-1]])
        assert caught.value.response.partial

    for _ in range(40):
        _, seconds = run_virtual(main())
        assert seconds == pytest.approx(sum(waits[-1]), abs=0.01)
    for number, bound in enumerate((0.5, 1, 2, 4)):
        each = [run[number] for run in waits]
        assert max(each) <= bound
        assert max(each) > bound * 0.6
        assert min(each) < bound * 0.4


def test_retries_can_be_disabled() -> None:
    agent = scripted(Fail(500), "Hello.", retries=0)
    with pytest.raises(ServerError):
        agent.run_sync("Go.")


def test_the_providers_retry_after_is_respected() -> None:
    async def main() -> None:
        stream = scripted(Fail(429, retry_after=7), "Hello.").run_stream("Go.")
        log = await log_of(stream)
        failed = next(event for event in log if isinstance(event, AttemptFailed))
        assert failed.wait >= 7

    _, seconds = run_virtual(main())
    assert 7 <= seconds <= 11


def test_a_retry_after_that_is_too_long_raises() -> None:
    async def main() -> None:
        with pytest.raises(RateLimited) as caught:
            await scripted(Fail(429, retry_after=3600), "Hello.").run("Go.")
        assert caught.value.retry_after == 3600

    _, seconds = run_virtual(main())
    assert seconds == 0


def test_a_run_can_be_cancelled_while_it_waits_for_a_retry() -> None:
    async def main() -> None:
        stream = scripted(Fail(429, retry_after=50), "Hello.").run_stream("Go.")
        asyncio.get_running_loop().call_later(5, stream.cancel)
        response = await stream.result()
        assert (response.partial, response.finish_reason) == (True, "cancelled")

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(5)


# --- fallbacks


def test_fallbacks_are_used_in_order() -> None:
    second = ScriptedModel([Fail(401)], model="second")
    third = ScriptedModel(["Hello."], model="third", provider="other")
    agent = Agent(model=ScriptedModel([Fail(500), Fail(500)], model="first"), fallback=[second, third], retries=1)

    async def main() -> None:
        stream = agent.run_stream("Go.")
        log = await log_of(stream)
        assert _attempts(log) == [
            (1, "first", "first"),
            (1, "ServerError", "retry"),
            (2, "retry", "first"),
            (2, "ServerError", "fallback"),
            (3, "fallback", "second"),
            (3, "AuthenticationFailed", "fallback"),
            (4, "fallback", "third"),
        ]
        assert (stream.response, stream.response.model, stream.response.provider) == ("Hello.", "third", "other")

    run_virtual(main())


def test_each_step_starts_with_the_first_model() -> None:
    def look() -> str:
        """Look."""
        return "seen"

    first = ScriptedModel([Fail(401), "Here."], model="first")
    second = ScriptedModel([Call("look")], model="second")
    response = Agent(model=first, fallback=[second], tools=[look]).run_sync("Go.")
    assert (response, response.model) == ("Here.", "first")


def test_an_invalid_request_has_no_fallback() -> None:
    second = ScriptedModel(["Hello."])
    with pytest.raises(InvalidRequest):
        Agent(model=ScriptedModel([Fail(400)]), fallback=[second]).run_sync("Go.")
    assert second.requests == ()


def test_no_fallback_continues_a_started_answer() -> None:
    second = ScriptedModel(["Hello."])
    agent = Agent(model=ScriptedModel([[Say("So far"), Cut()]]), fallback=[second])
    with pytest.raises(IncompleteStream) as caught:
        agent.run_sync("Go.")
    assert caught.value.response.text == "So far"
    assert second.requests == ()


def test_a_fallback_given_as_a_model() -> None:
    from headwater import Model

    inner = Model(ScriptedModel([Fail(401)]), fallback=[ScriptedModel([Fail(401)])])
    assert Agent(model=inner, fallback=[ScriptedModel(["Hello."])]).run_sync("Go.") == "Hello."


# --- after some output


@pytest.mark.parametrize("end", [Cut(), Fail(ConnectionResetError()), Fail("overloaded_error")])
@pytest.mark.parametrize("shown", [Say(["So ", "far"]), Think("Hm."), Call("look", '{"a": ')])
def test_an_interrupted_answer_is_not_retried_by_default(shown: Any, end: Any) -> None:
    agent = scripted([shown, end], "Hello.")
    with pytest.raises((IncompleteStream, Overloaded)) as caught:
        agent.run_sync("Go.")
    assert caught.value.response.text == ("So far" if isinstance(shown, Say) else "")
    model: Any = agent.model
    assert len(model.requests) == 1


def test_an_empty_answer_is_retried() -> None:
    async def main() -> None:
        assert await scripted(Cut(), "Hello.").run("Go.") == "Hello."

    run_virtual(main())


def test_restart_retracts_the_shown_text() -> None:
    async def main() -> None:
        agent = scripted([Think("Hm."), Say(["So ", "far"]), Cut()], Say(["A", "new."]), on_interrupted="restart")
        stream = agent.run_stream("Go.")
        log = await log_of(stream)
        (back,) = (event for event in log if isinstance(event, Retracted))
        assert (back.chars, back.cause) == (6, "IncompleteStream")
        assert [event.cause for event in log if isinstance(event, AttemptStarted)] == ["first", "restart"]
        assert (stream.response.text, stream.response.reasoning) == ("Anew.", "")
        assert [message.text for message in stream.response.messages] == ["Go.", "Anew."]
        # The usage of the first attempt is kept.
        assert {event.attempt for event in log if isinstance(event, UsageReported)} == {1, 2}

    run_virtual(main())


def test_restarts_are_limited_and_the_last_text_is_kept() -> None:
    async def main() -> None:
        agent = Agent(model=always(Say(["So ", "far"]), Cut()), on_interrupted="restart", retries=2)
        log: list[Any] = []
        with pytest.raises(IncompleteStream) as caught:
            await agent.run("Go.", on_event=log.append)
        assert caught.value.response.text == "So far"
        assert [event.cause for event in log if isinstance(event, AttemptStarted)] == ["first", "restart", "restart"]

    run_virtual(main())


def test_failed_connections_are_retried_then_raised() -> None:
    async def main() -> None:
        agent = Agent(model=ScriptedModel(lambda request: Fail(ConnectionRefusedError())))
        with pytest.raises(ConnectionFailed):
            await agent.run("Go.")
        model: Any = agent.model
        assert len(model.requests) == 3

    run_virtual(main())


@pytest.mark.parametrize(
    ("agents", "runs", "connects"),
    [
        (None, None, [1.0, 2.0, None, 10.0, 1.0]),
        (Timeouts(connect=3.0), None, [3.0] * 5),
        (Timeouts(connect=3.0), Timeouts(connect=4.0), [4.0] * 5),
        (None, Timeouts(connect=None), [None] * 5),
    ],
)
def test_connect_timeout_of_run_agent_and_model(
    agents: Timeouts | None, runs: Timeouts | None, connects: list[float | None]
) -> None:
    tried: list[float | None] = []

    async def post(request: HTTPRequest, *, connect: float | None = None) -> Reply:
        tried.append(connect)
        raise ConnectTimeout("No connection.", clock="connect", seconds=connect or 0.0)

    def model(timeouts: Timeouts | None, **more: Any) -> Model:
        made = Model("vllm/m", base_url="http://127.0.0.1:9/v1", timeouts=timeouts, retries=0, **more)
        assert isinstance(made.backend, HTTPBackend)
        made.backend.post = post
        return made

    whole = HTTPBackend(Endpoint(provider="p", api="openai-chat", base_url="http://h"), "m", openai_chat, post=post)
    others = [model(Timeouts(connect=2.0)), model(Timeouts(connect=None)), model(None), whole]
    agent = Agent(model=model(Timeouts(connect=1.0), fallback=others), timeouts=agents)

    async def main() -> None:
        with pytest.raises(ConnectTimeout):
            await agent.run("Go.", timeouts=runs)
        assert tried == connects  # the last has no timeout of its own: the first model's applies

    run_virtual(main())


# --- text held back until the end of an attempt


class _Held(Decoder):
    """Holds the end of the text back until its input ends, like decoders that look for a tag or a line end."""

    def _feed(self, data: bytes) -> None:
        self.text(data.decode())

    def _finish(self) -> None:
        self.text("held")


class _Exchange:
    alive_at = 0.0

    def __init__(self, decoder: Decoder, data: bytes) -> None:
        self.decoder = decoder
        self._data = [data] if data else []

    async def pull(self) -> list[Event]:
        if self._data:
            return self.decoder.feed(self._data.pop())
        raise IncompleteStream("It broke.")

    def abort(self) -> None:
        pass

    def shut(self) -> None:
        pass


class _Broken:
    """Is interrupted twice, then answers."""

    provider = api = model = "test"

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._asked = 0

    def open(self, request: Request, place: Place) -> _Exchange:
        self._asked += 1
        if self._asked <= 2:
            return _Exchange(_Held(place), self._data)
        decoder = Decoder(place)
        decoder.text("Whole.")
        decoder.complete = True
        return _Ended(decoder, b"")


class _Ended(_Exchange):
    async def pull(self) -> list[Event]:
        return self.decoder.finish()


def _log_of_broken(data: bytes) -> list[Event]:
    agent = Agent(model=_Broken(data), retries=2, on_interrupted="restart")
    log, _ = run_virtual(log_of(agent.run_stream("Go.")))
    return log


def test_text_held_back_until_the_end_is_retracted_too() -> None:
    log = _log_of_broken(b"Some, ")
    assert [event.text for event in log if isinstance(event, TextDelta)] == [
        "Some, ",
        "held",
        "Some, ",
        "held",
        "Whole.",
    ]
    assert [event.chars for event in log if isinstance(event, Retracted)] == [10, 10]
    assert fold(log).response().transcript == "Whole."


def test_text_held_back_counts_as_shown_if_it_is_the_only_text() -> None:
    log = _log_of_broken(b"")
    assert [event.chars for event in log if isinstance(event, Retracted)] == [4, 4]
    assert [event.then for event in log if isinstance(event, AttemptFailed)] == ["restart", "restart"]
    assert fold(log).response().transcript == "Whole."
