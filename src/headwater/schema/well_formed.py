"""Makes text encodable: replaces every lone surrogate, wherever it comes from, with U+FFFD.

Python creates lone surrogates from bytes that are not UTF-8 (`sys.argv`, file names), and JSON can contain them.
Neither a log, a file nor a terminal can encode one. All text from outside (tasks, instructions, the words of models,
tools and people, names) passes through here on entry, so that every view of a log has the same text. It must never
interpret the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

__all__ = ("all_well_formed", "well_formed")

T = TypeVar("T")

_encode = msgspec.json.Encoder(enc_hook=lambda value: str.__str__(value) if isinstance(value, str) else None).encode


def well_formed(text: str) -> str:
    """Returns `text` with surrogate pairs joined and lone ones replaced by U+FFFD; the same object if it has none."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def all_well_formed(value: T) -> T:
    """Returns `value` with all text in it well formed; the same object if nothing changed.

    It looks into mappings, lists, tuples and msgspec Structs, and leaves everything else as it is.
    """
    try:
        _encode(value)
    except Exception:  # halves; or it is no JSON: a key that is no string, a number too large, a cycle
        pass
    else:
        return value
    try:
        mended: T = _mended(value, ())
    except RecursionError:  # what is nested so deep has no JSON anyway
        return value
    return mended


def _mended(value: Any, above: tuple[int, ...]) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if id(value) in above:
        return value
    inside = (*above, id(value))
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        mended = {name: _mended(held, inside) for name, held in fields.items()}
        changed = {name: held for name, held in mended.items() if held is not fields[name]}
        return msgspec.structs.replace(value, **changed) if changed else value
    if isinstance(value, Mapping):
        pairs = [(_mended(name, inside), _mended(held, inside)) for name, held in value.items()]
        same = all(new is old and held is kept for (new, held), (old, kept) in zip(pairs, value.items(), strict=True))
        return value if same else dict(pairs)
    if isinstance(value, (list, tuple)):
        items = [_mended(held, inside) for held in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return items if isinstance(value, list) else tuple(items)
    return value
