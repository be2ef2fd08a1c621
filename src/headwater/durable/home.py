"""This process's part of one journal: its agents, the event loops that drive runs, and a thread that sends heartbeats.

Theory of operation. Each event loop that uses the journal has a `Station` with its own store, and is one worker of the
journal. The journal's thread never runs users' code: sync code waits on it for the store, every few seconds it sends a
heartbeat for each station whose loop responds, and it submits runs without a driver that can be driven here. Others
take over the runs of a station without heartbeats; if the store does not answer for that long, all stations stop
driving.

A run started in async code is driven on that event loop. Any other (started in sync code, answered, abandoned) is
driven on the loop in which its agent was last started from async code, and if that does not respond, on a second
thread.

Owns the threads, and which loop drives which run. `drive` owns a drive.
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
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from headwater.backends.interrupt import running_loop
from headwater.durable.drive import DEAD_AFTER
from headwater.durable.loop_thread import LoopThread
from headwater.durable.members import Members
from headwater.durable.queue import Queue
from headwater.durable.station import Station
from headwater.durable.tidying import keep_tidy
from headwater.errors import ConfigurationError, HeadwaterError, JournalUnavailable
from headwater.journal.addresses import shown
from headwater.journal.engines.opening import check_engine
from headwater.journal.opening import check_url, open_journal
from headwater.journal.run_log import Request, RunInfo, RunLog, Worker
from headwater.readers.kept_loop import blocks_here
from headwater.runtime.context import others_cancel

__all__ = ("Home", "home_of", "journal_url")

T = TypeVar("T")

BEAT_SECONDS: Final = 3.0
"""Seconds between two heartbeats: three of them fit into the time after which a worker counts as dead."""

LOOK_SECONDS: Final = 1.5
"""Seconds between two searches for runs without a driver."""

LAST_SECONDS: Final = 5.0
"""Seconds that the exit of the process waits until its workers are removed from the journal."""

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
        self.members: Members = Members()
        self.process: int = os.getpid()
        self._host = socket.gethostname()
        self._boot = _boot()
        self._stations: dict[asyncio.AbstractEventLoop, Station] = {}
        self._lock = threading.Lock()
        """Guards the stations."""
        self._starting = threading.Lock()
        """Guards the threads."""
        self._journal_thread: LoopThread | None = None
        self._runs_thread: LoopThread | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._queue: Queue | None = None
        """Where runs are submitted; None: they are driven in this process."""

    # --- the loops

    @property
    def station(self) -> Station:
        """Returns the station of the running loop; the first one starts the thread."""
        self.stay_alive()
        return self._station_here()

    def _station_here(self) -> Station:
        loop = asyncio.get_running_loop()
        station = self._stations.get(loop)
        if station is None:
            name = f"{self._host}-{self.process}-{os.urandom(4).hex()}"
            about = Worker(id=name, host=self._host, boot=self._boot, pid=self.process)
            station = Station(self._open, about=about, members=self.members, submit=self._submit_next)
            with self._lock:
                self._stations[loop] = station
        return station

    async def _open(self) -> RunLog:
        return await open_journal(self.url)

    async def log(self) -> RunLog:
        """Returns the store that is open on the running loop."""
        return await self.station.log()

    def use_engine(self, engine: str | None = None) -> None:
        """Submits runs to that engine from now on, or to the journal's own queue, so that a worker drives them.

        Raises ConfigurationError if this process submits them to another one, or if it cannot be used.
        """
        check_engine(self.url, engine)
        if self._queue is None:
            self._queue = Queue(self.url, engine, loop=self.stay_alive, now=lambda: self._station_here().now())
        elif self._queue.engine != engine:
            raise ConfigurationError(
                f"Runs of {shown(self.url)} are submitted to another engine in this process already.",
                hint="Name the same engine for each server and worker of one journal.",
            )

    def submit(
        self,
        run: str,
        agent: str,
        *,
        queue: str = "default",
        on: asyncio.AbstractEventLoop | None = None,
        not_before: float | None = None,
        priority: int = 0,
    ) -> None:
        """Drives a run of that agent in this process: on the loop `on`, or as the module says. Call it from any thread.

        With `use_engine` the run is submitted there instead. Returns at once. A run that cannot be passed on
        stays in the journal, where it is found again.
        """
        if self._queue is not None:
            self._queue.put(run, queue=queue, agent=agent, not_before=not_before, priority=priority)
            return
        station = self._station_for(run, on or self.members.loop(agent))
        if station.loop is running_loop():
            station.submit(run, not_before=not_before, priority=priority)
            return
        give = lambda: station.submit(run, not_before=not_before, priority=priority)  # noqa: E731
        with contextlib.suppress(RuntimeError):  # the loop has ended just now
            station.loop.call_soon_threadsafe(give)

    def submit_request(self, run: str, request: Request, *, on: asyncio.AbstractEventLoop | None = None) -> None:
        """Drives a run as its request says; see `submit`."""
        self.submit(
            run,
            request.agent,
            queue=request.queue,
            on=on,
            not_before=request.not_before,
            priority=request.priority,
        )

    def _submit_next(self, info: RunInfo) -> None:
        if info.request.agent in self.members:
            self.submit_request(info.run, info.request)

    def _station_for(self, run: str, loop: asyncio.AbstractEventLoop | None) -> Station:
        """Returns the station that has the run already, else that of the loop, else that of the second thread."""
        with self._lock:
            able = {one.loop: one for one in self._stations.values() if one.loop.is_running() and not one.stuck}
        has = next((one for one in able.values() if one.has(run)), None)
        if has is not None:
            return has
        if loop is not None and loop is running_loop():
            return self.station
        if loop in able:
            return able[loop]
        return self._stations[self._runs_loop()]

    # --- sync code: see `runtime.sending.Blocking`

    def blocks(self) -> bool:
        """Whether the caller is sync code, which may be blocked."""
        return blocks_here()

    def wait(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop | None) -> T:
        """Runs the coroutine on the journal's thread and returns its result; see `ask`."""
        return self.ask(lambda: coroutine)

    def ask(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs the coroutine on the journal's thread and returns its result; blocks the calling thread."""
        loop = self.stay_alive()
        waiting: concurrent.futures.Future[T] = asyncio.run_coroutine_threadsafe(make(), loop)
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()
            raise

    # --- the threads

    def stay_alive(self) -> asyncio.AbstractEventLoop:
        """Starts the journal's thread, unless it runs. Returns its loop."""
        thread = self._journal_thread
        if thread is None:
            with self._starting:
                thread = self._journal_thread
                if thread is None:
                    thread = LoopThread("headwater journal", begin=self._begin, end=self._end)
                    self._journal_thread = thread
        return thread.loop

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(_every(BEAT_SECONDS, self._beat), name="headwater beat"),
            loop.create_task(_every(LOOK_SECONDS, self._submit_due), name="headwater look"),
            loop.create_task(keep_tidy(self.log), name="headwater tidy"),
        ]

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        with contextlib.suppress(HeadwaterError, TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                if self._queue is not None:
                    await self._queue.close()
                if (own := self._stations.get(asyncio.get_running_loop())) is None:
                    return
                for station in [*self._stations.values()]:
                    # A store cannot be opened while the interpreter ends. Without it, others notice that no
                    # heartbeat comes.
                    if not station.closed and own.opened is not None:
                        await station.forget(own.opened)
                await own.close()  # after its active calls, which the end of the loop would break off

    def _runs_loop(self) -> asyncio.AbstractEventLoop:
        """Returns the loop of the second thread, which is started on first use."""
        self.stay_alive()
        with self._starting:
            if self._runs_thread is None:
                self._runs_thread = LoopThread("headwater runs", begin=self._station_here)
            return self._runs_thread.loop

    def stop(self) -> None:
        """Ends the threads at process exit: others may take over its runs at once."""
        if self.process != os.getpid():
            return
        for thread in (self._runs_thread, self._journal_thread):
            if thread is not None:
                thread.stop(2 * LAST_SECONDS)
        self._runs_thread = self._journal_thread = None

    # --- who is alive

    async def _beat(self) -> None:
        """Sends the heartbeats; stations that got none for too long stop driving."""
        claiming = [station for station in await self._present() if station.claims or station.former]
        try:
            for station in claiming:
                if not station.stuck:
                    log = await self.log()
                    about = station.about
                    await log.beat(about)
                    if station.about is about:  # it may have stopped driving meanwhile
                        station.claims, station.told = True, time.monotonic()
                    await station.forget_former(log)
        finally:
            for station in claiming:
                if time.monotonic() - station.told > DEAD_AFTER:
                    station.told = time.monotonic()
                    with contextlib.suppress(RuntimeError):
                        station.loop.call_soon_threadsafe(station.abandon)

    async def _present(self) -> list[Station]:
        """Returns the stations whose loops are open, after checking whether each is stuck."""
        with self._lock:
            stations = [*self._stations.values()]
        for station in stations:
            if not station.loop.is_closed():
                station.stuck = not _turns(station)
                continue
            with self._lock:
                self._stations.pop(station.loop, None)
            if not station.closed:
                await station.forget(await self.log())
        return [station for station in stations if not station.loop.is_closed()]

    async def _submit_due(self) -> None:
        """Submits runs without a driver that can be driven here."""
        if not self.members:
            return
        with contextlib.suppress(JournalUnavailable):  # the beat says so
            log = await self.log()
            for worker in await log.workers():
                if (worker.host, worker.boot) == (self._host, self._boot) and not _runs(worker.pid):
                    await log.forget(worker.id)
            found = await log.due(agents=self.members, dead_after=DEAD_AFTER)
            if self._queue is not None:
                await self._queue.put_due(found)
                return
            for due in found:
                self.submit(due.run, due.agent, priority=due.priority)


async def _every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    """Repeats the step, whatever it raises: without it others would take over all runs of this process."""
    while True:
        try:
            await step()
        except JournalUnavailable as error:
            _logger.warning("The journal does not answer: %s", error.message)
        except HeadwaterError as error:
            _logger.error("The journal cannot be used: %s", error.message)
        except asyncio.CancelledError:
            if others_cancel() is None:
                raise
        except Exception:
            _logger.exception("The journal's thread continues after an error.")
        await asyncio.sleep(seconds)


def _turns(station: Station) -> bool:
    """Whether the station's loop responds, or does not have to: sync code may pause between two reads of a run."""
    loop = station.loop
    if loop is running_loop():
        return True
    if not loop.is_running():
        return not station.engaged
    turns = station.turned or not station.driving
    station.turned = False
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_turned, station)
    return turns


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
