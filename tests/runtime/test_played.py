"""A replayed log: it has the same result, and nothing is added."""

from __future__ import annotations

import contextlib
import threading

import pytest

from headwater.errors import HeadwaterError
from headwater.events import Event, RunStarted, tree_response
from headwater.readers.stream import AgentStream
from headwater.runtime.played import Played
from headwater.testing import sample_logs

LOGS = {name: log for name, log in sample_logs().items() if isinstance(log[0], RunStarted)}


@pytest.mark.parametrize("name", LOGS)
def test_every_sample_replays_to_its_result(name: str) -> None:
    log = LOGS[name]
    run = Played(log, speed=0)
    stream = AgentStream(lambda: run)
    seen: list[Event] = []
    run.watch(seen.append)
    with contextlib.suppress(HeadwaterError):  # what failed, and what has no end
        stream.result_sync()
    assert seen == list(log)
    assert str(run.response()) == str(tree_response(log))
    assert run.over


def test_watchers_are_notified() -> None:
    log = sample_logs()["text"]
    run = Played(log, speed=0)
    told: list[Event] = []
    run.watch(told.append)
    AgentStream(lambda: run).result_sync()
    assert told == list(log)


def test_it_is_stopped_from_another_thread() -> None:
    log = sample_logs()["text"]
    run = Played(log, speed=1e-9)  # as good as never
    stream = AgentStream(lambda: run)
    seen = []
    for event in stream.events():
        seen.append(event)
        threading.Timer(0.01, stream.cancel).start()
    assert seen == list(log[: len(seen)])
    assert run.over
