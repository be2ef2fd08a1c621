from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from headwater.backends.remote.address import address_of
from headwater.backends.remote.server import RemoteServer
from headwater.errors import (
    AlreadyAnswered,
    AnswerInvalid,
    AuthenticationFailed,
    ConfigurationError,
    ConnectionFailed,
    HeadwaterError,
    InvalidRequest,
    MalformedResponse,
    Overloaded,
    PermissionDenied,
    RateLimited,
    RunEnded,
    ServerError,
    ThreadBusy,
    UnknownQuestion,
    UnknownRun,
)
from tests.support.served import served

TOKEN = "a-token-that-nobody-guesses-0123456789"


def answering(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Starlette:
    async def answer(request: Request) -> Response:
        if isinstance(body, str):
            return PlainTextResponse(body, status, headers)
        return JSONResponse(body, status, headers)

    return Starlette(routes=[Route("/{rest:path}", answer, methods=["POST"])])


async def asked(app: Any, **options: Any) -> Any:
    async with served(app, own=False) as server:
        return await RemoteServer(address_of(server.url), **options).ask("/runs/x/cancel", {})


def refusal(code: str, message: str = "No.", hint: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "hint": hint}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, refusal("unknown_run"), UnknownRun),
        (404, refusal("unknown_agent"), ConfigurationError),
        (404, refusal("unknown_question"), UnknownQuestion),
        (409, refusal("answered"), AlreadyAnswered),
        (409, refusal("run_ended"), RunEnded),
        (409, refusal("thread_busy"), ThreadBusy),
        (400, refusal("bad_request"), InvalidRequest),
        (401, refusal("unauthorized"), AuthenticationFailed),
        (403, refusal("bad_origin"), PermissionDenied),
        (421, refusal("bad_host"), PermissionDenied),
        (429, refusal("too_many_runs"), RateLimited),
        (500, refusal("internal"), ServerError),
        (503, refusal("shutting_down"), Overloaded),
        (502, "<html>Bad gateway</html>", ServerError),
        (404, "Not Found", MalformedResponse),
        (307, "", ConfigurationError),
        (200, "<html>Sign in</html>", MalformedResponse),
    ],
)
def test_a_refusal_is_an_error_of_ours(status: int, body: Any, kind: type[HeadwaterError]) -> None:
    with pytest.raises(kind) as caught:
        asyncio.run(asked(answering(status, body, {"location": "https://elsewhere/?token=x"} if status == 307 else {})))
    assert type(caught.value) is kind
    assert caught.value.hint or status in (400, 403, 409, 421, 429, 404, 500, 502, 503)


def test_what_a_refusal_means_may_be_said() -> None:
    async def main() -> None:
        async with served(answering(400, refusal("bad_request", "arguments: no.")), own=False) as server:
            remote = RemoteServer(address_of(server.url))
            with pytest.raises(AnswerInvalid, match=r"arguments: no\."):
                await remote.ask("/runs/x/approve", {}, means={"bad_request": AnswerInvalid})

    asyncio.run(main())


def test_how_long_to_wait_is_read() -> None:
    with pytest.raises(Overloaded) as caught:
        asyncio.run(asked(answering(503, refusal("shutting_down"), {"retry-after": "7"})))
    assert caught.value.retry_after == 7
    assert caught.value.retryable


def test_the_token_and_headers_are_sent_and_the_token_never_shows() -> None:
    async def echo(request: Request) -> Response:
        return JSONResponse(refusal("bad_request", f"You sent {dict(request.headers)}."), 400)

    with pytest.raises(InvalidRequest) as caught:
        asyncio.run(asked(Starlette(routes=[Route("/{rest:path}", echo, methods=["POST"])]), token=TOKEN))
    assert "authorization" in caught.value.message
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(RemoteServer(address_of("http://h"), token=TOKEN))


def test_what_is_answered_is_returned() -> None:
    assert asyncio.run(asked(answering(202, {"run_id": "x"}), headers={"x-team": "a"})) == {"run_id": "x"}


def test_no_server() -> None:
    with pytest.raises(ConnectionFailed, match="headwater serve"):
        asyncio.run(RemoteServer(address_of("http://127.0.0.1:9")).ask("/runs", {}))


@pytest.mark.parametrize(
    "options",
    [
        {"token": "two\nlines"},
        {"token": "ümlaut"},
        {"token": ""},
        {"headers": {"x-a": "b\r\nc"}},
        {"headers": {"x-a": 1}},
        {"headers": {"Accept": "text/html"}},
        {"token": TOKEN, "headers": {"Authorization": "Basic x"}},
    ],
)
def test_what_no_header_takes_is_refused(options: dict[str, Any]) -> None:
    if options.get("token") == "":
        assert RemoteServer(address_of("http://h"), **options).host  # as where there is none
        return
    with pytest.raises(ConfigurationError):
        RemoteServer(address_of("http://h"), **options)


def test_a_custom_header_may_authenticate_without_a_token() -> None:
    assert RemoteServer(address_of("http://h"), headers={"Authorization": "Basic x"}).at(address_of("http://h/runs/x"))
