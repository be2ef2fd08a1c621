"""ErrorInfo: an error as data, and back as an exception. Owns what an event records of an error."""

from __future__ import annotations

from typing import Final

import msgspec

from headwater import errors
from headwater.errors.base import rebuilt
from headwater.schema.well_formed import well_formed

__all__ = ("ErrorInfo",)


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as data: its class's name, its message, and what to do about it."""

    type: str
    message: str
    hint: str = ""
    status: int | None = None
    retryable: bool = False
    retry_after: float | None = None
    """Seconds that the provider asked to wait, where it said so."""

    @classmethod
    def of(cls, error: BaseException) -> ErrorInfo:
        """Returns the exception as data; if it was made from an ErrorInfo, that one."""
        told = error.__dict__.get("info")
        if isinstance(told, cls):
            return told
        # A user's exception may have any value in these attributes.
        message, hint, status, wait = (getattr(error, name, None) for name in _RECORDED)
        return cls(
            type=type(error).__name__,
            message=well_formed(
                (message if isinstance(message, str) else "") or _text_of(error) or type(error).__name__
            ),
            hint=well_formed(hint) if isinstance(hint, str) else "",
            status=status if type(status) is int else None,
            retryable=getattr(error, "retryable", False) is True,
            retry_after=float(wait) if isinstance(wait, (int, float)) else None,
        )

    def exception(self) -> errors.HeadwaterError:
        """Returns an exception, of the original class if that is one of headwater's. Its `info` holds this value."""
        kind = getattr(errors, self.type, None)
        made: errors.HeadwaterError
        if isinstance(kind, type) and issubclass(kind, errors.HeadwaterError):
            state = {"message": self.message, "hint": self.hint, "response": None, "status": self.status}
            made = rebuilt(kind, {**state, "retryable": self.retryable, "retry_after": self.retry_after})
        else:
            made = errors.HeadwaterError(f"{self.type}: {self.message}", hint=self.hint)
        made.__dict__["info"] = self
        return made


_RECORDED: Final = ("message", "hint", "status", "retry_after")
"""The attributes of an exception that an event records, if it has them."""


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a user's __str__
        return ""
