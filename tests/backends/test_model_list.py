"""Listing a server's models after an unknown model, against a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from headwater import Agent, errors
from headwater.backends import model_list
from headwater.backends.model_list import in_words, list_url

MODELS = {"data": [{"id": "openai/gpt-oss-20b"}, {"id": "echo"}, {"no": "id"}, {"id": "\x1b[31m"}, {"id": "x" * 200}]}


class Refusing(BaseHTTPRequestHandler):
    """A server without the requested model; `listed` is its model list."""

    listed: bytes | None = json.dumps(MODELS).encode()
    asked: list[tuple[str, str]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(404, b'{"error": {"message": "The model `no` does not exist.", "code": 404}}')

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("authorization", "")))
        if self.listed is None:
            self.answer(500, b"no")
        else:
            self.answer(200, self.listed)

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[Refusing]]]:
    handler = type("Handler", (Refusing,), {"asked": []})
    served = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=served.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}/v1", handler
    served.shutdown()
    thread.join()
    served.server_close()


def refused(url: str, model: str = "openai-chat/gpt-oss-20b") -> errors.ModelNotFound:
    async def ask() -> None:
        await Agent(model=model, base_url=url, api_key="sk-0123456789", retries=0).arun("hi")

    with pytest.raises(errors.ModelNotFound) as caught:
        asyncio.run(ask())
    return caught.value


def test_the_error_names_the_servers_models(server: tuple[str, type[Refusing]]) -> None:
    url, handler = server
    error = refused(url)
    assert error.hint.endswith("It has openai/gpt-oss-20b, echo.")
    assert handler.asked == [("/v1/models", "Bearer sk-0123456789")]


@pytest.mark.parametrize(
    "listed", [None, b"", b"[", b"[]", b"{}", b'{"data": 1}', b"[" * 100_000, b"\xff", b'{"data": []}']
)
def test_a_server_without_a_list_changes_nothing(server: tuple[str, type[Refusing]], listed: bytes | None) -> None:
    url, handler = server
    handler.listed = listed
    assert refused(url).hint == "Check the model's name and the base URL."


def test_an_endless_list_is_not_read(server: tuple[str, type[Refusing]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_list, "MAX_LIST_BYTES", 50)
    assert refused(server[0]).hint == "Check the model's name and the base URL."


def test_a_key_in_the_list_is_not_shown(server: tuple[str, type[Refusing]]) -> None:
    url, handler = server
    handler.listed = json.dumps({"data": [{"id": "sk-0123456789"}]}).encode()
    assert refused(url).hint.endswith("It has ….")


@pytest.mark.parametrize(
    ("url", "listed"),
    [
        ("http://h/v1/chat/completions", "http://h/v1/models"),
        ("http://h/v1/responses?a=b&flag=", "http://h/v1/models?a=b&flag="),
        ("http://h/v1/messages", "http://h/v1/models"),
        ("http://h/api/chat", "http://h/api/tags"),
        ("http://h/v1beta/models/gemini-x:streamGenerateContent?alt=sse", "http://h/v1beta/models"),
        ("http://h/else", None),
    ],
)
def test_the_lists_url(url: str, listed: str | None) -> None:
    assert list_url(url) == listed


@pytest.mark.parametrize(
    ("models", "named", "said"),
    [
        ((), "m", ""),
        (("a",), "m", "It has a."),
        (("a", "vendor/m"), "m", "It has vendor/m, a."),
        (("zzz", "gpt-5.4"), "gpt-5.5", "It has gpt-5.4, zzz."),
    ],
)
def test_in_words(models: tuple[str, ...], named: str, said: str) -> None:
    assert in_words(models, named) == said
    many: tuple[Any, ...] = tuple(f"m{number}" for number in range(100))
    assert in_words(many, "q").endswith(" and 92 more.")
