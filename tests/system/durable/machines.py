"""Servers and workers on one PostgreSQL, started by the documented commands, each a process that may be killed.

Owns the processes; they end with `Machines`. A machine here is a process of its own, and knows the others from the
database alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from typing import IO, Final

import httpx

from headwater.events import Event, decode
from tests.cli.commands import FLAGS, environment
from tests.support import programs
from tests.support.paths import ROOT
from tests.support.served import sent_events

__all__ = ("CREW", "Machines", "Reader", "owner_pid")

CREW: Final = [f"tests.support.crew:{name}" for name in ("sleeper", "talker", "cashier", "few", "fleet")]

PATIENCE: Final = 60.0
"""Seconds for what has to happen; nothing waits this long when all is well."""

_ADDRESS: Final = re.compile(r"on (http://\S+?)/ ")


class Machines:
    """The processes of one journal; `engine` delivers its runs, its own queue unless one is named."""

    def __init__(self, url: str, engine: str | None = None) -> None:
        self.url = url
        self._engine = [] if engine is None else ["--engine", engine]
        self._running: list[programs.Forked] = []
        self._listening: list[threading.Thread] = []

    def _start(self, *line: str, ready: str) -> tuple[programs.Forked, str]:
        hear, tell = os.pipe()
        with open(os.devnull, "r+b") as nothing:
            streams = [nothing.fileno(), nothing.fileno(), tell]
            env = environment(HEADWATER_JOURNAL=self.url)
            process = programs.fork(["-m", "headwater", *line], env=env, streams=streams, cwd=ROOT, flags=FLAGS)
        os.close(tell)
        self._running.append(process)
        told = os.fdopen(hear, encoding="utf-8")
        for said in told:
            if ready in said:
                listening = threading.Thread(target=_listen, args=(told,))
                listening.start()
                self._listening.append(listening)
                return process, said
        told.close()
        raise AssertionError(f"{line[0]} ended with {process.wait()}")

    def web(self) -> tuple[programs.Forked, str]:
        """Starts a server; returns it and its address."""
        process, said = self._start("serve", *CREW, "--port", "0", *self._engine, ready="serving")
        found = _ADDRESS.search(said)
        assert found is not None, said
        return process, found[1]

    def worker(self, *options: str) -> programs.Forked:
        """Starts a worker."""
        return self._start("worker", *CREW, *self._engine, *options, ready="drives")[0]

    def kill(self, process: programs.Forked) -> None:
        """Kills a process as a crash does."""
        process.kill()

    def stop(self) -> None:
        """Ends all."""
        for process in self._running:
            process.kill()
        for listening in self._listening:
            listening.join()


def _listen(told: IO[str]) -> None:
    """Take what a process says, so that it never waits for that."""
    with told:
        for _ in told:
            pass


class Reader:
    """A browser's part: it reads one run, from one server or another, and continues after the last event."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.events: list[Event] = []
        self.resets = 0

    @classmethod
    def start(cls, web: str, agent: str, task: str) -> Reader:
        """Starts a run on that server."""
        answer = httpx.post(f"{web}/runs", json={"agent": agent, "input": task}, timeout=PATIENCE, trust_env=False)
        assert answer.status_code == 201, answer.text
        return cls(answer.json()["run_id"])

    def read(self, web: str) -> Iterator[Event]:
        """Reads from that server until the run ends, or the connection breaks."""
        headers = {"accept": "text/event-stream"}
        if self.events:
            headers["last-event-id"] = str(self.events[-1].seq)
        place = f"{web}/runs/{self.run}/events"
        with (
            contextlib.suppress(httpx.TransportError),
            httpx.stream("GET", place, headers=headers, timeout=PATIENCE, trust_env=False) as answer,
        ):
            assert answer.status_code in (200, 204), answer.status_code
            text = ""
            for part in answer.iter_text():
                text += part
                whole, found, text = text.rpartition("\n\n")
                for sent in sent_events(whole + found):
                    if sent.event == "reset":
                        self.resets += 1
                    elif sent.id is not None:
                        event = decode(sent.data.encode())
                        self.events.append(event)
                        yield event

    @property
    def over(self) -> bool:
        """Whether the run's end was read."""
        last = self.events[-1] if self.events else None
        return last is not None and last.type in ("run.finished", "run.failed", "run.cancelled") and len(last.path) == 1

    def to_the_end(self, web: str) -> list[Event]:
        """Reads, and reconnects, until the run is over."""
        deadline = time.monotonic() + PATIENCE
        while not self.over:
            assert time.monotonic() < deadline, "the run has not ended"
            for _ in self.read(web):
                pass
        return self.events


def owner_pid(url: str, run: str) -> int:
    """The process that drives the run, as `headwater workers` and the journal say."""
    import asyncio

    from headwater.journal import open_journal

    async def ask() -> int:
        log = await open_journal(url)
        try:
            owner = (await log.info(run)).owner
            return next(worker.pid for worker in await log.workers() if worker.id == owner)
        finally:
            await log.close()

    return asyncio.run(ask())
