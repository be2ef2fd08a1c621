"""Reads how long a provider asks to wait before the next request, from all headers that servers use.

Owns parsing of those headers. Whatever they hold, the result is a number of seconds within limits, or None: it must
never raise. `backends.retry` decides whether to wait that long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

__all__ = ("LONGEST_SECONDS", "asked_pause")

LONGEST_SECONDS: Final = 31 * 86_400.0
"""The longest credible pause: quotas renew monthly at the latest. Anything longer is a mistake."""

LONGEST_RENEWAL_SECONDS: Final = 60.0
"""The longest time to a limit's reset that counts as a pause. Limits refill gradually, and servers report when they are
full again: a long time says nothing about when the next request is possible."""

_NUMBER: Final = re.compile(r"[+-]?\d{1,15}(\.\d*)?")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"(?:\d{1,9}(?:\.\d*)?(?:ms|[dhms]))+")
_PIECE: Final = re.compile(r"(\d+(?:\.\d*)?)(ms|[dhms])")
_RESET: Final = re.compile(r"(?<![a-z])reset(?![a-z])")

SINCE_1970: Final = 1e9
"""Numbers from here on are timestamps, not durations: thirty years in seconds."""

SINCE_1970_MS: Final = 1e12
"""The same in milliseconds."""


def asked_pause(headers: Mapping[str, str], now: float) -> float | None:
    """Returns the seconds that the headers of a refusal ask to wait, 0 or more; None if they do not say.

    The sources are `retry-after-ms`, `Retry-After` (seconds or a date), and the reset times of exhausted limits.
    `headers` have lower-case names; timestamps are relative to `now` (Unix seconds).
    """
    for name, read in (("retry-after-ms", _milliseconds), ("retry-after", _seconds_or_date)):
        if (text := headers.get(name)) is not None and (pause := _plausible(read, text, now)) is not None:
            return pause
    return max(_reset_times(headers, now), default=None)


def _reset_times(headers: Mapping[str, str], now: float) -> Iterator[float]:
    """Yields the reset time of each exhausted limit in seconds, such as `x-ratelimit-reset-tokens: 6m0s`."""
    for name, text in headers.items():
        if "ratelimit" not in name or _RESET.search(name) is None:
            continue
        if headers.get(_RESET.sub("remaining", name), "").strip() not in ("0", "0.0"):
            continue
        pause = _plausible(_reset_time, text, now)
        if pause is not None and pause <= LONGEST_RENEWAL_SECONDS:
            yield pause


def _plausible(read: Callable[[str, float], float], text: str, now: float) -> float | None:
    try:
        seconds = read(text.strip(), now)
    except (ValueError, TypeError, OverflowError, IndexError):  # what date parsers raise
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

        return _timestamp(parsedate_to_datetime(text)) - now


def _reset_time(text: str, now: float) -> float:
    """Parses a duration, seconds, or a timestamp: Unix seconds or milliseconds, or a date."""
    if text.isascii() and _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(text))
    try:
        number = _number(text)
    except ValueError:
        return _timestamp(datetime.fromisoformat(text)) - now
    if number >= SINCE_1970_MS:
        return number / 1000 - now
    return number - now if number >= SINCE_1970 else number


def _timestamp(date: datetime) -> float:
    """Converts a date to Unix seconds; one without a time zone is in UTC."""
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
