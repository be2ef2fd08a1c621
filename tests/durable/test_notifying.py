"""Whoever is to be told that a run waits is told of each question once."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator, Sequence

import pytest

from headwater import Question
from headwater.durable.notifying import OnWaiting, Telling, checked_on_waiting
from headwater.errors import ConfigurationError, JournalUnavailable
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import LetterKind, Posted, Request, RunLog
from tests.support.virtual import run_virtual

QUESTIONS = [Question(id="r/c1", kind="approval", tool="pay"), Question(id="r/c2", kind="input", message="How many?")]


async def store() -> MemoryLog:
    log = MemoryLog()
    await log.create("r", Request(agent="a"))
    return log


async def nothing() -> None:
    """Everything is stored."""


async def tell_each(log: RunLog, questions: Sequence[Question], tell: OnWaiting) -> int:
    """Tell of these until all were told. Returns how often that failed."""
    letters, told, failed = await log.inbox("r"), asyncio.Event(), list[int]()
    telling = Telling(
        log,
        "r",
        tell,
        letters,
        pending=lambda: questions,
        stored=nothing,
        failed=lambda: failed.append(1),
        told=told.set,
    )
    if telling.left:
        telling.begin()
        await told.wait()
    await telling.close()
    return len(failed)


def test_a_function_is_called_once_for_each_question() -> None:
    told: list[str] = []

    async def main() -> None:
        log = await store()

        async def later(question: Question) -> None:
            told.append(question.id)

        await tell_each(log, QUESTIONS[:1], lambda question: told.append(question.id))
        await tell_each(log, QUESTIONS, later)

    run_virtual(main())
    assert told == ["r/c1", "r/c2"]


def test_a_failure_is_logged_and_retried_with_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    tried: list[tuple[str, float]] = []

    async def main() -> None:
        log = await store()
        begun = asyncio.get_running_loop().time()

        def broken(question: Question) -> None:
            tried.append((question.id, asyncio.get_running_loop().time() - begun))
            if question.id == "r/c1" and len(tried) < 6:
                raise ValueError("no")

        assert await tell_each(log, QUESTIONS, broken) == 4
        assert await tell_each(log, QUESTIONS, broken) == 0

    run_virtual(main())
    assert tried == [("r/c1", 0.0), ("r/c2", 0.0), ("r/c1", 1.0), ("r/c1", 3.0), ("r/c1", 7.0), ("r/c1", 15.0)]
    assert "ValueError: no" in caplog.text


def test_a_function_that_awaits_something_cancelled_is_retried_too() -> None:
    tried: list[str] = []

    async def main() -> None:
        async def tell(question: Question) -> None:
            tried.append(question.id)
            if len(tried) == 1:
                gone = asyncio.get_running_loop().create_future()
                gone.cancel()
                await gone

        assert await tell_each(await store(), QUESTIONS[:1], tell) == 1

    run_virtual(main())
    assert tried == ["r/c1", "r/c1"]


def test_what_is_asked_or_answered_meanwhile_counts() -> None:
    told: list[str] = []
    open_ = [QUESTIONS[0]]

    def tell(question: Question) -> None:
        told.append(question.id)
        if question is QUESTIONS[0]:
            open_[:] = [QUESTIONS[1]]
            raise ValueError("somebody was faster")

    async def main() -> None:
        log, done = await store(), asyncio.Event()
        telling = Telling(log, "r", tell, [], pending=lambda: open_, stored=nothing, failed=lambda: None, told=done.set)
        telling.begin()
        telling.begin()
        await done.wait()
        await telling.close()
        assert [letter.key for letter in await log.inbox("r")] == ["r/c2/told"]

    run_virtual(main())
    assert told == ["r/c1", "r/c2"]


def test_a_notification_without_a_note_is_not_repeated_by_its_process() -> None:
    told: list[str] = []

    class Down(MemoryLog):
        async def post(self, run: str, kind: LetterKind, key: str, body: bytes) -> Posted:
            raise JournalUnavailable("Not now.")

    async def main() -> None:
        log = Down()
        await log.create("r", Request(agent="a"))
        await tell_each(log, QUESTIONS, lambda question: told.append(question.id))

    run_virtual(main())
    assert told == ["r/c1", "r/c2"]


class _Hook(http.server.BaseHTTPRequestHandler):
    requests: list[tuple[str | None, dict[str, object]]]
    fails = 0
    """How many of the next requests are answered with 500."""

    def do_POST(self) -> None:  # the name that the server looks for
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).requests.append((self.headers["Idempotency-Key"], json.loads(body)))
        type(self).fails -= 1
        self.send_response(500 if type(self).fails >= 0 else 204)
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


def test_a_webhook_is_called_with_a_key(
    hook: tuple[str, type[_Hook]], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, handler = hook
    monkeypatch.setattr("headwater.durable.notifying.FIRST_PAUSE", 0.001)

    async def main() -> None:
        log = await store()
        handler.fails = 1
        await tell_each(log, QUESTIONS[:1], f"{url}/sesame?token=geheim")
        await tell_each(log, QUESTIONS[:1], url)

    asyncio.run(main())
    assert [key for key, _ in handler.requests] == ["r/c1", "r/c1"]
    body = handler.requests[0][1]
    assert body["run"] == "r"
    assert body["question"]["tool"] == "pay"  # type: ignore[index]
    assert "answered 500" in caplog.text
    assert not any(secret in caplog.text for secret in ("/hook", "sesame", "geheim"))


def test_it_is_a_function_or_a_url() -> None:
    assert checked_on_waiting(None) is None
    assert checked_on_waiting(print) is print
    assert checked_on_waiting("https://example.org/hook") == "https://example.org/hook"
    with pytest.raises(ConfigurationError, match="webhook"):
        checked_on_waiting("example.org")
    with pytest.raises(ConfigurationError) as raised:
        checked_on_waiting("htps://example.org/services/sesame")
    assert "sesame" not in str(raised.value)
