"""Whether an output type can have a list at a path, by its JSON Schema.

It must never refuse a path that an answer may have: what is not certain, as in a union, passes.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from headwater.errors import ConfigurationError
from headwater.schema.growing_json import Path

if TYPE_CHECKING:
    from headwater.schema.output import OutputType

__all__ = ("prove_list",)

_UNKNOWN: Final[Mapping[str, Any]] = {}

_A: Final = {"object": "an object", "array": "a list", "integer": "a whole number", "null": "null"}


def prove_list(output: OutputType[Any], path: Path) -> None:
    """Raises ConfigurationError if there is certainly no list at `path`."""
    root = output.schema
    if root is None:
        return
    given = isinstance(output.type, Mapping)
    node = _certain(root["properties"]["result"] if output.wrapped else root, root)
    for at, key in enumerate(path):
        kind = node.get("type")
        if kind is not None and kind != ("array" if isinstance(key, int) else "object"):
            raise _refused(path, f"{_place(path[:at])} is {_A.get(kind, f'a {kind}')}", node, path[:at])
        if isinstance(key, int):
            inner = node.get("items", _UNKNOWN) if "prefixItems" not in node else _UNKNOWN
        else:
            named = node.get("properties", _UNKNOWN)
            others = node.get("additionalProperties", given or "properties" not in node or "patternProperties" in node)
            if key not in named and others is False:
                raise _refused(path, f"{_place(path[:at])} has no {key!r}", node, path[:at], key)
            inner = named.get(key, others)
        node = _certain(inner, root)
    kind = node.get("type")
    if kind not in (None, "array"):
        raise _refused(path, f"{_place(path)} is {_A.get(kind, f'a {kind}')}", node, path)


def _certain(node: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema without references and null; _UNKNOWN if it is not a single one."""
    for _ in range(len(root.get("$defs", ())) + 2):  # a reference may lead to another one, or to itself
        if not isinstance(node, Mapping):
            return _UNKNOWN
        if isinstance(reference := node.get("$ref"), str):
            node = root.get("$defs", _UNKNOWN).get(reference.removeprefix("#/$defs/"))
        elif isinstance(choices := node.get("anyOf"), list):
            rest = [one for one in choices if one != {"type": "null"}]
            node = rest[0] if len(rest) == 1 else None
        elif node.keys() & {"oneOf", "allOf", "if"} or not isinstance(node.get("type"), str):
            return _UNKNOWN
        else:
            return node
    return _UNKNOWN


def _place(path: Path) -> str:
    return f"what is at {_shown(path)}" if path else "the answer"


def _shown(path: Path) -> str:
    return repr(path[0] if len(path) == 1 else path)


def _refused(path: Path, what: str, node: Mapping[str, Any], above: Path, name: str = "") -> ConfigurationError:
    """The error, with a path to write instead if there is a likely one."""
    fields: Mapping[str, Any] = node.get("properties", _UNKNOWN)
    near: Sequence[str] = difflib.get_close_matches(name, fields, 1) if name else ()
    lists = near or [name for name, field in fields.items() if _certain(field, _UNKNOWN).get("type") == "array"]
    if node.get("type") == "array":
        hint = f"Did you mean items({_shown(above) if above else ''})?"
    elif len(lists) == 1:
        hint = f"Did you mean items({_shown((*above, lists[0]))})?"
    elif lists:
        hint = f"Its lists are {', '.join(map(repr, lists))}."
    else:
        hint = "Pass the names that lead to a list, or read stream.partials()."
    return ConfigurationError(f"There is no list at {_shown(path)}: {what}.", hint=hint)
