"""The virtual clock itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from headwater.testing.virtual_time import run_virtual


def test_the_virtual_clock_jumps() -> None:
    async def main() -> list[int]:
        order: list[int] = []

        async def later(seconds: int) -> None:
            await asyncio.sleep(seconds)
            order.append(seconds)

        await asyncio.gather(later(3600), later(60), asyncio.to_thread(order.append, 0))
        return order

    assert run_virtual(main()) == ([0, 60, 3600], 3600)


def test_a_deadlock_under_the_virtual_clock_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.testing.virtual_time.THREADS_SECONDS", 0.0)

    async def main() -> None:
        await asyncio.Event().wait()

    runner: Callable[[], object] = lambda: run_virtual(main())  # noqa: E731
    with pytest.raises(RuntimeError, match="Deadlock"):
        runner()
