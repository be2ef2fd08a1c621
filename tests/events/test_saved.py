"""The bytes of a saved run: recognized, read back complete, and read up to where they are truncated."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import InvalidRecord
from headwater.events import Event, RunStarted, encode
from headwater.events.saved import first_line, is_saved, line, read_saved
from headwater.testing.handmade_logs import handmade_logs

LOGS = handmade_logs()
HEADER = first_line(by="headwater test", saved=1.0)


def written(log: tuple[Event, ...] | list[Event]) -> bytes:
    return HEADER + b"".join(map(line, log))


def packed(data: bytes, every: int = 1) -> bytes:
    """Compressed as a run's file is: readable up to the last flushed line."""
    packer = zlib.compressobj(wbits=31)
    lines = data.splitlines(keepends=True)
    parts = [packer.compress(one) + packer.flush(zlib.Z_SYNC_FLUSH) for one in lines]
    return b"".join(parts) + packer.flush()


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("pack", [False, True])
def test_a_saved_run_survives_a_round_trip(name: str, pack: bool) -> None:
    log = LOGS[name]
    data = packed(written(log)) if pack else written(log)
    assert is_saved(data[:200])
    events, cut = read_saved(data, "run")
    assert not cut
    assert [*map(encode, events)] == [*map(encode, log)]


@given(name=st.sampled_from([*LOGS]), pack=st.booleans(), at=st.floats(0, 1))
def test_truncated_anywhere_it_is_a_prefix_or_refused(name: str, pack: bool, at: float) -> None:
    log = LOGS[name]
    data = packed(written(log)) if pack else written(log)
    part = data[: int(at * (len(data) - 1))]
    try:
        events, cut = read_saved(part, "run")
    except InvalidRecord:
        return
    assert [*map(encode, events)] == [*map(encode, log[: len(events)])]
    assert cut or part.endswith(b"\n")


def test_a_run_without_a_path_is_refused() -> None:
    with pytest.raises(InvalidRecord, match="no path"):
        read_saved(written([RunStarted(agent_name="a", input=(), path=())]), "run")


@given(st.binary(max_size=300))
def test_anything_else_is_refused(data: bytes) -> None:
    for one in (data, b"\x1f\x8b" + data, HEADER + data, packed(HEADER) + data):
        with pytest.raises(InvalidRecord):
            read_saved(one, "run")


def test_a_recording_is_not_a_saved_run() -> None:
    assert not is_saved(b'{"type":"recording","v":1}\n{"type":"headwater.run"}')
    assert not is_saved(b"")
