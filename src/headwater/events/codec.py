"""Converts events and messages to JSON and back: versioned, and anything unknown to this version survives.

The format is `{"v": 1, "type": …, …}` with defaults left out; bytes are base64, dollars strings. The codec reads this
version and newer ones: an event of an unknown type becomes `Unknown` and is written back as it came, unknown fields
are kept in `Event.extra` and written back in place. So an older reader passes a newer log on complete. Anything else is
a record: a record of a newer version is refused. This file owns the JSON form; it must never decide what an event
means, nor write a key: a `Secret` has no JSON form.
"""

from __future__ import annotations

import base64
import functools
import operator
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from headwater.errors import InvalidRecord
from headwater.events import types as _events
from headwater.events.messages import Message
from headwater.events.types import Event, Unknown
from headwater.schema.well_formed import all_well_formed, well_formed

__all__ = (
    "EVENT_TYPES",
    "JSON",
    "VERSION",
    "as_json",
    "decode",
    "decode_message",
    "decode_messages",
    "encode",
    "encode_message",
    "encode_messages",
    "messages_from_json",
    "messages_to_json",
    "read_record",
    "write_record",
)

VERSION: Final = 1
"""The version written. It rises only where an older reader would misread; new types and fields do not raise it."""

_NEWER: Final = "It was written by a newer version of headwater: upgrade this one."

ReadT = TypeVar("ReadT")

JSON: TypeAlias = bytes | bytearray | memoryview | str | Mapping[str, Any]
"""Accepted input: JSON as bytes or text, or an object that is decoded already."""


def _known_types() -> dict[str, type[Event]]:
    named = (getattr(_events, name) for name in _events.__all__)
    kinds = (kind for kind in named if isinstance(kind, type) and issubclass(kind, Event))
    return {str(kind.__struct_config__.tag): kind for kind in kinds if kind not in (Event, Unknown)}


EVENT_TYPES: Final[Mapping[str, type[Event]]] = _known_types()
"""The class of each event by its name on the wire."""

_STAMPS = ("seq", "time", "run", "path")
_PREFIX = b'{"v":%d,' % VERSION
_WIRE_NAMES = {kind: frozenset(kind.__struct_encode_fields__) - {"extra"} for kind in EVENT_TYPES.values()}


