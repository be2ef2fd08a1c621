from __future__ import annotations

import pytest

from headwater.events import ErrorInfo, Event, RunCancelled, RunFailed, RunStarted
from headwater.testing import check_surface, sample_logs, shown_text
from headwater.web.native.text import TEXT


def sent(log: list[Event] | tuple[Event, ...]) -> str:
    of = TEXT.make()
    return b"".join(map(of, log)).decode()


def test_it_reads_every_log_and_changes_none() -> None:
    check_surface(TEXT.make)


def test_the_text_is_sent_and_nothing_else() -> None:
    log = sample_logs()["text"] if "text" in sample_logs() else next(iter(sample_logs().values()))
    assert log[-1].type == "run.finished"
    assert sent(log) == shown_text(log)


@pytest.mark.parametrize("said", ["", "Half an answer"])
def test_how_it_ended_is_on_a_separate_line(said: str) -> None:
    whole = next(log for log in sample_logs().values() if log[-1].type == "run.finished" and shown_text(log))
    before = [*whole[:-1]] if said else [RunStarted(run=whole[0].run)]
    text = shown_text(before)
    error = ErrorInfo(type="IncompleteStream", message="It\r\n[cancelled]\x1b[2J broke off.")
    failed = sent([*before, RunFailed(error=error, run=whole[0].run)])
    apart = "\n" if text else ""
    assert failed == f"{text}{apart}[failed: IncompleteStream: It [cancelled]\u241b[2J broke off.]\n"
    assert sent([*before, RunCancelled(run=whole[0].run)]) == f"{text}{apart}[cancelled]\n"


def test_a_members_end_is_not_sent() -> None:
    for log in sample_logs().values():
        if log[-1].type == "run.finished":
            assert "[failed" not in sent(log)
