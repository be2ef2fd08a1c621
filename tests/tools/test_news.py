"""A piece of progress is passed on whole or truncated, and its memory is estimated."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.tools.news import MAX_NEWS_CHARS, cut_news, memory_of


@pytest.mark.parametrize("data", ["", "a" * MAX_NEWS_CHARS, 1, None, 2.5, True, {"a": [1, {}]}, ["x" * 1000]])
def test_short_progress_is_unchanged(data: Any) -> None:
    assert cut_news(data) is data


def test_long_progress_is_truncated() -> None:
    cut = cut_news("é" * (MAX_NEWS_CHARS + 5))
    assert cut == "é" * MAX_NEWS_CHARS + "\n[Truncated: this is the beginning of 1,000,005 characters.]"
    assert cut_news(["a" * MAX_NEWS_CHARS]).startswith('["aaa')
    assert cut_news({"n": [1] * MAX_NEWS_CHARS}).endswith("characters.]")


@pytest.mark.parametrize("data", [{}, [{}] * 1000, list(range(1000)), ["word"] * 500, "text" * 500])
def test_the_memory_of_small_values_counts(data: Any) -> None:
    assert memory_of(data) >= 64 * (len(data) if isinstance(data, list) else 1)
