"""The line under an answer, and figures in words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from headwater.terminal.run_view import Ended
from headwater.terminal.spans import Span
from headwater.terminal.summary import dollars, footer, short

WHOLE = Ended(
    "finished",
    "stop",
    kept=300,
    tokens=66,
    first_token=0.4,
    duration=3.1,
    rate=25.2,
    cost=Decimal("0.0021"),
)


@pytest.mark.parametrize(
    ("ended", "text", "style"),
    [
        (WHOLE, "stop · 66 tokens · 25 tok/s · first token 0.4 s · 3.1 s · $0.0021", "dim"),
        (Ended("finished", "tool_calls", tokens=1234, duration=0.05), "tool calls · 1,234 tokens · 50 ms", "dim"),
        (Ended("finished", tokens=1, duration=1.0), "stop · 1 token · 1.0 s", "dim"),
        (Ended("finished", "length", duration=1.0), "length · the token limit cut the answer · 1.0 s", "warning"),
        (
            Ended("finished", "content_filter", duration=1.0),
            "content filter · the provider's filter cut the answer · 1.0 s",
            "warning",
        ),
        (Ended("finished", duration=1.0, replaced=2), "stop · 2 replaced by guards · 1.0 s", "dim"),
        (Ended("failed", kept=1812, duration=1.0), "failed · 1,812 characters kept · 1.0 s", "bad"),
        (Ended("failed", duration=1.0), "failed · nothing was said · 1.0 s", "bad"),
        (Ended("cancelled", kept=12, duration=1.0), "cancelled · 12 characters kept · 1.0 s", "warning"),
    ],
)
def test_the_footer(ended: Ended, text: str, style: str) -> None:
    assert footer(ended) == [Span(text, style)]


@pytest.mark.parametrize("outcome", ["", "waiting", "handed over"])
def test_a_paused_run_has_no_rate(outcome: str) -> None:
    assert footer(Ended(outcome)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cost", "words"),
    [("0", "$0.00"), ("0.0021", "$0.0021"), ("0.00000123", "$0.0000012"), ("0.25", "$0.25"), ("1234.5", "$1,234.50")],
)
def test_a_price_has_two_digits_that_count(cost: str, words: str) -> None:
    assert dollars(Decimal(cost)) == words


def test_whole_seconds() -> None:
    assert [short(seconds) for seconds in (0.9, 3.99, 59.9, 65.0)] == ["0 s", "3 s", "59 s", "1 min 5 s"]
