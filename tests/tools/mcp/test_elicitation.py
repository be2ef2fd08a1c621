from __future__ import annotations

from typing import Any

import pytest
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    InputRequiredResult,
)

from headwater.errors import AnswerInvalid
from headwater.events import InputAsked
from headwater.events.questions import Answer
from headwater.tools.mcp.elicitation import Round, question, reply
from headwater.tools.work import Asked

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}, "why": {"type": "string", "default": "because"}},
    "required": ["ok"],
}
FORM = ElicitRequestFormParams(message="Really?", requested_schema=SCHEMA)


def asked_by(asked: Asked) -> InputAsked:
    return InputAsked(
        input="i", call="c", name="t", message=asked.message, schema=asked.schema, url=asked.url, state=asked.state
    )


def test_a_form_is_a_question_with_its_schema() -> None:
    asked = question(FORM)
    assert (asked.message, asked.schema, asked.url) == ("Really?", SCHEMA, "")


def test_an_answer_is_validated_and_its_defaults_are_filled_in() -> None:
    check = question(FORM).check
    assert check(Answer(content={"ok": True})).content == {"ok": True, "why": "because"}
    for content in (None, "yes", {}, {"ok": "yes"}):
        with pytest.raises(AnswerInvalid, match="still open"):
            check(Answer(content=content))
    assert check(Answer(action="decline", content="x")).content is None


def test_the_only_key_may_be_left_out() -> None:
    only = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    check = question(ElicitRequestFormParams(message="?", requested_schema=only)).check
    assert check(Answer(content=False)).content == {"ok": False}


def test_an_address_is_a_question_without_a_form() -> None:
    asked = question(ElicitRequestURLParams(message="Sign in", url="https://example.org"))
    assert (asked.url, asked.schema) == ("https://example.org", {})
    assert reply(asked.check(Answer(content="x"))).model_dump(exclude_none=True)["action"] == "accept"


def test_a_round_is_found_again_in_the_log_with_its_state() -> None:
    request = ElicitRequest(params=FORM)
    round_ = Round.of(InputRequiredResult(input_requests={"a": request, "b": request}, request_state="s"))
    assert round_ is not None
    past = [asked_by(one) for one in round_.asked]
    again, before = Round.last_of([InputAsked(input="i", call="c", name="t"), *past])
    assert again is not None
    assert (again.keys, again.state, before) == (("a", "b"), "s", 1)
    assert [one.message for one in again.asked] == ["Really?", "Really?"]
    assert again.asked[0].check(Answer(content={"ok": True})).content["ok"] is True


def test_an_incomplete_round_and_questions_of_older_servers_start_again() -> None:
    request = ElicitRequest(params=FORM)
    round_ = Round.of(InputRequiredResult(input_requests={"a": request, "b": request}, request_state="s"))
    assert round_ is not None
    assert Round.last_of([asked_by(round_.asked[0])]) == (None, 0)
    assert Round.last_of([asked_by(question(FORM))]) == (None, 0)
    assert Round.last_of([]) == (None, 0)


def test_a_server_that_wants_something_else_gets_no_round() -> None:
    sampling = CreateMessageRequest(params=CreateMessageRequestParams(messages=[], max_tokens=1))
    assert Round.of(InputRequiredResult(input_requests={"a": sampling})) is None
