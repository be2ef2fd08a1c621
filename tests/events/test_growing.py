"""People's decisions about calls: what runs, what the model gets, and what the conversation keeps."""

from __future__ import annotations

import pytest

from headwater.events import ApprovalAnswered, CallReady, CallStarted, Event, RunResumed, ToolFinished, ToolStarted
from headwater.events.fold import Fold, fold
from headwater.events.growing import Call, Step, Stream, refusal_text
from headwater.events.messages import ToolCall, ToolResult
from headwater.testing.handmade_logs import MAIL, handmade_logs

CALL = ToolCall(id="c2", name="send_mail", arguments=MAIL)


def until(name: str, kind: type[Event], n: int = 0) -> Fold:
    """The fold of a log up to and including the n-th event of a class."""
    log = handmade_logs()[name]
    at = [at for at, event in enumerate(log) if type(event) is kind][n]
    return fold(log[: at + 1])


def result_of(known: Fold, call: str) -> ToolResult:
    """The text that the model gets as the result of a call."""
    parts = [part for message in known.messages if message.role == "tool" for part in message.content]
    (result,) = [part for part in parts if isinstance(part, ToolResult) and part.id == call]
    return result


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ApprovalAnswered(approval="a", allowed=False), "Denied."),
        (ApprovalAnswered(approval="a", allowed=False, by="ann"), "Denied by ann."),
        (ApprovalAnswered(approval="a", allowed=False, by="timeout"), "Denied by timeout."),
        (ApprovalAnswered(approval="a", allowed=False, note="Not now."), "Denied: Not now."),
        (ApprovalAnswered(approval="a", allowed=False, by="ann", note="Not now."), "Denied by ann: Not now."),
    ],
)
def test_the_model_is_told_who_refused_and_why(answer: ApprovalAnswered, said: str) -> None:
    assert refusal_text(answer) == said


def test_a_refusal_is_the_calls_result() -> None:
    known = until("refused by a person", ApprovalAnswered)
    assert known.asked.open == {}
    assert [key for key, _ in known.calls_to_run()] == ["c1"]
    whole = fold(handmade_logs()["refused by a person"])
    assert result_of(whole, "c2") == ToolResult(
        id="c2", name="send_mail", content="Denied by ann: Not today.", error=True
    )
    assert [part.id for part in whole.messages[2].content if isinstance(part, ToolResult)] == ["c1", "c2"]


def test_a_question_is_open_until_it_is_answered() -> None:
    asked = until("approved", ToolFinished)
    assert list(asked.asked.open) == ["ask-c2"]
    assert asked.calls_to_run() == (("c2", CALL),)
    assert until("approved", ApprovalAnswered).asked.open == {}
    assert list(until("input asked and answered", ToolStarted).asked.open) == []
    assert list(fold(handmade_logs()["parked below"]).asked.open) == [], "it is the child's"
    lapsed = until("input that nobody gave", ToolFinished)
    assert lapsed.asked.open == {}, "nobody waits for it any more"


def test_a_call_runs_with_the_approved_arguments_and_is_kept_as_written() -> None:
    changed = {**MAIL, "to": "eve@example.org"}
    known = until("approved with other arguments", ApprovalAnswered)
    assert known.calls_to_run() == (("c2", ToolCall(id="c2", name="send_mail", arguments=changed)),)
    response = fold(handmade_logs()["approved with other arguments"]).response()
    assert response.tool_calls[1] == CALL
    assert response.messages[1].tool_calls[1] == CALL


def test_a_custom_tool_runs_with_the_approved_text() -> None:
    known = until("a custom tool approved", ApprovalAnswered)
    assert known.calls_to_run() == (
        ("c1", ToolCall(id="c1", name="shell", arguments="rm -r build/cache", custom=True)),
    )
    whole = fold(handmade_logs()["a custom tool approved"])
    assert whole.messages[1].tool_calls[0].arguments == "rm -r build"
    assert result_of(whole, "c1").custom


def test_an_answer_may_apply_to_the_run() -> None:
    known = fold(handmade_logs()["approved for the run"])
    assert {name: answer.approval for name, answer in known.asked.standing.items()} == {"send_mail": "ask-c2"}
    assert fold(handmade_logs()["approved"]).asked.standing == {}


def tries(known: Fold) -> dict[str, int]:
    return {call.key: call.started.try_ for call in known.open_calls() if call.started is not None}


def test_an_interrupted_tool_has_to_run_again() -> None:
    known = until("resumed in a tool", RunResumed)
    assert known.calls_to_run() == (("c2", CALL),)
    assert tries(known) == {"c2": 1}
    assert tries(until("resumed in a tool", ToolStarted, 2)) == {"c2": 2}
    assert result_of(fold(handmade_logs()["resumed in a tool"]), "c2").content == "Sent."


def test_a_call_refused_after_its_start_is_answered_by_its_tools_end() -> None:
    name = "resumed in a tool that is asked about"
    known = until(name, ApprovalAnswered, 1)
    assert known.calls_to_run() == (), "it never runs again"
    assert known.messages[-1].role == "assistant", "and its result is still to come"
    known = until(name, ToolFinished, 1)
    assert result_of(known, "c2").content == "Denied by ann: It has arrived."
    assert known.messages[-1].role == "tool"


def test_an_approval_survives_resuming() -> None:
    known = until("resumed in a tool that is asked about", RunResumed)
    assert known.calls_to_run() == (("c2", ToolCall(id="c2", name="send_mail", arguments={**MAIL, "text": "Warm."})),)


def test_an_interrupted_attempt_is_dropped() -> None:
    response = fold(handmade_logs()["resumed in an answer"]).response()
    assert (response.text, response.transcript, response.tool_calls) == ("It is sunny.", "It is sunny.", ())
    assert response.usage_origin == "estimated"
    guarded = fold(handmade_logs()["asked again for a guard"]).response()
    assert guarded.transcript == "It is fine."


def test_a_steps_size_is_all_that_the_model_wrote_in_any_form() -> None:
    step = Step(1)
    text = step.entries[0] = Stream("answer")
    text.pieces.append("été")
    call = step.calls["a"] = Call(CallStarted(step=1, call="a", name="look"))
    call.pieces = ['{"a" : ', " 1}"]
    assert step.size == 5 + 10
    call.end(CallReady(step=1, call="a", name="look", arguments={"a": 1}))
    assert step.size == 5 + 10, "as it came, not as it is kept"
    whole = step.calls["b"] = Call(CallStarted(step=1, call="b", name="look"))
    whole.end(CallReady(step=1, call="b", name="look", arguments={"b": 22}))
    assert step.size == 5 + 10 + len('{"b":22}'), "one that came at once"
