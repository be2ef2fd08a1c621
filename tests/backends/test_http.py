"""One request over HTTP and its answer, whatever the server does: without a socket, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from headwater import errors
from headwater.backends import http
from headwater.backends.http import HTTPBackend, HTTPExchange
from headwater.events import Event, TextDelta, UsageReported, Warned
from headwater.events.messages import Message
from headwater.providers import anthropic, openai_chat, openai_responses
from headwater.providers.decoder import Place
from headwater.providers.request import Endpoint, HTTPRequest, Request, Secret, Settings
from tests.support.virtual import run_virtual

KEY = "sk-planted-0123456789"


def chunk(text: str = "", **fields: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, **fields}
    return b"data: %s\n\n" % json.dumps({"choices": [choice]}).encode()


STOP = chunk(finish_reason="stop")
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}\n\n'
DONE = b"data: [DONE]\n\n"


class Answering:
    """A response: pieces of its body, pauses in seconds, and errors to raise; it records the calls made to it."""

    def __init__(self, *steps: bytes | float | Exception, status: int = 200, **headers: str) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {name.replace("_", "-"): value for name, value in headers.items()}
        self._steps = list(steps)
        self.done: list[str] = []
        self.left = 0

    async def read(self) -> bytes:
        while self._steps:
            step = self._steps.pop(0)
            if isinstance(step, bytes):
                return step
            if isinstance(step, Exception):
                raise step
            await asyncio.sleep(step)
        return b""

    async def read_error(self) -> bytes:
        return await self.read()

    @property
    def ended(self) -> bool:
        return not self._steps

    def release(self) -> None:
        self.done.append("release")

    def abort(self) -> None:
        self.done.append("abort")

    def shut(self) -> None:
        self.done.append("shut")


class Asked:
    """A backend whose requests get these answers; `sent` has the requests, `connects` the connect timeouts."""

    def __init__(self, *answers: Answering | Exception, **endpoint: Any) -> None:
        fields = {"provider": "acme", "base_url": "http://acme.example/v1", "key": Secret(KEY), **endpoint}
        self._answers = list(answers)
        self.sent: list[HTTPRequest] = []
        self.connects: list[float | None] = []
        self.backend = HTTPBackend(Endpoint(api="openai-chat", **fields), "m", openai_chat, post=self._post)

    async def _post(self, request: HTTPRequest, *, connect: float | None = None) -> Answering:
        self.sent.append(request)
        self.connects.append(connect)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def open(self, **settings: Any) -> HTTPExchange:
        request = Request(model="m", messages=(Message.user("hi"),), settings=Settings(**settings))
        return self.backend.open(request, Place())


async def drained(exchange: HTTPExchange) -> list[Event]:
    events: list[Event] = []
    while batch := await exchange.pull():
        events += batch
    assert await exchange.pull() == []
    return events


def run(main: Callable[[], Awaitable[Any]]) -> tuple[Any, float]:
    async def running() -> Any:
        return await main()

    return run_virtual(running())


def said(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


# --- an answer


def test_an_answer_is_read_to_its_end_and_the_connection_returned() -> None:
    answer = Answering(chunk("Hel"), chunk("lo."), STOP, USAGE + DONE)
    asked = Asked(answer)

    async def main() -> None:
        exchange = asked.open()
        assert asked.sent == []  # nothing is sent before the first pull
        events = await drained(exchange)
        assert said(events) == "Hello."
        assert [event.usage.output_tokens for event in events if isinstance(event, UsageReported)] == [1]
        assert exchange.decoder.complete
        assert exchange.decoder.error is None

    run(main)
    assert answer.done == ["release"]
    assert f"Bearer {KEY}" in asked.sent[0].headers.values()


def test_events_that_arrive_together_are_returned_together() -> None:
    async def main() -> None:
        exchange = Asked(Answering(chunk("a") + chunk("b"), chunk("c") + STOP + DONE)).open()
        assert said(await exchange.pull()) == "ab"
        assert said(await exchange.pull()) == "c"

    run(main)


def test_text_that_utf8_cannot_hold_is_replaced_with_a_warning() -> None:
    async def main() -> None:
        asked = Asked(Answering(chunk("a"), STOP, DONE))
        request = Request(model="m", messages=(Message.user("caf\udce9"),))
        events = await drained(asked.backend.open(request, Place()))
        assert [event.code for event in events if isinstance(event, Warned)] == ["text_replaced"]
        assert "caf\ufffd" in asked.sent[0].body.decode()

    run(main)


@pytest.mark.parametrize(
    ("steps", "seconds", "usage"),
    [
        (
            [chunk("a"), STOP, 0.9, USAGE, 60.0, DONE],
            http.PROMISED_SECONDS,
            True,
        ),  # one timeout for all of it
        ([chunk("a"), STOP, 60.0, USAGE], http.PROMISED_SECONDS, False),
        ([chunk("a"), STOP + USAGE + DONE, 60.0, b"more"], http.REST_SECONDS, True),
        ([chunk("a"), STOP, 0.5, USAGE + DONE, 60.0], 0.5 + http.REST_SECONDS, True),
    ],
)
def test_data_after_the_answer_is_waited_for_a_limited_time(
    steps: list[bytes | float | Exception], seconds: float, usage: bool
) -> None:
    answer = Answering(*steps)

    async def main() -> None:
        exchange = Asked(answer).open()
        events = await drained(exchange)
        assert exchange.decoder.complete
        assert any(isinstance(event, UsageReported) for event in events) == usage

    _, took = run(main)
    assert took == pytest.approx(seconds)


def test_a_reopened_answer_has_the_normal_timeouts() -> None:
    answer = Answering(chunk("a"), STOP, 0.5, chunk("b"), 30.0, chunk("c"), STOP, 0.9, USAGE, 0.05, DONE, 60.0)

    async def main() -> None:
        exchange = Asked(answer).open()
        events = await drained(exchange)
        assert said(events) == "abc"
        assert exchange.decoder.complete
        assert any(isinstance(event, UsageReported) for event in events)

    _, took = run(main)
    assert took == pytest.approx(0.5 + 30.0 + 0.9 + 0.05 + http.REST_SECONDS)


def messages(text: str) -> bytes:
    """A complete answer of the Messages API."""
    frames: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    return b"".join(b"event: %s\ndata: %s\n\n" % (f["type"].encode(), json.dumps(f).encode()) for f in frames)


@pytest.mark.parametrize("gap", [0.0, 0.02, 0.05], ids=["at once", "slowly", "very slowly"])
def test_another_answer_in_the_body_is_read_completely(gap: float) -> None:
    body = messages("One. ") + messages("Two.")
    steps = [step for at in range(len(body)) for step in (body[at : at + 1], gap)]
    asked = Asked(Answering(*steps))
    asked.backend._api = anthropic

    async def main() -> None:
        exchange = asked.open()
        assert said(await drained(exchange)) == "One. Two."
        assert exchange.decoder.complete

    run(main)


def test_contentless_data_after_the_end_is_abandoned() -> None:
    answer = Answering(chunk("a"), STOP, DONE, *[step for _ in range(1000) for step in (0.05, b": comment\n\n")])

    async def main() -> None:
        exchange = Asked(answer).open()
        assert said(await drained(exchange)) == "a"
        assert exchange.decoder.complete

    _, took = run(main)
    assert took == pytest.approx(http.TRICKLE_SECONDS)


def test_a_broken_connection_after_the_answer_does_not_matter() -> None:
    async def main() -> None:
        exchange = Asked(Answering(chunk("a"), STOP, errors.ConnectionFailed("It broke."))).open()
        assert said(await drained(exchange)) == "a"
        assert exchange.decoder.complete
        assert exchange.decoder.error is None

    run(main)


def test_an_interrupted_answer_is_incomplete_with_a_reason() -> None:
    async def main() -> None:
        broken = errors.ConnectionFailed("It broke.", hint="Mend it.")
        exchange = Asked(Answering(chunk("a"), broken)).open()
        assert said(await drained(exchange)) == "a"
        error = exchange.decoder.error
        assert isinstance(error, errors.IncompleteStream)
        assert (error.message, error.hint) == ("It broke.", "Mend it.")
        exchange = Asked(Answering(chunk("a"))).open()
        await drained(exchange)
        assert not exchange.decoder.complete

    run(main)


def test_a_sign_of_progress_is_recorded_without_an_event() -> None:
    async def main() -> None:
        asked = Asked(Answering(5.0, b'data: {"type": "response.in_progress"}\n\n', 5.0, b": comment\n\n", 5.0))
        asked.backend._api = openai_responses
        exchange = asked.open()
        assert exchange.alive_at == 0.0
        begun = asyncio.get_running_loop().time()
        await drained(exchange)
        assert exchange.alive_at - begun == pytest.approx(5.0)

    run(main)


# --- no answer


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidRequest),
        (401, errors.AuthenticationFailed),
        (429, errors.RateLimited),
        (500, errors.ServerError),
    ],
)
def test_a_refusal_is_raised_without_the_key(status: int, kind: type[errors.ProviderError]) -> None:
    body = b'{"error": {"message": "You sent %s.", "code": "c-%s"}}' % (KEY.encode(), KEY.encode())
    answer = Answering(body, status=status, x_request_id="r1")

    async def main() -> None:
        exchange = Asked(answer).open()
        with pytest.raises(kind) as caught:
            await exchange.pull()
        error = caught.value
        assert isinstance(error, errors.ProviderError)
        assert (error.provider, error.status, error.request_id) == ("acme", status, "r1")
        assert KEY not in f"{error} {error.code} {error.args}"
        assert await exchange.pull() == []

    run(main)
    assert answer.done == ["release"]


def test_a_missing_model_is_reported_with_the_endpoints_hint() -> None:
    async def main() -> None:
        for hint in ("Fetch it first.", ""):
            exchange = Asked(Answering(b'{"error": "no model m"}', status=404), model_hint=hint).open()
            with pytest.raises(errors.ModelNotFound) as caught:
                await exchange.pull()
            assert (caught.value.hint == hint) == bool(hint)

    run(main)


def test_the_hint_for_a_missing_server_is_part_of_the_request() -> None:
    async def main() -> None:
        asked = Asked(Answering(STOP), Answering(STOP), start_hint="Start it.")
        await drained(asked.open())
        assert asked.sent[0].start_hint == "Start it."

    run(main)


def test_redirects_and_web_pages_are_errors() -> None:
    page = Answering(b"<html>", content_type="text/html; charset=utf-8")

    async def main() -> None:
        moved = Answering(b"", status=302, location="https://elsewhere.example/x?key=1")
        with pytest.raises(errors.ProviderError, match=r"redirect \(HTTP 302\) to 'https://elsewhere.example/x'"):
            await Asked(moved).open().pull()
        with pytest.raises(errors.MalformedResponse, match="web page instead of a stream"):
            await Asked(page).open().pull()
        with pytest.raises(errors.ConnectionFailed, match="proxy refused") as caught:
            await Asked(Answering(b"", status=407)).open().pull()
        assert not caught.value.retryable

    run(main)
    assert page.done == ["abort"]


def test_an_error_inside_the_stream_has_the_providers_name_and_no_secrets() -> None:
    async def main() -> None:
        told = b'data: {"error": {"message": "No %s, no %s."}}\n\n' % (KEY.encode(), b"hunter2-hunter2")
        exchange = Asked(Answering(chunk("a"), told)).open(extra={"password": "hunter2-hunter2"})
        assert said(await drained(exchange)) == "a"
        error = exchange.decoder.error
        assert isinstance(error, errors.ServerError)
        assert (error.provider, error.__context__, error.__traceback__) == ("acme", None, None)
        assert error.message == "acme answered: No …, no …."

    run(main)


# --- limits


def test_a_responses_length_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_SAID_CHARS", 100)
    said_too_much = Answering(*[chunk("a" * 60)] * 3)

    async def main() -> None:
        with pytest.raises(errors.LimitExceeded) as caught:
            await drained(Asked(said_too_much).open())
        assert (caught.value.limit, caught.value.size) == ("max_said_chars", 100)
        asked = Asked(long := Answering(*[b": comment\n\n"] * 100))
        exchange = asked.open()
        exchange._left = exchange._max = 200
        with pytest.raises(errors.LimitExceeded) as caught:
            await drained(exchange)
        assert (caught.value.limit, caught.value.size) == ("max_response_bytes", 200)
        assert long.done == ["abort"]

    run(main)
    assert said_too_much.done == ["abort"]


# --- leaving


def test_leaving_closes_the_connection_whenever_it_happens() -> None:
    answer = Answering(chunk("a"), 60.0, chunk("b"))

    async def main() -> None:
        exchange = Asked(answer).open()
        exchange.shut()  # there is no connection yet
        await exchange.pull()
        exchange.shut()
        exchange.abort()
        exchange.abort()
        exchange.shut()
        assert answer.done == ["shut", "abort"]
        assert await exchange.pull() == []

    run(main)


def test_an_answer_to_a_reader_that_left_is_closed() -> None:
    late = Answering(chunk("a"))

    async def main() -> None:
        asked = Asked()
        exchange = asked.open()

        async def post(request: HTTPRequest, *, connect: float | None = None) -> Answering:
            exchange.abort()
            return late

        exchange._post = post
        with pytest.raises(errors.ConnectionFailed, match="was stopped"):
            await exchange.pull()

    run(main)
    assert late.done == ["abort"]


# --- requests


def test_a_bearer_token_is_fetched_for_each_request() -> None:
    tokens = iter(["one", "two"])

    async def authorize() -> dict[str, str]:
        return {"Authorization": f"Bearer {next(tokens)}"}

    async def main() -> None:
        asked = Asked(Answering(STOP), Answering(STOP), key=None)
        asked.backend._authorize = authorize
        await drained(asked.open())
        await drained(asked.open())
        assert [request.headers["Authorization"] for request in asked.sent] == ["Bearer one", "Bearer two"]

    run(main)


def test_backends_that_are_limited_together_share_a_quota() -> None:
    def backend(**fields: Any) -> HTTPBackend:
        return Asked(**fields).backend

    assert backend().quota == backend().quota
    assert backend().quota != backend(key=Secret("another")).quota
    assert backend().quota != backend(base_url="http://elsewhere.example").quota
    assert KEY not in f"{backend()} {backend().quota}"


def test_the_requests_timeout_wins_over_the_backends() -> None:
    async def main() -> None:
        for own, wanted, connect in ((1.0, 2.0, 2.0), (1.0, None, None), (None, 2.0, 2.0)):
            asked = Asked(Answering(STOP), Answering(STOP))
            asked.backend.connect = own
            request = Request(model="m", messages=(Message.user("hi"),), connect=wanted)
            await drained(asked.backend.open(request, Place()))
            await drained(asked.open())
            assert asked.connects == [connect, own]

    run(main)
