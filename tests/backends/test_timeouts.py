"""Timeouts: when one expires, what resets it, and that a reader's time does not count."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Agent, Timeouts
from headwater.backends.offline import Call, Say, Think, Wait
from headwater.errors import (
    ConfigurationError,
    FirstTokenTimeout,
    IdleTimeout,
    StepTimeout,
)
from tests.support.streams import scripted
from tests.support.virtual import run_virtual
from tests.system.recovery.wired import opening, saying, wired


def test_first_token_timeout() -> None:
    async def main() -> None:
        agent = scripted([Wait(100), "Late."], timeouts=Timeouts(first_token=3), retries=0)
        with pytest.raises(FirstTokenTimeout, match="3 s") as caught:
            await agent.run("Go.")
        assert (caught.value.clock, caught.value.seconds) == ("first_token", 3)

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(3)


def test_a_first_token_timeout_is_retried() -> None:
    async def main() -> None:
        agent = scripted([Wait(100), "Late."], "Hello.", timeouts=Timeouts(first_token=3))
        assert await agent.run("Go.") == "Hello."

    run_virtual(main())


def test_idle_timeout() -> None:
    async def main() -> None:
        agent = scripted([*(one for _ in range(5) for one in ("a", Wait(2.9))), Wait(10)], timeouts=Timeouts(idle=3))
        with pytest.raises(IdleTimeout, match="3 s") as caught:
            await agent.run("Go.")
        assert caught.value.response.text == "aaaaa"

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(4 * 2.9 + 3, abs=0.01)


def test_arguments_and_reasoning_reset_the_timeout() -> None:
    async def main() -> None:
        pieces = [Think("a"), Wait(2.9), Think("b"), Wait(2.9), Call("look"), Wait(2.9), Say(["c"])]
        assert await scripted(pieces, "So.", timeouts=Timeouts(idle=3)).run("Go.") == "So."

    run_virtual(main())


@pytest.mark.parametrize("pause", [0.0, 0.05])
def test_a_reopened_answer_has_the_timeouts_again(pause: float) -> None:
    async def main() -> None:
        model = wired("anthropic", [*saying("anthropic", "a"), pause, opening("anthropic"), 100.0])
        with pytest.raises(IdleTimeout, match="3 s") as caught:
            await Agent(model=model, timeouts=Timeouts(idle=3), retries=0).run("Go.")
        assert caught.value.response.text == "a"

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(3 + pause, abs=1.01)


def test_step_timeout() -> None:
    async def main() -> None:
        agent = scripted([one for _ in range(9) for one in ("a", Wait(2))], timeouts=Timeouts(step=5))
        with pytest.raises(StepTimeout, match="5 s"):
            await agent.run("Go.")

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(5)


def test_a_slow_readers_time_does_not_count() -> None:
    clocks = Timeouts(first_token=3, idle=3, step=5)

    async def main() -> None:
        async for _ in scripted([one for _ in range(4) for one in ("a", Wait(1))], timeouts=clocks).run_stream("Go."):
            await asyncio.sleep(100)

    _, seconds = run_virtual(main())
    assert seconds > 400


def test_a_slow_callbacks_time_does_not_count() -> None:
    clocks = Timeouts(first_token=3, idle=3, step=5)

    async def slow(token: str) -> None:
        await asyncio.sleep(100)

    async def main() -> None:
        agent = scripted([one for _ in range(4) for one in ("a", Wait(1))], timeouts=clocks)
        assert await agent.run("Go.", streaming_callback=slow) == "aaaa"

    run_virtual(main())


def test_timeouts_start_again_with_each_step() -> None:
    async def wait() -> None:
        """Wait."""
        await asyncio.sleep(100)

    async def main() -> None:
        agent = scripted(
            [Wait(2), Call("wait")], [Wait(2), "So."], tools=[wait], timeouts=Timeouts(first_token=3, idle=3, step=4)
        )
        assert await agent.run("Go.") == "So."

    run_virtual(main())


@pytest.mark.parametrize("seconds", [0, -1, True, "5", 10**400, float("inf"), float("nan")])
def test_invalid_timeouts(seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"timeouts\.idle"):
        Timeouts(idle=seconds)
