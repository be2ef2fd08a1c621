"""`--schema`: the JSON Schema of the answer, from the command line or a file."""

from __future__ import annotations

import json
import os
from typing import Any, Final

from headwater.errors import UsageError

__all__ = ("schema_of",)

_WORDS: Final = frozenset(
    ("type", "properties", "items", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "required", "prefixItems")
)
"""A useful schema has at least one of these."""


def schema_of(text: str) -> dict[str, Any]:
    """Returns the schema in `text` if it starts with a brace, else the one in the file of that name.

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
        raise UsageError(f"{where} is not valid JSON: {error}.") from None
    if not isinstance(schema, dict):
        raise UsageError(f"{where} is a JSON {type(schema).__name__}, not an object.", hint=_HINT)
    if not _WORDS & schema.keys():
        names = ", ".join(map(repr, list(schema)[:3])) or "nothing"
        raise UsageError(f"{where} is not a JSON Schema: it has {names}.", hint=_HINT)
    return schema


_HINT = """Write {"type": "object", "properties": {"port": {"type": "string"}}}."""


def _read(name: str) -> str:
    try:
        with open(os.path.expanduser(name), encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"--schema {name} cannot be read: {why}.", hint="Name a file, or write the schema.") from None
