"""The words in events that are not text: what a server or a model wrote in their fields, for a guard to check.

Pure. Owns which fields are read, and what in a signature is readable.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from headwater.events import Event, FileMade, ProviderItemMade, ReasoningEnded, SourceFound, TextEnded, Warned
from headwater.providers.decoder import parse_arguments
from headwater.runtime.guards.json_text import spelled_out

__all__ = ("without_arguments", "words_of")

_NOT_WORDS: Final = frozenset({"encrypted_content", "data", "signature"})
"""Fields that nobody can read: encrypted, or bytes as text."""

_encode = msgspec.json.Encoder().encode


def _read(signature: str | None) -> dict[str, Any]:
    """Returns the fields of a signature that is JSON, as of APIs whose items have more fields than a part; else {}."""
    if not signature or not signature.startswith("{"):
        return {}
    return parse_arguments(signature) or {}


def without_arguments(signature: str | None) -> str | None:
    """Returns a call's signature without its own copy of the arguments, as they were written."""
    fields = _read(signature)
    if "arguments" not in fields:
        return signature
    del fields["arguments"]
    return _encode(fields).decode() if fields else None


def words_of(event: Event) -> Iterator[str]:
    """Returns the words in an event that a server wrote."""
    match event:
        case SourceFound():
            yield from filter(None, (event.title, event.quote, event.url))
        case FileMade():
            yield from filter(None, (event.name, event.url))
            yield from _strings(_read(event.signature))
        case TextEnded() | ReasoningEnded():
            fields = _read(event.signature)
            # What is not nested are ids and words of the API; citations are nested.
            yield from _strings([value for value in fields.values() if not isinstance(value, str)])
        case ProviderItemMade():
            yield from _strings(event.item)
        case Warned():
            yield from filter(None, (event.message, event.hint))
        case _:
            pass


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        if (spelled := spelled_out(value)) != value:  # it may be JSON
            yield spelled
    elif isinstance(value, dict):
        for name, one in value.items():
            if name not in _NOT_WORDS:
                yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
