"""The retention of a run after its end: by default, by its agent's name, by its labels.

    Retention("30d", agents={"helper": "1d"}, labels={"team=support": "52w"})

Owns the rules and how a duration is written; the stores delete (`RunLog.expire`). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec

from headwater.errors import ConfigurationError
from headwater.journal.run_log import Request
from headwater.journal.wording import is_keep

__all__ = ("Duration", "Retention", "retention_of", "seconds_of")

Duration: TypeAlias = str | float | None
"""As "30d", "12h", "90m", "45s" or "2w", in seconds, or None forever."""

SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_WRITTEN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")


def seconds_of(duration: Duration) -> float | None:
    """Returns a duration in seconds; None forever. Raises ConfigurationError."""
    if duration is None:
        return None
    seconds: Any = duration
    if isinstance(duration, str) and (found := _WRITTEN.fullmatch(duration.strip())):
        seconds = float(found[1]) * SECONDS[found[2]]
    if is_keep(seconds):
        return float(seconds)
    raise ConfigurationError(
        f"keep is {duration!r}, which is not a duration.",
        hint='Write "30d", "12h", "90m", "45s" or "2w", a number of seconds, at most 1000 years, or None forever.',
    )


class Retention:
    """How long runs are kept: what one of its labels says (the longest of these), else its agent, else the default.

    `labels` are written name=value, or name for any value. With `deltas=False` packed logs have no deltas.
    Raises ConfigurationError where one is no duration.
    """

    def __init__(
        self,
        default: Duration = None,
        *,
        agents: Mapping[str, Duration] | None = None,
        labels: Mapping[str, Duration] | None = None,
        deltas: bool = True,
    ) -> None:
        self.deltas = deltas
        self.default: float | None = seconds_of(default)
        self.agents: dict[str, float | None] = {name: seconds_of(duration) for name, duration in (agents or {}).items()}
        self.labels: dict[str, float | None] = {
            label: seconds_of(duration) for label, duration in (labels or {}).items()
        }

    def keep(self, request: Request) -> float | None:
        """Seconds for which the run is kept after its end; None is forever. What the request says itself stands."""
        if request.keep is not None:
            return request.keep
        own = {*request.labels, *(f"{name}={value}" for name, value in request.labels.items())}
        if found := [duration for label, duration in self.labels.items() if label in own]:
            return None if None in found else max(one for one in found if one is not None)
        return self.agents.get(request.agent, self.default)

    def applied(self, request: Request) -> Request:
        """The request as it is created."""
        return msgspec.structs.replace(request, keep=self.keep(request), deltas=request.deltas and self.deltas)


def retention_of(keep: Duration | Retention) -> Retention:
    """The rules that `keep` stands for: a duration for all runs, or rules. Raises ConfigurationError."""
    return keep if isinstance(keep, Retention) else Retention(keep)
