"""A piece of progress is passed on whole or truncated, and its memory is estimated."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.tools.progress_value import MAX_PROGRESS_CHARS, cut_progress, memory_of


@pytest.mark.parametrize("data", ["", "a" * MAX_PROGRESS_CHARS, 1, None, 2.5, True, {"a": [1, {}]}, ["x" * 1000]])
def test_short_progress_is_unchanged(data: Any) -> None:
    assert cut_progress(data) is data


def test_long_progress_is_truncated() -> None:
    cut = cut_progress("é" * (MAX_PROGRESS_CHARS + 5))
    assert cut == "é" * MAX_PROGRESS_CHARS + "\n[Truncated: this is the beginning of 1,000,005 characters.]"
    assert cut_progress(["a" * MAX_PROGRESS_CHARS]).startswith('["aaa')
    assert cut_progress({"n": [1] * MAX_PROGRESS_CHARS}).endswith("characters.]")


@pytest.mark.parametrize("data", [{}, [{}] * 1000, list(range(1000)), ["word"] * 500, "text" * 500])
def test_the_memory_of_small_values_counts(data: Any) -> None:
    assert memory_of(data) >= 64 * (len(data) if isinstance(data, list) else 1)
