"""The log lines of a verbose agent, and what they never contain."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from headwater.backends.offline import Call
from headwater.events import (
    AttemptAccepted,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    ErrorInfo,
    Event,
    ReasoningDelta,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    UsageReported,
    Warned,
)
from headwater.events.messages import Usage
from headwater.readers.verbose import log_watcher
from headwater.testing import sample_logs
from tests.support.streams import scripted


def test_log_lines_contain_no_arguments_or_results(caplog: pytest.LogCaptureFixture) -> None:
    def log_in(password: str) -> str:
        """Log in."""
        return "session-of-" + password

    with caplog.at_level("DEBUG", logger="headwater"):
        scripted(Call("log_in", {"password": "hunter2"}), "Done.", tools=[log_in], verbose=True).run_sync("Go.")
    assert "tool log_in finished after" in caplog.text
    assert "hunter2" not in caplog.text


def test_every_event_except_deltas_is_a_line_on_the_agents_logger(caplog: pytest.LogCaptureFixture) -> None:
    watch = log_watcher("the.writer")
    log = sample_logs()["tools"]
    for event in log:
        watch(event)
    assert {record.name for record in caplog.records} == {"headwater.the_writer"}
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
    told = [event for event in log if not isinstance(event, TextDelta | ReasoningDelta | CallDelta | ToolProgress)]
    assert len(caplog.records) == len(told)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (RunStarted(model="gpt-5.4"), "run started with gpt-5.4"),
        (StepStarted(step=2), "step 2 started"),
        (AttemptStarted(step=1, model="gpt-5.4", provider="openai"), "asked gpt-5.4 of openai"),
        (AttemptStarted(step=1, attempt=2, cause="retry"), "asked the model, attempt 2 (retry)"),
        (AttemptAccepted(step=1, attempt=1, model="gpt-5.4-2026"), "gpt-5.4-2026 answers"),
        (
            AttemptFailed(step=1, attempt=1, error=ErrorInfo(type="RateLimited", message="x", status=429), wait=4.0),
            "attempt 1 failed: RateLimited 429; then raise in 4.0 s",
        ),
        (UsageReported(step=1, attempt=1, usage=Usage(input_tokens=21, output_tokens=66)), "usage: 21 in, 66 out"),
        (
            UsageReported(step=1, attempt=1, usage=Usage(output_tokens=6), origin="estimated"),
            "usage: 6 out (estimated)",
        ),
        (UsageReported(step=1, attempt=1, usage=Usage()), "usage: unknown"),
        (ToolStarted(step=1, call="c", name="weather", try_=2), "tool weather runs, try 2"),
        (ToolFinished(step=1, call="c", name="weather", duration=1.5), "tool weather finished after 1.5 s"),
        (
            ToolFinished(step=1, call="c", name="weather", error="No such city."),
            "tool weather finished after 0.0 s: 'No such city.'",
        ),
        (StepFinished(step=1, finish_reason="stop"), "step 1 finished: stop"),
        (RunFinished(finish_reason="stop"), "run finished: stop; usage: unknown"),
        (Warned(code="odd", message="Odd."), "warning code='odd'"),
    ],
)
def test_the_description_of_an_event(event: Event, words: str, caplog: pytest.LogCaptureFixture) -> None:
    log_watcher("writer")(event)
    (record,) = caplog.records
    assert record.getMessage() == words


def test_a_terminal_shows_the_lines_dim(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    ours = logging.getLogger("headwater")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    for term, line in (
        ("xterm", "\x1b[2mDEBUG writer: step 1 started\x1b[0m\n"),
        ("dumb", "DEBUG writer: step 1 started\n"),
    ):
        monkeypatch.setenv("TERM", term)
        monkeypatch.setattr(ours, "handlers", [])
        monkeypatch.setattr(sys, "stderr", screen := Screen())
        log_watcher("writer")(StepStarted(step=1))
        assert screen.getvalue() == line


@pytest.mark.parametrize("name", sorted(sample_logs()))
def test_no_line_contains_text(name: str, caplog: pytest.LogCaptureFixture) -> None:
    watch = log_watcher("writer")
    log = sample_logs()[name]
    for event in log:
        watch(event)
    said: dict[tuple[str, int, int], str] = {}
    for event in log:
        if isinstance(event, TextDelta):
            part = (event.run, event.step, event.part)
            said[part] = said.get(part, "") + event.text
    lines = [record.getMessage() for record in caplog.records]
    assert not [text for text in said.values() if any(text in line for line in lines)]
    assert all(len(line) < 1000 for line in lines)


def test_a_long_value_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    log_watcher("writer")(Warned(code="x" * 500, message="Long."))
    (record,) = caplog.records
    assert "x" * 70 in record.getMessage()
    assert record.getMessage().endswith("…")


def test_without_configured_logging_lines_are_visible(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = logging.getLogger("headwater")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(ours, "handlers", [])
    for _ in range(2):  # the second agent adds no second handler
        log_watcher("writer")(Warned(code="odd", message="Odd."))
    assert capsys.readouterr().err.splitlines() == ["DEBUG writer: warning code='odd'"] * 2
