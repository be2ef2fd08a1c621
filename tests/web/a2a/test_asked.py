"""What messages ask, and what they answer."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.events.questions import Question
from headwater.web.a2a.asked import answers_of, asked_of
from headwater.web.a2a.failures import Refused
from headwater.web.http.bodies import Answering, Approving

approval = Question(id="p", kind="approval", tool="pay")
nights = Question(id="n", kind="input", schema={"type": "object", "properties": {"result": {"type": "integer"}}})
name = Question(id="w", kind="input", schema={"type": "object", "properties": {"name": {"type": "string"}}})
place = Question(id="x", kind="input", schema={"type": "object", "properties": {"a": {}, "b": {}}})


def message(*parts: Any, **more: Any) -> Any:
    return asked_of({"message": {"parts": [*parts], **more}})


def test_a_message_is_its_words_and_data() -> None:
    asked = message({"text": "One."}, {"data": {"a": 1}}, {"data": 3}, {"text": "Two."}, taskId="t", contextId="c")
    assert asked == ("One.\nTwo.", ({"a": 1}, {"result": 3}), "t", "c", False)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (None, -32602),
        ({}, -32602),
        ({"message": {"parts": "x"}}, -32602),
        ({"message": {"parts": [{"raw": "eA=="}]}}, -32005),
        ({"message": {"parts": [{"text": "x"}], "taskId": 3}}, -32602),
        ({"message": {"parts": [{"text": "x"}]}, "configuration": 3}, -32602),
        (
            {"message": {"parts": [{"text": "x"}]}, "configuration": {"taskPushNotificationConfig": {"url": "x"}}},
            -32003,
        ),
    ],
)
def test_an_invalid_message_is_rejected(params: Any, code: int) -> None:
    with pytest.raises(Refused) as refused:
        asked_of(params)
    assert refused.value.kind.code == code


@pytest.mark.parametrize(
    ("part", "pending", "answer"),
    [
        ({"text": "Yes."}, [approval], Approving("p", True)),
        ({"text": " deny "}, [approval], Approving("p", False)),
        ({"data": {"approved": False, "note": "Ask."}}, [approval], Approving("p", False, "Ask.")),
        ({"data": {"id": "p", "approved": True}}, [nights, approval], Approving("p", True)),
        ({"text": "3"}, [nights], Answering("n", "accept", {"result": 3})),
        ({"data": 3}, [nights], Answering("n", "accept", {"result": 3})),
        ({"text": "3"}, [name], Answering("w", "accept", {"name": "3"})),
        ({"data": {"a": 1, "b": 2}}, [place], Answering("x", "accept", {"a": 1, "b": 2})),
    ],
)
def test_an_answer_is_what_our_own_routes_take(part: Any, pending: list[Question], answer: Any) -> None:
    assert answers_of(message(part), pending) == [answer]


@pytest.mark.parametrize(
    ("part", "pending", "words"),
    [
        ({"text": "Perhaps."}, [approval], "neither yes nor no"),
        ({"data": {"approved": "yes"}}, [approval], "does not say whether"),
        ({"text": "Yes."}, [approval, nights], "Several questions are open: p, n"),
        ({"text": "three"}, [nights], "does not fit"),
        ({"text": "Ulm"}, [place], "several fields"),
    ],
)
def test_an_ambiguous_answer_is_rejected(part: Any, pending: list[Question], words: str) -> None:
    with pytest.raises(Refused, match=words):
        answers_of(message(part), pending)
