"""One exchange with the offline model: waiting and stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from headwater.backends.offline import (
    Fail,
    ScriptedModel,
    Wait,
)
from headwater.events import (
    Event,
)
from headwater.providers.decoder import Place
from tests.backends.offline.answers import ask, drain
from tests.support.virtual import run_virtual


def test_other_tasks_run_during_an_answer_without_pauses() -> None:
    async def both() -> list[str]:
        order: list[str] = []

        async def read(name: str) -> None:
            exchange = ScriptedModel("word " * 500).open(ask(), Place())
            while await exchange.pull():
                order.append(name)

        await asyncio.gather(read("a"), read("b"))
        return order

    order, _ = run_virtual(both())
    assert order[:4] == ["a", "b", "a", "b"]


def test_waiting() -> None:
    answer, seconds = run_virtual(drain(ScriptedModel([["a", Wait(2), "b", Wait(0.5)]]).open(ask(), Place())))
    assert list(zip(answer.tokens, answer.times, strict=True)) == [("a", 0.0), ("b", 2.0)]
    assert seconds == 2.5


def test_abort_ends_a_wait_at_once() -> None:
    async def main() -> tuple[list[Event], list[Event]]:
        exchange = ScriptedModel([["a", Wait(3600), "b"]]).open(ask(), Place())
        await exchange.pull()
        pulling = asyncio.create_task(exchange.pull())
        await asyncio.sleep(1)
        exchange.shut()  # there is no server, so nothing changes
        exchange.abort()
        exchange.abort()
        return await pulling, await exchange.pull()

    assert run_virtual(main()) == (([], []), 1.0)


def test_abort_before_and_between_and_after() -> None:
    async def main() -> None:
        for pulls in range(3):
            exchange = ScriptedModel([["a", Wait(0), "b", Fail(RuntimeError("never seen"))]]).open(ask(), Place())
            for _ in range(pulls):
                await exchange.pull()
            exchange.abort()
            assert await exchange.pull() == []

    run_virtual(main())


def test_a_cancelled_pull_is_cancelled_and_leaves_no_timer() -> None:
    async def main() -> None:
        exchange = ScriptedModel([[Wait(3600), "a"]]).open(ask(), Place())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await exchange.pull()
        exchange.abort()
        assert await exchange.pull() == []

    assert run_virtual(main())[1] == 1.0


def test_abort_after_its_loop_has_closed() -> None:
    exchange = ScriptedModel([[Wait(3600), "a"]]).open(ask(), Place())

    async def main() -> Coroutine[Any, Any, list[Event]]:
        pulling = exchange.pull()
        for _ in range(2):  # up to the timer
            pulling.send(None)
        return pulling

    loop = asyncio.new_event_loop()
    pulling = loop.run_until_complete(main())
    loop.close()
    exchange.abort()
    pulling.close()
