"""Runs under a journal, as the benchmarks' client process executes them: reading, submitting, waiting for a takeover.

Owns what is measured inside the process: when a token was there, when it was stored, when a run began.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from benchmarks.bodies import API
from benchmarks.journal_worker import agents

__all__ = ("Lags", "begun", "called", "cancelled", "quantile", "read", "resumed", "spread", "submitted")


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values is."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median, and what 99 of 100 values do not exceed."""
    return {"p50": statistics.median(values), "p99": quantile(values, 0.99)}


class Lags:
    """From a token's event, as the program has it, until the store has it."""

    def __init__(self) -> None:
        self._live: dict[str, deque[tuple[int, float]]] = {}
        self.lags: list[float] = []
        self.appends = 0
        """How many times the store was written to."""

    def live(self, event: Any) -> None:
        """A callback for every event."""
        if event.type == "text.delta":
            self._live.setdefault(event.run, deque()).append((event.seq, time.monotonic()))

    def watch(self, log: Any) -> None:
        """Notes when this store has stored."""
        store = log.append_many

        async def append_many(batches: Any) -> Any:
            done = await store(batches)
            now = time.monotonic()
            self.appends += 1
            for batch in batches:
                waiting = self._live.get(batch.run, ())
                while waiting and waiting[0][0] < batch.end:
                    self.lags.append(now - waiting.popleft()[1])
            return done

        log.append_many = append_many


async def read(api: API, url: str, journal: str, streams: int, *, lags: bool) -> dict[str, Any]:
    """Reads that many streams at once; the CPU time of this process, and with `lags` what `Lags` says."""
    from headwater import Agent
    from headwater.durable.home import home_of

    agent = Agent(name="reader", model=api.model, base_url=url, api_key="k", journal=journal or None)
    seen = Lags()
    options: dict[str, Any] = {}
    restore = None
    if lags and journal:
        log = await home_of(journal).log()
        restore = log
        seen.watch(log)
        options["on_event"] = seen.live
    came: list[float] = []

    async def one() -> int:
        count = 0
        async for chunk in agent.run_stream("hi", **options):
            if chunk.content:
                count += 1
                if lags:
                    came.append(time.monotonic() - float(chunk.content))
        return count

    begun, cpu = time.monotonic(), time.process_time()
    counts = await asyncio.gather(*(one() for _ in range(streams)))
    used, took = time.process_time() - cpu, time.monotonic() - begun
    if restore is not None:
        del restore.append_many
    answer: dict[str, Any] = {"tokens": sum(counts), "cpu": used, "seconds": took, "appends": seen.appends}
    for name, values in (("came", came), ("stored", seen.lags)):
        if values:
            answer[name] = spread(values)
    return answer


async def submitted(journal: str, runs: int, rate: float, engine: str | None = None) -> dict[str, Any]:
    """Submits runs at that rate to the workers; the times until the first event, and until a reader here has it."""
    from headwater.durable.home import home_of

    home = home_of(journal)
    home.use_engine(engine)
    log, agent = await home.log(), agents(journal)["short"]
    ahead = home.station.ahead
    began: list[float] = []
    seen: list[float] = []
    ended: list[float] = []

    async def one(at: float) -> None:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        begun = time.time()
        ref = await agent.start("When is high water?")
        first = True
        async for page in log.tail(ref.id):
            if first:
                first = False
                seen.append(time.time() - begun)
                began.append(next(page.events()).time - ahead - begun)
        ended.append(time.time() - begun)

    start, cpu = time.monotonic() + 0.1, time.process_time()
    await asyncio.gather(*(one(start + number / rate) for number in range(runs)))
    used = time.process_time() - cpu
    answer: dict[str, Any] = {"runs": len(ended), "cpu": used, "seconds": time.monotonic() - start}
    for name, values in (("began", began), ("seen", seen), ("ended", ended)):
        answer[name] = spread(values)
    return answer


async def begun(journal: str, runs: int) -> list[str]:
    """Submits runs that stop in the middle of their answer; their ids, once all have come that far."""
    from headwater.durable.home import home_of

    home = home_of(journal)
    home.use_engine()
    log, agent = await home.log(), agents(journal)["slow"]

    async def one() -> str:
        ref = await agent.start("When is high water?")
        async for page in log.tail(ref.id):
            if any(event.type == "text.delta" for event in page.events()):
                break
        return str(ref.id)

    return [*await asyncio.gather(*(one() for _ in range(runs)))]


async def cancelled(journal: str, runs: Sequence[str]) -> None:
    """Cancels these runs, and waits for their ends."""
    import headwater

    async def one(run: str) -> None:
        stream = headwater.attach(run, journal=journal)
        stream.cancel()
        await stream.result()

    await asyncio.gather(*map(one, runs))


async def called(journal: str, name: str, times: int) -> None:
    """Calls the store that many times, as every process does now and then."""
    from headwater.durable.home import home_of

    home = home_of(journal)
    log, about = await home.log(), home.station.about
    ref = await agents(journal)["short"].start("When is high water?")
    await ref.result()
    calls: dict[str, Any] = {
        "due": lambda: log.due(agents=["short", "slow"]),
        "beat": lambda: log.beat(about),
        "poll": lambda: log.read(ref.id, 5),
    }
    for _ in range(times):
        await calls[name]()


async def resumed(journal: str, runs: Sequence[str], since: float) -> list[float]:
    """Waits until each of these runs was taken over; seconds since then, a Unix time."""
    from headwater.durable.home import home_of

    home = home_of(journal)
    log = await home.log()
    ahead = home.station.ahead

    async def one(run: str) -> float:
        async for page in log.tail(run):
            for event in page.events():
                if event.type == "run.resumed":
                    return event.time - ahead - since
        raise RuntimeError(f"{run} ended without a takeover.")

    return [*await asyncio.gather(*map(one, runs))]
