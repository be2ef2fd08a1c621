"""A key shows nowhere: planted wherever one can be given, and looked for in all that a run leaves behind."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import pickle
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headwater import Agent, Model, Timeouts, testing
from headwater.errors import HeadwaterError
from headwater.events import AttemptStarted
from headwater.providers.catalog import PROVIDERS
from tests.support.effort import one_in
from tests.system.error_messages.server import Server, said
from tests.system.secrets.canary import BODY, CANARY, Seen
from tests.system.secrets.places import PLACES, VARIABLES, Place


@pytest.fixture
def seen(capfd: pytest.CaptureFixture[str]) -> Iterator[Seen]:
    with warnings.catch_warnings(record=True) as caught, Seen() as seen:
        warnings.simplefilter("always")
        yield seen
    out, err = capfd.readouterr()
    seen.text("standard output", out)
    seen.text("standard error", err)
    for warning in caught:
        seen.value("warning", warning)
    assert seen.looked_at > 2
    assert not seen.leaks, "\n".join(sorted(set(seen.leaks)))


def everything(headers: dict[str, str], path: str, body: bytes) -> str:
    """What a careless server knows of a request."""
    return f"{path} {json.dumps(headers)} {body.decode()}"


def masked(headers: dict[str, str]) -> str:
    """Keys as vendors quote them: the ends whole, the middle masked; and their first half."""
    words = [word for value in headers.values() for word in value.split() if BODY in word]
    return " ".join(f"{word[:14]}******{word[-4:]} and {word[:22]}... and {word[-12:]}" for word in words)


Behavior = Callable[[Server], None]


def answers(server: Server) -> None:
    server.says()


def echoes_the_request(server: Server) -> None:
    def body(headers: dict[str, str], body: bytes) -> bytes:
        return json.dumps({"error": {"message": everything(headers, server.requests[-1][1], body)}}).encode()

    server.answers(401, body)


def echoes_it_as_a_code(server: Server) -> None:
    def body(headers: dict[str, str], body: bytes) -> bytes:
        return json.dumps(
            {"error": {"code": everything(headers, server.requests[-1][1], b""), "message": "No."}}
        ).encode()

    server.answers(400, body)


def echoes_in_part(server: Server) -> None:
    server.answers(403, lambda headers, body: json.dumps({"error": masked(headers)}).encode())


def echoes_as_plain_text(server: Server) -> None:
    server.answers(500, lambda headers, body: everything(headers, server.requests[-1][1], body).encode())


def echoes_as_a_web_page(server: Server) -> None:
    def body(headers: dict[str, str], body: bytes) -> bytes:
        return f"<html><title>{everything(headers, server.requests[-1][1], b'')}</title></html>".encode()

    server.answers(502, body, content_type="text/html")


def echoes_in_the_stream(server: Server) -> None:
    def body(headers: dict[str, str], body: bytes) -> bytes:
        error = {"error": {"message": everything(headers, server.requests[-1][1], body), "code": "overloaded"}}
        return b"".join(f"data: {json.dumps(value)}\n\n".encode() for value in (said("Hi"), error))

    server.answers(200, body, content_type="text/event-stream")


def echoes_garbage(server: Server) -> None:
    def body(headers: dict[str, str], body: bytes) -> bytes:
        return f"data: {{{everything(headers, server.requests[-1][1], body)}\n\n".encode()

    server.answers(200, body, content_type="text/event-stream")


def redirects(server: Server) -> None:
    server.answers(307, location=f"https://example.com/{CANARY}?key={CANARY}")


def echoes_in_headers(server: Server) -> None:
    """Every header that says something, and one that no header may be."""
    names = (
        "server date x-request-id request-id retry-after retry-after-ms www-authenticate proxy-authenticate via link"
    )
    lines = [f"{name}: echo %s" for name in names.split()]
    lines += ["set-cookie: %s=1; path=%s", "set-cookie: (%s)=1", "set-cookie: =%s;;", "content-language: %s"]
    lines += ["location: https://example.com/%s", "x-ratelimit-reset: %s", "x-ratelimit-remaining: 0"]

    def written(headers: dict[str, str]) -> bytes:
        said_so = "\r\n".join(line.replace("%s", sent(headers)) for line in lines)
        return f"HTTP/1.1 429 {sent(headers)}\r\n{said_so}\r\ncontent-length: 2\r\n\r\n{{}}".encode()

    server.says_anything(written)


def not_http(form: str) -> Behavior:
    """A reply that is no HTTP, or breaks off as such, with what was sent in it."""

    def behave(server: Server) -> None:
        server.says_anything(lambda headers: form.replace("%s", sent(headers)).encode())

    behave.__name__ = f"not_http_{list(NOT_HTTP).index(form)}"
    return behave


NOT_HTTP = {
    "%s\r\n\r\n": "a status line",
    "HTTP/1.1 %s OK\r\n\r\n": "a status",
    "HTTP/1.1 200 OK\r\n%s\r\n\r\n": "a header without a colon",
    "HTTP/1.1 200 OK\r\nx-debug: %s\x01\x02\r\n\r\n": "a header with control characters",
    "HTTP/1.1 200 OK\r\nx-%s\x00: 1\r\n\r\n": "a header's name",
    "HTTP/1.1 200 OK\r\ncontent-length: %s\r\n\r\n": "a length",
    "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n%s": "a compressed body",
    "HTTP/1.1 200 OK\r\ncontent-encoding: %s\r\n\r\n%s": "another compression",
    "HTTP/1.1 200 OK\r\ncontent-type: %s\r\n\r\n%s": "another type",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%s\r\n\r\n": "the size of a chunk",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: %s\r\n\r\n%s": "another transfer",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;%s\r\n%s": "a chunk that breaks off",
    "HTTP/1.1 200 OK\r\nx-debug: %s\r\nx-": "half a head",
    "HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\ndata: %s": "half a body",
    "HTTP/1.1 101 %s\r\nupgrade: %s\r\nconnection: upgrade\r\n\r\n%s": "another protocol",
    "HTTP/1.1 407 %s\r\nproxy-authenticate: %s\r\ncontent-length: 0\r\n\r\n": "a proxy's refusal",
    "HTTP/9.9 200 %s\r\n\r\n%s": "another version",
}


def sent(headers: dict[str, str]) -> str:
    """What of a request's headers holds the key; something else where none does."""
    return " ".join(value for value in headers.values() if BODY in value or "Basic" in value) or "nothing"


