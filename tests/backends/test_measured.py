from __future__ import annotations

import msgspec
import pytest

from headwater.backends.measured import BUCKETS, Arrived, Measured, Read


def measured(*reads: Read, events: list[Arrived] | None = None) -> Measured:
    return Measured(url="http://h/runs", method="POST", kind="headwater", reads=[*reads], events=events or [])


def test_gaps_are_counted_by_their_length() -> None:
    at = (0.5, 0.505, 0.6, 1.6, 30.0)
    one = measured(*(Read(time, 10, 1) for time in at))
    assert one.gaps == pytest.approx([0.005, 0.095, 1.0, 28.4])
    assert one.histogram[0] == 1
    assert one.histogram[BUCKETS.index(0.1)] == 1
    assert one.histogram[BUCKETS.index(5.0)] == 1
    assert one.histogram[-1] == 1
    assert one.longest_silence == pytest.approx(28.4)
    assert (one.first_byte, one.bytes) == (0.5, 50)


def test_the_wait_for_the_first_byte_is_a_silence() -> None:
    assert measured(Read(9.0, 1, 0), Read(9.1, 1, 1)).longest_silence == 9.0


def test_delays_are_told_from_the_fastest_event_whatever_the_clocks_say() -> None:
    events = [Arrived(1.0, 1000.0), Arrived(1.5, 1000.4), Arrived(3.0, 1001.0), Arrived(3.1)]
    one = measured(Read(1.0, 1, 1), events=events)
    assert one.delays == pytest.approx([0.0, 0.1, 1.0])
    assert one.span == pytest.approx(1.0)
    assert one.first_event == 1.0


def test_reads_without_an_event_are_no_lumps() -> None:
    one = measured(Read(1.0, 1, 0, comments=1), Read(2.0, 5, 3))
    assert [read.events for read in one.lumps] == [3]
    assert one.comments == 1


def test_nothing_came() -> None:
    one = measured()
    assert (one.first_byte, one.first_event, one.longest_silence, one.span, one.delays) == (None, None, 0.0, 0.0, [])


def test_as_plain_values() -> None:
    one = measured(Read(1.0, 7, 1), Read(1.5, 7, 1), events=[Arrived(1.0, 5.0), Arrived(1.5, 5.5)])
    told = msgspec.json.decode(msgspec.json.encode(one.to_dict()))
    assert told["arrivals"] == [[1.0, 7, 1], [1.5, 7, 1]]
    assert (told["events"], told["reads"], told["bytes"], told["delay"]) == (2, 2, 14, {"median": 0.0, "longest": 0.0})
    assert sum(told["gaps"]["counts"]) == 1
    assert measured().to_dict()["delay"] is None
