"""Whoever is to be told that a run waits is told of each question once."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from headwater import Question
from headwater.durable.told import checked_on_waiting, tell_each
from headwater.errors import ConfigurationError
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Request

QUESTIONS = [Question(id="r/c1", kind="approval", tool="pay"), Question(id="r/c2", kind="input", message="How many?")]


async def store() -> MemoryLog:
    log = MemoryLog()
    await log.create("r", Request(agent="a"))
    return log


def test_a_function_is_told_of_each_question_once() -> None:
    told: list[str] = []

    async def main() -> None:
        log = await store()

        async def later(question: Question) -> None:
            told.append(question.id)

        await tell_each(log, "r", QUESTIONS[:1], lambda question: told.append(question.id))
        await tell_each(log, "r", QUESTIONS, later)

    asyncio.run(main())
    assert told == ["r/c1", "r/c2"]


def test_what_fails_is_logged_and_told_again(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    async def main() -> None:
        log = await store()

        def broken(question: Question) -> None:
            raise ValueError("no")

        await tell_each(log, "r", QUESTIONS, broken)
        await tell_each(log, "r", QUESTIONS, lambda question: told.append(question.id))

    asyncio.run(main())
    assert told == ["r/c1", "r/c2"]
    assert "ValueError: no" in caplog.text


class _Hook(http.server.BaseHTTPRequestHandler):
    requests: list[tuple[str | None, dict[str, object]]]
    status = 204

    def do_POST(self) -> None:  # the name that the server looks for
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).requests.append((self.headers["Idempotency-Key"], json.loads(body)))
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def hook() -> Iterator[tuple[str, type[_Hook]]]:
    handler = type("Hook", (_Hook,), {"requests": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", handler
        server.shutdown()
        thread.join()


def test_a_webhook_is_told_with_a_key(hook: tuple[str, type[_Hook]]) -> None:
    url, handler = hook

    async def main() -> None:
        log = await store()
        handler.status = 500
        await tell_each(log, "r", QUESTIONS[:1], url)
        handler.status = 204
        await tell_each(log, "r", QUESTIONS[:1], url)
        await tell_each(log, "r", QUESTIONS[:1], url)

    asyncio.run(main())
    assert [key for key, _ in handler.requests] == ["r/c1", "r/c1"]
    body = handler.requests[0][1]
    assert body["run"] == "r"
    assert body["question"]["tool"] == "pay"  # type: ignore[index]


def test_it_is_a_function_or_a_url() -> None:
    assert checked_on_waiting(None) is None
    assert checked_on_waiting(print) is print
    assert checked_on_waiting("https://example.org/hook") == "https://example.org/hook"
    with pytest.raises(ConfigurationError, match="webhook"):
        checked_on_waiting("example.org")
