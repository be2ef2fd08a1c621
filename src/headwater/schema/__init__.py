"""Python types to JSON Schema, and JSON back to values: tool parameters, output types, tool results. Pure.

The modules are imported by name: most runs need only `well_formed`. pydantic is imported by the functions that need it,
on their first call; `plain` never needs it.
"""
