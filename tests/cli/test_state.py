"""Where the commands keep what outlives them, and whether they do."""

from __future__ import annotations

import pytest

from headwater.cli.state import keeps


@pytest.mark.parametrize(
    ("said", "kept"), [(None, True), ("", True), ("on", True), ("off", False), (" OFF ", False), ("0", False)]
)
def test_a_variable_turns_it_off(said: str | None, kept: bool) -> None:
    assert keeps({} if said is None else {"HEADWATER_HISTORY": said}) is kept
