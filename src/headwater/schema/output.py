"""Output types: the schema for the provider, and parsing an answer's text back to a value of the type.

Owns wrapping and what is tolerated in a model's text; asking for the output and for corrections is up to the loop.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Mapping
from json import JSONDecoder
from typing import TYPE_CHECKING, Any, Final, Generic, overload

import msgspec
from typing_extensions import TypeVar

from headwater.errors import ConfigurationError
from headwater.schema.compiled import UnfitType, compile_type
from headwater.schema.plain import to_json, to_plain
from headwater.schema.problems import ValidationFailed, validation_failed
from headwater.schema.raw import mismatches
from headwater.schema.shapes import JSONSchema, strict, tidy

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ("OutputType", "readings")

T = TypeVar("T", default=Any)

MAX_BEGINNINGS: Final = 64
"""Maximum number of fences and brackets at which an answer is searched: each may cost parsing all that follows."""

_FENCE = re.compile(r"(?:```+|~~~+)[\w-]*\s*")
_FENCE_ENDS = re.compile(r"\s*(?:```|~~~|\Z)")
_BEGINS = re.compile(r"[{\[]")
_WRAPPER = "result"
_UNFIT = "The answer does not fit the output type:"
_decode_first = JSONDecoder().raw_decode


class OutputType(Generic[T]):
    """An output type: any type that pydantic supports, or a JSON Schema as a dict, whose value is plain data.

    `schema` is that of an object, as providers require: other types are wrapped in `{"result": …}` (`wrapped`). It is
    None for `str`. `strict` says whether it has the form of the providers' strict modes. `name` is one that they all
    accept.
    Raises: ConfigurationError, if the type has no schema.
    """

    __slots__ = ("_adapter", "description", "name", "schema", "strict", "type", "wrapped")

    @overload
    def __init__(self, type_: type[T], *, name: str | None = None, description: str = "") -> None: ...
    @overload
    def __init__(self: OutputType[Any], type_: Any, *, name: str | None = None, description: str = "") -> None: ...
    def __init__(self, type_: Any, *, name: str | None = None, description: str = "") -> None:
        self.type: Any = type_
        self.name: str = _name(name or getattr(type_, "__name__", "") or "answer")
        self.description: str = description
        self.schema: JSONSchema | None = None
        self.wrapped: bool = False
        self.strict: bool = False
        self._adapter: TypeAdapter[Any] | None = None
        if type_ is str:
            return
        if isinstance(type_, Mapping):
            self._read_schema(type_)
            return
        try:
            self._adapter, schema = compile_type(type_)
        except UnfitType as error:
            message = f"The output type {type_!r} cannot be described to a model: {error}"
            raise ConfigurationError(message, hint=UnfitType.hint) from None
        schema = tidy(schema)
        if schema.get("type") != "object":
            self.wrapped = True
            schema = _wrap(schema)
        closed = strict(schema)
        self.strict = closed is not None
        self.schema = schema if closed is None else closed

    def _read_schema(self, given: Mapping[str, Any]) -> None:
        try:
            schema: JSONSchema = msgspec.json.decode(msgspec.json.encode(given))
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigurationError(
                f"The output type is a dict, but not a valid JSON Schema: {error}.", hint="Give plain data, or a type."
            ) from None
        self.name = _name(str(schema.get("title") or self.name))
        if schema.get("type") != "object":
            self.wrapped = True
            schema = _wrap(schema)
        # Making it strict would require what it leaves optional: it is sent as strict only if it is strict already.
        self.strict = strict(schema) == schema
        self.schema = schema

    def __repr__(self) -> str:
        return f"OutputType({getattr(self.type, '__name__', self.type)})"

    def parse(self, text: str) -> T:
        """Returns the value in a model's text: the whole text, the content of a ``` fence, or what follows other words.

        Raises: ValidationFailed, whose text says what to fix.
        """
        if self.schema is None:
            return text  # type: ignore[return-value]
        readings, wrong = self._readings(text)
        if not readings:
            raise ValidationFailed("The answer is not JSON:", [f"{wrong}, got {_cut(text)!r}"])
        problems: list[str] = []
        for given, json in readings:
            try:
                return self._fitting(given, json)
            except ValidationFailed as report:
                problems = problems or [*report.problems]
        raise ValidationFailed(_UNFIT, [*problems, f"it is not valid JSON either: {wrong}"] if wrong else problems)

    def _readings(self, text: str) -> tuple[list[tuple[Any, str]], str]:
        """The possible readings of `text`, likeliest first, each with its JSON; and the JSON error, if any."""
        sure, wrong = _decoded(text)
        behind = [] if sure else _at_the_end(text)
        if not self.wrapped:
            return [*sure, *behind], wrong
        word = text.strip()  # an answer without its wrapper is accepted, and so is a bare word for a Literal or an Enum
        bare = [] if any(_is_wrapper(given) for given, _ in sure) else [(word, to_json(word))]
        return [*map(_unwrapped, sure), *bare, *map(_unwrapped, behind)], wrong

    def _fitting(self, given: Any, json: str) -> T:
        """Returns the value if it fits. Raises ValidationFailed."""
        if self._adapter is None:
            assert self.schema is not None
            if problems := mismatches({_WRAPPER: given} if self.wrapped else given, self.schema):
                raise ValidationFailed(_UNFIT, problems)
            return given  # type: ignore[no-any-return]
        from pydantic import ValidationError

        try:
            return self._adapter.validate_json(json)  # type: ignore[no-any-return]
        except ValidationError as report:
            raise validation_failed(_UNFIT, report, given) from None

    def dump(self, value: T) -> Any:
        """Returns `value` as plain JSON data, by the type's own rules."""
        if self._adapter is None:
            return value
        try:
            return self._adapter.dump_python(value, mode="json")
        except ValueError:  # the type accepted a value that JSON cannot express
            return to_plain(value)


