"""The engine of those who run a Temporal server: it delivers run ids to workers, and nothing else.

Theory of operation. A run is one workflow, whose id is the run's: it gets a signal, and is started if it is not there.
The workflow has one activity at a time, which drives the run and sends heartbeats; a signal that arrives meanwhile
leads to one more. If a worker dies, Temporal gives the activity to another. What a run does, says and is told is the
journal's alone, and the workflow ends with the drive, also where the run waits for people.

Each queue of a journal has a task queue for each agent, so that a worker gets runs of its journal and its agents only.
Workers take activities while they have room, which runs that wait for other runs do not use up.

Owns the client, and the workers of one process; `in_process` owns the driven runs. It belongs to the event loop that
it is used in.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final

from temporalio import activity
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, WorkflowAlreadyStartedError
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import (
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerTuner,
)

from headwater.errors import ConfigurationError, JournalUnavailable
from headwater.journal.addresses import shown
from headwater.journal.engines.engine import Engine, temporal_address
from headwater.journal.engines.executor import Drive
from headwater.journal.engines.in_process import InProcess
from headwater.journal.engines.temporal_errors import problem_of
from headwater.journal.engines.temporal_workflow import ACTIVITY, WORKFLOW, DriveRun, priority_of
from headwater.journal.opening import journal_id

__all__ = ("Temporal",)

LEASE: Final = 10.0
"""Seconds without a heartbeat after which a worker counts as dead, as in the journal."""

ANSWER_SECONDS: Final = 10.0
"""Seconds that the server has to answer."""

NEW_AGENTS: Final = 0.25
"""Seconds between two looks for agents that this process did not know before."""

AT_ONCE: Final = 20
"""Runs that the server is asked about at once."""

SUBMITS: Final = 5
"""How often a submit is tried that meets others of the same run."""

_logger = logging.getLogger("headwater.journal")


class Temporal(Engine):
    """Delivers the runs of the journal with that URL. Connects to the server on first use. `now` is the clock of
    `not_before`, the store's; `lease` is in seconds."""

    def __init__(self, url: str, *, journal: str, now: Callable[[], float] = time.time, lease: float = LEASE) -> None:
        self.here: InProcess = InProcess(now=now)
        """The runs that are driven in this process."""
        self._url = url
        self._address = temporal_address(url)
        self._journal = journal
        self._id = ""
        """The journal's; known once it is connected."""
        self._now = now
        self._lease = lease
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self._stopping = asyncio.Event()

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is None:
                self._id = await journal_id(self._journal)
                try:
                    config = self._config()
                    async with asyncio.timeout(ANSWER_SECONDS):
                        self._client = await Client.connect(**config, runtime=_runtime())
                except (OSError, RuntimeError, ValueError) as error:  # a TimeoutError is an OSError
                    raise self._unusable(error) from None
            return self._client

    def _config(self) -> ClientConnectConfig:
        try:
            config = ClientConfig.load_client_connect_config(disable_file=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigurationError(
                f"The engine {shown(self._url)} cannot be asked with this environment: {error}.",
                hint="Check the variables that begin with TEMPORAL_.",
            ) from None
        config["target_host"], config["namespace"] = self._address
        return config

    def _unusable(self, error: Exception) -> JournalUnavailable:
        problem = problem_of(error, patience=ANSWER_SECONDS)
        return JournalUnavailable(f"The engine {shown(self._url)} {problem.what.rstrip('.')}.", hint=problem.hint)

    # --- submitting

    async def submit(
        self,
        run: str,
        *,
        queue: str = "default",
        agent: str = "",
        not_before: float | None = None,
        priority: int = 0,
    ) -> None:
        """See Executor. Raises JournalUnavailable if the server does not answer."""
        client = await self._connected()
        later = not_before is not None and not_before > self._now()
        for _ in range(SUBMITS):
            try:
                await client.start_workflow(
                    WORKFLOW,
                    args=[run, self._lease],
                    id=run,
                    task_queue=self._task_queue(queue, agent),
                    start_signal="wake",
                    start_signal_args=[not_before if later else 0.0, priority],
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    priority=priority_of(priority),
                    task_timeout=timedelta(seconds=self._lease / 4),  # it takes milliseconds, unless its worker is gone
                    rpc_timeout=timedelta(seconds=ANSWER_SECONDS),
                )
            except WorkflowAlreadyStartedError:  # by somebody else just now, without this signal
                continue
            except RPCError as error:
                raise self._unusable(error) from None
            return
        raise JournalUnavailable(f"The engine {shown(self._url)} does not take {run}.", hint="Submit it again.")

    async def waiting(self, runs: Sequence[str]) -> set[str]:
        """See Engine. Raises like `submit`."""
        if not runs:
            return set()
        client, some = await self._connected(), asyncio.Semaphore(AT_ONCE)

        async def waits(run: str) -> bool:
            async with some:
                try:
                    found = await client.get_workflow_handle(run).describe(
                        rpc_timeout=timedelta(seconds=ANSWER_SECONDS)
                    )
                except RPCError as error:
                    if error.status == RPCStatusCode.NOT_FOUND:
                        return False
                    raise self._unusable(error) from None
            seen = found.raw_description
            goes_on = seen.workflow_execution_info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
            return goes_on and (bool(seen.pending_activities) or seen.HasField("pending_workflow_task"))

        return {run for run, it in zip(runs, await asyncio.gather(*map(waits, runs)), strict=True) if it}

    # --- serving

    async def serve(
        self,
        drive: Drive,
        *,
        queues: Sequence[str] = ("default",),
        concurrency: int = 100,
        name: str = "",
        agents: Iterable[str] | None = None,
    ) -> None:
        """See Engine; without `agents` it serves the runs that were submitted without one. Raises JournalUnavailable
        if the server does not answer at the start; later its client tries again, and driven runs continue.
        """
        client = await self._connected()
        loop = asyncio.get_running_loop()
        serving = loop.create_task(self.here.serve(drive, concurrency=concurrency), name="headwater engine")
        taking = loop.create_task(
            self._take_all(client, queues, concurrency, name, agents), name="headwater temporal workers"
        )
        try:
            await asyncio.wait([serving, taking], return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                taking.result()
            await serving
        finally:
            self._stopping.set()
            if not serving.done():
                serving.cancel()
            await asyncio.wait([serving, taking])
            if not taking.cancelled():
                taking.exception()

    async def _take_all(
        self, client: Client, queues: Sequence[str], concurrency: int, name: str, agents: Iterable[str] | None
    ) -> None:
        """Has one of Temporal's workers for each queue and each agent, until the engine is drained."""
        room = _Room(self.here, concurrency)
        workers: dict[str, tuple[Worker, asyncio.Task[None]]] = {}
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            while not self._stopping.is_set():
                known = [""] if agents is None else [*agents]
                for task_queue in [self._task_queue(queue, agent) for queue in queues for agent in known]:
                    if task_queue not in workers:
                        worker = self._worker(client, task_queue, room, name)
                        workers[task_queue] = worker, asyncio.ensure_future(worker.run())
                done, _ = await asyncio.wait(
                    [stopping, *(task for _, task in workers.values())],
                    timeout=None if agents is None else NEW_AGENTS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for ended in done - {stopping}:
                    ended.result()
        except (RPCError, RuntimeError) as error:
            raise self._unusable(error) from None
        finally:
            stopping.cancel()
            ends = [end for worker, task in workers.values() for end in (worker.shutdown(), task)]
            await asyncio.gather(*ends, return_exceptions=True)

    def _task_queue(self, queue: str, agent: str) -> str:
        of_queue = f"headwater/{self._id}/{queue}"
        return f"{of_queue}/{agent}" if agent else of_queue

    def _worker(self, client: Client, task_queue: str, room: _Room, name: str) -> Worker:
        return Worker(
            client,
            task_queue=task_queue,
            identity=name or None,
            workflows=[DriveRun],
            activities=[self._drive],
            workflow_runner=UnsandboxedWorkflowRunner(),
            # Nothing is kept of a workflow between two of its tasks, so that any worker goes on with it at once.
            max_cached_workflows=0,
            tuner=WorkerTuner.create_composite(
                workflow_supplier=FixedSizeSlotSupplier(10),
                activity_supplier=_Seats(room),
                local_activity_supplier=FixedSizeSlotSupplier(1),
                nexus_supplier=FixedSizeSlotSupplier(1),
            ),
            disable_eager_activity_execution=True,
            max_heartbeat_throttle_interval=timedelta(seconds=self._lease / 4),
            graceful_shutdown_timeout=timedelta(days=365),  # `drain` ends the runs
        )

    @activity.defn(name=ACTIVITY)
    async def _drive(self, run: str, priority: int) -> None:
        async with self._beating():
            if not await self.here.through(run, priority=priority):
                raise ApplicationError("This worker stops.", type="stopping", category=ApplicationErrorCategory.BENIGN)

    @contextlib.asynccontextmanager
    async def _beating(self) -> AsyncIterator[None]:
        async def beat() -> None:
            while True:
                activity.heartbeat()
                await asyncio.sleep(self._lease / 4)

        beating = asyncio.ensure_future(beat())
        try:
            yield
        finally:
            beating.cancel()

    async def drain(self, seconds: float) -> None:
        """See Executor."""
        self._stopping.set()
        await self.here.drain(seconds)

    async def close(self) -> None:
        """See Engine."""
        self._client = None


def _runtime() -> Runtime:
    """What the clients of this process share. Temporal's own would write its warnings to standard output."""
    return _runtime_of(os.getpid())  # a forked process cannot use its parent's


@functools.cache
def _runtime_of(process: int) -> Runtime:
    warnings = TelemetryFilter(core_level="WARN", other_level="ERROR")
    logs = LoggingConfig(filter=warnings, forwarding=LogForwardingConfig(logger=_logger))
    return Runtime(telemetry=TelemetryConfig(logging=logs))


class _Room:
    """The activities that run in this process, of all of its task queues. Thread-safe."""

    def __init__(self, here: InProcess, concurrency: int) -> None:
        self._here = here
        self._concurrency = concurrency
        self._loop = asyncio.get_running_loop()
        self.lock = threading.Lock()
        self.used: set[SlotPermit] = set()

    def has(self, asked: int) -> bool:
        """Whether there is room for one more, where so many are asked for already."""
        return len(self.used) + asked - self._here.aside < self._concurrency

    async def changed(self) -> None:
        """Waits until there may be more room."""
        self._here.freed.clear()
        await self._here.freed.wait()

    def tell(self) -> None:
        """There may be more room; from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._here.freed.set)


class _Seats(CustomSlotSupplier):
    """What a task queue may take out: as much as this process has room for.

    Each task queue asks for itself, so a process with several may get some more, which wait for their turn here.
    """

    def __init__(self, room: _Room) -> None:
        self._room = room
        self._asked: set[SlotPermit] = set()

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        """Waits for room."""
        while (permit := self.try_reserve_slot(ctx)) is None:
            await self._room.changed()
        return permit

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        """Takes a seat, if there is one."""
        with self._room.lock:
            if not self._room.has(len(self._asked)):
                return None
            permit = SlotPermit()
            self._asked.add(permit)
            return permit

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """An activity has arrived."""
        with self._room.lock:
            self._asked.discard(ctx.permit)
            self._room.used.add(ctx.permit)

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        """It has ended, or none arrived."""
        with self._room.lock:
            self._asked.discard(ctx.permit)
            self._room.used.discard(ctx.permit)
        self._room.tell()
