"""What is shown of a run, before anything decides how it looks."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptFailed,
    AttemptStarted,
    CallReady,
    CallRejected,
    CallStarted,
    ErrorInfo,
    Event,
    FileMade,
    GuardTripped,
    Handoff,
    InputAnswered,
    InputAsked,
    MessageAdded,
    RunFinished,
    RunResumed,
    RunStarted,
    RunWaiting,
    StepFinished,
    StepStarted,
    TextDelta,
    TextStarted,
    ToolFinished,
    ToolStarted,
    Warned,
)
from headwater.events.fold import Fold
from headwater.events.messages import Message, Usage
from headwater.terminal.run_view import (
    Act,
    Began,
    Ended,
    HandedOver,
    Item,
    LoopBegan,
    Noted,
    RunView,
    Said,
    ToolEnded,
    Withdrawn,
    Working,
)
from headwater.testing import sample_logs
from tests.terminal import logs


def shown(events: list[Event], *, live: bool = True, loops: int = 1) -> list[Item]:
    """What is told, but for what is under way, and when the first token came."""
    items = (item for item in told(events, live=live, loops=loops) if not isinstance(item, Working))
    return [msgspec.structs.replace(item, first_token=None) if isinstance(item, Ended) else item for item in items]


def told(events: list[Event], *, live: bool = True, loops: int = 1) -> list[Item]:
    view = RunView("writer", loops=loops, live=live)
    return [item for event in events for item in view.feed(event)]


def acts(events: list[Event]) -> list[list[str]]:
    """What is under way after each change, in words."""
    working = [item.acts for item in told(events) if isinstance(item, Working)]
    found: list[list[str]] = []
    for one in working:
        words = [f"{act.kind} {act.phrase}{f': {act.told}' if act.told else ''}" for act in one]
        if not found or found[-1] != words:
            found.append(words)
    return found


def of_notes(event: Event) -> list[Item]:
    return shown(logs.joined(logs.begin(), logs.stamped([event], "r1")))[1:]


def done(reason: str = "stop", kept: int = 0) -> Ended:
    """The end of a run whose log has no times."""
    return Ended("finished", reason, kept=kept)


def test_text_is_shown_as_it_is_generated() -> None:
    log = logs.joined(logs.begin(), logs.text("Rivers ", "run."), logs.finished())
    assert shown(log, loops=3) == [Began("writer", 3), Said("Rivers "), Said("run."), done(kept=11)]


def test_an_answer_shown_whole_comes_once_at_the_end() -> None:
    log = logs.joined(
        logs.begin(),
        logs.text("Let me look."),
        logs.call("search", "c1", query="rivers"),
        logs.next_step(logs.tool_started("search", "c1"), logs.tool_finished("search", "c1")),
        logs.text("Rivers ", "run.", step=2, lead="\n\n"),
        logs.finished(step=2),
    )
    assert shown(log, live=False) == [Began("writer", 1), Said("Rivers run."), done(kept=23)]


def test_a_refusal_shown_whole_is_not_an_answer() -> None:
    log = logs.joined(logs.begin(), logs.text("I will not.", kind="refusal"), logs.finished("refusal"))
    assert shown(log, live=False) == [Began("writer", 1), Said("I will not.", "refusal"), done("refusal", 11)]


def test_agents_are_separated_even_if_parts_overlap() -> None:
    answer, refusal = logs.text("yes", part=0), logs.text("no", part=1, kind="refusal")
    log = logs.joined(
        logs.begin(), logs.reasoning("hm"), [answer[0], refusal[0], answer[1], refusal[1], answer[2], refusal[2]]
    )
    assert shown(log)[1:] == [Said("hm", "reasoning"), Said("yes", "answer"), Said("no", "refusal")]


def test_the_lead_is_only_before_the_first_text_of_an_answer() -> None:
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
    assert acts(log) == [["wait "], ["tool search"], [f"tool {phrase}"], [f"tool {phrase}: page 2"], []]
    assert shown(log)[1:] == [ToolEnded(phrase, 0.4)]


def test_a_call_is_shown_as_it_was_approved() -> None:
    log = logs.joined(
        logs.begin(),
        logs.call("send", "c1", to="ann"),
        logs.stamped([ApprovalAsked(approval="a", call="c1", name="send", arguments={"to": "ann"})], "r1"),
        logs.stamped([ApprovalAnswered(approval="a", allowed=True, arguments={"to": "bob"})], "r1"),
        logs.tool_started("send", "c1"),
        logs.tool_finished("send", "c1"),
    )
    phrase = 'send(to="bob")'
    assert [f"tool {phrase}"] in acts(log)
    assert shown(log)[-2:] == [Noted(f"Approved as {phrase}"), ToolEnded(phrase, 0.4)]


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
    assert acts(log)[-3:] == [["tool slow()", "tool fast() (try 2)"], ["tool slow()"], []]
    assert shown(log)[1:] == [ToolEnded("fast()", 0.4, "no such page"), ToolEnded("slow()", 1.0)]


def test_waiting_for_the_model_ends_with_text_and_resumes_after_reasoning() -> None:
    started, step = logs.begin()
    log = logs.joined(
        [msgspec.structs.replace(started, model="gpt-5.4"), step],
        logs.stamped([AttemptStarted(step=1, attempt=1, model="gpt-5.4-mini")], "r1"),
        logs.reasoning("hm"),
        logs.text("So."),
        logs.finished(),
    )
    assert acts(log) == [
        ["wait gpt-5.4"],
        ["wait gpt-5.4-mini"],
        ["think thinking"],
        ["wait gpt-5.4-mini"],
        [],
    ]


def test_an_activity_keeps_its_key() -> None:
    log = logs.joined(logs.begin(), logs.call("search", "c1"), logs.tool_started("search", "c1"))
    log += logs.joined(logs.tool_progress("search", "c1", 1), logs.tool_progress("search", "c1", 2))
    keys = [item.acts[0].key for item in told(log) if isinstance(item, Working)]
    assert keys[-1] == keys[-2] == keys[-3] != keys[-4]


def test_a_retry_is_under_way_and_no_note() -> None:
    error = ErrorInfo(type="RateLimited", message="Too many requests.", status=429, retryable=True)
    failed = AttemptFailed(step=1, attempt=1, error=error, then="retry", wait=4.0)
    log = logs.joined(logs.begin(), logs.stamped([failed], "r1"))
    assert told(log)[-1] == Working((Act("retry 1 1", "retry", "429", wait=4.0),))
    assert shown(log)[1:] == []
    unnamed = msgspec.structs.replace(failed, error=ErrorInfo(type="ConnectionFailed", message="reset"))
    assert told(logs.joined(logs.begin(), logs.stamped([unnamed], "r1")))[-1] == Working(
        (Act("retry 1 1", "retry", "no connection", wait=4.0),)
    )


def test_another_loop_is_shown_with_its_number() -> None:
    again = logs.stamped([MessageAdded(message=Message.user("Go on."), cause="loop")], "r1")
    log = logs.joined(logs.begin(), logs.text("one"), again, again, again)
    assert shown(log, loops=3)[2:] == [LoopBegan(2, 3), LoopBegan(3, 3), LoopBegan(4, 4)]
    other = logs.stamped([MessageAdded(message=Message.user("Go on."), cause="steer")], "r1")
    assert shown(logs.joined(logs.begin(), other))[1:] == []


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
    failed, *said = shown(log)[1:]
    assert failed == ToolEnded('answer(n="many")', 0.4, "no number")
    assert said == [Said("So."), Said('{"n":1}', lead="\n\n")]
    assert acts(log)[-2:] == [["tool answer(n=1)"], []]


def test_what_the_provider_runs_is_a_note() -> None:
    log = logs.joined(logs.begin(), logs.call("web_search", "c1", by="provider"))
    assert shown(log)[1:] == [Noted("web_search(), run by the provider")]
    assert acts(log)[-1] == ["wait "]


def test_an_invalid_call_is_shown_and_a_cut_one_is_not() -> None:
    bad = CallRejected(step=1, call="c1", name="search", raw="[1]", error="The arguments are no object.")
    assert of_notes(bad) == [Noted("search was not run: The arguments are no object.", "warning")]
    cut = CallRejected(step=1, call="c1", name="search", raw='{"a', error="The input ended.", cut=True)
    assert of_notes(cut) == []


def test_a_retraction_ends_activities_and_shows_what_is_next() -> None:
    log = logs.joined(
        logs.begin(), logs.text("Riv", lead="\n"), logs.call("search", "c1"), logs.broken_off(3), logs.text("Rivers")
    )
    assert acts(log)[-2:] == [["retry no connection"], []]
    assert shown(log)[-3:] == [
        Withdrawn(3, "ConnectionFailed", "Riv"),
        Noted("ConnectionFailed: The connection was reset (starting this answer again in 1.2 s)", "warning"),
        Said("Rivers"),
    ]


@pytest.mark.parametrize(
    ("end", "items"),
    [
        (logs.finished("stop"), [done()]),
        (logs.finished("length"), [done("length")]),
        (logs.failed(), [Noted("Overloaded: No capacity. Try later.", "error"), Ended("failed")]),
        (logs.cancelled(), [Ended("cancelled")]),
        (logs.cancelled("deadline"), [Noted("Cancelled: out of time", "cancelled"), Ended("cancelled")]),
    ],
)
@pytest.mark.parametrize("live", [True, False])
def test_every_end_says_what_it_was(end: list[Event], items: list[Item], live: bool) -> None:
    log = logs.joined(logs.begin(), logs.text("Rivers"), end)
    *before, ended = items
    assert isinstance(ended, Ended)
    whole = msgspec.structs.replace(ended, kept=6)
    assert shown(log, live=live) == [Began("writer", 1), Said("Rivers"), *before, whole]


def test_the_end_says_what_the_run_took_as_the_response_does() -> None:
    events: list[Event] = []
    log = sample_logs()["text"]
    usage = Usage(output_tokens=40, cost=Decimal("0.0021"))
    for number, event in enumerate(log):
        at = msgspec.structs.replace(event, time=100.0 + number / 4)
        events.append(msgspec.structs.replace(at, usage=usage) if isinstance(at, RunFinished) else at)
    fold = Fold()
    for event in events:
        fold.add(event)
    response = fold.response()
    (ended,) = (item for item in told(events) if isinstance(item, Ended))
    assert (ended.duration, ended.first_token) == (response.duration, response.time_to_first_token)
    assert (ended.tokens, ended.cost, ended.kept) == (40, Decimal("0.0021"), len(response.transcript))
    assert ended.rate is not None


def test_what_guards_replaced_is_counted_and_cuts_no_words() -> None:
    trips = [GuardTripped(guard="g", action=action) for action in ("replace", "replace", "retry")]
    log = logs.joined(logs.begin(), logs.stamped(trips, "r1"), logs.text("So."), logs.finished())
    items = [item for item in told(log) if not isinstance(item, (Working, Began))]
    assert [type(item) for item in items] == [Said, Ended]
    assert isinstance(items[-1], Ended)
    assert items[-1].replaced == 2


def test_tokens_a_second_count_the_time_in_which_the_model_speaks() -> None:
    def at(second: float, *events: Event) -> list[Event]:
        return [msgspec.structs.replace(event, run="r1", path=("writer",), time=second) for event in events]

    log = [
        *at(0.0, RunStarted(agent_name="writer", model="gpt-5.4"), StepStarted(step=1), AttemptStarted(step=1)),
        *at(1.0, TextStarted(step=1, part=0), TextDelta(step=1, part=0, text="Let me ask.")),
        *at(3.0, CallStarted(step=1, call="c", name="book")),
        *at(3.5, CallReady(step=1, call="c", name="book", arguments={})),
        *at(3.5, StepFinished(step=1, finish_reason="tool_calls", usage=Usage(output_tokens=50))),
        *at(3.5, ApprovalAsked(approval="a", call="c", name="book", arguments={}), RunWaiting(on="approval")),
        *at(600.0, ApprovalAnswered(approval="a", allowed=True), ToolStarted(step=1, call="c", name="book")),
        *at(660.0, ToolFinished(step=1, call="c", name="book", result="7", duration=60.0)),
        *at(660.0, StepStarted(step=2), AttemptStarted(step=2)),
        *at(661.0, TextStarted(step=2, part=0), TextDelta(step=2, part=0, text="All at once.")),
        *at(661.0, StepFinished(step=2, finish_reason="stop", usage=Usage(output_tokens=900))),
        *at(661.0, StepStarted(step=3), AttemptStarted(step=3)),
        *at(662.0, TextStarted(step=3, part=0), TextDelta(step=3, part=0, text="Done")),
        *at(664.5, TextDelta(step=3, part=0, text=".")),
        *at(664.5, StepFinished(step=3, finish_reason="stop", usage=Usage(output_tokens=50))),
        *at(664.5, RunFinished(finish_reason="stop", usage=Usage(output_tokens=1000))),
    ]
    *_, ended = [item for item in told(log) if isinstance(item, Ended)]
    assert (ended.duration, ended.first_token, ended.tokens) == (664.5, 1.0, 1000)
    assert ended.rate == 20.0


def test_retracted_text_is_not_kept() -> None:
    log = logs.joined(logs.begin(), logs.text("Riv"), logs.broken_off(3), logs.text("Rivers"), logs.cancelled())
    assert shown(log)[-1] == Ended("cancelled", kept=6)


@pytest.mark.parametrize(
    ("event", "note"),
    [
        (
            Warned(code="x", message="Only one choice is read.", hint="Ask for one."),
            Noted("Only one choice is read. Ask for one.", "warning", aside=True),
        ),
        (
            FileMade(step=1, media_type="image/png", name="tide.png"),
            Noted("A file was made: tide.png (image/png)"),
        ),
        (FileMade(step=1), Noted("A file was made: (unknown type)")),
        (
            ApprovalAsked(approval="a", call="c", name="delete", arguments={"path": "/"}),
            Noted('Waiting for approval to run delete(path="/")'),
        ),
        (ApprovalAnswered(approval="a", allowed=True), Noted("Approved")),
        (InputAsked(input="i", call="c", name="book", message="Which day?"), Noted("book asks: Which day?")),
        (InputAnswered(input="i", action="decline"), Noted("Not answered (declined)")),
        (ApprovalAnswered(approval="a", allowed=False, note="too risky"), Noted("Denied: too risky")),
    ],
)
def test_notes(event: Event, note: Item) -> None:
    assert of_notes(event) == [note]


def test_a_waiting_run_pauses_and_continues() -> None:
    waiting = logs.stamped([RunWaiting(on="approval")], "r1")
    log = logs.joined(logs.begin(), waiting, logs.stamped([RunResumed()], "r1"))
    assert shown(log)[1:] == [Noted("Waiting for approval"), Ended("waiting")]
    assert acts(log) == [["wait "], [], ["wait "]]


def test_a_handoff_ends_what_this_agent_says() -> None:
    log = logs.joined(logs.begin(), logs.stamped([Handoff(to="editor", note="too long")], "r1"))
    assert shown(log)[1:] == [HandedOver("editor", "too long"), Ended("handed over")]


def test_a_resumed_log_is_shown_from_its_end() -> None:
    log = logs.joined(
        logs.begin(),
        logs.call("search", "c1", q=1),
        logs.tool_started("search", "c1"),
        logs.tool_finished("search", "c1"),
    )
    view = RunView("writer", past=log[:-1])
    assert [item for item in view.feed(log[-1]) if not isinstance(item, Working)] == [ToolEnded("search(q=1)", 0.4)]


def test_a_run_inside_this_one_is_not_shown() -> None:
    inner = logs.stamped(logs.joined(logs.begin(), logs.text("inner"), logs.finished()), "r2")
    log = logs.joined(logs.begin(), inner, logs.text("outer"), logs.finished())
    assert shown(log) == [Began("writer", 1), Said("outer"), done(kept=5)]


def test_events_after_the_end_are_not_shown() -> None:
    late = logs.stamped(logs.joined(logs.begin()[1:], logs.text("late")), "r2")
    log = logs.joined(logs.begin(), logs.text("outer"), logs.finished(), late)
    assert shown(log) == [Began("writer", 1), Said("outer"), done(kept=5)]


def test_a_conversation_is_started_once() -> None:
    one = logs.joined(logs.begin(), logs.text("one"), logs.finished())
    two = logs.stamped(logs.joined(logs.begin(), logs.text("two"), logs.finished()), "r2")
    assert shown([*one, *two]) == [
        *(Began("writer", 1), Said("one"), done(kept=3)),
        *(Said("two"), done(kept=3)),
    ]
