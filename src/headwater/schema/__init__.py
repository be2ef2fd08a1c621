"""Python types to JSON Schema, and values back: what tools take, what an answer must be, what either says in JSON.

Each name is imported from its module when it is first used: most runs need `well_formed` alone. pydantic is imported by
the functions that need it, when they are first called; `to_json` never needs it.
"""

from typing import TYPE_CHECKING, Any

from headwater.schema.well_formed import all_well_formed, well_formed

if TYPE_CHECKING:
    from headwater.schema.docstrings import Docstring, read_docstring
    from headwater.schema.output import OutputType
    from headwater.schema.parameters import BadSignature, Parameters
    from headwater.schema.plain import to_json, to_plain
    from headwater.schema.problems import ValidationFailed
    from headwater.schema.raw import RawParameters, misfits
    from headwater.schema.shapes import strict, tidy

_HOMES = {
    "BadSignature": "parameters",
    "Docstring": "docstrings",
    "OutputType": "output",
    "Parameters": "parameters",
    "RawParameters": "raw",
    "ValidationFailed": "problems",
    "misfits": "raw",
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
    "misfits",
    "read_docstring",
    "strict",
    "tidy",
    "to_json",
    "to_plain",
    "well_formed",
)


if not TYPE_CHECKING:  # a checker would take every name for known

    def __getattr__(name: str) -> Any:
        import importlib

        if name not in _HOMES:
            raise AttributeError(f"module 'headwater.schema' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"headwater.schema.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
