"""The event stream decoder against an independent implementation on whole bodies, for any chunking."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater.errors import LimitExceeded
from headwater.providers.framing.sse import Frame, SSEDecoder
from tests.support.effort import tries
from tests.support.recordings import one_byte_at_a_time, recordings, shared_folder, splits


def naive(body: bytes) -> list[Frame]:
    """The standard, line by line over the whole body, with headwater's two extensions."""
    lines = re.split(rb"\r\n|\r|\n", body.removeprefix(b"\xef\xbb\xbf"))
    last = lines.pop()
    frames: list[Frame] = []
    name, data = b"", list[bytes]()
    for line in [*lines, *([last] if last else []), b""]:
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if line == b"" or (field == b"error" and value):
            if data:
                frames.append((name.decode("utf-8", "replace"), b"\n".join(data)))
            name, data = b"", []
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
        elif field == b"error" and value:
            frames.append(("error", value))
    return frames


def read(pieces: list[bytes]) -> list[Frame]:
    decoder = SSEDecoder()
    frames = [frame for piece in pieces for frame in decoder.feed(piece)]
    return frames + decoder.finish()


def cut(body: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(body) + 1) for place in at}), len(body)]
    return [body[a:b] for a, b in pairwise(edges)]


LINES = st.sampled_from(
    [
        b"data: x",
        b"data:x",
        b"data:  x",
        b"data",
        b"data:",
        b"data: \xc3\xa9\xe2\x82\xac",
        b"event: e",
        b"event:",
        b"event",
        b": comment",
        b":",
        b"id: 1",
        b"retry: 5",
        b"error: {}",
        b"error:",
        b" data: x",
        b"foo: bar",
        b"\xef\xbb\xbf",
        b"",
    ]
)
ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b""])
BODIES = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef", b"\xef\xbb"]), st.lists(st.tuples(LINES, ENDS), max_size=12)
).map(lambda pair: pair[0] + b"".join(line + end for line, end in pair[1]))


@settings(max_examples=tries(50, 200), deadline=None)
@given(body=BODIES, at=st.lists(st.integers(0, 200), max_size=6))
@example(body=b"data: a\r\n\r\ndata: b\r\n\r\n", at=[8, 9, 10])
@example(body=b"data: a\r\rdata: b\r\r", at=[8, 9])
@example(body=b"data: a\n\n\ndata: b\n\n\n\n", at=[8, 9])
def test_any_chunking_gives_the_same_events(body: bytes, at: list[int]) -> None:
    wanted = naive(body)
    assert read([body]) == wanted
    assert read(list(one_byte_at_a_time(body))) == wanted
    assert read(cut(body, at)) == wanted
    assert read([b"", *cut(body, at), b""]) == wanted


HEADS = st.sampled_from(
    [b"data: ", b"event: e\ndata: ", b"event: \ndata: ", b"event: long.name\ndata: ", b"data:", b"id: 1\ndata: "]
)
PAYLOADS = st.sampled_from(
    [b"", b"x", b"{}", b" x", b"data: x", b"event: e", b"x\ry", b"x\ndata: y", b"\xc3\xa9", b"x\n"]
)
ODD = st.sampled_from(
    [b"", b"", b"", b"\n", b"\r", b": ping\n\n", b"event: other\ndata: z\n\n", b"error: {}\n", b"\xef\xbb\xbf"]
)


@settings(max_examples=tries(50, 200), deadline=None)
@given(
    head=HEADS,
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    payloads=st.lists(st.tuples(PAYLOADS, ODD), min_size=1, max_size=8),
    at=st.lists(st.integers(0, 300), max_size=6),
)
@example(head=b"event: e\ndata: ", end=b"\r\n", payloads=[(b"x", b"")] * 4, at=[0, 19, 38, 50])
@example(
    head=b"event: e\ndata: ", end=b"\n", payloads=[(b"x", b""), (b"y", b"event: other\ndata: z\n\n")] * 3, at=[17, 51]
)
@example(head=b"event: e\ndata: ", end=b"\n", payloads=[(b"x", b"event: e\nid: 12345\n\n")] * 2, at=[18, 38, 56])
@example(head=b"data: ", end=b"\r\n", payloads=[(b"x", b"\n"), (b"y", b"\r")] * 2, at=[11, 12, 24])
def test_uniform_events_are_read_like_any_others(
    head: bytes, end: bytes, payloads: list[tuple[bytes, bytes]], at: list[int]
) -> None:
    """Uniform reads take the fast path; oddities among them do not."""
    body = b"".join((head + payload + b"\n\n" + odd).replace(b"\n", end) for payload, odd in payloads)
    wanted = naive(body)
    assert read([body]) == wanted
    assert read(cut(body, at)) == wanted
    assert read([b"data: first\n\n", *cut(body, at)]) == [("", b"first"), *wanted]


