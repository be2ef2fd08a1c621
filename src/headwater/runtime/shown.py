"""Converts users' values for the log: an output in full, the context as an outline.

Owns their conversion to JSON, and the warning about replaced text. It must never call a method of a user's object, nor
walk through a context: it may hold a database, or a key.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sized
from typing import Any, Final

import msgspec

from headwater.events import Event, Warned
from headwater.providers.redaction import without_secrets
from headwater.schema.well_formed import all_well_formed

__all__ = ("as_data", "outlined", "text_replaced")

MAX_FIELDS: Final = 50
"""Maximum number of a context's fields in an outline: more than anyone reads there."""

MAX_TEXT: Final = 200
"""Maximum length of a string in an outline: enough for an id or a sentence."""


def as_data(value: Any) -> Any:
    """Returns `value` as JSON data; values that JSON cannot express become their repr."""
    if value is None or isinstance(value, (int, float, bool)):
        return value
    try:
        return all_well_formed(value if isinstance(value, str) else msgspec.to_builtins(value, str_keys=True))
    except (TypeError, ValueError, RecursionError):
        from headwater.schema.plain import to_plain

        return to_plain(value)


def outlined(context: Any) -> Any:
    """Returns an outline of a context: plain values unchanged, others by type and size, secrets hidden by their names.

    For a mapping, a dataclass or a msgspec struct it reads the fields, one level deep; for any other object only the
    type. So the cost does not depend on the context.
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
    """Returns the warning about lone surrogates in a run's task, history or instructions."""
    if not replaced:
        return []
    said = "The input held text that UTF-8 cannot encode; it was replaced by U+FFFD."
    return [Warned(code="text_replaced", message=said)]


def _fields(context: Any) -> dict[str, Any] | None:
    if type(context) is dict:  # a subclass may run any code to return its items
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
    # Only for built-in collections: a user's own may compute its size.
    if type(value) in (list, tuple, dict, set, frozenset, bytes) and isinstance(value, Sized):
        what = "fields" if isinstance(value, Mapping) else "bytes" if isinstance(value, bytes) else "items"
        return f"<{kind}, {len(value)} {what}>"
    return f"<{kind}>"
