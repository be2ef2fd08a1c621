"""Python types to JSON Schema, and JSON back to values: tool parameters, output types, tool results.

Each name is imported from its module on first use: most runs need only `well_formed`. pydantic is imported by the
functions that need it, on their first call; `to_json` never needs it.
"""

from typing import TYPE_CHECKING, Any

from headwater.schema.well_formed import all_well_formed, well_formed

if TYPE_CHECKING:
    from headwater.schema.docstrings import Docstring, read_docstring
    from headwater.schema.output import OutputType
    from headwater.schema.parameters import BadSignature, Parameters
    from headwater.schema.plain import to_json, to_plain
    from headwater.schema.problems import ValidationFailed
    from headwater.schema.raw import RawParameters, mismatches
    from headwater.schema.shapes import strict, tidy

_HOMES = {
    "BadSignature": "parameters",
    "Docstring": "docstrings",
    "OutputType": "output",
    "Parameters": "parameters",
    "RawParameters": "raw",
    "ValidationFailed": "problems",
    "mismatches": "raw",
    "read_docstring": "docstrings",
    "strict": "shapes",
    "tidy": "shapes",
    "to_json": "plain",
    "to_plain": "plain",
}

__all__ = (
    "BadSignature",
    "Docstring",
    "OutputType",
    "Parameters",
    "RawParameters",
    "ValidationFailed",
    "all_well_formed",
    "mismatches",
    "read_docstring",
    "strict",
    "tidy",
    "to_json",
    "to_plain",
    "well_formed",
)


if not TYPE_CHECKING:  # type checkers would otherwise accept any name

    def __getattr__(name: str) -> Any:
        import importlib

        if name not in _HOMES:
            raise AttributeError(f"module 'headwater.schema' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"headwater.schema.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
