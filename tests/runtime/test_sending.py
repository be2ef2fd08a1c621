"""What is said from here: it has arrived in plain code, and is on its way in async code, where nothing blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from headwater.errors import AlreadyAnswered, HeadwaterError, JournalUnavailable
from headwater.runtime.sending import Sending


class Waits:
    """Blocks in plain code."""

    def blocks(self) -> bool:
        return asyncio._get_running_loop() is None

    def wait(self, coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop | None) -> Any:
        return asyncio.run(coroutine)


def nothing_failed(error: HeadwaterError) -> None:
    raise AssertionError(error)


def saying(what: str, said: list[str], error: HeadwaterError | None = None) -> Any:
    async def say() -> None:
        await asyncio.sleep(0)
        if error is not None:
            raise error
        said.append(what)

    return say


def test_in_sync_code_it_has_arrived_or_is_rejected() -> None:
    said: list[str] = []
    sending = Sending(Waits())
    sending.say(saying("one", said), failed=nothing_failed)
    assert said == ["one"]
    with pytest.raises(AlreadyAnswered):
        sending.say(saying("two", said, AlreadyAnswered("No.")), failed=nothing_failed)


def test_in_async_code_it_is_sent_in_the_background_and_in_order() -> None:
    said: list[str] = []
    failed: list[HeadwaterError] = []

    async def main() -> None:
        sending, error = Sending(Waits()), JournalUnavailable("Away.")
        sending.say(saying("one", said), failed=failed.append)
        sending.say(saying("two", said, error), failed=failed.append)
        sending.say(saying("three", said, AlreadyAnswered("Late.")), failed=failed.append)
        sending.say(saying("four", said), failed=failed.append)
        assert (said, len(sending.under_way)) == ([], 4)
        await asyncio.wait(sending.under_way)
        assert (said, failed, sending.under_way) == (["one", "four"], [error], ())

    asyncio.run(main())


def test_another_thread_sends_it_on_the_loop_that_reads_the_run() -> None:
    said: list[str] = []

    async def main() -> None:
        sending, loop = Sending(Waits()), asyncio.get_running_loop()

        async def where() -> None:
            said.append("here" if asyncio.get_running_loop() is loop else "elsewhere")

        def plain() -> None:
            sending.say(where, failed=nothing_failed, loop=loop, thread=here)

        here = threading.get_ident()
        await asyncio.to_thread(plain)
        assert said == ["here"]

    asyncio.run(main())
