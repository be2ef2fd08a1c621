"""The JSON lines decoder against a plain split of the whole input, for any chunking."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import LimitExceeded
from headwater.providers.framing.jsonlines import JSONLinesDecoder
from tests.support.effort import tries
from tests.support.recordings import one_byte_at_a_time


def read(pieces: list[bytes]) -> list[bytes]:
    decoder = JSONLinesDecoder()
    lines = [line for piece in pieces for line in decoder.feed(piece)]
    return lines + decoder.finish()


@settings(max_examples=tries(50, 200), deadline=None)
@given(
    parts=st.lists(st.sampled_from([b'{"a": 1}', b"x", b"\n", b"\n", b"\r\n", b" ", b"\xc3\xa9"]), max_size=20),
    at=st.lists(st.integers(0, 100), max_size=6),
)
def test_any_chunking_gives_the_same_lines(parts: list[bytes], at: list[int]) -> None:
    body = b"".join(parts)
    wanted = [line for line in body.split(b"\n") if line.strip()]
    edges = [0, *sorted({place % (len(body) + 1) for place in at}), len(body)]
    assert read([body]) == wanted
    assert read(list(one_byte_at_a_time(body))) == wanted
    assert read([body[a:b] for a, b in pairwise(edges)]) == wanted


def test_a_line_is_returned_as_soon_as_it_is_complete() -> None:
    decoder = JSONLinesDecoder()
    assert decoder.feed(b'{"a": 1}\n{"b"') == [b'{"a": 1}']
    assert decoder.feed(b": 2}\n") == [b'{"b": 2}']
    assert decoder.finish() == []


def test_the_last_line_needs_no_end() -> None:
    assert read([b'{"a": 1}\n{"b": 2}']) == [b'{"a": 1}', b'{"b": 2}']


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("tail", [b"", b"\n", b"\nafter\n"])
def test_an_endless_line_exceeds_the_limit_in_any_chunking(size: int, tail: bytes) -> None:
    decoder = JSONLinesDecoder(max_line_bytes=120)
    body = b"good\n" * 30 + b"x" * 500 + tail
    lines: list[bytes] = []

    def feed_all() -> None:
        for at in range(0, len(body), size):
            lines.extend(decoder.feed(body[at : at + size]))
        decoder.finish()

    with pytest.raises(LimitExceeded) as raised:
        feed_all()
    assert raised.value.limit == "max_line_bytes"
    assert lines == [b"good"] * 30
    with pytest.raises(LimitExceeded):
        decoder.feed(b"more\n")


def test_many_lines_in_one_read_may_exceed_the_limit_together() -> None:
    assert JSONLinesDecoder(max_line_bytes=20).feed(b"good\n" * 30) == [b"good"] * 30


def test_one_long_line_in_small_pieces_is_joined_once() -> None:
    decoder = JSONLinesDecoder()
    piece = b"x" * 64
    for _ in range(100_000):
        assert not decoder.feed(piece)
    assert decoder.feed(b"\n") == [piece * 100_000]
