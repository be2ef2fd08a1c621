"""Logs of every kind of run, made by the real runtime."""

from __future__ import annotations

import asyncio

import pytest

from headwater.events import Unknown
from headwater.testing import (
    sample_logs,
)


def test_samples_are_there_inside_an_event_loop_too() -> None:
    async def main() -> int:
        return len(sample_logs()["text"])

    assert asyncio.run(main()) > 5


def test_samples_are_made_once_and_cannot_be_changed() -> None:
    samples = sample_logs()
    assert sample_logs() is samples
    with pytest.raises(TypeError):
        samples["mine"] = ()  # type: ignore[index]
    assert all(isinstance(log, tuple) for log in samples.values())


@pytest.mark.parametrize("name", sample_logs())
def test_a_sample_is_one_tree_numbered_from_zero(name: str) -> None:
    log = sample_logs()[name]
    assert [event.seq for event in log] == list(range(len(log)))
    assert [event.time for event in log] == sorted(event.time for event in log)
    assert {event.path[0] for event in log} == {log[0].path[0]}


def test_a_sample_holds_what_its_name_says() -> None:
    samples = sample_logs()
    assert samples["cancelled"][-1].type == "run.cancelled"
    assert samples["failed"][-1].type == "run.failed"
    assert any(event.type == "retracted" for event in samples["retracted"])
    assert {len(event.path) for event in samples["an agent as a tool"]} == {1, 2}
    assert any(event.type == "unknown" or isinstance(event, Unknown) for event in samples["of a newer version"])
