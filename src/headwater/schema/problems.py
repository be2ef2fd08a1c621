"""Describes validation errors so that a model can fix its call or its answer.

Owns the wording and its limits; it reads pydantic's report and never raises a pydantic exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = ("ValidationFailed", "validation_failed")

MAX_PROBLEMS = 20
"""Maximum number of problems listed: a list of a thousand wrong items says the same thing a thousand times."""

MAX_SHOWN = 120
"""Characters shown of a wrong value: enough to recognize it, not the whole image that it may hold."""


class ValidationFailed(ValueError):
    """A value does not fit its type. `str` of it is the text for the model; `problems` are its lines.

    It stays inside the library: it becomes a tool's result, or the message that asks for a corrected answer.
    """

    def __init__(self, what: str, problems: Sequence[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("\n".join((what, *(f"- {problem}" for problem in self.problems))))


def validation_failed(what: str, report: ValidationError, given: Any, names: Iterable[str] = ()) -> ValidationFailed:
    """Describes the report on `given`, headed by `what`; `names` are the known names at the top level."""
    known = ", ".join(names)
    problems: list[str] = []
    for error in report.errors(include_url=False, include_context=False):
        line = _line(error, given, known)
        if line not in problems:
            problems.append(line)
    if len(problems) > MAX_PROBLEMS:
        problems[MAX_PROBLEMS:] = [f"and {len(problems) - MAX_PROBLEMS} more"]
    return ValidationFailed(what, problems)


def _line(error: ErrorDetails, given: Any, known: str) -> str:
    kind = error["type"]
    absent = kind in ("missing", "missing_argument")
    path = _path(error["loc"], given, absent)
    if absent:
        return f"{path}: required, but missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{path}: unknown" + (f"; known names: {known}" if known and len(error["loc"]) == 1 else "")
    return f"{path}: {error['msg'].replace('Input should', 'must')}, got {_shown(error['input'])}"


def _path(location: tuple[int | str, ...], given: Any, absent: bool) -> str:
    """The path to the value, as written in code.

    pydantic's location also names union members; parts that do not lead deeper into the value are left out.
    """
    path = ""
    for index, part in enumerate(location):
        last_missing = absent and index == len(location) - 1
        if isinstance(part, int) and isinstance(given, (list, tuple)) and part < len(given):
            path, given = f"{path}[{part}]", given[part]
        elif isinstance(given, Mapping) and (part in given or last_missing):
            path, given = f"{path}.{part}" if path else str(part), given.get(part)
    return path or "the value"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text)} characters)"
