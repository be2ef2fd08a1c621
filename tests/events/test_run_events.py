from __future__ import annotations

from typing import get_args

import msgspec

from headwater.events import End, RunCancelled, RunFailed, RunFinished, RunStarted


def test_a_run_has_three_ends() -> None:
    assert set(get_args(End)) == {RunFinished, RunFailed, RunCancelled}


def test_the_name_of_the_agent_is_agent_on_the_wire() -> None:
    assert b'"agent":"a"' in msgspec.json.encode(RunStarted(agent_name="a"))


def test_an_answer_of_null_is_not_an_absent_answer() -> None:
    assert b"output" not in msgspec.json.encode(RunFinished())
    assert b'"output":null' in msgspec.json.encode(RunFinished(output=None))
