"""The types of the parts of an answer: validates an element or a field before the answer is complete.

Owns the way from a path to a type. It must never reject what the whole type would accept: where a type is not certain
(a union, a type that converts its input first), a part has none. pydantic is imported on first use.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any, Final

import typing_extensions

from headwater.schema.compiled import UnfitType, compile_type
from headwater.schema.growing_json import Path
from headwater.schema.problems import ValidationFailed, validation_failed
from headwater.schema.raw import mismatches

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from headwater.schema.output import OutputType

__all__ = ("Parts",)

_UNFIT: Final = "The answer does not fit the output type:"

_UNKNOWN: Final = object()
"""The type of a part about which nothing is certain."""

_HARMLESS: Final = frozenset({"extra", "frozen", "title", "json_schema_extra", "validate_assignment", "strict"})
"""Settings of a pydantic model that do not make it accept more in its fields."""

_QUALIFIERS: Final = frozenset(
    {
        *(typing.Required, typing.NotRequired, typing_extensions.Required, typing_extensions.NotRequired),
        *(typing_extensions.ReadOnly, typing.Final, typing.ClassVar),
    }
)


class Parts:
    """The types of the parts of an output type's values, by their paths."""

    __slots__ = ("_adapters", "_output", "_types")

    def __init__(self, output: OutputType[Any]) -> None:
        self._output = output
        self._types: dict[Path, Any] = {(): self._whole()}
        self._adapters: dict[Path, TypeAdapter[Any] | None] = {}

    def _whole(self) -> Any:
        schema = self._output.schema
        if schema is None:
            return _UNKNOWN
        if isinstance(self._output.type, Mapping):
            return schema["properties"]["result"] if self._output.wrapped else schema
        return self._output.type

    def knows(self, path: Path) -> bool:
        """Whether the part has a type."""
        return self._type(_shape(path)) is not _UNKNOWN

    def convert(self, path: Path, value: Any) -> Any:
        """Returns the part, whose JSON data is `value`, as a value of its type; unchanged if it has none.

        Raises: ValidationFailed, if it does not fit.
        """
        shape = _shape(path)
        part = self._type(shape)
        if part is _UNKNOWN:
            return value
        if isinstance(self._output.type, Mapping):
            root = self._output.schema or {}
            shared: dict[str, Any] = {key: root[key] for key in ("$defs", "definitions") if key in root}
            if problems := mismatches(value, {**part, **shared}):
                raise ValidationFailed(_UNFIT, [_placed(path, problem) for problem in problems])
            return value
        adapter = self._adapter(shape, part)
        if adapter is None:
            return value
        from pydantic import ValidationError

        try:
            return adapter.validate_json(dumps(value))  # not `to_json`, which has no infinity
        except ValidationError as report:
            failed = validation_failed(_UNFIT, report, value)
            raise ValidationFailed(_UNFIT, [_placed(path, problem) for problem in failed.problems]) from None

    def _adapter(self, shape: Path, part: Any) -> TypeAdapter[Any] | None:
        if shape not in self._adapters:
            try:
                self._adapters[shape] = compile_type(part)[0]
            except UnfitType:
                self._adapters[shape] = None
        return self._adapters[shape]

    def _type(self, shape: Path) -> Any:
        if shape not in self._types:
            above = self._type(shape[:-1])
            if above is _UNKNOWN:
                inner: Any = _UNKNOWN
            elif isinstance(self._output.type, Mapping):
                inner = _schema_inside(above, shape[-1])
            else:
                inner = _type_inside(above, shape[-1])
            self._types[shape] = inner
        return self._types[shape]


def _shape(path: Path) -> Path:
    """The path with all elements of a list alike."""
    return tuple(0 if isinstance(key, int) else key for key in path)


def _placed(path: Path, problem: str) -> str:
    """The problem of a part, at its place in the answer."""
    where = ""
    for key in path:
        where += f"[{key}]" if isinstance(key, int) else f".{key}" if where else key
    inside, _, said = problem.partition(": ")
    if inside == "the value":
        return f"{where}: {said}"
    return f"{where}{'' if inside.startswith('[') else '.'}{inside}: {said}" if where else problem


# --- from a type to the type of a member


