"""Faults change an answer as they say, whatever steps it comes in."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.testing.faults import (
    Bomb,
    CloseIdle,
    Compressed,
    Fault,
    Flip,
    Garbage,
    HangUp,
    Headers,
    Reset,
    SlowHead,
    Split,
    Stall,
    Truncate,
    applied,
)
from headwater.testing.served_answer import Answer, Broken, Pause, Step
from tests.support.effort import tries

_bodies = st.lists(st.binary(max_size=20), max_size=6)
_places = st.integers(-130, 130)


def steps(body: Iterable[Step], *faults: Fault) -> list[Step]:
    return list(applied(faults, Answer(steps=iter(list(body)))).steps)


def joined(done: Iterable[Step]) -> bytes:
    return b"".join(step for step in done if isinstance(step, bytes))


def clamped(at: int, whole: bytes) -> int:
    return min(len(whole), at if at >= 0 else max(0, len(whole) + at))


@given(body=_bodies, sizes=st.one_of(st.integers(1, 9), st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)))
@settings(max_examples=tries(25, 100), deadline=None)
def test_a_split_keeps_the_bytes_and_has_the_sizes(body: list[bytes], sizes: int | tuple[int, ...]) -> None:
    done = steps(body, Split(sizes))
    assert joined(done) == b"".join(body)
    most = sizes if isinstance(sizes, int) else max(sizes)
    assert all(0 < len(step) <= most for step in done if isinstance(step, bytes))


def test_a_split_of_one_is_a_byte_a_piece() -> None:
    assert Split(1).cut(b"abc") == [b"a", b"b", b"c"]
    assert Split((2, 1)).cut(b"abcde") == [b"ab", b"c", b"de"]


def test_a_random_split_is_the_same_for_the_same_seed() -> None:
    body = bytes(5000)
    assert Split(seed=3).cut(body) == Split(seed=3).cut(body)
    assert Split(seed=3).cut(body) != Split(seed=4).cut(body)


def test_a_split_into_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        Split(0 - 1).cut(b"abc")


@given(body=_bodies, at=_places)
@settings(max_examples=tries(25, 100), deadline=None)
def test_a_truncated_body_ends_there(body: list[bytes], at: int) -> None:
    whole = b"".join(body)
    assert joined(steps(body, Truncate(at))) == whole[: clamped(at, whole)]


@given(body=_bodies, at=_places, kind=st.sampled_from([Reset, HangUp]))
@settings(max_examples=tries(25, 100), deadline=None)
def test_a_broken_connection_comes_after_what_was_said_before(
    body: list[bytes], at: int, kind: type[Reset] | type[HangUp]
) -> None:
    whole = b"".join(body)
    done = steps(body, kind(at))
    broken = next(index for index, step in enumerate(done) if isinstance(step, Broken))
    assert joined(done[:broken]) == whole[: clamped(at, whole)]


@given(body=_bodies, at=_places)
@settings(max_examples=tries(25, 100), deadline=None)
def test_a_stall_occurs_at_its_byte_and_loses_none(body: list[bytes], at: int) -> None:
    whole = b"".join(body)
    done = steps(body, Stall(at, 3.0))
    pause = done.index(Pause(3.0))
    assert joined(done[:pause]) == whole[: clamped(at, whole)]
    assert joined(done) == whole


@given(body=_bodies, at=_places, data=st.binary(min_size=1, max_size=9))
@settings(max_examples=tries(25, 100), deadline=None)
def test_garbage_is_inserted_in_between(body: list[bytes], at: int, data: bytes) -> None:
    whole = b"".join(body)
    place = clamped(at, whole)
    assert joined(steps(body, Garbage(at, data))) == whole[:place] + data + whole[place:]


@given(body=_bodies, at=_places)
@settings(max_examples=tries(25, 100), deadline=None)
def test_one_byte_is_flipped(body: list[bytes], at: int) -> None:
    whole = b"".join(body)
    done = joined(steps(body, Flip(at, 0x20)))
    place = clamped(at, whole)
    assert done == whole[:place] + bytes(byte ^ 0x20 for byte in whole[place : place + 1]) + whole[place + 1 :]


def test_pauses_of_the_answer_stay_where_they_were() -> None:
    assert steps([b"ab", Pause(1), b"cd"], Split(1), Truncate(3)) == [b"a", b"b", Pause(1), b"c"]


def test_random_garbage_is_the_same_for_the_same_seed() -> None:
    assert joined(steps([b""], Garbage(0, seed=1))) == joined(steps([b""], Garbage(0, seed=1)))
    assert len(joined(steps([b""], Garbage(0, size=40)))) == 40


def test_faults_of_the_head_leave_the_body_alone() -> None:
    answer = applied([Stall("head", 2), SlowHead(1.5), Reset("head"), CloseIdle()], Answer(steps=iter([b"abc"])))
    assert answer.before == (Pause(2), Broken("reset"))
    assert answer.head_seconds == 1.5
    assert answer.stale
    assert joined(answer.steps) == b"abc"


def test_headers_are_replaced_whatever_their_case() -> None:
    answer = Answer(steps=iter(()), headers={"Content-Type": "a/b", "X": "1"})
    changed = applied([Headers({"content-type": "text/html", "x": ""})], answer)
    assert changed.headers == {"content-type": "text/html"}


def test_a_compressed_body_is_the_body_and_can_be_read_as_it_comes() -> None:
    answer = applied([Compressed()], Answer(steps=iter([b"data: 1\n\n", Pause(1), b"data: 2\n\n"])))
    done = list(answer.steps)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(joined(done)) == b"data: 1\n\ndata: 2\n\n"
    first = done[: done.index(Pause(1))]
    assert zlib.decompressobj(wbits=31).decompress(joined(first)) == b"data: 1\n\n"


def test_a_bomb_is_small_and_becomes_what_it_says() -> None:
    size = 1 << 24
    packed = joined(steps([b"never sent"], Bomb(size)))
    assert len(packed) < size / 500
    assert len(gzip.decompress(packed)) >= size
