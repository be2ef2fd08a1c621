"""Python types to JSON Schema, and values back: what tools take, what an answer must be, what either says in JSON.

pydantic is imported by the functions that need it, when they are first called; `to_json` never needs it.
"""

from headwater.schema.docstrings import Docstring, read_docstring
from headwater.schema.output import OutputType
from headwater.schema.parameters import BadSignature, Parameters, parameters
from headwater.schema.plain import to_json, to_plain
from headwater.schema.problems import ValidationFailed
from headwater.schema.raw import RawParameters, misfits
from headwater.schema.shapes import strict, tidy
from headwater.schema.well_formed import all_well_formed, well_formed

__all__ = (
    "BadSignature",
    "Docstring",
    "OutputType",
    "Parameters",
    "RawParameters",
    "ValidationFailed",
    "all_well_formed",
    "misfits",
    "parameters",
    "read_docstring",
    "strict",
    "tidy",
    "to_json",
    "to_plain",
    "well_formed",
)
