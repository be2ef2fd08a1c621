"""One client's process: reads orders from standard input as lines of JSON, measures, and writes its answers likewise.

    python -m benchmarks.worker [core]

What it imports here must be there in every client's environment, where headwater may not be.

Each order is an object with `do` and its arguments; the functions below are the orders.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from benchmarks import clients
from benchmarks.bodies import APIS

Result = dict[str, Any]


def _cpu() -> float:
    """Seconds of CPU that this process has used, user and system together."""
    return time.process_time()


@contextmanager
def _terminal() -> Iterator[None]:
    """Makes standard output a terminal of 200 columns and 60 rows, whose output is discarded."""
    import fcntl
    import pty
    import struct
    import termios
    import threading

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
    os.environ["TERM"] = "xterm-256color"

    def swallow() -> None:
        try:
            while os.read(master, 65536):
                pass
        except OSError:
            pass  # the other end is closed

    threading.Thread(target=swallow, daemon=True).start()
    with open(slave, "w", encoding="utf-8") as file, redirect_stdout(file):
        yield


class Worker:
    """Keeps its event loop and its readers between orders, like a program does, so that connections are warm."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._readers: dict[tuple[str, ...], Any] = {}

    def _reader(self, client: str, face: str, api: str, url: str) -> clients.Read:
        key = (client, face, api, url)
        if key not in self._readers:
            self._readers[key] = clients.reader(client, face, api, url)
        found: clients.Read = self._readers[key]
        return found

    def blast(self, client: str, face: str, api: str, url: str) -> Result:
        """Reads one stream at full speed."""
        if face == "for":
            plain = self._readers.setdefault((client, face, api, url), clients.plain_for(APIS[api], url))
            gc.collect()
            begun, cpu = time.monotonic(), _cpu()
            count = plain()
        else:
            read = self._reader(client, face, api, url)
            gc.collect()
            begun, cpu = time.monotonic(), _cpu()
            count = self._loop.run_until_complete(read(None))
        return {"tokens": count, "cpu": _cpu() - cpu, "seconds": time.monotonic() - begun}

    def traced(self, client: str, api: str, url: str, way: str) -> Result:
        """Read one stream as fast as it comes, with telemetry or without; what is exported is thrown away."""
        from opentelemetry.metrics import NoOpMeterProvider
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider

        from headwater.telemetry import instrument

        read = self._reader(client, "chunks", api, url)
        meters = (
            MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False) if way == "all" else NoOpMeterProvider()
        )
        end = instrument(TracerProvider(shutdown_on_exit=False), meters) if way else None
        gc.collect()
        cpu = _cpu()
        count = self._loop.run_until_complete(read(None))
        used = _cpu() - cpu
        if end is not None:
            end()
        return {"tokens": count, "cpu": used}

    def paced(self, client: str, api: str, url: str, streams: int) -> Result:
        """Reads many streams at once at a model's pace; each token contains the time at which it was sent."""
        read = self._reader(client, "chunks", api, url)
        lags: list[float] = []
        now = time.monotonic

        def take(text: str) -> None:
            lags.append(now() - float(text))

        async def all_of_them() -> None:
            await asyncio.gather(*(read(take) for _ in range(streams)))

        gc.collect()
        begun, cpu = now(), _cpu()
        self._loop.run_until_complete(all_of_them())
        used, took = _cpu() - cpu, now() - begun
        lags.sort()
        return {
            "tokens": len(lags),
            "cpu": used,
            "seconds": took,
            "lag_median": statistics.median(lags),
            "lag_p99": lags[int(len(lags) * 0.99)],
        }

    def journaled(self, client: str, api: str, url: str, journal: str, streams: int, lags: bool) -> Result:
        """Reads streams at once, with a journal or (an empty one) without."""
        from benchmarks import journaled

        gc.collect()
        return self._loop.run_until_complete(journaled.read(APIS[api], url, journal, streams, lags=lags))

    def submitted(self, client: str, journal: str, runs: int, rate: float, engine: str | None = None) -> Result:
        """Submits runs to workers, through the engine."""
        from benchmarks import journaled

        return self._loop.run_until_complete(journaled.submitted(journal, runs, rate, engine))

    def begun(self, client: str, journal: str, runs: int) -> Result:
        """Submits runs that stop in the middle."""
        from benchmarks import journaled

        return {"runs": self._loop.run_until_complete(journaled.begun(journal, runs))}

    def called(self, client: str, journal: str, name: str, times: int) -> Result:
        """Calls the store."""
        from benchmarks import journaled

        self._loop.run_until_complete(journaled.called(journal, name, times))
        return {"times": times}

    def resumed(self, client: str, journal: str, runs: list[str], since: float) -> Result:
        """Waits until others have taken them over."""
        from benchmarks import journaled

        return {"seconds": self._loop.run_until_complete(journaled.resumed(journal, runs, since))}

    def cancelled(self, client: str, journal: str, runs: list[str]) -> Result:
        """Cancels runs."""
        from benchmarks import journaled

        self._loop.run_until_complete(journaled.cancelled(journal, runs))
        return {}

    def crowd(self, client: str, api: str, url: str, agents: int) -> Result:
        """Reads many streams at once: as one merged stream of a workflow, or (the floor) each separately."""
        if client == "headwater":
            read = clients.workflow(APIS[api], url, agents)
        else:
            one = self._reader(client, "", api, url)

            async def read(take: clients.Take) -> int:
                return sum(await asyncio.gather(*(one(take) for _ in range(agents))))

        gc.collect()
        begun, cpu = time.monotonic(), _cpu()
        count = self._loop.run_until_complete(read(None))
        return {"tokens": count, "cpu": _cpu() - cpu, "seconds": time.monotonic() - begun}

    def shown(self, client: str, api: str, url: str, agents: int, dashboard: bool) -> Result:
        """Runs a workflow, with its dashboard on a discarded terminal or without a dashboard."""
        run = clients.shown(APIS[api], url, agents, dashboard)
        with _terminal():
            gc.collect()
            begun, cpu = time.monotonic(), _cpu()
            self._loop.run_until_complete(run())
            return {"cpu": _cpu() - cpu, "seconds": time.monotonic() - begun}

    def first_token(self, client: str, api: str, url: str, times: int) -> Result:
        """Measures the time from a request on a warm connection until the program has the first token."""
        read = self._reader(client, "chunks", api, url)
        now = time.monotonic
        marks: list[tuple[float, float, float]] = []

        async def once() -> None:
            arrived: list[tuple[float, float]] = []
            begun = now()
            await read(lambda text: arrived.append((float(text), now())))
            asked, first = arrived[0]
            marks.append((asked - begun, first - asked, first - begun))

        async def many() -> None:
            for _ in range(times):
                await once()

        gc.collect()
        cpu = _cpu()
        self._loop.run_until_complete(many())
        used = _cpu() - cpu
        asked, answered, total = (statistics.median(column) for column in zip(*marks, strict=True))
        return {"asked": asked, "answered": answered, "total": total, "cpu": used / times}

    def held(self, client: str, api: str, url: str, streams: int) -> Result:
        """Opens streams that pause after their first token, and returns what each has added to the process."""
        read = self._reader(client, "chunks", api, url)

        async def hold(count: int) -> int:
            spoken = asyncio.Event()
            left = count

            def take(text: str) -> None:
                nonlocal left
                left -= 1
                if not left:
                    spoken.set()

            reading = [asyncio.ensure_future(read(take)) for _ in range(count)]
            heard = asyncio.ensure_future(spoken.wait())
            done, _ = await asyncio.wait([heard, *reading], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # a stream that ended has failed
            gc.collect()
            resident = _resident()
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            return resident

        self._loop.run_until_complete(hold(2))  # imports of the first stream are not part of the cost of a stream
        gc.collect()
        before = _resident()
        return {"before": before, "grown": self._loop.run_until_complete(hold(streams)) - before}

    def peak(self, client: str, face: str, api: str, url: str) -> Result:
        """Reads one stream, and returns the peak of memory above the use before."""
        import tracemalloc

        read = self._reader(client, face, api, url)
        self._loop.run_until_complete(read(None))
        gc.collect()
        tracemalloc.start()
        try:
            count = self._loop.run_until_complete(read(None))
            return {"tokens": count, "peak": tracemalloc.get_traced_memory()[1]}
        finally:
            tracemalloc.stop()


def _resident() -> int:
    """Bytes of memory that this process uses."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Processes orders until the input ends."""
    worker = Worker()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # output of a client must not mix with the answers
    for line in sys.stdin:
        order = json.loads(line)
        do: Callable[..., Result] = getattr(worker, order.pop("do"))
        answers.write(json.dumps(do(**order)) + "\n")
    os._exit(0)  # connections are still open; ignore the warnings of clients about that


if __name__ == "__main__":
    if len(sys.argv) > 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(sys.argv[1])})
    main()
