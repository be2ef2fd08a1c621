"""Parses and validates requests: JSON bodies, positions, numbers.

Owns the schemas of the bodies. Pure: bytes and text become values, or a Problem that names the invalid field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from headwater.events.messages import Message
from headwater.web.limits import MAX_BODY_DEPTH
from headwater.web.problems import Problem

__all__ = (
    "Answering",
    "Approving",
    "Attaching",
    "Saying",
    "Starting",
    "conversation",
    "decoded",
    "fitting",
    "messages",
    "number",
    "parsed",
    "position",
)

T = TypeVar("T")

_json: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


class Starting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that starts a run."""

    input: str | list[Any]
    agent: str | None = None
    context: Any = None
    thread: str | None = None
    on_disconnect: Literal["continue", "cancel"] | float | None = None


class Saying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that sends messages to a run."""

    input: str | list[Any]
    agent: str | None = None
    now: bool = False


class Answering(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that answers a tool's question."""

    input: str
    action: Literal["accept", "decline", "cancel"]
    content: Any = None


class Approving(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that approves or denies a call."""

    approval: str
    allowed: bool
    note: str = ""
    arguments: dict[str, Any] | None = None
    for_run: bool = False


class Attaching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that reads a run: after a given event, or only selected events."""

    after: Annotated[int, msgspec.Meta(ge=-1, lt=10**15)] | None = None
    agent: str | list[str] | None = None
    depth: Annotated[int, msgspec.Meta(ge=0)] | None = None
    final_only: bool = False


def decoded(data: bytes, kind: type[T]) -> T:
    """Parses the body. Raises Problem: bad_json if it is not JSON, bad_request if it does not match the type."""
    return fitting(parsed(data), kind)


def parsed(data: bytes) -> Any:
    """Parses the body as untyped JSON. Raises Problem."""
    try:
        value = _json.decode(data or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(
            "bad_json", f"The body is not valid JSON: {_said(error)}.", hint="Send one JSON object."
        ) from None
    if not isinstance(value, dict):
        raise Problem("bad_request", "The body is not a JSON object.", hint="Send one JSON object.")
    _check_depth(value)
    return value


def fitting(value: Any, kind: type[T]) -> T:
    """Converts a JSON value to the type. Raises Problem."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError, ValueError, TypeError) as error:
        said, _, at = _said(error).partition(" - at `$")
        place = at.rstrip("`").lstrip(".")
        hint = "" if place or "unknown field" not in said else f"The fields are {', '.join(_fields(kind))}."
        raise Problem("bad_request", f"{place or 'The body'}: {said}.", hint=hint, param=place or None) from None


def _fields(kind: Any) -> tuple[str, ...]:
    fields: tuple[str, ...] = getattr(kind, "__struct_encode_fields__", ())
    return fields


def _said(error: BaseException) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _check_depth(value: Any) -> None:
    """Raises Problem if arrays and objects are nested too deeply."""
    level: list[Any] = [value]
    for _ in range(MAX_BODY_DEPTH):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise Problem(
        "bad_request",
        f"The body has more than {MAX_BODY_DEPTH} levels of nesting.",
        hint="Use fewer levels of nesting.",
    )


# --- messages


def messages(input: str | Sequence[Any]) -> tuple[Message, ...]:
    """Converts the input to messages: a string, or messages whose content may be a string. Raises Problem."""
    given: Sequence[Any] = [input] if isinstance(input, str) else input
    if not given or "" in given:
        raise Problem("bad_request", "input is empty.", hint="Say something.", param="input")
    return fitting([_message(one, at) for at, one in enumerate(given)], tuple[Message, ...])


def _message(one: Any, at: int) -> Any:
    if isinstance(one, str):
        return {"role": "user", "content": [{"type": "text", "text": one}]}
    if not isinstance(one, Mapping) or "role" not in one:
        hint = 'Write {"role": "user", "content": "…"}.'
        raise Problem("bad_request", f"input[{at}] is not a message.", hint=hint, param="input")
    content = one.get("content", ())
    return {**one, "content": [{"type": "text", "text": content}] if isinstance(content, str) else content}


def conversation(input: str | Sequence[Any]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """Like `messages`, but split into the history and the run's input. Raises Problem."""
    said = messages(input)
    before = next((at for at in range(len(said), 0, -1) if said[at - 1].role in ("assistant", "tool")), 0)
    if before == len(said):
        raise Problem("bad_request", "The last message is not the user's.", hint="Say something.", param="input")
    return said[:before], said[before:]


# --- positions and numbers

_LONGEST: Final = 15
"""Maximum number of digits in a query or header value: enough for any log's event count."""


def position(text: str | None) -> int:
    """Returns the position after the event with that id; 0 without an id. Raises Problem."""
    if text is None or text.strip() in ("", "-1"):
        return 0
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST):
        raise Problem(
            "bad_position", "The id of an event must be a number.", hint="Send the last id that you received."
        )
    return int(text) + 1


def number(name: str, text: str | None, default: int | None, *, least: int = 0, most: int = 10**9) -> int | None:
    """Parses a number in a query. Raises Problem."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST and least <= int(text) <= most):
        raise Problem("bad_request", f"{name} must be a number from {least} to {most}.", param=name)
    return int(text)
