"""The line below an answer: how it ended, what it took, what was kept; and formatted figures.

Pure.
"""

from __future__ import annotations

from decimal import Decimal

from headwater.terminal.render import seconds
from headwater.terminal.run_view import Ended
from headwater.terminal.spans import Span

__all__ = ("dollars", "footer", "short")

_CUT = {
    "length": "the token limit cut the answer",
    "content_filter": "the provider's filter cut the answer",
}


def footer(ended: Ended, dot: str = " · ") -> list[Span]:
    """Returns the line as one span; none for a parked run."""
    if ended.outcome in ("", "waiting", "handed over"):
        return []
    told = []
    style = "dim"
    if ended.outcome == "finished":
        told.append(ended.reason.replace("_", " ") or "stop")
        if (cut := _CUT.get(ended.reason)) is not None:
            told.append(cut)
            style = "warning"
    else:
        told.append(ended.outcome)
        told.append(f"{ended.kept:,} characters kept" if ended.kept else "nothing was said")
        style = "bad" if ended.outcome == "failed" else "warning"
    if ended.replaced:
        told.append(f"{ended.replaced:,} replaced by guards")
    if ended.tokens is not None:
        told.append(f"{ended.tokens:,} tokens" if ended.tokens != 1 else "1 token")
    if ended.rate is not None:
        told.append(f"{ended.rate:,.0f} tok/s")
    if ended.first_token is not None:
        told.append(f"first token {seconds(ended.first_token)}")
    told.append(seconds(ended.duration))
    if ended.cost is not None:
        told.append(dollars(ended.cost))
    return [Span(dot.join(told), style)]


def short(duration: float) -> str:
    """A duration in whole seconds: `3 s`, `1 min 5 s`."""
    return f"{int(duration)} s" if duration < 60 else _minutes(int(duration))


def dollars(cost: Decimal) -> str:
    """A price: `$0.0021`, `$12.40`; two digits that count at least."""
    if cost >= 1:
        return f"${cost:,.2f}"
    digits = 2 if not cost else max(2, 1 - cost.adjusted())
    return f"${cost:.{digits}f}"


def _minutes(duration: int) -> str:
    minutes, rest = divmod(duration, 60)
    return f"{minutes} min {rest} s"
