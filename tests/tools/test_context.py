from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

import pytest

from headwater.errors import Cancelled, ConfigurationError
from headwater.tools.context import ToolContext


@dataclasses.dataclass
class User:
    name: str


def test_it_has_the_calls_data() -> None:
    context = ToolContext(User("ada"), call_id="c1", tool_name="search", run_id="r1")
    assert (context.context.name, context.call_id, context.tool_name, context.run_id) == ("ada", "c1", "search", "r1")


def test_progress_is_plain_data() -> None:
    said: list[Any] = []
    context = ToolContext(None, emit=said.append)
    context.emit(User("ada"))
    context.emit("ö")
    assert said == [{"name": "ada"}, "ö"]


def test_without_a_run_progress_is_dropped() -> None:
    context = ToolContext(None)
    context.emit(1)
    context.check()
    assert not context.cancelled
    assert (context.deadline, context.remaining()) == (None, None)


def test_remaining_decreases_to_zero() -> None:
    ahead = ToolContext(None, deadline=time.monotonic() + 100).remaining()
    assert ahead is not None
    assert 99 < ahead <= 100
    assert ToolContext(None, deadline=time.monotonic() - 1).remaining() == 0.0


def test_after_a_stop_it_reports_nothing() -> None:
    said: list[Any] = []
    context = ToolContext(None, tool_name="dig", emit=said.append)
    assert context.wait(0) is False
    context.stop()
    context.emit(1)
    assert said == []
    assert context.cancelled
    assert context.wait(60) is True
    with pytest.raises(Cancelled, match="The call of dig was stopped"):
        context.check()


def test_a_stop_wakes_a_waiting_thread() -> None:
    context = ToolContext(None)
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(context.wait(60)))
    thread.start()
    context.stop()
    thread.join(10)
    assert woken == [True]


@pytest.mark.parametrize("message", [None, b"How many?", 3, ["How many?"]])
def test_a_question_is_text(message: Any) -> None:
    with pytest.raises(ConfigurationError, match="The question to a person is of type"):
        ToolContext(None).ask_sync(message, int)


@pytest.mark.parametrize("seconds", [0, -1, True, "5", 10**400, float("inf"), float("nan")])
def test_a_question_waits_a_number_of_seconds(seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match="seconds= of a question is"):
        ToolContext(None).ask_sync("How many?", int, seconds=seconds)
