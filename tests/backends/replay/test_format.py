"""The file of a recording: round trips and invalid files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Model
from headwater.backends.replay.format import Bytes, Ended, Line, Requested, Responded, Start, as_line, read_lines
from headwater.errors import (
    InvalidRecord,
)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"not json\n", "line 1"),
        (b'{"type":"recording","v":1}\n{"type":"bytes","exchange":1,"at":0.1,"base64":"*"}\n', "line 2"),
        (b'{"type":"recording","v":99}\n', "version 99"),
        (b'{"type":"end","exchange":1,"at":0}\n', "does not say that this is a recording"),
        (b'{"type":"recording","v":1}\n', "holds no request"),
        (b"\xff\xfe\n", "line 1"),
    ],
)
def test_invalid_recordings_are_refused(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_bytes(content)
    with pytest.raises(InvalidRecord, match=why):
        _ = Model(f"replay:{path}").backend


def test_every_line_survives_a_round_trip(tmp_path: Path) -> None:
    asked = Requested(
        exchange=1,
        at=0.0,
        provider="p",
        api="openai-chat",
        model="m",
        base_url="http://h",
        url="http://h/chat/completions",
        headers={"a": "b"},
        quirks={"stream_options": False},
        body={"model": "m"},
    )
    lines: list[Line] = [
        asked,
        Responded(exchange=1, at=0.1, status=200, headers={"content-type": "text/event-stream"}),
        Bytes.of(1, 0.2, "data: ü\n\n".encode()),
        Bytes.of(1, 0.3, b"\xc3"),
        Ended(exchange=1, at=0.4, error="ConnectionFailed", message="It broke.", hint="Again.", retryable=True),
        Ended(exchange=2, at=0.5, left=True),
    ]
    path = tmp_path / "answers.jsonl"
    path.write_bytes(as_line(Start(by="a test")) + b"\n" + b"".join(map(as_line, lines)))
    assert read_lines(path) == lines
    assert asked.backend == ("p", "openai-chat", "m")


@given(st.binary(max_size=50))
def test_any_bytes_are_kept(data: bytes) -> None:
    line = Bytes.of(1, 0.0, data)
    assert line.data == data
    assert (line.text is None) != (line.base64 is None)
