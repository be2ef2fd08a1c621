from __future__ import annotations

import json

import pytest

from headwater.events import Event, FileMade, ProviderItemMade, SourceFound, TextDelta, TextEnded, Warned
from headwater.runtime.guards.words import without_arguments, words_of


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (SourceFound(step=1, url="https://x", title="A title", quote="A quote"), ["A title", "A quote", "https://x"]),
        (FileMade(step=1, name="a.png", signature='{"revised_prompt": "A cat"}'), ["a.png", "A cat"]),
        (ProviderItemMade(step=1, api="x", item={"a": ["b", 1, {"c": "d"}], "data": "no"}), ["b", "d"]),
        (ProviderItemMade(step=1, api="x", item={"json": r"\u006b"}), [r"\u006b", "k"]),
        (Warned(code="x", message="A message", hint="A hint"), ["A message", "A hint"]),
        (TextEnded(step=1, part=0, signature='{"id": "1", "citations": [{"cited_text": "A quote"}]}'), ["A quote"]),
        (TextEnded(step=1, part=0, signature="opaque"), []),
        (TextEnded(step=1, part=0, signature="{opaque"), []),
        (TextEnded(step=1, part=0), []),
        (TextDelta(step=1, part=0, text="its text is checked as text"), []),
    ],
)
def test_what_a_server_wrote_in_an_event(event: Event, words: list[str]) -> None:
    assert [*words_of(event)] == words


def test_a_signature_without_its_copy_of_the_arguments() -> None:
    signature = json.dumps({"status": "completed", "arguments": "{ }"})
    assert without_arguments(signature) == '{"status":"completed"}'
    assert without_arguments('{"arguments": ""}') is None
    for other in (None, "opaque", '{"status": "completed"}'):
        assert without_arguments(other) == other
