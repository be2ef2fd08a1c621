from __future__ import annotations

from headwater.events import ApprovalAnswered, ApprovalAsked, InputAsked, RunStarted, RunWaiting
from headwater.testing import sample_logs
from headwater.web.ag_ui.questions import Questions, interrupt_of, waits_before_answers
from tests.support.logs import of, stamped


def test_a_wait_is_where_only_people_are_left() -> None:
    counts = {}
    for name, log in sample_logs().items():
        questions = Questions()
        counts[name] = sum(questions.add(event) for event in log)
        assert questions.waits == counts[name]
        assert bool(questions.open) == (name in ("parked", "parked below")), name
    assert counts["approved"] == counts["input asked and answered"] == counts["parked below, and taken up"] == 1
    assert counts["resumed before an approval"] == 2
    assert counts["text"] == counts["of a newer version"] == counts["refused by a person"] == 0


def test_an_answer_is_found_behind_the_wait_that_it_ended() -> None:
    log = sample_logs()["approved"]
    assert waits_before_answers(log, ["ask-c2", "nobody"]) == 1
    assert waits_before_answers(log, ["nobody"]) is None
    assert waits_before_answers(sample_logs()["refused by a person"], ["ask-c2"]) == 0


def test_questions_as_the_protocol_has_them() -> None:
    approval = ApprovalAsked(approval="a", call="c", name="send", arguments={"to": "ann"}, until=0.0)
    url = InputAsked(input="i", call="c", name="pay", url="https://example.org/pay", until=1e300)
    form = InputAsked(input="f", call="c", name="pay", message="How much?", schema={"type": "integer"})
    log = stamped([RunStarted(), approval, *of("below", url, form), RunWaiting(on="approval", ids=("a",))])
    questions = Questions()
    for event in log:
        questions.add(event)
    first, second, third = questions.interrupts(lambda event: "x" if event.run == "top" else "")
    assert first["expiresAt"] == "1970-01-01T00:00:00+00:00"
    assert (first["reason"], first["toolCallId"], first["message"]) == ("tool_call", "x", "May send run?")
    assert "subagentRunId" not in first
    assert second == {
        "id": "i",
        "reason": "input_required",
        "subagentRunId": "below",
        "metadata": {"headwater": {"run": "top", "agent": "below", "tool": "pay", "url": "https://example.org/pay"}},
    }
    assert (third["responseSchema"], third["message"]) == ({"type": "integer"}, "How much?")
    told = interrupt_of(approval, "", "")
    assert told["reason"] == "confirmation"
    assert not questions.add(ApprovalAnswered(approval="a", allowed=True))
    assert [*questions.open] == ["i", "f"]
