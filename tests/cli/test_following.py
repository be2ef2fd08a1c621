"""A run whose agents are elsewhere looks on a pipe and on a terminal as one at home, from its events alone."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

from headwater.backends.offline import Call, Say, Wait
from headwater.cli.following import Following
from headwater.cli.output import Outlet
from headwater.cli.watching import watching_for_log
from headwater.errors import ProviderError
from headwater.events import Event, tree_response
from tests.support.members import SHAPES, log_of, speaker
from tests.support.virtual import run_virtual


class Screen(io.StringIO):
    """Standard output, which is a terminal or is not."""

    def __init__(self, tty: bool) -> None:
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"


def a_log(make: Callable[..., Any]) -> list[Event]:
    return run_virtual(log_of(make().run_stream("Go.")))[0]


def hands_over() -> Any:
    heir = speaker("heir", [Say("I take "), Wait(1), Say("over.")])
    return speaker("giver", [Say("Let me see."), Call("transfer_to_heir", {"note": "please"})], handoffs=[heir])


def shown(monkeypatch: pytest.MonkeyPatch, log: list[Event], *, tty: bool, live: bool) -> str:
    screen = Screen(tty)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "dumb")
    watching = Following(Outlet()) if live else watching_for_log(log, Outlet())
    for event in log:
        watching(event)
    watching.close()
    watching.ended(tree_response(log))
    return screen.getvalue()


@pytest.mark.parametrize("tty", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_what_is_shown_is_what_a_saved_run_shows(number: int, tty: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    log = a_log(SHAPES[number])
    expected = shown(monkeypatch, log, tty=tty, live=False)
    found = shown(monkeypatch, log, tty=tty, live=True)
    # What was said before it became known that several speak at once was shown as it came.
    assert sorted(found.split()) == sorted(expected.split()) if tty else found == expected
    assert found


def test_the_agent_that_takes_over_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for tty in (True, False):
        found = shown(monkeypatch, a_log(hands_over), tty=tty, live=True)
        assert "Let me see." in found
        assert found.count("I take over.") == 1


def test_concurrent_members_are_shown_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    found = shown(monkeypatch, a_log(SHAPES[3]), tty=True, live=True)  # a sequence in which some speak at once
    assert "x0 x1" in " ".join(found.split())


def test_a_dashboard_is_for_a_workflow_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, tty in ((1, True), (1, False), (5, True)):
        screen = Screen(tty)
        monkeypatch.setattr(sys, "stdout", screen)
        log = a_log(SHAPES[number])
        watching = Following(Outlet(), dashboard=True)
        for event in log:
            watching(event)
        watching.close()
        watching.ended(tree_response(log))
        assert tree_response(log).text.split()[-1] in screen.getvalue()


def test_a_failed_workflow_on_a_pipe_writes_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(tty=False)
    monkeypatch.setattr(sys, "stdout", screen)
    log = a_log(SHAPES[0])
    watching = Following(Outlet())
    for event in log[:-1]:
        watching(event)
    watching.close()
    error = ProviderError("No.")
    error.response = tree_response(log)
    watching.failed(error)
    assert "One two." in screen.getvalue()
