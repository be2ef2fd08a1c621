"""A tool's thread may be ahead of the loop by a limited number and size, and nothing is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from headwater.tools import progress
from headwater.tools.progress import Progress

SOON = 30.0


def _say(way: Progress, pieces: Iterable[Any]) -> None:
    for piece in pieces:
        way.say(piece)


def _held(room: int, size: int, monkeypatch: pytest.MonkeyPatch, pieces: Iterable[Any]) -> list[Any]:
    """Returns the result of `pieces`, reported by a thread that has to wait while the loop is blocked."""
    monkeypatch.setattr(progress, "MAX_WAITING", room)
    monkeypatch.setattr(progress, "MAX_WAITING_BYTES", size)
    told: list[Any] = []

    async def main() -> None:
        way = Progress(told.append)
        waits = threading.Event()
        full = way._full

        def seen(size: int) -> bool:
            if full(size):
                waits.set()
                return True
            return False

        way._full = seen  # type: ignore[method-assign]
        thread = threading.Thread(target=_say, args=(way, pieces))
        thread.start()
        assert waits.wait(SOON)
        assert told == []
        await asyncio.to_thread(thread.join, SOON)
        assert not thread.is_alive()

    asyncio.run(main())
    return told


def test_a_thread_waits_at_the_limit_of_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    told = _held(3, 10**9, monkeypatch, range(20))
    assert told == [*range(20)]


def test_a_thread_waits_at_the_limit_of_size(monkeypatch: pytest.MonkeyPatch) -> None:
    told = _held(10**9, 5_000, monkeypatch, ["x" * 1000] * 20)
    assert told == ["x" * 1000] * 20


def test_a_piece_over_the_size_limit_is_passed_on_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told = _held(10**9, 500, monkeypatch, ["x" * 1000] * 3)
    assert len(told) == 3


def test_the_end_of_the_call_releases_a_waiting_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "MAX_WAITING", 1)
    told: list[Any] = []

    async def main() -> None:
        way = Progress(told.append)
        threads = [threading.Thread(target=_say, args=(way, range(5))) for _ in range(3)]
        for thread in threads:
            thread.start()
        way.close()
        for thread in threads:
            thread.join(SOON)
            assert not thread.is_alive()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert told == []


def test_a_closed_loop_blocks_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LOOK_AGAIN", 0.01)
    monkeypatch.setattr(progress, "MAX_WAITING", 1)
    loop = asyncio.new_event_loop()

    async def main() -> Progress:
        return Progress(lambda data: None)

    way = loop.run_until_complete(main())
    thread = threading.Thread(target=_say, args=(way, range(5)))
    thread.start()
    loop.close()
    thread.join(SOON)
    assert not thread.is_alive()
