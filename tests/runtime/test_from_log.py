"""A run with stamped events from a log: it folds and shows them, and adds nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import SequentialWorkflow
from headwater.errors import Parked, UsageError
from headwater.events import Event, tree_response
from headwater.readers.stream import AgentStream
from headwater.runtime.from_log import FromLog
from headwater.testing import sample_logs

LOG = sample_logs()["text"]


class Batches(FromLog):
    """A log that comes in batches."""

    def __init__(self, *batches: list[Event]) -> None:
        super().__init__()
        self.batches = [*batches]

    async def _advance(self) -> list[Event]:
        return self.batches.pop(0) if self.batches else self._ended()


def test_its_first_event_identifies_the_run() -> None:
    run = Batches([*LOG[:3]], [*LOG[3:]])
    told: list[Event] = []
    known: list[bool] = []
    run.once_known(lambda: known.append(run.known))
    run.once_known(lambda: run.watch(told.append))
    assert not run.known
    assert AgentStream(lambda: run).result_sync() == tree_response(LOG)
    assert known == [True]
    assert (run.id, run.path, run.name) == (LOG[0].run, LOG[0].path, LOG[0].agent)
    assert told == list(LOG)
    run.once_known(lambda: known.append(False))
    assert known == [True, False]  # at once


@pytest.mark.parametrize("face", ["chunks", "text", "events", "select"])
def test_every_reading_waits_for_that(face: str) -> None:
    def read(run: FromLog) -> list[object]:
        stream = AgentStream(lambda: run)
        faces = {"chunks": stream, "text": stream.text(), "events": stream.events()}
        return [*faces.get(face, stream.select(final_only=True))]

    late = Batches([*LOG])
    known = Batches([*LOG[1:]])
    known._meet(LOG[0])
    known.batches.insert(0, [LOG[0]])
    assert read(late) == read(known) != []


def test_leaving_adds_nothing_to_the_log() -> None:
    async def main() -> None:
        run = Batches([*LOG[:4]], [*LOG[4:]])
        told: list[Event] = []
        run.watch(told.append)
        stream = AgentStream(lambda: run)
        async for _ in stream.events():
            break
        assert told == list(LOG[:1])
        assert run.over
        assert (await stream.result()).partial

    asyncio.run(main())


def test_a_log_without_an_end_stops() -> None:
    stream = AgentStream(lambda: Batches([*LOG[:5]]))
    with pytest.raises(Parked, match="without an end"):
        stream.result_sync()


def test_it_cannot_be_part_of_another_run() -> None:
    class Teller:
        name = "teller"

        def run_stream(self, task: Any, /, *, context: Any = None) -> AgentStream[Any, Any]:
            return AgentStream(lambda: Batches([*LOG]))

    with pytest.raises(UsageError, match=r"'top' cannot have a run from another log as a part.*in a tool"):
        SequentialWorkflow([Teller()], name="top").run("Go.")
