"""Values for property tests, generated from type hints.

Owns the strategies; it must never know the meaning of a field, so that new fields are tested automatically.
"""

from __future__ import annotations

import functools
import types
import typing
from decimal import Decimal
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from headwater.events import Event
from headwater.events.codec import EVENT_TYPES
from headwater.events.messages import File, Image, Message
from headwater.events.response import Response

__all__ = ("any_event", "any_json", "any_message", "any_response", "event_of", "value_of")

_SHORT = 4
"""Maximum number of items per list: two find the same errors as four, and examples stay readable."""


@functools.cache
def any_json() -> st.SearchStrategy[Any]:
    """Any JSON value."""
    plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=_SHORT) | st.dictionaries(st.text(), inner, max_size=_SHORT),
        max_leaves=6,
    )


_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: st.binary(),
    Decimal: st.decimals(min_value=0, max_value=10**9, places=12) | st.decimals(min_value=0, max_value=1, places=2),
    type(None): st.none(),
}


@functools.cache
def value_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field type of messages and events."""
    if hint is Any:
        return any_json()
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([value_of(one) for one in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(value_of(arguments[0]), max_size=_SHORT).map(tuple)
    if origin is tuple:
        return st.tuples(*(value_of(one) for one in arguments))
    if origin is dict:
        return st.dictionaries(value_of(arguments[0]), value_of(arguments[1]), max_size=_SHORT)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _struct(hint)
    raise AssertionError(f"There is no strategy for {hint!r} yet: add one.")


def _struct(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind)
    fields = {name: value_of(hints[name]) for name in kind.__struct_fields__ if name != "extra"}
    if kind not in (Image, File):
        return st.builds(kind, **fields)
    # Exactly one of the sources is set, and the media type follows from data.
    held = ("data", "url") if kind is Image else ("data", "url", "id")
    present = {"data": st.binary(), "url": st.text(), "id": st.text()}
    return st.one_of(
        [st.builds(kind, **{**fields, **dict.fromkeys(held, st.none()), one: present[one]}) for one in held]
    )


def event_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    """Any event of one class, every field filled."""
    return value_of(kind)


def any_event() -> st.SearchStrategy[Event]:
    """Any event that has a class."""
    return st.one_of([event_of(kind) for kind in EVENT_TYPES.values()])


def any_message() -> st.SearchStrategy[Message]:
    """Any message, with any parts."""
    return value_of(Message)


@st.composite
def any_response(draw: st.DrawFn) -> Response[Any]:
    """Any Response with a JSON output, every field filled except `error`: exceptions have no equality."""
    hints = typing.get_type_hints(Response)
    apart = ("output", "members", "error")
    fields = {name: draw(value_of(hints[name])) for name in Response("").__dict__ if name not in apart}
    text = draw(st.text())
    members = {name: Response(said) for name, said in draw(st.dictionaries(st.text(), st.text(), max_size=2)).items()}
    return Response(text, output=draw(st.just(text) | any_json()), members=members, **fields)
