"""A copy of a log under new ids: a valid log that shares no id with the original."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from headwater.events import ForkedFrom, RunStarted, StepFinished, encode, tree_response
from headwater.events.forked import end_of_step, forked
from headwater.testing import check_log, sample_logs

LOGS = {
    name: log
    for name, log in sample_logs().items()
    if isinstance(log[0], RunStarted) and log[0].grammar > 1 and name != "of a newer version"
}


def ids() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"new_{number}"


@pytest.mark.parametrize("name", LOGS)
def test_a_forked_log_is_valid_and_has_the_same_result(name: str) -> None:
    log, numbers = LOGS[name], ids()
    made = forked(log, log[0].agent, lambda: next(numbers))
    check_log(made, parked=True)
    assert isinstance(made[0], RunStarted)
    assert made[0].forked_from == ForkedFrom(run=log[0].run, seq=log[-1].seq)
    assert str(tree_response(made)) == str(tree_response(log))


@pytest.mark.parametrize("name", LOGS)
def test_no_id_of_the_original_is_left(name: str) -> None:
    log, numbers = LOGS[name], ids()
    made = forked(log, log[0].agent, lambda: next(numbers))
    old = {event.run for event in log}
    first = made[0]
    assert isinstance(first, RunStarted)
    written = b"".join(encode(event) for event in (msgspec.structs.replace(first, forked_from=None), *made[1:]))
    # Only an answer may quote an id.
    assert not [run for run in old if f'"{run}"'.encode() in written or f'"{run}/'.encode() in written]


def test_the_outermost_run_has_the_new_name() -> None:
    log, numbers = sample_logs()["tools"], ids()
    made = forked(log, "other", lambda: next(numbers))
    assert {event.path[0] for event in made} == {"other"}
    assert made[0].agent_name == "other"  # type: ignore[attr-defined]


def test_the_end_of_a_step_is_found_by_the_path_of_its_run() -> None:
    log = sample_logs()["tools"]
    ends = [event for event in log if isinstance(event, StepFinished)]
    assert end_of_step(log, 1, log[0].path) == ends[0].seq
    assert end_of_step(log, 2, log[0].path) == ends[1].seq
    assert end_of_step(log, 9, log[0].path) is None
    assert end_of_step(log, 1, ("nobody",)) is None
