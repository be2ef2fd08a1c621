"""Every recorded stream, hurt: the sweep in small. `python -m tests.system.faults.sweep` is the same in large."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.effort import one_in
from tests.support.recordings import Recording, cases, failures, recordings
from tests.system.faults.sweep import APIS, decoding, errors, over_a_socket, stalling


def _of(folder: str) -> list[Any]:
    found = cases(folder)
    return [pytest.param(APIS[folder], *case.values, id=f"{folder}-{case.id}", marks=case.marks) for case in found]


def _below(size: int) -> list[Any]:
    found = [(case, case.values[1]) for case in STREAMS]
    return [case for case, one in found if one is None or len(one.body) < size]  # None: there are no recordings


STREAMS = [case for folder in APIS for case in _of(folder)]
SHORT = _below(8_000)[:: one_in(3, 1)]  # a quarter of them, and a fifteenth of the bytes; the sweep takes all of them
SMALL = _below(700)[:: one_in(3, 1)]
FEW = [case for folder in APIS for case in _of(folder)[::9]]
FAILED = [case for folder in APIS for case in cases(folder, failures)]


@pytest.mark.long
@pytest.mark.parametrize(("api", "recording"), SHORT)
def test_a_decoder_stays_correct_on_cut_split_or_flipped_bodies(api: str, recording: Recording) -> None:
    rows = decoding(api, recording, cuts=3, flips=3)
    assert [breach for row in rows for breach in row.breaches] == []
    assert rows[1].complete + rows[1].incomplete + rows[1].failed == rows[1].tried > 0


@pytest.mark.long
@pytest.mark.parametrize(("api", "recording"), SMALL)
def test_cut_at_every_byte(api: str, recording: Recording) -> None:
    rows = decoding(api, recording, cuts=None, flips=0)
    assert [breach for row in rows for breach in row.breaches] == []
    assert rows[1].tried == len(recording.body)


@pytest.mark.parametrize(("api", "recording"), FEW)
def test_a_stalled_run_times_out_or_continues(api: str, recording: Recording) -> None:
    rows = stalling(api, recording, points=3)
    assert [breach for row in rows for breach in row.breaches] == []
    assert [row.tried for row in rows] == [3, 3]


@pytest.mark.parametrize("folder", APIS)
def test_a_run_over_a_broken_socket_stays_correct(folder: str) -> None:
    streams = recordings(folder)[::8]
    if not streams:
        pytest.skip("no recordings: set HEADWATER_SHARED")
    rows = over_a_socket(APIS[folder], streams, times=1)
    assert [breach for row in rows for breach in row.breaches] == []
    assert [row.tried for row in rows] == [len(streams)] * 3
    assert sum(row.incomplete for row in rows) > len(streams), "most cuts lose something, and say so"


@pytest.mark.parametrize("recording", FAILED)
def test_a_cut_body_of_an_http_error_is_still_that_error(recording: Recording) -> None:
    assert errors(recording, cuts=10).breaches == []


def test_some_bodies_contain_several_answers() -> None:
    streams = [recording for folder in APIS for recording in recordings(folder)]
    if not streams:
        pytest.skip("no recordings: set HEADWATER_SHARED")
    assert 0 < len([one for one in streams if one.answers > 1]) < 20