@settings(max_examples=tries(25, 100), deadline=None)
@given(body=st.binary(max_size=60), at=st.lists(st.integers(0, 60), max_size=4))
def test_any_bytes_are_accepted(body: bytes, at: list[int]) -> None:
    assert read(cut(body, at)) == naive(body)


@pytest.mark.parametrize("api", ["openai-chat", "openai-responses", "anthropic-messages", "gemini"])
def test_recordings_split_at_random(api: str) -> None:
    found = recordings(api)
    if not found:
        pytest.skip(f"no recordings of {api} under {shared_folder()}: set HEADWATER_SHARED")
    for recording in found:
        if recording.format == "sse":
            assert read(splits(recording.body, recording.name)) == naive(recording.body), recording.name


@pytest.mark.parametrize(
    ("body", "frames"),
    [
        (b"data: a\n\n", [("", b"a")]),
        (b"data: a\ndata: b\n\n", [("", b"a\nb")]),
        (b"data:\ndata:\n\n", [("", b"\n")]),
        (b"event: ping\ndata: {}\n\n", [("ping", b"{}")]),
        (b"event: lost\n\ndata: a\n\n", [("", b"a")]),
        (b"data:  two spaces\n\n", [("", b" two spaces")]),
        (b": comment\n\ndata: a\n\n", [("", b"a")]),
        (b"data: no blank line", [("", b"no blank line")]),
        (b"data: no blank line\r", [("", b"no blank line")]),
        (b"data: a\nerror: {}\ndata: b\n\n", [("", b"a"), ("error", b"{}"), ("", b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
        (b"data: \xef\xbb\xbf\n\n", [("", b"\xef\xbb\xbf")]),
    ],
)
def test_frames(body: bytes, frames: list[Frame]) -> None:
    assert read([body]) == frames
    assert read(list(one_byte_at_a_time(body))) == frames


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_an_event_is_returned_as_soon_as_its_blank_line_arrives(end: bytes) -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a" + end) == [("", b"a")]
    assert decoder.feed(b"data: b" + end) == [("", b"b")]
    assert decoder.finish() == []


def test_stray_lines_are_collected_separately() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"<html>\nerror: {}\n data: a\ndata: b\n\n") == [("error", b"{}"), ("", b"b")]
    assert decoder.stray == [b"<html>", b"error: {}", b" data: a"]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "endless", [b"data: " + b"x" * 500, b"data: x\n" * 100, b"data\n" * 200, b":" * 500, b"data: x\r\n" * 100]
)
def test_an_endless_event_exceeds_the_limit_in_any_chunking(size: int, endless: bytes) -> None:
    decoder = SSEDecoder(max_event_bytes=120)
    body = b"data: good\n\n" * 30 + endless
    frames: list[Frame] = []

    def feed_all() -> None:
        for at in range(0, len(body), size):
            frames.extend(decoder.feed(body[at : at + size]))
        decoder.finish()

    with pytest.raises(LimitExceeded) as raised:
        feed_all()
    assert raised.value.limit == "max_event_bytes"
    assert frames == [("", b"good")] * 30
    with pytest.raises(LimitExceeded):
        decoder.feed(b"data: more\n\n")


def test_many_events_in_one_read_may_exceed_the_limit_together() -> None:
    decoder = SSEDecoder(max_event_bytes=20)
    assert decoder.feed(b"data: good\n\n" * 30) == [("", b"good")] * 30


def test_stray_lines_are_limited() -> None:
    decoder = SSEDecoder(max_event_bytes=100)
    for _ in range(50):
        assert decoder.feed(b"nonsense\n") == []
    assert len(decoder.stray) == 11
    assert decoder.feed(b"data: a\n\n") == [("", b"a")]


def test_one_long_line_in_small_pieces_is_joined_once() -> None:
    decoder = SSEDecoder()
    piece = b"x" * 64
    assert decoder.feed(b"data: ") == []
    for _ in range(100_000):
        assert not decoder.feed(piece)
    ((_, data),) = decoder.feed(b"\n\n")
    assert data == piece * 100_000


def test_ids_and_retry_times_are_ignored() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"id: 1\nretry: 5\ndata: x\n\nid\ndata: y\n\nother: z\n") == [("", b"x"), ("", b"y")]
    assert decoder.stray == [b"other: z"], "only what belongs to no stream of events"


def test_an_events_lines_and_its_incomplete_line_count_together() -> None:
    decoder = SSEDecoder(max_event_bytes=100)
    assert decoder.feed(b"data: " + b"a" * 60 + b"\n") == []
    with pytest.raises(LimitExceeded):
        decoder.feed(b"data: " + b"b" * 60)
