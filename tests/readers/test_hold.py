from __future__ import annotations

import msgspec
import pytest

from headwater.events import (
    AttemptFailed,
    AttemptStarted,
    ErrorInfo,
    Event,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    StepFinished,
    TextDelta,
)
from headwater.readers.hold import Hold

BROKEN = ErrorInfo(type="ConnectionFailed", message="gone")


def _of(run: str, event: Event) -> Event:
    return msgspec.structs.replace(event, run=run)


def _said(hold: Hold[str], run: str, *events: Event) -> list[list[str]]:
    """Returns the items passed on at each event; a delta's item is its text."""
    told = []
    for event in events:
        items = (event.text,) if isinstance(event, TextDelta) else ()
        told.append([*hold(_of(run, event), items)])
    return told


def test_text_that_may_be_retracted_waits_for_the_end_of_its_step() -> None:
    hold: Hold[str] = Hold()
    assert _said(
        hold,
        "a",
        AttemptStarted(step=1, may_retract=True),
        TextDelta(step=1, part=0, text="x"),
        AttemptFailed(step=1, attempt=1, error=BROKEN, then="restart"),
        Retracted(step=1, attempt=1, chars=1),
        AttemptStarted(step=1, attempt=2, may_retract=True),
        TextDelta(step=1, part=1, text="y"),
        TextDelta(step=1, part=1, text="z"),
        StepFinished(step=1),
        StepFinished(step=2),
    ) == [[], [], [], [], [], [], [], ["y", "z"], []]
    assert not hold.held


def test_other_text_is_passed_on_at_once() -> None:
    hold: Hold[str] = Hold()
    assert _said(hold, "a", AttemptStarted(step=1), TextDelta(step=1, part=0, text="x")) == [[], ["x"]]
    assert not hold.held


def test_each_run_is_held_separately() -> None:
    hold: Hold[str] = Hold()
    hold(_of("a", AttemptStarted(step=1, may_retract=True)))
    assert _said(hold, "b", TextDelta(step=1, part=0, text="b")) == [["b"]]
    assert _said(hold, "a", TextDelta(step=1, part=0, text="a"), StepFinished(step=1)) == [[], ["a"]]


@pytest.mark.parametrize("end", [RunFinished(), RunFailed(error=BROKEN), RunCancelled()])
def test_an_end_releases_held_text(end: Event) -> None:
    hold: Hold[str] = Hold()
    events = AttemptStarted(step=1, may_retract=True), TextDelta(step=1, part=0, text="x"), end
    assert _said(hold, "a", *events) == [[], [], ["x"]]
