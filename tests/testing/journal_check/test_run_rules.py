"""The rules of runs, threads and what is due: they hold in memory, and find a store that breaks them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Created, Due, LetterKind, Posted, Request, RunInfo, Worker
from headwater.testing.journal_check import run_rules
from tests.testing.journal_check.broken import breaks, holds


class KeysAreNothing(MemoryLog):
    async def create(
        self, run: str, request: Request, *, key: str | None = None, when_busy: Literal["raise", "queue"] = "raise"
    ) -> Created:
        return await super().create(run, request, when_busy=when_busy)


class KeysOfAnyone(MemoryLog):
    """A key names one run, whoever the agent is."""

    async def create(
        self, run: str, request: Request, *, key: str | None = None, when_busy: Literal["raise", "queue"] = "raise"
    ) -> Created:
        known = next((one.id for one in self._runs.values() if one.key == key), None)
        if key is not None and known is not None:
            return Created(known, new=False)
        return await super().create(run, request, key=key, when_busy=when_busy)


class TheLastRequestStands(MemoryLog):
    async def create(
        self, run: str, request: Request, *, key: str | None = None, when_busy: Literal["raise", "queue"] = "raise"
    ) -> Created:
        created = await super().create(run, request, key=key, when_busy=when_busy)
        self._runs[created.run].request = request
        return created


class NeverBusy(MemoryLog):
    async def create(
        self, run: str, request: Request, *, key: str | None = None, when_busy: Literal["raise", "queue"] = "raise"
    ) -> Created:
        return await super().create(run, request, key=key, when_busy="queue")


class LosesLabels(MemoryLog):
    async def info(self, run: str) -> RunInfo:
        info = await super().info(run)
        return msgspec.structs.replace(info, request=msgspec.structs.replace(info.request, labels={}))


class AllIsDue(MemoryLog):
    async def due(
        self, *, agents: Iterable[str] | None = None, dead_after: float = 10.0, limit: int = 100
    ) -> list[Due]:
        return await super().due(agents=agents, dead_after=0.0, limit=limit)


class LimitsFirst(MemoryLog):
    async def due(
        self, *, agents: Iterable[str] | None = None, dead_after: float = 10.0, limit: int = 100
    ) -> list[Due]:
        found = await super().due(dead_after=dead_after, limit=limit)
        return [one for one in found if agents is None or self._runs[one.run].request.agent in agents]


class LosesWakes(MemoryLog):
    async def post(self, run: str, kind: LetterKind, key: str, body: bytes) -> Posted:
        posted = await super().post(run, "steer", key, body)
        return Posted(msgspec.structs.replace(posted.letter, kind=kind), posted.ours)


class OneWorker(MemoryLog):
    async def beat(self, worker: Worker) -> float:
        self._workers.clear()
        return await super().beat(worker)


def test_they_hold_in_memory() -> None:
    holds(run_rules)


def test_each_finds_the_store_that_breaks_it() -> None:
    breaks(KeysAreNothing(), "of_many_callers_with_one_key_one_creates", "what_a_run_is_created_with_comes_back")
    breaks(KeysOfAnyone(), "a_key_names_one_run_of_its_agent")
    breaks(TheLastRequestStands(), "a_key_names_one_run_of_its_agent", "an_id_is_created_once")
    breaks(NeverBusy(), "a_thread_runs_one_at_a_time", "of_many_callers_on_one_thread_one_runs")
    breaks(LosesLabels(), "what_a_run_is_created_with_comes_back")
    breaks(AllIsDue(), "a_run_is_due_when_somebody_should_drive_it")
    breaks(LimitsFirst(), "due_runs_are_those_of_the_agents_asked_for")
    breaks(LosesWakes(), "a_waiting_run_wakes_at_its_time_or_for_a_letter")
    breaks(OneWorker(), "workers_tell_that_they_live")
    breaks(MemoryLog(clock=lambda: 5.0), "its_time_goes_forward")
