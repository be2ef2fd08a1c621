"""How long a provider asks to wait before the next request, in every way in which servers say it.

Owns the reading of those headers. Whatever stands in them, what comes out is a number of seconds within bounds, or
nothing: it must never raise. Whether one waits so long is decided in `backends.retry`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

__all__ = ("LONGEST_SECONDS", "asked_pause")

LONGEST_SECONDS: Final = 31 * 86_400.0
"""The longest pause that is believed: quotas renew by the month at the latest. What is longer is a mistake."""

LONGEST_RENEWAL_SECONDS: Final = 60.0
"""The longest time to a limit's renewal that counts as a pause. Limits are renewed bit by bit, and servers say when the
whole is there again: where that takes long, it tells nothing of when the next request may be made."""

_NUMBER: Final = re.compile(r"[+-]?\d{1,15}(\.\d*)?")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"(?:\d{1,9}(?:\.\d*)?(?:ms|[dhms]))+")
_PIECE: Final = re.compile(r"(\d+(?:\.\d*)?)(ms|[dhms])")
_RESET: Final = re.compile(r"(?<![a-z])reset(?![a-z])")

SINCE_1970: Final = 1e9
"""Seconds from which a number is a moment since 1970, and no time to wait: thirty years."""

SINCE_1970_MS: Final = 1e12
"""The same in milliseconds."""


def asked_pause(headers: Mapping[str, str], now: float) -> float | None:
    """Returns the seconds that the headers of a refusal ask to wait, 0 or more; None where they do not say.

    They say it as `retry-after-ms`, as `Retry-After` (seconds or a date), or by when the limits that are used up are
    renewed. `headers` have lower-case names, `now` (Unix seconds) is what moments are measured from.
    """
    for name, read in (("retry-after-ms", _milliseconds), ("retry-after", _seconds_or_date)):
        if (text := headers.get(name)) is not None and (pause := _believed(read, text, now)) is not None:
            return pause
    return max(_renewals(headers, now), default=None)


def _renewals(headers: Mapping[str, str], now: float) -> Iterator[float]:
    """When each limit of which nothing is left is renewed, such as `x-ratelimit-reset-tokens: 6m0s`, in seconds."""
    for name, text in headers.items():
        if "ratelimit" not in name or _RESET.search(name) is None:
            continue
        if headers.get(_RESET.sub("remaining", name), "").strip() not in ("0", "0.0"):
            continue
        pause = _believed(_renewal, text, now)
        if pause is not None and pause <= LONGEST_RENEWAL_SECONDS:
            yield pause


def _believed(read: Callable[[str, float], float], text: str, now: float) -> float | None:
    try:
        seconds = read(text.strip(), now)
    except (ValueError, TypeError, OverflowError, IndexError):  # what the readers of dates raise
        return None
    return max(0.0, seconds) if math.isfinite(seconds) and seconds <= LONGEST_SECONDS else None


def _number(text: str) -> float:
    if _NUMBER.fullmatch(text) is None or not text.isascii():
        raise ValueError("no number")
    return float(text)


def _milliseconds(text: str, now: float) -> float:
    return _number(text) / 1000


def _seconds_or_date(text: str, now: float) -> float:
    try:
        return _number(text)
    except ValueError:
        from email.utils import parsedate_to_datetime  # rare, and slow to import

        return _moment(parsedate_to_datetime(text)) - now


def _renewal(text: str, now: float) -> float:
    """A duration, seconds, or a moment: since 1970 in seconds or milliseconds, or a date."""
    if text.isascii() and _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(text))
    try:
        number = _number(text)
    except ValueError:
        return _moment(datetime.fromisoformat(text)) - now
    if number >= SINCE_1970_MS:
        return number / 1000 - now
    return number - now if number >= SINCE_1970 else number


def _moment(date: datetime) -> float:
    """A date in Unix seconds; one without a zone is in UTC."""
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
