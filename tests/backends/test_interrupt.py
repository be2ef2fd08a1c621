"""Interrupting an await from outside, with headwater's exception only."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
import uvloop

from headwater.backends.interrupt import Interruptible
from headwater.errors import HeadwaterError


async def _value(value: Any = 5) -> Any:
    await asyncio.sleep(0)
    return value


SOON = 30.0


class _Ours(HeadwaterError):
    pass


def test_an_await_is_interrupted_with_an_exception() -> None:
    async def main() -> None:
        interruptible = Interruptible()
        assert not interruptible.interrupt(_Ours("too soon"))

        async def end() -> None:
            assert interruptible.interrupt(_Ours("now"))
            assert not interruptible.interrupt(_Ours("again"))

        task = asyncio.create_task(end())
        with pytest.raises(_Ours, match="now"):
            await interruptible.wait(asyncio.sleep(SOON))
        await task
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0
        assert await interruptible.wait(_value()) == 5

    asyncio.run(main())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_swallowing_the_cancellation_does_not_hide_the_exception() -> None:
    async def swallow(error: Exception | None) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if error is not None:
                raise error from None

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        for said in (None, LookupError()):
            interruptible = Interruptible()
            asyncio.get_running_loop().call_soon(interruptible.interrupt, HeadwaterError("ours"))
            with pytest.raises(HeadwaterError, match="ours"):
                await interruptible.wait(swallow(said))
            assert not task.cancelling()

    asyncio.run(main())


def test_a_cancellation_of_the_task_stays_a_cancellation() -> None:
    async def main() -> None:
        interruptible = Interruptible()
        task = asyncio.create_task(interruptible.wait(asyncio.sleep(SOON)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        # Both at once: the task's own cancellation wins, since it would be lost otherwise.
        task = asyncio.create_task(interruptible.wait(asyncio.sleep(SOON)))
        await asyncio.sleep(0)
        interruptible.interrupt(_Ours("ours"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_an_outer_timeout_stays_a_timeout() -> None:
    async def main() -> None:
        interruptible = Interruptible()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await interruptible.wait(asyncio.sleep(SOON))

        async def in_time() -> None:
            async with asyncio.timeout(SOON):
                asyncio.get_running_loop().call_soon(interruptible.interrupt, _Ours("ours"))
                await interruptible.wait(asyncio.sleep(SOON))

        with pytest.raises(_Ours):
            await in_time()

    asyncio.run(main())


def test_a_finished_await_is_not_interrupted() -> None:
    async def main() -> None:
        interruptible = Interruptible()
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def wait() -> int:
            return await future

        task = asyncio.create_task(interruptible.wait(wait()))
        await asyncio.sleep(0)
        future.set_result(5)
        interruptible.interrupt(_Ours("late"))
        # It was interrupted in the same turn in which its result arrived: the interruption wins.
        with pytest.raises(_Ours):
            await task

    asyncio.run(main())
    gc.collect()
