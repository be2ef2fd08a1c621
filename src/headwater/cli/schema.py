"""`--schema`: what an answer must be, as a JSON Schema that is written on the command line or stands in a file."""

from __future__ import annotations

import json
import os
from typing import Any, Final

from headwater.errors import UsageError

__all__ = ("schema_of",)

_WORDS: Final = frozenset(
    ("type", "properties", "items", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "required", "prefixItems")
)
"""What a schema that says anything has one of."""


def schema_of(text: str) -> dict[str, Any]:
    """The schema that `text` is, where it begins with a brace, or that stands in the file of that name.

    Raises UsageError.
    """
    given = text.strip()
    where = "--schema"
    if not given.startswith("{"):
        where = f"--schema {given}"
        given = _read(given)
    try:
        schema = json.loads(given)
    except ValueError as error:
        raise UsageError(f"{where} is no JSON: {error}.") from None
    if not isinstance(schema, dict):
        raise UsageError(f"{where} is {type(schema).__name__}, and no object.", hint=_HINT)
    if not _WORDS & schema.keys():
        names = ", ".join(map(repr, list(schema)[:3])) or "nothing"
        raise UsageError(f"{where} is no JSON Schema: it holds {names}.", hint=_HINT)
    return schema


_HINT = """Write {"type": "object", "properties": {"port": {"type": "string"}}}."""


def _read(name: str) -> str:
    try:
        with open(os.path.expanduser(name), encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"--schema {name} cannot be read: {why}.", hint="Name a file, or write the schema.") from None
