"""The outcome of a tool call: the text or the parts for the model, or the error.

Owns the wording of results and their limits. Runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from headwater.events.messages import File, Image, Text
from headwater.schema.plain import to_json
from headwater.schema.well_formed import all_well_formed, well_formed

__all__ = ("MAX_RESULT_BYTES", "MAX_RESULT_CHARS", "Result", "ToolOutcome")

MAX_RESULT_CHARS = 1_000_000
"""Maximum length of one result: about 250,000 tokens, more than most models accept; a longer one is truncated."""

MAX_RESULT_BYTES = 64 * 1024 * 1024
"""Maximum size of images and files in one result: more than any provider accepts; a larger one is an error, since
half an image is useless."""

_NOTE = "[Truncated: this is the beginning of {:,} characters.]"

Result: TypeAlias = str | tuple[Text | Image | File, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutcome:
    """`result` is what the model gets, also for an error; `value` is the tool's return value.

    `error` is the error message (None: no error), `exception` the exception, for logs. `invalid` is True if the
    arguments did not fit and the tool did not run. `truncated_from` is the original length of a truncated result.
    """

    result: Result
    error: str | None = None
    value: Any = None
    truncated_from: int | None = None
    invalid: bool = False
    exception: BaseException | None = None

    @classmethod
    def of(cls, value: Any, *, max_chars: int = MAX_RESULT_CHARS) -> ToolOutcome:
        """The outcome of a tool that returned `value`: strings and parts are unchanged, other values become JSON.

        An outcome stays itself.
        """
        if isinstance(value, ToolOutcome):
            return value
        parts = _parts(value)
        if parts is None:
            text = well_formed(str.__str__(value)) if isinstance(value, str) else to_json(value)
            return cls(result=_cut(text, max_chars), value=value, truncated_from=_over(len(text), max_chars))
        size = sum(len(part.data or b"") for part in parts if not isinstance(part, Text))
        if size > MAX_RESULT_BYTES:
            error = f"The result's images and files are too large: {size:,} bytes; the limit is {MAX_RESULT_BYTES:,}."
            return cls(result=error, error=error, value=value)
        length = sum(len(part.text) for part in parts if isinstance(part, Text))
        if length > max_chars:
            parts = _cut_parts(parts, max_chars)
        return cls(result=parts, value=value, truncated_from=_over(length, max_chars))

    @classmethod
    def failed(
        cls,
        error: str,
        *,
        exception: BaseException | None = None,
        invalid: bool = False,
        max_chars: int = MAX_RESULT_CHARS,
    ) -> ToolOutcome:
        """The outcome of a failed call; the model gets `error`."""
        cut = _cut(well_formed(error), max_chars)
        over = _over(len(error), max_chars)
        return cls(result=cut, error=cut, exception=exception, invalid=invalid, truncated_from=over)

    @classmethod
    def raised(
        cls, exception: BaseException, *, invalid: bool = False, max_chars: int = MAX_RESULT_CHARS
    ) -> ToolOutcome:
        """The outcome of a tool that raised: the exception's type and message."""
        name = type(exception).__name__
        try:
            said = str(exception)
        except Exception:
            said = ""
        error = f"{name}: {said}" if said else name
        return cls.failed(error, exception=exception, invalid=invalid, max_chars=max_chars)


def _parts(value: Any) -> tuple[Text | Image | File, ...] | None:
    """Returns `value` as parts, if it is one or contains one; strings beside them become text."""
    if isinstance(value, (Text, Image, File)):
        return (all_well_formed(value),)
    if not isinstance(value, (list, tuple)) or not any(isinstance(item, (Text, Image, File)) for item in value):
        return None
    if not all(isinstance(item, (Text, Image, File, str)) for item in value):
        return None
    return all_well_formed(tuple(Text(text=str.__str__(item)) if isinstance(item, str) else item for item in value))


def _over(length: int, limit: int) -> int | None:
    return length if length > limit else None


def _cut(text: str, limit: int) -> str:
    """Returns `text`, or its beginning with a note: a model must not mistake half a list for all of it."""
    if len(text) <= limit:
        return text
    note = f"\n{_NOTE.format(len(text))}"
    return text[: limit - len(note)] + note if limit > len(note) else text[:limit]


def _cut_parts(parts: tuple[Text | Image | File, ...], limit: int) -> tuple[Text | Image | File, ...]:
    kept: list[Text | Image | File] = []
    length = 0
    for part in parts:
        if not isinstance(part, Text):
            kept.append(part)
            continue
        if length < limit:
            kept.append(Text(text=part.text[: limit - length]))
        length += len(part.text)
    return (*kept, Text(text=_NOTE.format(length)))
