from __future__ import annotations

from headwater.events import ApprovalAnswered, ApprovalAsked, InputAsked, RunStarted, RunWaiting
from headwater.web.ag_ui.interrupts import interrupt_of
from headwater.web.wires.questions import Questions
from tests.support.logs import of, stamped


def test_questions_as_the_protocol_has_them() -> None:
    approval = ApprovalAsked(approval="a", call="c", name="send", arguments={"to": "ann"}, until=0.0)
    url = InputAsked(input="i", call="c", name="pay", url="https://example.org/pay", until=1e300)
    form = InputAsked(input="f", call="c", name="pay", message="How much?", schema={"type": "integer"})
    log = stamped([RunStarted(), approval, *of("below", url, form), RunWaiting(on="approval", ids=("a",))])
    questions = Questions()
    for event in log:
        questions.add(event)
    first, second, third = [
        interrupt_of(asked, "top", "x" if asked.run == "top" else "") for asked in questions.open.values()
    ]
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
