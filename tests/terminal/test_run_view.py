"""What is shown of a run, before anything decides how it looks."""

from __future__ import annotations

import msgspec
import pytest

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    CallRejected,
    Event,
    FileMade,
    Handoff,
    RunWaiting,
    Warned,
)
from headwater.terminal.run_view import Began, Ended, Item, Noted, Running, RunView, Said, ToolEnded, Withdrawn
from tests.terminal import logs


def shown(events: list[Event], *, live: bool = True, loops: int = 1) -> list[Item]:
    view = RunView("writer", loops=loops, live=live)
    return [item for event in events for item in view.feed(event)]


def of_notes(event: Event) -> list[Item]:
    return shown(logs.joined(logs.begin(), logs.stamped([event], "r1")))[1:]


def test_words_are_shown_as_they_come() -> None:
    log = logs.joined(logs.begin(), logs.text("Rivers ", "run."), logs.finished())
    assert shown(log, loops=3) == [Began("writer", 3), Said("Rivers "), Said("run."), Ended()]


def test_an_answer_shown_whole_comes_once_at_the_end() -> None:
    log = logs.joined(
        logs.begin(),
        logs.text("Let me look."),
        logs.call("search", "c1", query="rivers"),
        logs.next_step(logs.tool_started("search", "c1"), logs.tool_finished("search", "c1")),
        logs.text("Rivers ", "run.", step=2, lead="\n\n"),
        logs.finished(step=2),
    )
    assert shown(log, live=False) == [Began("writer", 1), Said("Rivers run."), Ended()]


def test_a_refusal_shown_whole_is_no_answer() -> None:
    log = logs.joined(logs.begin(), logs.text("I will not.", kind="refusal"), logs.finished("refusal"))
    assert shown(log, live=False) == [Began("writer", 1), Said("I will not.", "refusal"), Ended()]


def test_voices_are_told_apart_even_where_parts_overlap() -> None:
    answer, refusal = logs.text("yes", part=0), logs.text("no", part=1, kind="refusal")
    log = logs.joined(
        logs.begin(), logs.reasoning("hm"), [answer[0], refusal[0], answer[1], refusal[1], answer[2], refusal[2]]
    )
    assert shown(log)[1:] == [Said("hm", "reasoning"), Said("yes", "answer"), Said("no", "refusal")]


def test_the_lead_stands_before_the_first_words_of_an_answer_only() -> None:
    log = logs.joined(logs.begin(), logs.text("one"), logs.next_step(), logs.text("two", " three", step=2, lead="\n\n"))
    assert shown(log)[1:] == [Said("one"), Said("two", lead="\n\n"), Said(" three")]


def test_a_tool_is_under_way_from_its_name_to_its_end() -> None:
    log = logs.joined(
        logs.begin(),
        logs.call("search", "c1", query="rivers"),
        logs.tool_started("search", "c1"),
        logs.tool_progress("search", "c1", {"page": 2}),
        logs.tool_finished("search", "c1"),
    )
    phrase = 'search(query="rivers")'
    assert shown(log)[1:] == [
        Running(("search",)),
        Running((phrase,)),
        Running((phrase,)),
        Running((f"{phrase}: page 2",)),
        ToolEnded(phrase, 0.4),
        Running(),
    ]


def test_parallel_tools_end_in_their_own_order() -> None:
    log = logs.joined(
        logs.begin(),
        logs.call("slow", "c1"),
        logs.call("fast", "c2"),
        logs.tool_started("slow", "c1"),
        logs.tool_started("fast", "c2", try_=2),
        logs.tool_finished("fast", "c2", error="no such page"),
        logs.tool_finished("slow", "c1", duration=1.0),
    )
    assert shown(log)[-5:] == [
        Running(("slow()", "fast() (try 2)")),
        ToolEnded("fast()", 0.4, "no such page"),
        Running(("slow()",)),
        ToolEnded("slow()", 1.0),
        Running(),
    ]


def test_an_answer_that_a_call_gives_is_words_and_one_that_is_sent_back_a_tool_that_failed() -> None:
    started, *rest = logs.begin()
    log = logs.joined(
        [msgspec.structs.replace(started, answer_tool="answer"), *rest],
        logs.call("answer", "c1", n="many"),
        logs.next_step(logs.tool_started("answer", "c1"), logs.tool_finished("answer", "c1", error="no number")),
        logs.text("So.", step=2),
        logs.call("answer", "c2", n=1),
        logs.tool_started("answer", "c2"),
        logs.tool_finished("answer", "c2"),
    )
    items = [item for item in shown(log) if not isinstance(item, Running)]
    failed, *said = items[1:]
    assert failed == ToolEnded('answer(n="many")', 0.4, "no number")
    assert said == [Said("So."), Said('{"n":1}', lead="\n\n")]
    assert shown(log)[-1] == Running()
    assert shown(log[:-1])[-1] == Running(("answer(n=1)",))


