"""What every store says in the same words: what happened, and what to do."""

from __future__ import annotations

import pytest

from headwater.errors import HeadwaterError, RunEnded, ThreadBusy, UnknownRun
from headwater.journal.wording import busy, ended, unknown


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (unknown("run_1"), UnknownRun, "No run 'run_1'"),
        (ended("run_1", "failed"), RunEnded, "run_1 is failed"),
        (busy("t", "run_1"), ThreadBusy, "'t' is busy with the run run_1"),
    ],
)
def test_it_names_what_it_is_about_and_says_what_to_do(
    error: HeadwaterError, kind: type[HeadwaterError], said: str
) -> None:
    assert type(error) is kind
    assert said in error.message
    assert error.hint
