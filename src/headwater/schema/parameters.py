"""Converts a function's signature to a JSON Schema, and a model's arguments to keyword arguments for the function.

Owns which signatures are allowed; it never calls the function, and knows nothing about tools except which parameters
to leave out.
"""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from types import MethodType, SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NotRequired, Required

import msgspec

from headwater.schema.compiled import UnfitType, compile_type
from headwater.schema.docstrings import read_docstring
from headwater.schema.plain import to_json
from headwater.schema.problems import validation_failed
from headwater.schema.shapes import JSONSchema, nullable, strict, tidy

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

__all__ = ("BadSignature", "Parameters", "parameters")

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_MISSING = inspect.Parameter.empty


class BadSignature(ValueError):
    """A signature that cannot be described to a model: `message` says why, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}")
        self.message = message
        self.hint = hint


class Parameters:
    """A function's parameters: `schema` (type object), and `validate`.

    `description` comes from its docstring, `injected` has the names that the model does not fill, `required` those that
    it must.
    """

    __slots__ = ("_adapter", "_defaults", "_whole", "description", "injected", "required", "schema")

    def __init__(
        self,
        fields: Mapping[str, Any],
        required: frozenset[str],
        *,
        injected: tuple[str, ...] = (),
        defaults: Mapping[str, Callable[[], Any]] | None = None,
        shown: Mapping[str, Any] | None = None,
        description: str = "",
    ) -> None:
        """Use `parameters` to create one. Raises BadSignature if a type has no schema."""
        self.required: frozenset[str] = required
        self.injected: tuple[str, ...] = injected
        self.description: str = description
        self._defaults = dict(defaults or {})
        self._adapter, schema = _compile(fields, required)
        for name, value in (shown or {}).items():
            schema["properties"][name]["default"] = value
        self._whole = schema
        self.schema: JSONSchema = tidy(schema)
        self.schema.setdefault("properties", {})

    @property
    def names(self) -> tuple[str, ...]:
        """The parameter names that a model may use, in order."""
        return tuple(self.schema["properties"])

    def strict_schema(self) -> JSONSchema | None:
        """The schema for providers' strict modes, with optional parameters as nullable.

        None if strict mode cannot express it.
        """
        properties = {
            name: inner if name in self.required else nullable(inner)
            for name, inner in self.schema["properties"].items()
        }
        return strict({**self.schema, "properties": properties})

    def validate(self, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
        """Converts a model's arguments to Python values, leniently: "3" is an int, an optional null is omitted.

        Raises: ValidationFailed, whose text says what to fix.
        """
        from pydantic import ValidationError

        try:
            values = self._read(arguments)
        except ValidationError as report:
            mended = self._fix(arguments, report)
            if mended is None:
                raise validation_failed("The arguments do not fit:", report, arguments, self.names) from None
            try:
                values = self._read(mended)
            except ValidationError:
                raise validation_failed("The arguments do not fit:", report, arguments, self.names) from None
        for name, default in self._defaults.items():
            if name not in values:
                values[name] = default()
        return values

    def _read(self, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
        # Validate as JSON, which they were: a date or an enum is a string there even in pydantic's strict mode.
        values: dict[str, Any] = self._adapter.validate_json(to_json(arguments))
        return values

    def _fix(self, arguments: Mapping[str, Any] | str, report: ValidationError) -> dict[str, Any] | None:
        """Fixes common mistakes of models: null for an omitted argument, an object or a list written as a string."""
        if not isinstance(arguments, Mapping):
            return None
        wrong = {str(error["loc"][0]) for error in report.errors(include_url=False) if error["loc"]}
        mended = dict(arguments)
        for name in wrong & arguments.keys():
            value = arguments[name]
            if value is None and name not in self.required:
                del mended[name]
            elif isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
                mended[name] = _parsed(value)
        return mended if mended != arguments else None


def parameters(
    function: Callable[..., Any],
    *,
    injected: Callable[[Any], bool] | None = None,
    namespace: Mapping[str, Any] | None = None,
    unbound: bool = False,
) -> Parameters:
    """Reads the parameters of `function` from its type hints, defaults and docstring.

    `injected` decides from a type hint whether that parameter is left out of the schema, `namespace` holds names that
    the hints may use besides the module's own, `unbound` leaves out the first parameter (a method's self).
    Raises: BadSignature.
    """
    origin = written(function)
    given = _signature(function)
    hidden = function.keywords.keys() if isinstance(function, functools.partial) else frozenset[str]()
    taken = list(given.parameters.values())[1 if unbound else 0 :]
    hints = _hints(origin, {p.name: p.annotation for p in taken}, namespace)
    said = read_docstring(inspect.getdoc(origin))

    fields: dict[str, Any] = {}
    left_out: list[str] = []
    required: set[str] = set()
    defaults: dict[str, Callable[[], Any]] = {}
    shown: dict[str, Any] = {}
    for parameter in taken:
        name = parameter.name
        hint = hints.get(name, Any)
        if injected is not None and injected(hint):
            left_out.append(name)
        if name in left_out or name in hidden:  # the model neither sees nor changes what a partial binds
            continue
        _check(parameter)
        field = _field(hint, parameter.default, said.arguments.get(name))
        fields[name] = field.type
        if field.default is _MISSING:
            required.add(name)
            continue
        if field.fill is not None:
            defaults[name] = field.fill
        if (plain := _json_default(field.default)) is not None:
            shown[name] = plain
    return Parameters(
        fields,
        frozenset(required),
        injected=tuple(left_out),
        defaults=defaults,
        shown=shown,
        description=said.description,
    )


def written(function: Callable[..., Any]) -> Any:
    """The function as written, beneath partials, bound methods, wrappers and callable objects."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, MethodType):
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif (
            not isinstance(function, type)
            and not inspect.isroutine(function)
            and inspect.isroutine(type(function).__call__)
        ):
            return type(function).__call__
        else:
            return function


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError:
        raise BadSignature("Its signature cannot be read.", "Wrap it in a function with type hints.") from None
    except NameError as error:
        raise _unresolved(error) from None


