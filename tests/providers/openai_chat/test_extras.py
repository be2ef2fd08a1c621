"""Sources and images in the formats of servers."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.events import FileMade, SourceFound
from headwater.providers.openai_chat.extras import text_of
from headwater.providers.openai_chat.response import Decoder


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), ([{"text": "a"}, 5, {"text": [{"text": "b"}]}], "ab"), (5, ""), (None, "")]
)
def test_the_text_in_a_value(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_a_source_is_reported_once_and_an_image_unchanged() -> None:
    decoder = Decoder()
    delta = b'{"annotations": [{"url_citation": {"url": "u"}}, {"url": "u"}], "images": [{"image_url": "https://p"}]}'
    events = decoder.feed(b'data: {"choices": [{"delta": ' + delta + b"}]}\n\n")
    assert [event.url for event in events if isinstance(event, SourceFound)] == ["u"]
    assert [event.url for event in events if isinstance(event, FileMade)] == ["https://p"]
