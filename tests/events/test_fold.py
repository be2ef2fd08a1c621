"""The result of a run's events, at every moment of a run."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import force_setattr

from headwater.errors import InvalidRecord
from headwater.events import (
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Event,
    FileMade,
    MessageAdded,
    MessageReceived,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    SourceFound,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolFinished,
    ToolStarted,
    UsageReported,
)
from headwater.events.checker import check_log
from headwater.events.fold import Fold, fold
from headwater.events.messages import File, Image, Message, Reasoning, Source, Text, ToolCall, ToolResult, Usage
from headwater.testing.handmade_logs import handmade_logs
from tests.support.effort import tries
from tests.support.logs import BEGUN, check_history, closed, folds, full_log, said, stamped
from tests.system.invariants.runs import Play, carried_out, plays

BUSY = ErrorInfo(type="Overloaded", message="busy", retryable=True)


def begun(*events: Event, step: int = 1) -> list[Event]:
    """A run in its first attempt, with the given output."""
    opening: list[Event] = [RunStarted(agent_name="top", input=(Message.user("Go."),))]
    return stamped([*opening, StepStarted(step=step), AttemptStarted(step=step, model="m", provider="p"), *events])


def finished(log: list[Event], *events: Event, reason: str = "stop") -> list[Event]:
    """The log with its step finished by the fold, followed by more events."""
    known = fold(log)
    end = known.step_end(api="offline", model="m", finish_reason=reason, word=reason)
    return stamped([*log, end, *events])


def call(key: str, name: str = "look", *, id: str = "", step: int = 1) -> list[Event]:
    """A complete call."""
    return [
        CallStarted(step=step, call=key, name=name, id=id),
        CallDelta(step=step, call=key, json='{"n"'),
        CallDelta(step=step, call=key, json=": 1}"),
        CallReady(step=step, call=key, name=name, arguments={"n": 1}),
    ]


# --- text


def test_text_is_the_last_steps_and_the_transcript_is_everything() -> None:
    log = finished(begun(*said(1, 0, "One ", "step.")), StepStarted(step=2), AttemptStarted(step=2))
    known = fold(finished(stamped([*log, *said(2, 0, "Another.", lead="\n\n")])))
    assert (known.text, known.transcript) == ("Another.", "One step.\n\nAnother.")


def test_a_step_without_text_changes_neither_text_nor_transcript() -> None:
    log = finished(begun(*said(1, 0, "One.")), StepStarted(step=2), AttemptStarted(step=2))
    known = fold(finished(stamped([*log, TextStarted(step=2, part=0, lead="\n\n"), TextEnded(step=2, part=0)])))
    assert (known.text, known.transcript) == ("One.", "One.")


def test_text_is_available_while_it_streams() -> None:
    known = Fold()
    seen = []
    for event in begun(*said(1, 0, "a", "b", "c")):
        known.add(event)
        seen.append(known.response().text)
    assert seen == ["", "", "", "", "a", "ab", "abc", "abc"]


def test_overlapping_parts_are_kept_apart() -> None:
    log = begun(
        TextStarted(step=1, part=0),
        ReasoningStarted(step=1, part=1),
        TextStarted(step=1, part=2),
        TextDelta(step=1, part=2, text="c"),
        TextDelta(step=1, part=0, text="a"),
        ReasoningDelta(step=1, part=1, text="b"),
        TextDelta(step=1, part=2, text="d"),
        ReasoningEnded(step=1, part=1),
        TextEnded(step=1, part=2),
        TextEnded(step=1, part=0),
    )
    known = fold(log)
    assert known.message().content == (Text(text="a"), Reasoning(text="b"), Text(text="cd"))
    assert known.transcript == "cad", "in the order in which it was shown"
    whole = finished(log, RunFinished(finish_reason="stop"))
    check_log(whole)
    assert fold(whole).transcript == "cad"


def test_a_refusal_is_not_an_answer() -> None:
    log = begun(
        TextStarted(step=1, part=0, kind="refusal"),
        TextDelta(step=1, part=0, text="Not that."),
        TextEnded(step=1, part=0),
        *said(1, 1, "But this."),
    )
    for events in (log, finished(log)):
        response = fold(events).response()
        assert (response.text, response.transcript, response.refusal) == ("But this.", "But this.", "Not that.")
        assert response.messages[-1].content == (Text(text="Not that.", refusal=True), Text(text="But this."))
        assert response.messages[-1].text == "But this."


def test_reasoning_is_kept_per_step() -> None:
    thought: list[Event] = [
        ReasoningStarted(step=1, part=0),
        ReasoningDelta(step=1, part=0, text="Hm"),
        ReasoningDelta(step=1, part=0, text="."),
        ReasoningEnded(step=1, part=0, signature="sig"),
    ]
    log = finished(begun(*thought), StepStarted(step=2), AttemptStarted(step=2), ReasoningStarted(step=2, part=0))
    known = fold([*log, *stamped([ReasoningDelta(step=2, part=0, text="Ah.")])])
    assert known.response().reasoning == "Hm.\n\nAh."
    assert known.messages[-1].content == (Reasoning(text="Hm.", signature="sig"),)


def test_an_empty_part_is_kept_for_its_signature() -> None:
    log = begun(
        ReasoningStarted(step=1, part=0),
        ReasoningEnded(step=1, part=0, redacted="…"),
        ReasoningStarted(step=1, part=1),
        ReasoningEnded(step=1, part=1),
        TextStarted(step=1, part=2),
        TextEnded(step=1, part=2, signature="sig"),
        TextStarted(step=1, part=3),
        TextEnded(step=1, part=3),
    )
    assert fold(log).message().content == (Reasoning(redacted="…"), Text(text="", signature="sig"))


def test_a_steps_message_replaces_omitted_deltas() -> None:
    message = Message.assistant(Reasoning(text="Hm."), "Hello.", Text(text="No.", refusal=True))
    response = fold(stamped([*begun()[:2], StepFinished(step=1, message=message, finish_reason="stop")])).response()
    assert (response.text, response.transcript) == ("Hello.", "Hello.")
    assert (response.reasoning, response.refusal) == ("Hm.", "No.")
    assert response.messages[-1] == message


def test_sources_and_files_keep_their_place() -> None:
    log = begun(
        *said(1, 0, "See"),
        SourceFound(step=1, url="https://example.org", title="Example", span=(0, 3)),
        FileMade(step=1, media_type="image/png", data=b"\x89PNG\r\n\x1a\n"),
        FileMade(step=1, media_type="image/png", ref="file_1"),
        FileMade(step=1, media_type="text/csv", url="https://example.org/a.csv", name="a.csv"),
    )
    source = Source(url="https://example.org", title="Example", span=(0, 3))
    files = (
        Image(data=b"\x89PNG\r\n\x1a\n", media_type="image/png"),
        File(id="file_1", media_type="image/png"),
        File(url="https://example.org/a.csv", name="a.csv", media_type="text/csv"),
    )
    for events in (log, finished(log)):
        response = fold(events).response()
        assert (response.sources, response.files) == ((source,), files)
        assert response.messages[-1].content == (Text(text="See"), source, *files)


# --- attempts


def test_retracted_text_is_gone() -> None:
    shown = [*said(1, 0, "Hel"), ReasoningStarted(step=1, part=1), SourceFound(step=1, url="x"), *call("a")]
    log = begun(*shown, ReasoningEnded(step=1, part=1))
    assert fold(log).shown_chars == 3
    taken_back = stamped(
        [*log, AttemptFailed(step=1, attempt=1, error=BUSY, then="restart"), Retracted(step=1, attempt=1, chars=3)]
    )
    response = fold(taken_back).response()
    assert (response.text, response.transcript, response.reasoning) == ("", "", "")
    assert (response.sources, response.tool_calls, len(response.messages)) == ((), (), 1)
    again = [AttemptStarted(step=1, attempt=2, cause="restart"), *said(1, 2, "Hello.")]
    assert fold(stamped([*taken_back, *again])).response().transcript == "Hello."


def test_a_lead_is_retracted_with_its_text() -> None:
    log = finished(begun(*said(1, 0, "One.")), StepStarted(step=2), AttemptStarted(step=2))
    lead = stamped([*log, TextStarted(step=2, part=0, lead="\n\n")])
    assert fold(lead).shown_chars == 0, "nothing is shown before there are words"
    assert fold(stamped([*lead, TextDelta(step=2, part=0, text="Two")])).shown_chars == 5


def test_the_output_of_a_failed_attempt_that_showed_nothing_is_dropped() -> None:
    log = begun(
        SourceFound(step=1, url="x"),
        AttemptFailed(step=1, attempt=1, error=BUSY, then="fallback"),
        AttemptStarted(step=1, attempt=2, cause="fallback", model="n", provider="q"),
    )
    response = fold(log).response()
    assert (response.sources, response.model, response.provider) == ((), "n", "q")


def test_a_failed_last_attempt_keeps_its_text() -> None:
    log = begun(*said(1, 0, "Hel"), AttemptFailed(step=1, attempt=1, error=BUSY))
    whole = finished(log, RunFailed(error=BUSY))
    check_log(whole)
    response = fold(whole).response()
    assert (response.text, response.partial) == ("Hel", True)
    assert response.messages[-1].text == "Hel"


def test_the_open_attempt() -> None:
    known = Fold()
    seen = []
    for event in [
        *begun(),
        AttemptFailed(step=1, attempt=1, error=BUSY, then="retry"),
        AttemptStarted(step=1, attempt=2, cause="retry"),
    ]:
        known.add(event)
        seen.append((known.in_step, known.in_attempt))
    assert seen == [(None, None), (1, None), (1, 1), (1, None), (1, 2)]


# --- calls and tools


def test_results_are_in_the_order_of_the_calls_whatever_their_ids() -> None:
    log = finished(
        begun(*call("x", id="x"), *call("x#2", "ask", id="x")),
        ToolStarted(step=1, call="x", name="look"),
        ToolStarted(step=1, call="x#2", name="ask"),
        ToolFinished(step=1, call="x#2", name="ask", result="second"),
        ToolFinished(step=1, call="x", name="look", result="first", error="oh"),
        reason="tool_calls",
    )
    asked, answered = fold(log).messages[-2:]
    assert asked.tool_calls == (
        ToolCall(id="x", name="look", arguments={"n": 1}),
        ToolCall(id="x", name="ask", arguments={"n": 1}),
    )
    assert answered.content == (
        ToolResult(id="x", name="look", content="first", error=True),
        ToolResult(id="x", name="ask", content="second"),
    )


def test_a_cut_off_call_is_reported_but_left_out_of_history() -> None:
    log = begun(
        CallStarted(step=1, call="a", name="look"),
        CallDelta(step=1, call="a", json='{"n'),
    )
    half = fold(log).response()
    assert half.tool_calls == (ToolCall(id="a", name="look", arguments='{"n'),)
    assert len(half.messages) == 1
    cut = CallRejected(step=1, call="a", name="look", raw='{"n', error="cut", cut=True)
    for events in ([*log, cut], finished([*log, cut], reason="length")):
        response = fold(stamped(events)).response()
        assert response.tool_calls == half.tool_calls
        assert response.messages == half.messages


def test_a_call_with_bad_arguments_has_its_error_as_result() -> None:
    bad = CallRejected(step=1, call="b", name="look", raw="[1]", error="no JSON object")
    log = finished(begun(*call("a"), CallStarted(step=1, call="b", name="look"), bad), reason="tool_calls")
    known = fold(log)
    assert known.calls_to_run() == (("a", ToolCall(id="a", name="look", arguments={"n": 1})),)
    assert known.said.rejected() == (ToolCall(id="b", name="look", arguments="[1]"),)
    ran: list[Event] = [
        ToolStarted(step=1, call="a", name="look"),
        ToolFinished(step=1, call="a", name="look", result="seen"),
    ]
    known = fold(stamped([*log, *ran]))
    assert known.calls_to_run() == ()
    assert known.messages[-1].content == (
        ToolResult(id="a", name="look", content="seen"),
        ToolResult(id="b", name="look", content="no JSON object", error=True),
    )


def test_unanswered_calls_are_answered_when_the_run_ends() -> None:
    log = finished(begun(*call("a"), *call("b", "ask")), ToolStarted(step=1, call="a", name="look"))
    done = stamped([*log, ToolFinished(step=1, call="a", name="look", result="seen")])
    for events in (done, [*done, RunCancelled()]):
        answered = fold(events).response().messages[-1]
        assert answered.content == (
            ToolResult(id="a", name="look", content="seen"),
            ToolResult(id="b", name="ask", content="Not run: the run ended first.", error=True),
        )


@pytest.mark.parametrize("by", ["provider", "client"])
def test_calls_of_others_need_no_answer(by: Any) -> None:
    events = [
        CallStarted(step=1, call="a", name="search", by=by),
        CallReady(step=1, call="a", name="search", arguments={}, by=by),
    ]
    known = fold(finished(begun(*events)))
    assert known.calls_to_run() == ()
    response = known.response()
    assert response.messages[-1].role == "assistant"
    assert len(response.tool_calls) == (by == "client"), "what a provider ran itself is its own business"


def test_a_message_comes_after_pending_results() -> None:
    rejected = CallRejected(step=1, call="a", name="look", raw="[", error="no JSON object")
    log = finished(begun(CallStarted(step=1, call="a", name="look"), rejected))
    known = fold(stamped([*log, MessageAdded(message=Message.user("Go on."))]))
    assert [message.role for message in known.messages] == ["user", "assistant", "tool", "user"]
    check_history(known.response().messages)


# --- usage


def test_usage_adds_the_last_report_of_each_attempt_and_child() -> None:
    log = begun(
        UsageReported(step=1, attempt=1, usage=Usage(input_tokens=1, output_tokens=1)),
        UsageReported(step=1, attempt=1, usage=Usage(input_tokens=2, output_tokens=3)),
        AttemptFailed(step=1, attempt=1, error=BUSY, then="retry"),
        AttemptStarted(step=1, attempt=2, cause="retry"),
        UsageReported(step=1, attempt=2, usage=Usage(input_tokens=10)),
    )
    known = fold(log)
    assert known.reported == Usage(input_tokens=10)
    assert known.step_end(api="", model="", finish_reason=None).usage == Usage(input_tokens=12, output_tokens=3)
    children = [
        ChildStarted(child="c", name="c"),
        ChildFinished(child="c", name="c", usage=Usage(input_tokens=100, reasoning_tokens=5)),
    ]
    known = fold(finished(log, *children))
    assert known.usage == Usage(input_tokens=112, output_tokens=3, reasoning_tokens=5)


def test_the_raw_report_of_a_single_attempt_is_kept() -> None:
    raw = Usage(input_tokens=1, raw={"prompt_tokens": 1})
    known = fold(begun(UsageReported(step=1, attempt=1, usage=raw)))
    assert known.step_end(api="", model="", finish_reason=None).usage == raw


def test_the_estimate_includes_calls_and_reasoning() -> None:
    thought = [ReasoningStarted(step=1, part=1), ReasoningDelta(step=1, part=1, text="Hmmm")]
    half = [CallStarted(step=1, call="b", name="look"), CallDelta(step=1, call="b", json='{"n"')]
    known = fold(begun(*said(1, 0, "Four"), *thought, *call("a"), *half))
    estimate = UsageReported(step=1, attempt=1, usage=Usage(output_tokens=5), origin="estimated")
    assert known.estimate() == estimate
    known.add(estimate)
    assert known.estimate() is None, "once it is told of"
    silent = fold(begun()).estimate()
    assert silent is not None
    assert (silent.origin, silent.usage) == ("unknown", Usage())


def test_unreported_usage_is_unknown_and_not_zero() -> None:
    assert fold(begun()).usage == Usage()
    assert fold(begun()).usage.input_tokens is None


# --- the rest of a Response


def test_times_come_from_the_events() -> None:
    log = finished(begun(*said(1, 0, "a", "b")), RunFinished(finish_reason="stop"))
    response = fold(log).response()
    assert response.duration == log[-1].time - BEGUN
    assert response.time_to_first_token == log[3].time - BEGUN
    assert fold(log[:4]).response(now=BEGUN + 60).duration == 60
    assert fold([]).response().duration == 0


def test_a_response_says_how_it_ended() -> None:
    log = finished(begun(*said(1, 0, "a")), reason="length")
    known = fold([*log, RunFinished(finish_reason="length", run="top")])
    response = known.response(output=7, callback_errors=2)
    assert (response.finish_reason, response.provider_finish_reason, response.partial) == ("length", "length", False)
    assert (response.output, response.callback_errors) == (7, 2)
    assert (response.model, response.provider, response.agent, response.run_id) == ("m", "p", "top", "top")
    assert fold([*log, RunCancelled(run="top")]).response().finish_reason == "cancelled"
    assert fold([*log, RunFailed(error=BUSY, run="top")]).response().partial


def test_events_of_other_runs_are_ignored() -> None:
    log = full_log()
    assert fold(log).response().transcript == "I look.\n\nBut this."
    assert fold(event for event in log if event.run == "below").response().transcript == "Yes."


def test_an_event_of_a_step_outside_any_step_is_an_error() -> None:
    for event in (ReasoningStarted(step=1, part=0), TextDelta(step=1, part=0, text="a")):
        with pytest.raises(InvalidRecord, match="outside any step"):
            Fold().add(event)


# --- messages, and what is sent to a model


def test_a_message_is_unheard_until_it_is_added() -> None:
    log = handmade_logs()["steered"]
    seen = [list(fold(log[:end]).unheard) for end in range(len(log) + 1)]
    received = next(at for at, event in enumerate(log) if isinstance(event, MessageReceived))
    added = next(at for at, event in enumerate(log) if isinstance(event, MessageAdded))
    assert seen == [[]] * (received + 1) + [["m1"]] * (added - received) + [[]] * (len(log) - added)
    assert [message.text for message in fold(log).messages] == ["How is Paris?", "It is very", "In one word.", "Sunny."]
    assert list(fold(handmade_logs()["steered too late"]).unheard) == ["m1"]


def test_a_compaction_is_kept_in_the_conversation_and_sent_instead_of_what_it_replaces() -> None:
    known = fold(handmade_logs()["compacted"])
    texts = [message.text for message in known.messages]
    thoughts = ["Thought 1.", "Go on.", "Thought 2.", "Go on.", "Thought 3.", "Go on."]
    assert texts == ["How is Paris?", *thoughts, "So far: three thoughts.", "Sunny."]
    assert [message.text for message in known.sent] == ["So far: three thoughts.", "Go on.", "Sunny."]
    assert known.response().messages == tuple(known.messages), "history is all of it, so that it can go on"
    plain = fold(full_log())
    assert plain.sent is plain.messages


def test_client_calls_are_answered_by_the_next_input() -> None:
    asked = fold(handmade_logs()["calls for the client"])
    assert asked.calls_to_run() == ()
    assert [message.role for message in asked.messages] == ["user", "assistant", "tool"]
    answered = fold(handmade_logs()["calls that the client answered"])
    roles = [message.role for message in answered.messages]
    assert roles == ["user", "assistant", "tool", "tool", "assistant"]
    calls = {call.id for message in answered.messages for call in message.tool_calls}
    results = [part for message in answered.messages for part in message.content if isinstance(part, ToolResult)]
    assert {result.id for result in results} == calls == {"c1", "c2"}


# --- times


def test_an_event_without_a_time_counts_as_now() -> None:
    events = [
        RunStarted(agent_name="top"),
        StepStarted(step=1),
        AttemptStarted(step=1),
        *said(1, 0, "a"),
        UsageReported(step=1, attempt=1, usage=Usage(output_tokens=1)),
    ]
    known = Fold()
    for event in events:
        known.add(event)
    response = known.response(now=BEGUN)
    assert (response.duration, response.time_to_first_token, response.tokens_per_second) == (0, 0, None)
    force_setattr(events[0], "time", BEGUN)
    assert known.response(now=BEGUN + 3).time_to_first_token == 3
    force_setattr(events[3], "time", BEGUN + 1)  # stamped after it was folded, as events of a child run are
    assert known.first_token_at == BEGUN + 1
    response = known.response(now=BEGUN + 3)
    assert (response.duration, response.time_to_first_token, response.tokens_per_second) == (3, 1, 0.5)
    known.add(RunFinished())
    assert known.response(now=BEGUN + 4).duration == 4


def test_a_run_that_never_started_took_no_time() -> None:
    response = Fold().response(now=BEGUN)
    assert (response.duration, response.time_to_first_token, response.partial) == (0, None, True)


def test_an_output_counts_only_if_the_run_finished() -> None:
    log = finished(begun(*said(1, 0, "7")))
    assert fold(log).response(output=7).output == "7"
    assert fold([*log, RunFailed(error=BUSY, run="top")]).response(output=7).output == "7"
    assert fold([*log, RunFinished(run="top", finish_reason="stop")]).response(output=7).output == 7


def answered(*after: Event, tool: str = "answer", error: str | None = None) -> list[Event]:
    """A run whose model writes text, calls two tools, and gives its answer with the second call."""
    said_and_called = [*said(1, 0, "So."), *call("c1"), *call("c2", "answer"), *call("c3", "answer")]
    first, *rest = begun(*said_and_called)
    log = finished([msgspec.structs.replace(first, answer_tool=tool), *rest], reason="tool_calls")
    for key, name in (("c1", "look"), ("c2", "answer"), ("c3", "answer")):
        failed = error or ("There is one already." if key == "c3" else None) if name == "answer" else None
        log += [ToolStarted(step=1, call=key, name=name), ToolFinished(step=1, call=key, name=name, error=failed)]
    return stamped([*log, *after])


DONE = RunFinished(finish_reason="tool_calls", output=1)


def test_an_answering_calls_arguments_are_the_text_once_the_run_has_finished() -> None:
    response = fold(answered(DONE)).response()
    assert (response.text, response.transcript) == ('{"n":1}', "So.")
    for after in ([], [RunCancelled()], [RunFailed(error=BUSY)]):
        assert fold(answered(*after)).response().text == "So.", "nobody knows yet that it is the answer"
    assert fold(answered(DONE, tool="")).response().text == "So.", "a tool like any other"
    assert fold(answered(DONE, error="It does not fit.")).response().text == "So."


def test_an_answering_calls_arguments_are_not_the_text_of_an_open_run() -> None:
    further = [StepStarted(step=2), AttemptStarted(step=2), *said(2, 1, "Or so.")]
    log = finished(answered(MessageAdded(message=Message.user("Go on."), cause="loop"), *further), DONE)
    assert fold(log).response().text == "Or so."


# --- random runs, at any moment


@pytest.mark.long
@settings(max_examples=tries(10, 100), deadline=None)
@given(plays())
def test_a_run_has_a_response_at_every_moment(play: Play) -> None:
    known: dict[str, Fold] = {}
    for event in carried_out(play).log:
        of_run = known.setdefault(event.run, Fold())
        of_run.add(event)
        response = of_run.response()
        check_history(response.messages)
        given = [msgspec.json.encode(one.arguments).decode() for one in response.tool_calls]
        by_call = of_run.started is not None and bool(of_run.started.answer_tool) and not response.partial
        assert response.transcript.endswith(response.text) or (by_call and response.text in given)
        assert response.partial == (not isinstance(event, RunFinished))


@pytest.mark.long
@settings(max_examples=tries(15, 150), deadline=None)
@given(plays(), st.data())
def test_any_run_can_be_closed_at_any_moment(play: Play, data: st.DataObject) -> None:
    log = carried_out(play).log
    for end in data.draw(st.sets(st.integers(1, len(log)), min_size=1, max_size=10)):
        whole, earlier = closed(log[:end]), folds(log[:end])
        check_log(whole)
        for run, known in folds(whole).items():
            before = earlier.get(run)
            assert before is not None
            assert known.transcript == before.transcript, "closing says nothing and takes nothing back"
            check_history(known.response().messages)


@pytest.mark.long
@settings(max_examples=tries(8, 150), deadline=None)
@given(plays())
def test_messages_alone_give_the_fold_of_the_whole_log(play: Play) -> None:
    """A finished step has its whole message, so the events that made it can be left out."""
    log = carried_out(play).log
    made = (TextDelta, ReasoningDelta, CallDelta)
    for run in folds(log):
        whole = [event for event in log if event.run == run]
        short = fold(event for event in whole if not isinstance(event, made)).response()
        response = fold(whole).response()
        assert (short.text, short.transcript, short.refusal) == (response.text, response.transcript, response.refusal)
        assert (short.reasoning, short.messages) == (response.reasoning, response.messages)