def _plain(value: Any) -> Any:
    """Converts values that the encoder does not support: subclasses of plain types (a Response is a str), models."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(type(value), "model_dump"):  # a pydantic model, without importing pydantic to ask
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__qualname__} has no JSON form")


_encoder = msgspec.json.Encoder(enc_hook=_plain)
_any: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


@functools.cache
def _typed() -> msgspec.json.Decoder[Event]:
    # Created on first use: it reads the type hints of every event, which writers do not need.
    return msgspec.json.Decoder(functools.reduce(operator.or_, EVENT_TYPES.values()))


# --- events


def encode(event: Event, *, stamps: bool = False) -> bytes:
    """Returns `event` as one JSON object, without a line end.

    With `stamps` the four common fields are written even if they hold their defaults: for a wire, a file, or any
    reader without this library. `decode` returns the same event either way.

    Text that UTF-8 cannot encode (a lone surrogate) is written as U+FFFD. Raises InvalidRecord if the event
    holds a value without a JSON form. Source: spec/00.
    """
    # Defaults are left out; after its first event, a stamped log has no default in these fields.
    stamps = stamps and not (event.seq and event.time and event.run and event.path)
    try:
        if event.extra is None and type(event) is not Unknown and not stamps:
            return _PREFIX + _encoder.encode(event)[1:]
        return _encoder.encode(_object(event, stamps))
    except UnicodeEncodeError:
        return _encoder.encode(all_well_formed(_object(event, stamps)))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidRecord(
            f"The event {event.type} cannot be written as JSON: {error}.",
            hint="Use plain values: dicts, lists, strings, numbers, dataclasses, pydantic models.",
        ) from error


def decode(data: JSON) -> Event:
    """Decodes an event from one JSON object; returns an `Unknown` if only a newer version knows its type or shape.

    Raises InvalidRecord if `data` is not a JSON object, has no type, or a field of a known event has the wrong type.
    """
    if type(data) is not bytes:
        if isinstance(data, Mapping):
            return _from_object(dict(all_well_formed(data)))
        data = _bytes(data)
    try:
        event = _typed().decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # unknown or invalid: the slow path finds out which
    else:
        # Events that this version wrote encode to the same bytes again. Then nothing was lost, and the slow path,
        # which looks for unknown fields, can be skipped; that saves two thirds of the cost.
        if encode(event) == data:
            return event
    return _from_object(_read_object(data, "event"))


def _object(event: Event, stamps: bool) -> dict[str, Any]:
    """Returns the event as the dict to be written, with everything that was kept for a newer reader."""
    if isinstance(event, Unknown):
        body = event.body if "type" in event.body else {"v": VERSION, "type": event.name, **event.body}
        said = _stamps(body)
        # Appending to another log replaces the stamps; only then does the body change.
        body = {**body, **{name: here for name in _STAMPS if (here := getattr(event, name)) != said[name]}}
    else:
        bare = msgspec.structs.replace(event, extra=None)
        body = {"v": VERSION, **msgspec.to_builtins(bare, enc_hook=_plain)}
    if stamps:
        first: dict[str, Any] = {name: body[name] for name in ("v", "type") if name in body}
        body = {**first, **{name: getattr(event, name) for name in _STAMPS}, **body}
    return {**body, **event.extra} if event.extra else body


def _from_object(body: dict[str, Any]) -> Event:
    version = _version(body, "event")
    name = body.get("type")
    if not isinstance(name, str) or not name:
        raise InvalidRecord(
            "An event has no type.", hint='An event is an object such as {"v": 1, "type": "text.delta", …}.'
        )
    kind = EVENT_TYPES.get(name)
    if kind is None:
        return _unknown(name, body)
    names = _WIRE_NAMES[kind]
    known = {key: value for key, value in body.items() if key in names}
    try:
        event = msgspec.convert(known, kind)
        held = _fields(event)
        extra = {key: value for key, value in body.items() if key not in names and key not in ("v", "type")}
        extra.update((key, value) for key, value in known.items() if _loses(value, held[key]))
    except msgspec.ValidationError as error:
        if version > VERSION or _is_newer_member(error):
            return _unknown(name, body)
        raise InvalidRecord(f"An event {name} is not valid: {error}.") from error
    except RecursionError as error:
        raise InvalidRecord(f"An event {name} is nested too deeply to be read.") from error
    if version != VERSION:
        extra["v"] = version
    return msgspec.structs.replace(event, extra=extra) if extra else event


def _unknown(name: str, body: dict[str, Any]) -> Unknown:
    return Unknown(name=name, body=body, **_stamps(body))


class _Stamps(msgspec.Struct, frozen=True):
    seq: int = 0
    time: float = 0.0
    run: str = ""
    path: tuple[str, ...] = ()


def _stamps(body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        stamps = msgspec.convert({name: body[name] for name in _STAMPS if name in body}, _Stamps)
    except msgspec.ValidationError:
        stamps = _Stamps()
    return msgspec.structs.asdict(stamps)


def _is_newer_member(error: msgspec.ValidationError) -> bool:
    """Whether the error is an unknown member of a closed set (a new kind, a new cause), not a wrong type."""
    return str(error).startswith(("Invalid enum value", "Invalid value"))


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    """A value's fields by their names on the wire, including defaults."""
    # structs.fields() returns the names too, but reads the type hints on every call.
    names = zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True)
    held = {wire: getattr(struct, name) for wire, name in names}
    config = struct.__struct_config__
    return held if config.tag_field is None else {config.tag_field: config.tag, **held}


