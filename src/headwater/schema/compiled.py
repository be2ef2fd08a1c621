"""Compiles a Python type to pydantic's validator and its JSON Schema: the only module that asks pydantic for either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from headwater.schema.plain import to_json
from headwater.schema.shapes import JSONSchema

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ("UnfitType", "compile_type")


class UnfitType(ValueError):
    """A type that pydantic does not support or JSON Schema cannot express; `hint` says what to use instead."""

    hint: ClassVar[str] = "Use plain types, Literal, Enum, dataclasses, typing_extensions.TypedDict or pydantic models."


def compile_type(type_: Any) -> tuple[TypeAdapter[Any], JSONSchema]:
    """Returns the validator and the schema of `type_`. Raises UnfitType."""
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema
    from pydantic_core import SchemaError

    class Quiet(GenerateJsonSchema):
        # A default that JSON cannot say is left out of the schema, without a warning.
        ignored_warning_kinds: ClassVar[set[Any]] = {"skipped-choice", "non-serializable-default"}  # type: ignore[misc]

        def encode_default(self, dft: Any) -> Any:
            plain = super().encode_default(dft)
            # Each process has its own order of a set; the schema is in requests, and in the hash of a declaration.
            return sorted(plain, key=to_json) if isinstance(dft, (set, frozenset)) else plain

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(type_)
        return adapter, adapter.json_schema(schema_generator=Quiet)
    except (PydanticUserError, SchemaError, TypeError, ValueError, LookupError, NameError, SyntaxError) as error:
        said = str(error).partition("\n")[0]
        # pydantic's advice is for authors of pydantic models; `UnfitType.hint` replaces it.
        raise UnfitType(f"{said.partition('. Set `arbitrary_types_allowed')[0].rstrip('.')}.") from None