def breaks_off(server: Server) -> None:
    server.streams([said("High water")])


def stands_still(server: Server) -> None:
    server.streams([said("High water")], hold=True)


BEHAVIORS: list[Behavior] = [
    answers,
    echoes_the_request,
    echoes_it_as_a_code,
    echoes_in_part,
    echoes_as_plain_text,
    echoes_as_a_web_page,
    echoes_in_the_stream,
    echoes_garbage,
    echoes_in_headers,
    *map(not_http, NOT_HTTP),
    redirects,
    breaks_off,
    stands_still,
]

OPTIONS: dict[str, Any] = {"retries": 0, "timeouts": Timeouts(idle=10.0, first_token=10.0)}
IMPATIENT: dict[str, Any] = {**OPTIONS, "timeouts": Timeouts(idle=0.05, first_token=0.5)}
"""For the server that never answers; the others must have been asked before a clock runs out."""


async def look(agent: Agent[Any, Any], seen: Seen, *, living: bool = False) -> None:
    """Run it, and look at all that comes of it and at what ends it; `living`: at all that is alive meanwhile, too."""
    stream = agent.run_stream("Hello")
    try:
        async for event in stream.events():
            seen.event(event)
            if living and isinstance(event, AttemptStarted):
                seen.living()
        seen.response(await stream.result())
    except HeadwaterError as error:
        seen.error(error)
        if error.response is not None:
            seen.response(error.response)
    if living:
        seen.living()


def look_at_declarations(agent: Agent[Any, Any], seen: Seen) -> None:
    for name, value in (("Agent", agent), ("Model", agent.llm), ("Settings", agent.settings)):
        seen.value(name, value)
        seen.value(f"variables of {name}", getattr(value, "__dict__", ""))


