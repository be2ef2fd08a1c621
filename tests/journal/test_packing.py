"""A log as one row: all of it comes back, and a trimmed one keeps its numbers and knows who must start again."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import InvalidRecord
from headwater.events import (
    Event,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
)
from headwater.events.codec import encode
from headwater.journal.packing import pack, unpack
from headwater.testing import sample_logs


def lines(events: list[Event]) -> list[bytes]:
    return [encode(event) for event in events]


SAMPLES = [lines(list(log)) for log in sample_logs().values()]


@pytest.mark.parametrize("log", SAMPLES)
def test_a_packed_log_is_restored_completely(log: list[bytes]) -> None:
    read = unpack(pack(log))
    assert read.end == len(log)
    assert [span.first for span in read.spans] == [0]
    assert list(read.spans[0].lines) == log
    assert read.hurt == ()


@pytest.mark.parametrize("log", SAMPLES)
def test_trimming_drops_only_deltas_and_keeps_every_number(log: list[bytes]) -> None:
    read = unpack(pack(log, deltas=False))
    kept = {span.first + at: line for span in read.spans for at, line in enumerate(span.lines)}
    assert read.end == len(log)
    for number, line in enumerate(log):
        assert (number in kept) is (b'.delta"' not in line.partition(b",")[2][:25])
        assert kept.get(number, line) == line


def test_a_reader_inside_a_gap_starts_over_and_any_other_continues() -> None:
    log = lines(
        [
            RunStarted(seq=0),
            StepStarted(seq=1, step=1),
            TextStarted(seq=2, step=1, part=0),
            *(TextDelta(seq=3 + at, step=1, part=0, text="x") for at in range(4)),
            TextEnded(seq=7, step=1, part=0),
            StepFinished(seq=8, step=1),
            RunFinished(seq=9),
        ]
    )
    read = unpack(pack(log, deltas=False))
    answers = {after: read.after(after) for after in range(-1, 12)}
    assert [after for after, (_, reset) in answers.items() if reset] == [3, 4, 5, 10, 11]
    for after, (spans, reset) in answers.items():
        numbers = [span.first + at for span in spans for at in range(len(span.lines))]
        assert numbers == [one for one in (0, 1, 2, 7, 8, 9) if reset or one > after]


@given(st.lists(st.text(min_size=1), max_size=20), st.integers(0, 25))
def test_any_log_can_be_read_from_any_position(said: list[str], after: int) -> None:
    log = lines([RunStarted(seq=0), *(TextDelta(seq=1 + at, step=1, part=0, text=one) for at, one in enumerate(said))])
    spans, reset = unpack(pack(log)).after(after)
    assert reset is (after >= len(log))
    assert [line for span in spans for line in span.lines] == (log if reset else log[after + 1 :])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"nothing", "broken"),
        (zlib.compress(b"[]"), "broken"),
        (zlib.compress(b'{"v":9,"end":0,"spans":[]}'), "version 9"),
        (zlib.compress(b'{"v":1,"end":2,"spans":[[0,2]]}\n{}'), "has 1 events and says 2"),
    ],
)
def test_an_invalid_pack_is_rejected(data: bytes, said: str) -> None:
    with pytest.raises(InvalidRecord, match=said):
        unpack(data)
