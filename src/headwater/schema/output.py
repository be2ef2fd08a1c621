"""The type that an answer must be: its schema for the provider, and the answer's text back as a value of it.

Owns what is wrapped and what is tolerated in a model's text; asking for it and sending a bad one back is the loop's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, overload

import msgspec
from typing_extensions import TypeVar

from headwater.errors import ConfigurationError
from headwater.schema.compiled import UnfitType, compile_type
from headwater.schema.plain import to_json, to_plain
from headwater.schema.problems import ValidationFailed, validation_failed
from headwater.schema.raw import misfits
from headwater.schema.shapes import JSONSchema, strict, tidy

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ("OutputType",)

T = TypeVar("T", default=Any)

_FENCED = re.compile(r"```[\w-]*[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
_WRAPPER = "result"


class OutputType(Generic[T]):
    """What an answer must be: any type that pydantic takes, or a JSON Schema as a dict, whose value is plain data.

    `schema` is an object's, as providers want it: what is none is wrapped in `{"result": …}` (`wrapped`). It is None
    for `str`, which every answer is. `strict` says whether it is in the form of the providers' strict modes. `name`
    is one that they all take.
    Raises: ConfigurationError, where the type has no schema.
    """

    __slots__ = ("_adapter", "description", "name", "schema", "strict", "type", "wrapped")

    @overload
    def __init__(self, type_: type[T], *, name: str | None = None, description: str = "") -> None: ...
    @overload
    def __init__(self: OutputType[Any], type_: Any, *, name: str | None = None, description: str = "") -> None: ...
    def __init__(self, type_: Any, *, name: str | None = None, description: str = "") -> None:
        self.type: Any = type_
        self.name = _name(name or getattr(type_, "__name__", "") or "answer")
        self.description = description
        self.schema: JSONSchema | None = None
        self.wrapped = False
        self.strict = False
        self._adapter: TypeAdapter[Any] | None = None
        if type_ is str:
            return
        if isinstance(type_, Mapping):
            self._read_schema(type_)
            return
        try:
            self._adapter, schema = compile_type(type_)
        except UnfitType as error:
            message = f"The output type {type_!r} cannot be told to a model: {error}"
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
                f"The output type is a dict that is no JSON Schema: {error}.", hint="Give plain data, or a type."
            ) from None
        self.name = _name(str(schema.get("title") or self.name))
        if schema.get("type") != "object":
            self.wrapped = True
            schema = _wrap(schema)
        # Made strict, it would ask for what it leaves open: it is sent so only where it is so.
        self.strict = strict(schema) == schema
        self.schema = schema

    def _fit_schema(self, text: str) -> Any:
        assert self.schema is not None
        value, json = _decode(text)
        if json is None:
            raise ValidationFailed("The answer is not JSON:", [f"{value}, got {_cut(text)!r}"])
        if self.wrapped and not (isinstance(value, dict) and value.keys() == {_WRAPPER}):
            value = {_WRAPPER: value}
        if problems := misfits(value, self.schema):
            raise ValidationFailed("The answer does not fit what was asked for:", problems)
        return value[_WRAPPER] if self.wrapped else value

    def __repr__(self) -> str:
        return f"OutputType({getattr(self.type, '__name__', self.type)})"

    def parse(self, text: str) -> T:
        """The value in a model's text, which may stand in a ``` fence or among blanks.

        Raises: ValidationFailed, whose text says what to mend.
        """
        if isinstance(self.type, Mapping):
            fitting: T = self._fit_schema(text)
            return fitting
        if self._adapter is None:
            return text  # type: ignore[return-value]
        from pydantic import ValidationError

        given, json = _decode(text)
        wrong = given if json is None else ""
        readings = [] if json is None else [(given, json)]
        if self.wrapped:
            if isinstance(given, dict) and given.keys() == {_WRAPPER}:
                readings = [(given[_WRAPPER], to_json(given[_WRAPPER]))]
            else:  # without its wrapper it is as good, and so is a bare word for a Literal or an Enum
                readings.append((text.strip(), to_json(text.strip())))
        elif json is None:
            raise ValidationFailed("The answer is not JSON:", [f"{wrong}, got {_cut(text)!r}"])
        what = "The answer does not fit what was asked for:"
        problems: list[str] = []
        for given, json in readings:
            try:
                value: T = self._adapter.validate_json(json)
            except ValidationError as report:
                problems = problems or [*validation_failed(what, report, given).problems]
            else:
                return value
        raise ValidationFailed(what, [*problems, f"it is not JSON either: {wrong}"] if wrong else problems)

    def dump(self, value: T) -> Any:
        """`value` as plain JSON data, as the type's own rules have it."""
        if self._adapter is None:
            return value
        try:
            return self._adapter.dump_python(value, mode="json")
        except ValueError:  # something in it that the type let pass and JSON cannot say
            return to_plain(value)


def _wrap(schema: JSONSchema) -> JSONSchema:
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    wrapper: JSONSchema = {
        "type": "object",
        "properties": {_WRAPPER: inner},
        "required": [_WRAPPER],
        "additionalProperties": False,
    }
    return {**wrapper, "$defs": schema["$defs"]} if "$defs" in schema else wrapper


def _decode(text: str) -> tuple[Any, str | None]:
    """The data in `text` and its JSON; or what is wrong with it, and None."""
    from pydantic_core import from_json

    wrong = ""
    for candidate in (text, *(match[1] for match in _FENCED.finditer(text))):
        try:
            return from_json(candidate.strip()), candidate.strip()
        except ValueError as error:
            wrong = wrong or str(error)
    return wrong, None


def _name(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", name).strip("_")[:64] or "answer"


def _cut(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:120]}…"