def readings(text: str) -> tuple[list[tuple[Any, str]], str]:
    """The JSON values in an answer's text, likeliest first, each as it is written; and the JSON error, if any."""
    sure, wrong = _decoded(text)
    return sure or _at_the_end(text), wrong


def _wrap(schema: JSONSchema) -> JSONSchema:
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    wrapper: JSONSchema = {
        "type": "object",
        "properties": {_WRAPPER: inner},
        "required": [_WRAPPER],
        "additionalProperties": False,
    }
    return {**wrapper, "$defs": schema["$defs"]} if "$defs" in schema else wrapper


def _unwrapped(reading: tuple[Any, str]) -> tuple[Any, str]:
    given, _ = reading
    return (given[_WRAPPER], to_json(given[_WRAPPER])) if _is_wrapper(given) else reading


def _is_wrapper(given: Any) -> bool:
    return isinstance(given, dict) and given.keys() == {_WRAPPER}


def _decoded(text: str) -> tuple[list[tuple[Any, str]], str]:
    """The data in `text` or in its fences, each with its JSON; or nothing, and the error."""
    from pydantic_core import from_json

    text = text.strip().removeprefix("\ufeff")
    try:
        return [(from_json(text), text)], ""
    except ValueError as error:
        wrong = str(error)
    found: list[tuple[Any, str]] = []
    at = 0
    for _ in range(MAX_BEGINNINGS):
        if (fence := _FENCE.search(text, at)) is None:
            break
        at = fence.end()
        # Parse a fence's content as JSON rather than up to the next fence: a string in it may contain a fence.
        value = _value_at(text, at)
        if value is not None and (end := _FENCE_ENDS.match(text, at + len(value))) is not None:
            at = end.end()
            with contextlib.suppress(ValueError):
                found.append((from_json(value), value))
    return found, "" if found else wrong


def _at_the_end(text: str) -> list[tuple[Any, str]]:
    """The object or array at the end of `text`, after other words, with its JSON; or nothing."""
    from pydantic_core import from_json

    text = text.rstrip()
    for begin in itertools.islice(_BEGINS.finditer(text), MAX_BEGINNINGS):
        value = _value_at(text, begin.start())
        if value is not None and begin.start() + len(value) == len(text):
            with contextlib.suppress(ValueError):
                return [(from_json(value), value)]
    return []


def _value_at(text: str, at: int) -> str | None:
    """The JSON value that starts there, as written; None if there is none."""
    try:
        _, end = _decode_first(text, at)
    except (ValueError, RecursionError):
        return None
    return text[at:end]


def _name(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", name).strip("_")[:64] or "answer"


def _cut(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:120]}…"
