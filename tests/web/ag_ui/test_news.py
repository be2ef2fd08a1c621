from __future__ import annotations

from typing import Any

import pytest

from headwater.events import (
    AttemptFailed,
    Custom,
    ErrorInfo,
    Event,
    FileMade,
    GuardTripped,
    Handoff,
    SourceFound,
    TextDelta,
    Warned,
)
from headwater.events.messages import File, Image, Text
from headwater.web.ag_ui.news import NEWS, content_of, news
from tests.support.logs import stamped

ERROR = ErrorInfo(type="Overloaded", message="busy")
TOLD: list[tuple[Event, str, Any]] = [
    (Custom(name="mine", data=None), "mine", None),
    (Warned(code="odd", message="Odd."), "headwater.warning", {"agent": "top", "code": "odd", "message": "Odd."}),
    (
        AttemptFailed(step=1, attempt=1, error=ERROR, then="retry"),
        "headwater.attempt.failed",
        {"agent": "top", "then": "retry", "error": "Overloaded", "message": "busy"},
    ),
    (
        GuardTripped(guard="polite", on="input"),
        "headwater.guard.tripped",
        {"agent": "top", "guard": "polite", "on": "input", "action": "block"},
    ),
    (Handoff(to="heir", note="a hotel"), "headwater.handoff", {"agent": "top", "to": "heir", "note": "a hotel"}),
    (
        SourceFound(step=1, url="https://example.org", title="Example"),
        "headwater.source",
        {"agent": "top", "kind": "url", "url": "https://example.org", "title": "Example"},
    ),
    (
        FileMade(step=1, media_type="text/csv", data=b"a,b", name="t.csv"),
        "headwater.file",
        {"agent": "top", "mediaType": "text/csv", "url": "data:text/csv;base64,YSxi", "name": "t.csv"},
    ),
]


@pytest.mark.parametrize(("event", "name", "value"), TOLD)
def test_news_have_names_of_ours_or_the_programs(event: Event, name: str, value: Any) -> None:
    (given,) = stamped([event])
    assert [*news(given)] == [{"type": "CUSTOM", "name": name, "value": value}]


def test_all_of_them_and_nothing_else_are_news() -> None:
    assert {type(event) for event, _, _ in TOLD} == {*NEWS}
    assert [*news(TextDelta(step=1, part=0, text="a"))] == []


def test_what_a_tool_gave_is_text_or_parts() -> None:
    picture, table = Image(url="https://example.org/a.png"), File(data=b"a,b", media_type="text/csv", name="t.csv")
    sound, kept = File(data=b"x", media_type="audio/mpeg"), File(id="file-7", media_type="application/pdf")
    given = (Text(text="See "), picture, table, sound, kept)
    assert content_of("plain", parts=True) == "plain"
    assert content_of((Text(text="a"), Text(text="b")), parts=True) == "ab"
    assert content_of(given, parts=False) == "See "
    csv = {"type": "data", "value": "YSxi", "mimeType": "text/csv"}
    assert content_of(given, parts=True) == [
        {"type": "text", "text": "See "},
        {"type": "image", "source": {"type": "url", "value": "https://example.org/a.png"}},
        {"type": "document", "source": csv, "metadata": {"filename": "t.csv"}},
        {"type": "audio", "source": {"type": "data", "value": "eA==", "mimeType": "audio/mpeg"}},
        {"type": "document", "source": {"type": "file", "value": "file-7", "mimeType": "application/pdf"}},
    ]
