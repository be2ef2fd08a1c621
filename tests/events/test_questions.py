"""Questions to people, in one shape for both events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.errors import AnswerInvalid
from headwater.events import ApprovalAsked, InputAsked
from headwater.events.questions import Answer, Question


def test_an_approval_is_a_question_with_arguments_and_a_reason() -> None:
    asked = ApprovalAsked(
        approval="r/c1",
        call="c1",
        name="pay",
        arguments={"cents": 5},
        reason="dear",
        until=9.0,
        run="r",
        path=("a", "b"),
    )
    question = Question.of(asked)
    assert (question.id, question.kind, question.tool, question.call) == ("r/c1", "approval", "pay", "c1")
    assert (question.arguments, question.reason, question.until) == ({"cents": 5}, "dear", 9.0)
    assert (question.run, question.path, question.agent) == ("r", ("a", "b"), "b")


def test_an_input_is_a_question_with_a_message_and_a_schema_or_a_url() -> None:
    schema = {"type": "object"}
    question = Question.of(InputAsked(input="r/c1/1", call="c1", name="book", message="How many?", schema=schema))
    assert (question.id, question.kind, question.message, question.schema) == ("r/c1/1", "input", "How many?", schema)
    assert Question.of(InputAsked(input="i", call="c", name="book", url="https://x.example")).url == "https://x.example"


def test_an_unstamped_event_gets_a_run_and_a_path() -> None:
    asked = ApprovalAsked(approval="a", call="c", name="pay")
    question = Question.of(asked, "r", ("top",))
    assert (question.run, question.path, question.agent) == ("r", ("top",), "top")
    assert Question.of(asked).agent == ""


def test_questions_and_answers_are_values() -> None:
    question = Question.of(ApprovalAsked(approval="a", call="c", name="pay", arguments={"n": 1}))
    assert msgspec.json.decode(msgspec.json.encode(question), type=Question) == question
    answer = Answer(allowed=False, note="no", by="ann")
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer
    assert Answer() == Answer(allowed=True, arguments=None, for_run=False, action="accept")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allowed", "no"),
        ("allowed", None),
        ("for_run", "yes"),
        ("note", None),
        ("by", None),
        ("by", 3),
        ("arguments", ["x"]),
        ("arguments", '{"cents": 5}'),
        ("action", "refuse"),
        ("action", None),
    ],
)
def test_an_answer_that_no_log_could_hold_is_refused_where_it_is_made(name: str, value: Any) -> None:
    with pytest.raises(AnswerInvalid, match=f"^{name} of an answer is "):
        Answer(**{name: value})
