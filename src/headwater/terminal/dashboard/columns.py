"""The figures of a panel: duration, tokens, rate, number of agents per state.

Pure: numbers in, strings out, in columns as wide as fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from headwater.terminal.dashboard.agent_state import AgentView, Standing
from headwater.terminal.dashboard.pulse import SECONDS_KEPT

__all__ = (
    "LOOSE",
    "Columns",
    "beside_a_name",
    "caption",
    "clock",
    "in_a_line",
    "in_columns",
    "spent",
    "tally",
    "wants_own_line",
)


class Columns(NamedTuple):
    """The widths of the figures after a name; 0 for one that does not fit."""

    name: int
    state: int
    time: int
    tokens: int
    rate: int
    unit: Literal["tokens", "tok", ""]
    """How units are written."""
    tail: int = 0
    cost: int = 0
    """Width of the cost, after the rate."""
    bars: int = 0
    """Width of the row of bars after the figures, which shows the rate of the last seconds."""

    @property
    def figures(self) -> int:
        """Total width of state, time, tokens, rate, cost and bars, with the space before each."""
        sizes = (self.state, self.time, self.tokens, self.rate, self.cost, self.bars)
        return sum(size + 2 for size in sizes if size)


_SHORT_RATE: Final = 7
"""Cells of a rate without its unit, "1,234/s": a wider column has the unit too."""

_FIGURES: Final[tuple[tuple[int, int, int, int, Literal["tokens", "tok"]], ...]] = (
    (16, 6, 14, 12, "tokens"),  # "~12,345 tokens", "123 tokens/s"
    (16, 6, 14, 6, "tokens"),
    (12, 6, 11, 6, "tok"),
    (12, 6, 11, 0, "tok"),
    (12, 6, 0, 0, "tok"),
    (10, 5, 0, 0, "tok"),
    (9, 0, 0, 0, "tok"),
)
"""Layouts of state, time, tokens, rate and unit in a section's head, from the widest to the narrowest."""

_CAPTION: Final = ("agent", "state", "time", "tokens", "tok/s", "cost")

_LINE_FIGURES: Final = (
    (14, 6, 8, 6, 20),
    (12, 6, 7, 5, 14),
    (12, 6, 7, 0, 12),
    (12, 6, 7, 0, 0),
    (10, 5, 6, 0, 0),
    (10, 5, 0, 0, 0),
    (9, 0, 0, 0, -1000),
)
"""State, time, tokens, rate, and the minimum number of cells for text."""


_COST: Final = 8
"""Cells of a cost, "$0.00014"; there is a column for it only where one is known."""

INNER_WITH_BARS: Final = 115
"""Minimum width of a row with bars: that of a screen of 120 columns."""

LOOSE: Final = Columns(0, 0, 1, 1, 1, "tokens", cost=1)
"""Figures without columns."""

_FIGURES_LINE: Final = 30
"""Minimum width of a separate line of figures; in less they are cut instead."""

_TOLD: Final[dict[Standing, str]] = {
    "asking": "waiting for you",
    "streaming": "streaming",
    "tool": "in tools",
    "calling": "in tools",
    "thinking": "thinking",
    "retrying": "retrying",
    "resting": "resting",
    "done": "done",
    "healed": "healed",
    "failed": "failed",
    "cancelled": "cancelled",
    "waiting": "waiting",
}
_AT_WORK: Final = ("streaming", "tool", "calling", "thinking", "retrying")


def beside_a_name(longest: int, inner: int, mark: int, *, bars: bool = False, cost: bool = False) -> Columns:
    """Returns the figures of a section's head that fit next to a name of `longest` cells and a mark of `mark`."""
    wide = SECONDS_KEPT if bars and inner >= INNER_WITH_BARS else 0
    for state, time, tokens, rate, unit in _FIGURES:
        columns = Columns(inner - mark, state, time, tokens, rate, unit, cost=_COST if cost and rate else 0, bars=wide)
        whole = min(longest, 40 if state > 10 else 12)
        if mark + whole + columns.figures <= inner or not time:
            break
    return columns._replace(name=max(inner - mark - columns.figures, 1))


def in_a_line(longest: int, inner: int, mark: int, *, bars: bool = False, cost: bool = False) -> Columns:
    """Returns the figures of an agent that has a single line, including its text."""
    wide = SECONDS_KEPT if bars and inner >= INNER_WITH_BARS else 0
    name = max(min(longest, max(inner // 4, 12)), len(_CAPTION[0]))
    for state, time, tokens, rate, least in _LINE_FIGURES:
        columns = Columns(name, state, time, tokens, rate, "", cost=_COST if cost and rate else 0, bars=wide)
        left = inner - mark - name - columns.figures - 2
        if left >= least:
            break
    return columns._replace(tail=left if left >= 8 else 0)


def caption(columns: Columns, mark: int) -> str:
    """Returns the caption of the columns of `in_a_line`."""
    agent, state, *figures = _CAPTION
    told = f"{'':{mark}}{agent:{columns.name}}  {state:{columns.state}}"
    for title, size in zip(figures, (columns.time, columns.tokens, columns.rate, columns.cost), strict=True):
        told += f"  {title:>{size}}" if size else ""
    return told


def wants_own_line(columns: Columns, inner: int) -> bool:
    """Whether a separate line shows more figures than fit next to the names."""
    return columns.state < _FIGURES[1][0] and inner >= _FIGURES_LINE


def spent(count: int, estimated: bool, rate: float | None) -> tuple[str, str]:
    """Formats tokens and tokens per second; empty without any."""
    if not count:
        return "", ""
    return f"{'~' if estimated else ''}{count:,}", f"{rate:,.0f}" if rate is not None else ""


def in_columns(time: str, spent: tuple[str, str], columns: Columns, cost: str = "") -> str:
    """Formats time, tokens, tokens per second and the cost in columns."""
    tokens, rate = spent
    unit = columns.unit
    if unit:
        tokens += f" {unit}" if tokens else ""
        wide = columns.rate > _SHORT_RATE or columns.rate == 1
        rate += (f" {unit}/s" if wide else "/s") if rate else ""
    told = ""
    sizes = (columns.time, columns.tokens, columns.rate, columns.cost)
    for figure, size in zip((time, tokens, rate, cost), sizes, strict=True):
        if size and (figure or size > 1):
            told += f"  {figure:>{size}}"
    return told


def tally(views: Sequence[AgentView], *, short: bool = False) -> str:
    """Returns the number of agents per state: `2 streaming, 1 in tools, 1 done`; in short `3 at work, 1 done`."""
    states = Counter(view.standing for view in views)
    told: dict[str, int] = {}
    for state, name in _TOLD.items():
        if count := states[state]:
            name = "at work" if short and state in _AT_WORK else name
            told[name] = told.get(name, 0) + count
    return ", ".join(f"{count} {name}" for name, count in told.items())


def clock(duration: float, exact: bool) -> str:
    """Formats a running duration, `12 s` or `2:05`; `exact` once it has ended: `12.3 s`."""
    if duration < 60:
        return f"{duration:.1f} s" if exact else f"{int(duration)} s"
    minutes, rest = divmod(int(duration), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