def test_what_the_provider_runs_is_a_note() -> None:
    log = logs.joined(logs.begin(), logs.call("web_search", "c1", by="provider"))
    assert shown(log)[-2:] == [Running(), Noted("web_search(), run by the provider")]


def test_a_bad_call_is_told_and_a_cut_one_is_left_to_what_cut_it() -> None:
    bad = CallRejected(step=1, call="c1", name="search", raw="[1]", error="The arguments are no object.")
    assert of_notes(bad) == [Running(), Noted("search was not run: The arguments are no object.", "warning")]
    cut = CallRejected(step=1, call="c1", name="search", raw='{"a', error="The input ended.", cut=True)
    assert of_notes(cut) == [Running()]


def test_a_withdrawal_ends_what_was_under_way_and_says_what_comes_next() -> None:
    log = logs.joined(
        logs.begin(), logs.text("Riv", lead="\n"), logs.call("search", "c1"), logs.broken_off(3), logs.text("Rivers")
    )
    assert shown(log)[-4:] == [
        Running(),
        Noted("ConnectionFailed: The connection was reset. (starting this answer again in 1.2 s)", "warning"),
        Withdrawn(3, "ConnectionFailed"),
        Said("Rivers"),
    ]


@pytest.mark.parametrize(
    ("end", "items"),
    [
        (logs.finished("stop"), [Ended()]),
        (logs.finished("length"), [Noted("The answer was cut: the token limit was reached.", "warning"), Ended()]),
        (
            logs.finished("content_filter"),
            [Noted("The answer was cut by the provider's content filter.", "warning"), Ended()],
        ),
        (logs.failed(), [Noted("Overloaded: No capacity. Try later.", "error"), Ended()]),
        (logs.cancelled(), [Noted("Cancelled", "cancelled"), Ended()]),
        (logs.cancelled("deadline"), [Noted("Cancelled: out of time", "cancelled"), Ended()]),
    ],
)
@pytest.mark.parametrize("live", [True, False])
def test_every_end_says_what_it_was(end: list[Event], items: list[Item], live: bool) -> None:
    log = logs.joined(logs.begin(), logs.text("Rivers"), end)
    assert shown(log, live=live) == [Began("writer", 1), Said("Rivers"), *items]


@pytest.mark.parametrize(
    ("event", "note"),
    [
        (
            Warned(code="x", message="Only one choice is read.", hint="Ask for one."),
            Noted("Only one choice is read. Ask for one.", "warning"),
        ),
        (
            FileMade(step=1, media_type="image/png", name="tide.png"),
            Noted("A file was made: tide.png (image/png)"),
        ),
        (FileMade(step=1), Noted("A file was made: (unknown type)")),
        (
            ApprovalAsked(approval="a", call="c", name="delete", arguments={"path": "/"}),
            Noted('Waiting for leave to run delete(path="/")'),
        ),
        (ApprovalAnswered(approval="a", allowed=True), Noted("Allowed")),
        (ApprovalAnswered(approval="a", allowed=False, note="too risky"), Noted("Not allowed: too risky")),
        (RunWaiting(on="approval"), Noted("Waiting for approval")),
        (Handoff(to="editor", note="too long"), Noted("Handed to editor: too long")),
    ],
)
def test_notes(event: Event, note: Item) -> None:
    assert of_notes(event) == [note]


def test_a_run_inside_this_one_is_not_shown() -> None:
    inner = logs.stamped(logs.joined(logs.begin(), logs.text("inner"), logs.finished()), "r2")
    log = logs.joined(logs.begin(), inner, logs.text("outer"), logs.finished())
    assert shown(log) == [Began("writer", 1), Said("outer"), Ended()]


def test_what_comes_after_the_end_is_not_shown() -> None:
    late = logs.stamped(logs.joined(logs.begin()[1:], logs.text("late")), "r2")
    log = logs.joined(logs.begin(), logs.text("outer"), logs.finished(), late)
    assert shown(log) == [Began("writer", 1), Said("outer"), Ended()]


def test_a_conversation_is_begun_once() -> None:
    one = logs.joined(logs.begin(), logs.text("one"), logs.finished())
    two = logs.stamped(logs.joined(logs.begin(), logs.text("two"), logs.finished()), "r2")
    assert shown([*one, *two]) == [Began("writer", 1), Said("one"), Ended(), Said("two"), Ended()]
