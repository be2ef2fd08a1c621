from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.tools.mcp.names import fitted, unique


@pytest.mark.parametrize(
    ("name", "fit"),
    [("add", "add"), ("files.read", "files_read"), ("2nd", "_2nd"), ("", "_"), ("naïve tool", "na_ve_tool")],
)
def test_a_name_is_fitted_to_what_providers_accept(name: str, fit: str) -> None:
    assert fitted(name) == fit


@given(st.text(max_size=200))
def test_every_fitted_name_is_accepted_and_stays_as_it_is(name: str) -> None:
    fit = fitted(name)
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", fit)
    assert fitted(fit) == fit


def test_long_names_that_begin_alike_stay_apart() -> None:
    assert fitted("a" * 80) != fitted("a" * 81)


def test_a_taken_name_gets_the_servers_as_prefix_and_then_a_number() -> None:
    assert unique("read", "git", ()) == "read"
    assert unique("read", "git", {"read"}) == "git_read"
    assert unique("read", "git", {"read", "git_read"}) == "git_read_2"
