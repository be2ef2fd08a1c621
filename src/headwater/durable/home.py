"""This process's part of one journal: its id, its agents, and a thread that sends heartbeats.

Theory of operation. The thread has its own event loop and store. Every few seconds it sends a heartbeat for the
process, as long as the loops with active runs respond, and submits runs without a driver that can be driven here. If it
cannot send heartbeats for as long as others wait before they take over, this process stops driving its runs. Sync code
waits on this thread for the store, and runs that sync code starts are driven on it.

Owns the thread, and which loop drives which run. `drive` owns a drive.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import logging
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from headwater.backends.interrupt import running_loop
from headwater.durable.drive import DEAD_AFTER, Drivable
from headwater.durable.station import Station
from headwater.durable.tidying import keep_tidy
from headwater.errors import ConfigurationError, HeadwaterError, JournalUnavailable
from headwater.journal.opening import check_url, open_journal
from headwater.journal.run_log import RunLog, Worker

__all__ = ("Home", "home_of", "journal_url")

T = TypeVar("T")

BEAT_SECONDS: Final = 3.0
"""Seconds between two heartbeats: three of them fit into the time after which a process counts as dead."""

LOOK_SECONDS: Final = 1.5
"""Seconds between two searches for runs without a driver."""

LAST_SECONDS: Final = 5.0
"""Seconds that the exit of the process waits until it is removed from the journal."""

_logger = logging.getLogger("headwater.journal")


def journal_url(given: str | None) -> str | None:
    """Returns the given journal, or HEADWATER_JOURNAL; None without one. Raises ConfigurationError."""
    url = given if given is not None else os.environ.get("HEADWATER_JOURNAL") or None
    if url is not None:
        check_url(url)
    return url


class Home:
    """See the module. `url` is the journal's."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.members: dict[str, Drivable] = {}
        """The agents and workflows that can be driven in this process, by name."""
        self.process = os.getpid()
        host = socket.gethostname()
        self.worker = Worker(
            id=f"{host}-{self.process}-{os.urandom(4).hex()}", host=host, boot=_boot(), pid=self.process
        )
        self._stations: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Station] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._beaten = time.monotonic()
        self._driving_on: Station | None = None
        """Where runs are driven that other loops submit."""

    # --- the loops

    @property
    def station(self) -> Station:
        """Returns the station of the running loop; the first one starts the thread."""
        loop = asyncio.get_running_loop()
        with self._lock:
            station = self._stations.get(loop)
            if station is None:
                station = Station(self._open, worker=self.worker.id, members=self.members)
                self._stations[loop] = station
        self.stay_alive()
        return station

    async def _open(self) -> RunLog:
        return await open_journal(self.url)

    async def log(self) -> RunLog:
        """Returns the store that is open on the running loop."""
        return await self.station.log()

    def register(self, member: Drivable) -> None:
        """Drives runs of the member in this process, from now on also abandoned ones."""
        known = self.members.get(member.name)
        if known is not None and known is not member and type(known) is not type(member):
            raise ConfigurationError(
                f"Two members are named {member.name!r}, and a run is stored by its agent's name alone.",
                hint="Give each a unique name: name=….",
            )
        self.members[member.name] = member

    async def submit(self, run: str, *, not_before: float | None = None, priority: int = 0) -> None:
        """Drives the run in this process, on the loop that already drives runs, or else on the running one."""
        station = self._driving_on
        if station is None or station.loop.is_closed() or not station.loop.is_running():
            station = self._driving_on = self.station
        if station.loop is asyncio.get_running_loop():
            await station.submit(run, not_before=not_before, priority=priority)
            return
        work = station.submit(run, not_before=not_before, priority=priority)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, station.loop))

    def drive_here(self) -> None:
        """Drives submitted runs on the running loop."""
        self._driving_on = self.station

    # --- sync code

    def ask(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs the coroutine on the thread's loop and returns its result; blocks the calling thread."""
        self.stay_alive()
        assert self._loop is not None
        waiting: concurrent.futures.Future[T] = asyncio.run_coroutine_threadsafe(make(), self._loop)
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()
            raise

    # --- the thread

    def stay_alive(self) -> None:
        """Starts the thread, unless it runs."""
        if self._thread is not None:
            return
        with self._lock:
            if self._loop is not None:
                return
            ready = threading.Event()
            self._thread = threading.Thread(target=self._work, args=(ready,), name="headwater journal", daemon=True)
            self._thread.start()
            ready.wait()

    def _work(self, ready: threading.Event) -> None:
        async def main() -> None:
            self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
            ready.set()
            tasks = [asyncio.ensure_future(self._beat()), asyncio.ensure_future(self._look())]
            tasks.append(asyncio.ensure_future(keep_tidy(self.log)))
            await self._stopping.wait()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            with contextlib.suppress(HeadwaterError, TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await (await self.log()).forget(self.worker.id)

        asyncio.run(main())

    def stop(self) -> None:
        """Ends the thread at process exit: others may take over its runs at once."""
        thread, loop, stopping = self._thread, self._loop, self._stopping
        if thread is None or loop is None or stopping is None or self.process != os.getpid():
            return
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stopping.set)
        thread.join(2 * LAST_SECONDS)
        self._thread = None

    async def _beat(self) -> None:
        self._beaten = time.monotonic()
        while True:
            try:
                if self._turning():
                    await (await self.log()).beat(self.worker)
                    self._beaten = time.monotonic()
            except JournalUnavailable as error:
                _logger.warning("The journal does not answer: %s", error.message)
            except HeadwaterError as error:
                _logger.error("The journal cannot be used: %s", error.message)
            if time.monotonic() - self._beaten > DEAD_AFTER:
                self._let_go()
            await asyncio.sleep(BEAT_SECONDS)

    def _turning(self) -> bool:
        """Whether every loop with an active run responds. A loop paused between two reads of sync code counts."""
        turning = True
        for loop, station in [*self._stations.items()]:
            if loop is running_loop() or loop.is_closed() or not loop.is_running():
                continue
            if not station.turned and station.driving:
                turning = False
            station.turned = False
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_turned, station)
        return turning

    def _let_go(self) -> None:
        for loop, station in [*self._stations.items()]:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(station.abandon)
        self._beaten = time.monotonic()

    async def _look(self) -> None:
        """Submits runs without a driver that can be driven here."""
        while True:
            if self.members:
                try:
                    await self._submit_due()
                except JournalUnavailable:
                    pass  # the heartbeat reports it
                except HeadwaterError as error:
                    _logger.error("Looking for runs to drive failed: %s", error.message)
            await asyncio.sleep(LOOK_SECONDS)

    async def _submit_due(self) -> None:
        log = await self.log()
        for worker in await log.workers():
            if worker.host == self.worker.host and worker.boot == self.worker.boot and not _runs(worker.pid):
                await log.forget(worker.id)
        for due in await log.due(agents=self.members, dead_after=DEAD_AFTER):
            await self.submit(due.run, priority=due.priority)


def _turned(station: Station) -> None:
    station.turned = True


def _boot() -> str:
    """Returns the boot id of the machine; empty if it is unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _runs(pid: int) -> bool:
    """Whether a process of this machine has that pid."""
    if not Path("/proc/self").exists():
        return True  # unknown: the time without a heartbeat decides
    return Path(f"/proc/{pid}").exists()


_homes: dict[str, Home] = {}
_making: Final = threading.Lock()


def home_of(url: str) -> Home:
    """Returns this process's part of the journal with that URL."""
    with _making:
        home = _homes.get(url)
        if home is None or home.process != os.getpid():
            home = _homes[url] = Home(url)
        return home


@atexit.register
def _stop_all() -> None:
    for home in _homes.values():
        home.stop()
