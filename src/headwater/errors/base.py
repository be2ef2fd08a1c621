"""HeadwaterError, the base class of all errors of this library, and how an error is rebuilt from its attributes."""

from __future__ import annotations

from typing import Any

__all__ = (
    "HeadwaterError",
    "rebuilt",
)


class HeadwaterError(Exception):
    """Base class of all errors of this library.

    Catch it where you handle every failure in the same way. `str(error)` is the message and the hint.
    """

    message: str
    """What happened."""
    hint: str
    """What to do about it; empty where only the provider knows."""
    response: Any
    """The answer up to the error, as a partial `Response`; None if nothing had started."""
    retryable: bool = False
    """Whether sending the same request again may succeed."""

    def __init__(self, message: str, *, hint: str = "", response: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.response = response

    def __str__(self) -> str:
        between = "\n" if "\n" in self.message else " "  # after a list, the hint is a line of its own
        return f"{self.message}{between}{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by their positional arguments; ours are keywords, so rebuild and restore the attributes.
        return (rebuilt, (type(self), dict(self.__dict__)))


def rebuilt(kind: type[HeadwaterError], state: dict[str, Any]) -> HeadwaterError:
    """Returns an error with these attributes without calling its constructor: from a pickle or from a log."""
    error = kind.__new__(kind, state.get("message", ""))
    error.__dict__.update(state)
    return error