def _schema_inside(schema: Any, key: str | int) -> Any:
    if not isinstance(schema, Mapping) or {"anyOf", "oneOf", "allOf", "$ref"} & schema.keys():
        return _UNKNOWN
    if isinstance(key, int):
        inner = schema.get("items", _UNKNOWN) if "prefixItems" not in schema else _UNKNOWN
    else:
        inner = schema.get("properties", {}).get(key, schema.get("additionalProperties", _UNKNOWN))
    return inner if isinstance(inner, Mapping) else _UNKNOWN


def _type_inside(type_: Any, key: str | int) -> Any:
    """The type of the member `key` of a value of `type_`, or _UNKNOWN."""
    type_ = _bare(type_)
    if type_ is _UNKNOWN:
        return _UNKNOWN
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if isinstance(key, int):
        return _element(origin, arguments)
    if origin in (dict, Mapping) and len(arguments) == 2:
        return arguments[1] if arguments[0] is str else _UNKNOWN
    return _field(type_, key) if isinstance(type_, type) else _UNKNOWN


def _bare(type_: Any) -> Any:
    """The type without qualifiers, notes, aliases and None; _UNKNOWN if it may convert its input, or is a union."""
    while True:
        origin, arguments = typing.get_origin(type_), typing.get_args(type_)
        if origin is Annotated:
            if any(map(_converts, arguments[1:])):
                return _UNKNOWN
            type_ = arguments[0]
        elif origin in _QUALIFIERS:
            type_ = arguments[0]
        elif hasattr(type_, "__value__") and not isinstance(type_, type):  # type Alias = …
            type_ = type_.__value__
        elif origin in (typing.Union, types.UnionType):
            given = [one for one in arguments if one is not type(None)]
            if len(given) != 1:
                return _UNKNOWN
            type_ = given[0]
        else:
            return type_


def _converts(note: Any) -> bool:
    """Whether a note on a type may make it accept other input."""
    module = type(note).__module__
    if module == "pydantic.functional_validators":
        return type(note).__name__ != "AfterValidator"
    return not (isinstance(note, str) or module in ("annotated_types", "pydantic.fields"))


def _element(origin: Any, arguments: tuple[Any, ...]) -> Any:
    if origin is tuple:
        return arguments[0] if len(arguments) == 2 and arguments[1] is Ellipsis else _UNKNOWN
    return arguments[0] if origin in (list, set, frozenset, Sequence, Iterable) and arguments else _UNKNOWN


def _field(type_: type[Any], name: str) -> Any:
    """The type of a field of a model, a dataclass or a TypedDict."""
    decorators = getattr(type_, "__pydantic_decorators__", None)
    if decorators is not None and _converts_first(decorators, name):
        return _UNKNOWN
    own = getattr(type_, "__get_pydantic_core_schema__", None)
    if getattr(type_, "__pydantic_config__", None) or not getattr(own, "__module__", "pydantic").startswith("pydantic"):
        return _UNKNOWN
    fields = getattr(type_, "__pydantic_fields__", None)
    if isinstance(fields, Mapping):
        return _model_field(type_, fields, name)
    if not (dataclasses.is_dataclass(type_) or typing_extensions.is_typeddict(type_)):
        return _UNKNOWN
    try:
        return typing_extensions.get_type_hints(type_, include_extras=True).get(name, _UNKNOWN)
    except (NameError, TypeError):
        return _UNKNOWN


def _model_field(type_: type[Any], fields: Mapping[str, Any], name: str) -> Any:
    if not {*getattr(type_, "model_config", {})} <= _HARMLESS:
        return _UNKNOWN
    for own, field in fields.items():
        if (field.validation_alias or field.alias or own) == name:
            notes = tuple(field.metadata)
            if any(map(_converts, notes)) or field.discriminator is not None:
                return _UNKNOWN
            return Annotated[(field.annotation, *notes)] if notes else field.annotation
    return _UNKNOWN


def _converts_first(decorators: Any, name: str) -> bool:
    """Whether a validator of the class sees the input of the field first, and may change it."""
    if decorators.root_validators or decorators.validators:
        return True
    if any(one.info.mode != "after" for one in decorators.model_validators.values()):
        return True
    return any(
        one.info.mode != "after" and ({name, "*"} & {*one.info.fields}) for one in decorators.field_validators.values()
    )
