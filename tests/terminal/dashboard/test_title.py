"""What stands over a panel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.terminal.dashboard.title import titled


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("market-analysis-workflow", "Market Analysis Workflow"),
        ("sailing-from-brest", "Sailing from Brest"),
        ("from_here_to", "From Here To"),
        ("ai-news", "AI News"),
        ("rivers", "Rivers"),
        ("Market-Analysis", "Market-Analysis"),
        ("what the tide does", "what the tide does"),
        ("iOS-crew", "iOS-crew"),
        ("潮汐", "潮汐"),
        ("-x-", "-x-"),
        ("", ""),
    ],
)
def test_slugs_become_titles(name: str, title: str) -> None:
    assert titled(name) == title


@given(st.text(max_size=30))
def test_a_title_has_the_names_letters(name: str) -> None:
    assert letters(titled(name)) == letters(name)


def letters(name: str) -> str:
    return name.replace("-", "").replace("_", "").replace(" ", "").lower()