def _tried(every: int) -> list[Any]:
    """Each place with each behavior, or every so many of these: no place and no behavior is left out."""
    pairs = itertools.product(enumerate(PLACES.items()), enumerate(BEHAVIORS))
    return [
        pytest.param(place, behave, id=f"{name}-{behave.__name__}")
        for (at, (name, place)), (number, behave) in pairs
        if (at + number) % every == 0
    ]


@pytest.mark.long
@pytest.mark.parametrize(("place", "behave"), _tried(one_in(6, 1)))
def test_a_key_shows_nowhere(
    place: Place, behave: Behavior, server: Server, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(server)
    options = IMPATIENT if behave is stands_still else OPTIONS
    agent = place(server, monkeypatch, {**options, "verbose": True})
    look_at_declarations(agent, seen)
    asyncio.run(look(agent, seen, living=behave in (answers, echoes_the_request)), debug=True)
    look_at_declarations(agent, seen)
    assert server.requests
    sent = "".join(everything(headers, path, body) for _, path, headers, body in server.requests)
    assert BODY in sent or "proxy-authorization" in sent, "the key has to be sent, or nothing was tried"


@pytest.mark.parametrize(("provider", "variable"), VARIABLES, ids=lambda name: name)
@pytest.mark.parametrize("behave", [answers, echoes_the_request], ids=lambda behave: behave.__name__)
def test_a_key_in_a_variable_shows_nowhere(
    provider: str, variable: str, behave: Behavior, server: Server, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(server)
    known = PROVIDERS[provider]
    monkeypatch.setenv(variable, CANARY)
    if known.base_url_variables:
        monkeypatch.setenv(known.base_url_variables[0], server.url.removesuffix("/v1"))
    if variable in known.header_variables.values():
        monkeypatch.setenv(known.key_variables[0], "sk-other-0123456789")
    if provider == "vertex":
        pytest.fail("vertex has no variable of its own")  # or how its address is made has to be set here
    agent = Agent(model=f"{provider}/{known.example}", **OPTIONS)
    asyncio.run(look(agent, seen))
    look_at_declarations(agent, seen)
    assert any(CANARY in " ".join(headers.values()) for _, _, headers, _ in server.requests)


@pytest.mark.parametrize("key", [f"{CANARY}\n", f" {CANARY}", f'"{CANARY}"', f"{CANARY}é", f"<your key {CANARY}>"])
def test_a_key_that_is_refused_does_not_show(key: str, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    for give in ("argument", "variable"):
        if give == "variable":
            monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(HeadwaterError) as caught:
            Agent(model="gpt-5.4", api_key=key if give == "argument" else None).run("Hello")
        seen.error(caught.value)


@pytest.mark.parametrize(
    "url",
    [f"https://user:{CANARY}@h/v1", f"{CANARY}", f"ftp://h/{CANARY}", f"https://h:{CANARY}/v1", f"//h?key={CANARY}"],
)
def test_an_address_that_is_refused_does_not_show(url: str, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent(model="m", base_url=url)
    with pytest.raises(HeadwaterError) as caught:
        agent.run("Hello")
    seen.value("exception", caught.value)
    seen.value("model", agent.llm)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(HeadwaterError) as caught:
        Agent(model="openai/m", api_key="sk-other-0123456789").run("Hello")
    seen.value("exception", caught.value)


def test_other_mistakes_next_to_a_key_do_not_show_it(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    mistakes: list[Callable[[], Any]] = [
        lambda: Agent(model="gpt-5.4", api_key=CANARY, temprature=1),  # type: ignore[call-overload]
        lambda: Agent(model="gpt-5.4", api_key=CANARY, tools="x"),
        lambda: Agent(model="gpt-5.4", api_key=CANARY, temperature="hot"),  # type: ignore[call-overload]
        lambda: Agent(model="gtp-5.4", api_key=CANARY).run("Hello"),
        lambda: Agent(model="azure/gpt-5.4", api_key=CANARY).run("Hello"),
        lambda: Agent(model="anthropic/claude-sonnet-5", api_key=CANARY, seed=3).run("Hello"),
        lambda: Agent().run("Hello"),
    ]
    for mistake in mistakes:
        with pytest.raises((HeadwaterError, TypeError)) as caught:
            mistake()
        seen.error(caught.value)


def test_a_key_of_a_wrong_type_does_not_show(seen: Seen) -> None:
    mistakes: list[Callable[[], Any]] = [
        lambda: Agent(model="gpt-5.4", extra=CANARY),  # type: ignore[call-overload]
        lambda: Agent(model="gpt-5.4", api_key=[CANARY]),  # type: ignore[call-overload]
        lambda: Agent(model="gpt-5.4", base_url=[CANARY]),  # type: ignore[call-overload]
        lambda: Model("gpt-5.4", headers={"X-Key": f"{CANARY}\n"}),
        lambda: Model("gpt-5.4", headers=[CANARY]),  # type: ignore[arg-type]
    ]
    for mistake in mistakes:
        with pytest.raises(HeadwaterError) as caught:
            mistake()
        # Only who prints the variables of a traceback sees it: it is in the frame of whoever looks at it.
        seen.value("exception", caught.value)
        seen.text("traceback", "".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize("kind", ["refused", "no name", "no TLS", "no proxy"])
def test_a_connection_that_is_not_made_does_not_show_it(
    kind: str, server: Server, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = {
        "refused": "http://127.0.0.1:9/v1",
        "no name": "https://nobody.invalid/v1",
        "no TLS": server.url.replace("http:", "https:"),
        "no proxy": "https://api.example.com",
    }[kind]
    if kind == "no proxy":
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{CANARY}@127.0.0.1:9")
    agent = Agent(model="m", base_url=f"{url}?api-key={CANARY}", api_key=CANARY, verbose=True, **OPTIONS)
    asyncio.run(look(agent, seen), debug=True)


def test_a_run_that_is_left_or_cancelled_does_not_show_it(server: Server, seen: Seen) -> None:
    stands_still(server)
    agent = Agent(model="m", base_url=server.url, api_key=CANARY, verbose=True)

    async def leave() -> None:
        stream = agent.run_stream("Hello")
        async for _ in stream:
            break
        seen.response(await stream.result())
        task = asyncio.create_task(look(agent, seen))
        assert await asyncio.to_thread(server.wait_for, 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        seen.error(caught.value)

    asyncio.run(leave(), debug=True)


def test_callbacks_and_tools_that_raise_do_not_show_it(server: Server, seen: Seen) -> None:
    server.says()

    def callback(token: str) -> None:
        raise ValueError("not today")

    Agent(model="m", base_url=server.url, api_key=CANARY, streaming_callback=callback, verbose=True).run("Hello")


def test_objects_with_a_key_are_not_pickled(server: Server, seen: Seen) -> None:
    for model in (
        Model("m", base_url=server.url, api_key=CANARY),
        Model("m", base_url=server.url, headers={"X-Key": CANARY}),
    ):
        seen.pickled("Model", model)
        seen.pickled("Agent", Agent(model=model))
        with pytest.raises(TypeError, match="Pass the key again"):
            pickle.dumps(model)


def test_the_scripted_model_shows_none_either(seen: Seen) -> None:
    agent = Agent(model=testing.ScriptedModel("Hello"), extra={"api_key": CANARY}, verbose=True)
    asyncio.run(look(agent, seen))


def test_the_search_finds_a_planted_canary() -> None:
    """The search itself: what it would miss would never be seen to fail."""
    with Seen() as seen:
        logging.getLogger("aiohttp.client").debug("sent %s", CANARY)
        seen.text("whole", f"a {CANARY} b")
        seen.text("in part", f"a {CANARY[-10:]} b")
        seen.value("value", {"key": CANARY})
        try:
            raise ValueError(CANARY) from KeyError(CANARY)
        except ValueError as error:
            seen.error(error)
        seen.text("nothing", "sk-canary")
    names = " ".join(leak.partition(":")[0] for leak in seen)
    for name in ("whole", "in part", "repr of value", "exception's args", "exception > KeyError", "the logs"):
        assert name in names
    assert "nothing" not in names
