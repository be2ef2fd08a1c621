"""What an agent that is verbose logs, and what it never does."""

from __future__ import annotations

import logging

import pytest

from headwater.backends.offline import Call
from headwater.events import CallDelta, ReasoningDelta, TextDelta, ToolProgress, Warned
from headwater.readers.verbose import log_watcher
from headwater.testing import sample_logs
from tests.support.streams import scripted


def test_log_lines_hold_nothing_of_what_tools_are_given_or_give(caplog: pytest.LogCaptureFixture) -> None:
    def log_in(password: str) -> str:
        """Log in."""
        return "session-of-" + password

    with caplog.at_level("DEBUG", logger="headwater"):
        scripted(Call("log_in", {"password": "hunter2"}), "Done.", tools=[log_in], verbose=True).run_sync("Go.")
    assert "tool.finished" in caplog.text
    assert "log_in" in caplog.text
    assert "hunter2" not in caplog.text


def test_every_event_but_pieces_is_a_line_on_the_agents_logger(caplog: pytest.LogCaptureFixture) -> None:
    watch = log_watcher("the.writer")
    log = sample_logs()["tools"]
    for event in log:
        watch(event)
    assert {record.name for record in caplog.records} == {"headwater.the_writer"}
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
    told = [event for event in log if not isinstance(event, TextDelta | ReasoningDelta | CallDelta | ToolProgress)]
    assert [record.getMessage().split()[:2] for record in caplog.records] == [[str(e.seq), e.type] for e in told]


@pytest.mark.parametrize("name", sorted(sample_logs()))
def test_no_line_holds_what_was_said(name: str, caplog: pytest.LogCaptureFixture) -> None:
    watch = log_watcher("writer")
    log = sample_logs()[name]
    for event in log:
        watch(event)
    said = {event.text for event in log if isinstance(event, TextDelta) and len(event.text) > 3}
    lines = [record.getMessage() for record in caplog.records]
    assert not [text for text in said if any(text in line for line in lines)]
    assert all(len(line) < 1000 for line in lines)


def test_a_long_value_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    log_watcher("writer")(Warned(code="x" * 500, message="Long."))
    (record,) = caplog.records
    assert "x" * 70 in record.getMessage()
    assert record.getMessage().endswith("…")


def test_where_no_logging_is_set_up_lines_are_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = logging.getLogger("headwater")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(ours, "handlers", [])
    for _ in range(2):  # the second agent adds no second handler
        log_watcher("writer")(Warned(code="odd", message="Odd."))
    assert capsys.readouterr().err.splitlines() == ["DEBUG headwater.writer: 0 warning code='odd'"] * 2
