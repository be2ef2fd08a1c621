"""What a log may show of values that are the user's own: an output in full, the context in outline.

Owns how they become JSON, and what is said where a text cannot. It must never call a method of a user's object, nor
walk through what a context holds: it may hold a database, or a key.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sized
from typing import Any, Final

import msgspec

from headwater.events import Event, Warned
from headwater.providers.redaction import without_secrets
from headwater.schema import all_well_formed

__all__ = ("as_data", "outlined", "text_replaced")

MAX_FIELDS: Final = 50
"""Fields of a context that an outline shows: more than anyone reads there."""

MAX_TEXT: Final = 200
"""Characters of a text in an outline: enough for an id or a sentence."""


def as_data(value: Any) -> Any:
    """`value` as JSON can hold it; what it cannot hold is told by its repr."""
    if value is None or isinstance(value, (int, float, bool)):
        return value
    try:
        return all_well_formed(value if isinstance(value, str) else msgspec.to_builtins(value, str_keys=True))
    except (TypeError, ValueError, RecursionError):
        from headwater.schema import to_plain

        return to_plain(value)


def outlined(context: Any) -> Any:
    """A context in outline: plain values as they are, all else by its type and size, secrets hidden by their names.

    Of a mapping, a dataclass or a msgspec struct the fields are looked at, one level deep; of any other object only the
    type. So it costs the same whatever the context holds.
    """
    if context is None:
        return None
    fields = _fields(context)
    if fields is None:
        return all_well_formed(_brief(context))
    shown = {name: _brief(value) for name, value in [*fields.items()][:MAX_FIELDS]}
    if len(fields) > MAX_FIELDS:
        shown["…"] = f"{len(fields) - MAX_FIELDS} more"
    return without_secrets(all_well_formed(shown))


def text_replaced(replaced: bool) -> list[Event]:
    """What a run says about its task, history or instructions, where they held half of a surrogate pair."""
    if not replaced:
        return []
    said = "What was asked held text that UTF-8 cannot hold; U+FFFD stands in its place."
    return [Warned(code="text_replaced", message=said)]


def _fields(context: Any) -> dict[str, Any] | None:
    if type(context) is dict:  # a subclass may do anything where it is asked for its items
        return {name if type(name) is str else str(_brief(name)): value for name, value in context.items()}
    if dataclasses.is_dataclass(context) and not isinstance(context, type):
        held = getattr(context, "__dict__", {})
        return {field.name: held.get(field.name) for field in dataclasses.fields(context)}
    if isinstance(context, msgspec.Struct):
        return {name: getattr(context, name) for name in context.__struct_fields__}
    return None


def _brief(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float):
        return value
    if type(value) is str:
        return value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}…"
    kind = type(value).__name__
    # Only built-in collections are asked for their size: a user's own may compute it.
    if type(value) in (list, tuple, dict, set, frozenset, bytes) and isinstance(value, Sized):
        what = "fields" if isinstance(value, Mapping) else "bytes" if isinstance(value, bytes) else "items"
        return f"<{kind}, {len(value)} {what}>"
    return f"<{kind}>"
