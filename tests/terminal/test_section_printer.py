"""Several agents without a dashboard: each one's words under its own header, whichever way they come."""

from __future__ import annotations

import io
from typing import Any

import pytest

from headwater import ConcurrentWorkflow, SequentialWorkflow
from headwater.backends.offline import Call, Say
from headwater.events import Event, RunFinished, TextStarted
from headwater.terminal.look import Look
from headwater.terminal.section_printer import SectionPrinter
from tests.support.members import log_of, paced, speaker
from tests.support.virtual import run_virtual
from tests.terminal import crowds


def logged(runnable: Any) -> list[Event]:
    async def main() -> list[Event]:
        return await log_of(runnable.run_stream("Go."))

    return run_virtual(main())[0]


def shown(log: list[Event], *, live: bool) -> str:
    file = io.StringIO()
    show = SectionPrinter(live=live, file=file)
    for event in log:
        show(event)
    assert show._printers == {}, "a printer is let go of when its agent has ended"
    return file.getvalue()


@pytest.mark.parametrize("live", [True, False])
def test_a_sequence_is_sections_in_order(live: bool) -> None:
    told = shown(logged(SequentialWorkflow([speaker("ann"), speaker("bob")])), live=live)
    assert [line for line in told.splitlines() if "says" in line] == ["ann says hi there.", "bob says hi there."]


def test_two_concurrent_agents_are_shown_completely() -> None:
    told = shown(logged(ConcurrentWorkflow([paced("ann", 3), paced("bob", 3)])), live=False)
    assert "ann0 ann1 ann2" in told
    assert "bob0 bob1 bob2" in told


def on_screen(log: list[Event], *, close: bool = False) -> str:
    with crowds.terminal(80, 24) as (file, watched):
        show = SectionPrinter(live=False, file=file, look=Look(footer=False))
        for event in log:
            show(event)
        if close:
            show.pause()
            assert not any(watched.look()), "a pause shows nothing of who still speaks"
            show.close()
        shown = [line.strip() for line in watched.look()]
    return " ".join(line.split(" |")[0] for line in shown if line and not line.startswith("━"))


def test_each_concurrent_agents_text_is_below_its_name() -> None:
    log = logged(ConcurrentWorkflow([paced("ann", 3), paced("bob", 3)]))
    assert on_screen(log) == "🤖 Agent: ann ann0 ann1 ann2 🤖 Agent: bob bob0 bob1 bob2"


def test_the_first_section_is_parted_from_a_note_above_it() -> None:
    log = logged(SequentialWorkflow([speaker("ann"), speaker("bob")]))
    with crowds.terminal(80, 24) as (file, watched):
        show = SectionPrinter(live=True, file=file, look=Look(footer=False), parted=True)
        file.write("a note\n")
        for event in log:
            show(event)
        rows = watched.look()
    assert rows[:2] == ["a note", ""]
    assert rows[2].startswith("🤖 Agent: ann")


def test_who_has_not_ended_is_named_at_the_close() -> None:
    log = logged(ConcurrentWorkflow([paced("ann", 3), paced("bob", 3)]))
    ends = [at for at, event in enumerate(log) if isinstance(event, RunFinished)]
    assert on_screen(log[: ends[0]], close=True) == "🤖 Agent: ann 🤖 Agent: bob"


def test_the_target_of_a_handoff_is_shown_too() -> None:
    giver = speaker("giver", [Say("Let me see."), Call("transfer_to_heir", {})], handoffs=[speaker("heir")])
    told = shown(logged(giver), live=True)
    assert told == "Let me see.\n\nheir says hi there.\n"


def test_the_line_of_a_handoff_ends_even_without_later_text() -> None:
    giver = speaker("giver", [Say("Let me see."), Call("transfer_to_heir", {})], handoffs=[speaker("heir")])
    log = logged(giver)
    begins = next(at for at, event in enumerate(log) if isinstance(event, TextStarted) and event.path[-1] == "heir")
    file = io.StringIO()
    show = SectionPrinter(live=True, file=file)
    for event in log[:begins]:
        show(event)
    show.close()
    assert file.getvalue() == "Let me see.\n"


def test_a_resumed_log_is_shown_from_its_end() -> None:
    giver = speaker("giver", [Say("Let me see."), Call("transfer_to_heir", {})], handoffs=[speaker("heir")])
    log = logged(giver)
    whole = shown(log, live=True)
    for cut in range(1, len(log)):
        file = io.StringIO()
        show = SectionPrinter(live=True, file=file, past=log[:cut])
        for event in log[cut:]:
            show(event)
        show.close()
        assert show._printers == {}
        told = file.getvalue()
        assert whole.endswith(told), cut
        assert not told.startswith("\n"), cut


def test_an_agent_that_is_a_tool_has_no_section() -> None:
    boss = speaker("boss", [Call("helper", {"task": "x"})], "Done.", tools=[speaker("helper")])
    told = shown(logged(boss), live=True)
    assert "Done." in told
    assert "helper says" not in told
