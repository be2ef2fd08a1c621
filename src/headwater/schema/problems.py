"""What does not fit a type, in words that a model can mend its call or its answer from.

Owns the wording and its bounds; it reads pydantic's report and never raises anything of pydantic's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = ("ValidationFailed", "validation_failed")

MAX_PROBLEMS = 20
"""Problems told at once: a list of a thousand wrong items says the same thing a thousand times."""

MAX_SHOWN = 120
"""Characters shown of a wrong value: enough to know it again, not the picture that it may hold."""


class ValidationFailed(ValueError):
    """A value does not fit its type. `str` of it is the text for the model; `problems` are its lines.

    It stays inside the library: it becomes a tool's result, or the message that sends an answer back.
    """

    def __init__(self, what: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join((what, *(f"- {problem}" for problem in self.problems))))


def validation_failed(what: str, report: ValidationError, given: Any, names: Iterable[str] = ()) -> ValidationFailed:
    """The report on `given` in our words, headed by `what`; `names` are those that the top level knows."""
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
        return f"{path}: required, and missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{path}: not known" + (f"; there are {known}" if known and len(error["loc"]) == 1 else "")
    return f"{path}: {error['msg'].replace('Input should', 'must')}, got {_shown(error['input'])}"


def _path(location: tuple[int | str, ...], given: Any, absent: bool) -> str:
    """Where it is, as one writes it in code.

    pydantic names the members of a union on the way too; what does not lead deeper into the value is left out.
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
