from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.events import Custom, Event
from headwater.web.runs.kept_log import KeptLog
from headwater.web.wires import wire
from headwater.web.wires.wire import Block, Frames


def a_log(texts: list[str]) -> KeptLog:
    log = KeptLog()
    for seq, text in enumerate(texts):
        log.append(Custom(name=text, seq=seq))
    return log


def name(event: Event) -> bytes:
    return event.name.encode() if isinstance(event, Custom) else b""


def read(block: Block | None, at: int) -> Iterator[bytes]:
    while block is not None:
        yield bytes(block.data[at:])
        block, at = block.next, 0


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "WRITE_BYTES", 8)
    monkeypatch.setattr(wire, "FRAME_WINDOW", 24)


TEXTS = st.lists(st.text("abcdefgh", max_size=11), max_size=40)


@given(TEXTS, st.integers(0, 40), st.lists(st.integers(0, 40), max_size=6))
def test_from_each_place_that_is_there_the_rest_is_read(texts: list[str], first: int, stops: list[int]) -> None:
    log, frames = a_log(texts), Frames(name, min(first, len(texts)))
    for stop in sorted(stop for stop in stops if stop < len(texts)):
        frames.catch_up(log, stop)
    frames.catch_up(log, len(texts))
    assert frames.upto == len(texts)
    for position in range(len(texts) + 3):
        if (place := frames.find(position)) is not None:
            assert b"".join(read(*place)) == "".join(texts[position:]).encode()
    assert frames.find(len(texts)) is not None
    assert frames.find(len(texts) + 1) is None


def test_read_events_are_dropped_unless_a_reader_needs_them() -> None:
    log, frames = a_log(["abcdefgh"] * 20), Frames(name, 0)
    frames.catch_up(log, 1)
    reader = frames.find(0)
    assert reader is not None
    frames.catch_up(log, 20)
    assert frames.find(0) is None  # only the newest three blocks are held
    assert frames.find(17) is not None
    assert b"".join(read(*reader)) == b"abcdefgh" * 20


def test_each_event_is_mapped_once() -> None:
    seen: list[int] = []

    def count(event: Event) -> bytes:
        seen.append(event.seq)
        return b"x"

    log, frames = a_log(["a"] * 10), Frames(count, 2)
    for end in (3, 3, 7, 10, 10):
        frames.catch_up(log, end)
    assert seen == [*range(2, 10)]
