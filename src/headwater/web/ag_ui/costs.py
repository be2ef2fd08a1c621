"""The costs of the models in a stream, one entry per provider and model. Pure."""

from __future__ import annotations

from typing import Any

from headwater.events import AttemptStarted, Event, UsageReported
from headwater.events.messages import Usage

__all__ = ("Costs",)


class Costs:
    """Call `add` with every event of a log, of all runs."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[str, str]] = {}
        """The current provider and model of each run."""
        self._reported: dict[tuple[str, int, int], tuple[tuple[str, str], Usage]] = {}
        """The latest usage report of each attempt."""

    def add(self, event: Event) -> None:
        """Adds the next event."""
        if isinstance(event, AttemptStarted):
            self._asked[event.run] = event.provider, event.model
        elif isinstance(event, UsageReported):
            asked = self._asked.get(event.run, ("", ""))
            self._reported[event.run, event.step, event.attempt] = asked, event.usage

    def begin(self) -> None:
        """Discards everything reported before."""
        self._reported.clear()

    def entries(self, *, modern: bool) -> list[dict[str, Any]]:
        """Returns what was reported since, in the protocol's format, without values the provider did not report."""
        sums: dict[tuple[str, str], Usage] = {}
        for asked, usage in self._reported.values():
            sums[asked] = sums.get(asked, Usage()) + usage
        return [_entry(*asked, usage, modern=modern) for asked, usage in sums.items() if usage]


def _entry(provider: str, model: str, usage: Usage, *, modern: bool) -> dict[str, Any]:
    counts = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "reasoningTokens": usage.reasoning_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens if modern else None,
    }
    named = {"provider": provider, "model": model}
    return {key: value for key, value in {**named, **counts}.items() if value not in (None, "")}
