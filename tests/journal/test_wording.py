"""What every store says in the same words: what happened, and what to do."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pytest

from headwater.errors import ConfigurationError, HeadwaterError, RunEnded, ThreadBusy, UnknownRun
from headwater.journal.run_log import Request
from headwater.journal.wording import busy, check_name, check_request, ended, plain, unavailable, unknown


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (unknown("run_1"), UnknownRun, "no run 'run_1'"),
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


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "x" * 501])
def test_a_name_that_a_store_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="The key"):
        check_name("key", name)
    with pytest.raises(ConfigurationError, match="label"):
        check_request("r", Request(agent="a", labels={name: "x"}), None)


@pytest.mark.parametrize("name", ["a", "x" * 500, "船 🚢", "a b\n'\"%s", None])
def test_any_other_name_is_accepted(name: str | None) -> None:
    check_name("key", name)
    check_request("r", Request(agent="a", labels={name or "a": ""}), name)


def test_a_value_of_the_wrong_type_is_refused_before_it_is_stored() -> None:
    wrong: Any
    for wrong in (3, b"a", ["a"]):
        with pytest.raises(ConfigurationError, match="Pass a string"):
            check_name("key", wrong)
    for wrong in ({"a": 1}, {"a": None}, {1: "a"}):
        with pytest.raises(ConfigurationError, match="Pass a string"):
            check_request("r", Request(agent="a", labels=wrong), None)
    for wrong in ("high", True, 1.5, None, 2**31):
        with pytest.raises(ConfigurationError, match="priority"):
            check_request("r", Request(agent="a", priority=wrong), None)
    for wrong in ("tomorrow", datetime.now(), True, math.inf, math.nan, 10**400, -1e11):
        with pytest.raises(ConfigurationError, match="Unix seconds"):
            check_request("r", Request(agent="a", not_before=wrong), None)
    for wrong in ("30d", True, -1.0, math.inf, math.nan, 1e13, 10**400):
        with pytest.raises(ConfigurationError, match="at most a thousand years"):
            check_request("r", Request(agent="a", keep=wrong), None)
    check_request("r", Request(agent="a", queue="q" * 40), None)
    with pytest.raises(ConfigurationError, match="40 bytes"):
        check_request("r", Request(agent="a", queue="ä" * 21), None)


@pytest.mark.parametrize("said", ["refused.", "refused?\n", "refused", " refused?. "])
def test_a_store_that_does_not_answer_is_one_sentence_without_a_password(said: str) -> None:
    error = unavailable("postgresql://u:secret@h/x", OSError(said))
    assert error.message == "The journal postgresql://u:***@h/x does not answer: refused."
    assert unavailable("u", OSError()).message == "The journal u does not answer: OSError."


def test_text_is_stored_without_what_no_store_can_hold() -> None:
    assert plain("a\0b\ud800c") == "a\ufffdb\ufffdc"
