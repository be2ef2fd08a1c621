"""Questions to people and their answers, from the events of a run."""

from __future__ import annotations

from headwater.events import ApprovalAnswered, ApprovalAsked, InputAnswered, InputAsked
from headwater.events.asked import Asked

PAY = ApprovalAsked(approval="a", call="c1", name="pay")
WHEN = InputAsked(input="i", call="c2", name="book", message="When?")
WHERE = InputAsked(input="j", call="c2", name="book", message="Where?")


def known(*events: ApprovalAsked | InputAsked) -> Asked:
    asked = Asked()
    for event in events:
        asked.ask(event)
    return asked


def test_a_question_is_open_until_it_is_answered() -> None:
    asked = known(PAY, WHEN)
    assert list(asked.open) == ["a", "i"]
    assert asked.decide(ApprovalAnswered(approval="a", allowed=True)) == PAY
    asked.give(InputAnswered(input="i", action="accept", content="soon"))
    assert asked.open == {}
    assert asked.decide(ApprovalAnswered(approval="a", allowed=False)) is None


def test_an_answer_for_the_run_is_kept_under_the_tools_name() -> None:
    asked = known(PAY)
    once = ApprovalAnswered(approval="a", allowed=True)
    asked.decide(once)
    assert asked.standing == {}
    asked.ask(PAY)
    always = ApprovalAnswered(approval="a", allowed=False, for_run=True)
    asked.decide(always)
    assert asked.standing == {"pay": always}


def test_a_tools_questions_are_kept_in_order_with_their_answers() -> None:
    asked = known(WHEN, WHERE)
    answer = InputAnswered(input="j", action="decline")
    asked.give(answer)
    assert asked.by("c2") == [(WHEN, None), (WHERE, answer)]
    assert asked.by("c1") == ()
    asked.give(InputAnswered(input="nobody's", action="cancel"))
    assert list(asked.open) == ["i"]


def test_the_end_of_a_call_ends_its_questions() -> None:
    asked = known(PAY, WHEN)
    asked.end_call("c2")
    assert list(asked.open) == ["a"]
