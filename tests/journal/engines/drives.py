"""A drive that notes which runs an engine delivers."""

from __future__ import annotations

import asyncio

from tests.journal.postgres.databases import until

__all__ = ("Drives",)


class Drives:
    """Notes what is driven, by the name before a hyphen. Runs whose names begin with "long" last until cancelled."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.cancelled: list[str] = []

    async def __call__(self, run: str) -> None:
        run = run.partition("-")[0]
        self.begun.append(run)
        if run.startswith("long"):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.append(run)
                raise

    async def has(self, many: int) -> None:
        """Wait until so many have begun."""

        async def holds() -> bool:
            return len(self.begun) >= many

        await until(holds)