def _loses(came: Any, held: Any) -> bool:
    """Whether decoding lost something: whether the JSON holds data that the value does not."""
    if isinstance(held, msgspec.Struct):
        known = _fields(held)
        return any(key not in known or _loses(value, known[key]) for key, value in came.items())
    if isinstance(held, tuple):
        return any(_loses(one, other) for one, other in zip(came, held, strict=True))
    if isinstance(held, bytes):
        return bool(came != base64.b64encode(held).decode())
    if isinstance(held, Decimal):
        return bool(came != str(held))
    return bool(came != held)


# --- messages


def encode_message(message: Message) -> bytes:
    """Returns `message` as one JSON object. Raises InvalidRecord if it holds a value without a JSON form."""
    return write_record(message, "message")


def encode_messages(messages: Iterable[Message]) -> bytes:
    """Returns `messages` as one JSON object, `{"v": 1, "messages": […]}`. Raises InvalidRecord."""
    return _PREFIX + b'"messages":' + _write(tuple(messages), "message") + b"}"


def decode_message(data: JSON) -> Message:
    """Reads the output of `encode_message`. Raises InvalidRecord, also if a part is of a newer kind."""
    return read_record(data, Message, "message")


class _Messages(msgspec.Struct, frozen=True):
    messages: tuple[Message, ...]


def decode_messages(data: JSON) -> tuple[Message, ...]:
    """Reads the output of `encode_messages`. Raises InvalidRecord, also if a part is of a newer kind."""
    return read_record(data, _Messages, "history").messages


def messages_to_json(messages: Iterable[Message]) -> str:
    """Returns `messages` as JSON, for storage; `messages_from_json` reads it.

    Raises InvalidRecord if a message holds a value without a JSON form.
    """
    return encode_messages(messages).decode()


def messages_from_json(data: JSON) -> tuple[Message, ...]:
    """Reads the output of `messages_to_json`, to continue the conversation (`history=`).

    Raises InvalidRecord, also if a newer version wrote it, or a part is of an unknown kind.
    """
    return decode_messages(data)


# --- records: anything but events


def write_record(value: msgspec.Struct, what: str) -> bytes:
    """Returns `value` as one JSON object with the version in it; `what` names it in errors. Raises InvalidRecord."""
    return _PREFIX + _write(value, what)[1:]


def read_record(data: JSON, kind: type[ReadT], what: str) -> ReadT:
    """Reads a value of type `kind` that `write_record` wrote.

    Raises InvalidRecord, also if a newer version wrote it, or it uses values that only a newer version knows.
    """
    body = dict(all_well_formed(data)) if isinstance(data, Mapping) else _read_object(_bytes(data), what)
    if (version := _version(body, what)) > VERSION:
        raise InvalidRecord(
            f"The {what} is in version {version} of the format, but the newest version known here is {VERSION}.",
            hint=_NEWER,
        )
    try:
        return msgspec.convert(body, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        newer = isinstance(error, msgspec.ValidationError) and _is_newer_member(error)
        raise InvalidRecord(f"The {what} is not valid: {error}.", hint=_NEWER if newer else "") from error


def as_json(value: Any) -> Any:
    """Returns `value` as it would be read back from a record. Raises InvalidRecord if it has no JSON form."""
    return _any.decode(_write(value, "value"))


def _write(value: Any, what: str) -> bytes:
    try:
        try:
            return _encoder.encode(value)
        except UnicodeEncodeError:
            return _encoder.encode(all_well_formed(msgspec.to_builtins(value, enc_hook=_plain)))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidRecord(f"The {what} cannot be written as JSON: {error}.") from error


def _bytes(data: bytes | bytearray | memoryview | str) -> bytes:
    return well_formed(data).encode() if isinstance(data, str) else bytes(data)


def _read_object(data: bytes, what: str) -> dict[str, Any]:
    try:
        body = _any.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRecord(f"The {what} is not valid JSON: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidRecord(f"The {what} is not a JSON object but {type(body).__name__}.")
    return body


def _version(body: Mapping[str, Any], what: str) -> int:
    version = body.get("v", VERSION)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InvalidRecord(f"The {what}'s version is {version!r}, which is not a valid version.")
    return version