def _hints(origin: Any, annotations: Mapping[str, Any], namespace: Mapping[str, Any] | None) -> dict[str, Any]:
    # Only the parameters' hints: a return type that exists only for type checkers does not matter here.
    holder = SimpleNamespace(
        __annotations__={name: hint for name, hint in annotations.items() if hint is not _MISSING},
        __type_params__=getattr(origin, "__type_params__", ()),
    )
    scope = getattr(origin, "__globals__", {})
    try:
        return typing.get_type_hints(holder, globalns=scope, localns=dict(namespace or {}), include_extras=True)
    except NameError as error:
        raise _unresolved(error) from None
    except (TypeError, SyntaxError, AttributeError) as error:
        raise BadSignature(f"A type hint cannot be read: {error}.", "Write it as a type.") from None


def _unresolved(error: NameError) -> BadSignature:
    return BadSignature(
        f"The type hint {error.name or str(error)!r} is not known where the function is made a tool.",
        "Import it for real (not under TYPE_CHECKING) and define it above the function.",
    )


def _check(parameter: inspect.Parameter) -> None:
    name = parameter.name
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise BadSignature(f"*{name} cannot be described to a model.", f"Take one parameter {name}: list[…] instead.")
    if parameter.kind is parameter.VAR_KEYWORD:
        raise BadSignature(
            f"**{name} cannot be described to a model, which needs to know the names.",
            f"Name each parameter, or take one parameter {name}: dict[str, …].",
        )
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise BadSignature(
            f"{name} is positional-only, but arguments are passed by name.", "Remove the / from the signature."
        )
    if not _NAME.fullmatch(name):
        raise BadSignature(
            f"The parameter name {name!r} is not one that every provider accepts.",
            "Use up to 64 ASCII letters, digits and underscores.",
        )


class _Field(NamedTuple):
    type: Any
    """The type to validate against, with its description."""
    default: Any
    fill: Callable[[], Any] | None
    """Creates the default if the function itself would not."""


def _field(hint: Any, default: Any, described: str | None) -> _Field:
    from pydantic.fields import FieldInfo

    fill = None
    infos: list[Any] = []
    if isinstance(default, FieldInfo):  # def f(x: int = Field(3, description="…")): the default is inside the Field
        infos = [_without_default(default)]
        if default.is_required():
            default = _MISSING
        else:
            fill = functools.partial(default.get_default, call_default_factory=True)
            default = fill()
    notes = typing.get_args(hint)[1:] if typing.get_origin(hint) is Annotated else ()
    words = _words(notes) or described
    if words and not any(isinstance(note, FieldInfo) and note.description for note in (*notes, *infos)):
        infos.insert(0, FieldInfo(description=words))
    for info in infos:
        hint = Annotated[hint, info]
    return _Field(hint, default, fill)


def _words(notes: tuple[Any, ...]) -> str:
    """The description in Annotated[str, "…"] or Annotated[str, Doc("…")]."""
    for note in notes:
        text = note if isinstance(note, str) else getattr(note, "documentation", None)
        if isinstance(text, str):
            return text
    return ""


def _without_default(info: Any) -> Any:
    from copy import copy

    from pydantic_core import PydanticUndefined

    bare = copy(info)
    bare.default, bare.default_factory = PydanticUndefined, None
    return bare


def _json_default(default: Any) -> Any:
    """A default for the schema; None for values that JSON cannot express, such as a sentinel, and for None itself."""
    try:
        return msgspec.json.decode(msgspec.json.encode(default, order="deterministic"))  # a set is in no order
    except (TypeError, ValueError, RecursionError):
        return None


def _compile(fields: Mapping[str, Any], required: frozenset[str]) -> tuple[TypeAdapter[Any], JSONSchema]:
    try:
        return _build(fields, required)
    except UnfitType as error:
        whole = error
    for name, field in fields.items():
        try:
            _build({name: field}, required)
        except UnfitType as error:
            raise BadSignature(f"The type of {name} cannot be described to a model: {error}", UnfitType.hint) from None
    raise BadSignature(f"Its types cannot be described to a model: {whole}", UnfitType.hint)


def _build(fields: Mapping[str, Any], required: frozenset[str]) -> tuple[TypeAdapter[Any], JSONSchema]:
    from typing_extensions import TypedDict

    make: Any = TypedDict
    # A TypedDict and not a model: any name may be a field, and omitted ones stay absent.
    body = {name: Required[type_] if name in required else NotRequired[type_] for name, type_ in fields.items()}
    kind = make("Arguments", body)
    kind.__pydantic_config__ = {"extra": "forbid", "coerce_numbers_to_str": True}
    return compile_type(kind)


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
