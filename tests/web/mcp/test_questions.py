"""Questions as elicitation, and what a client makes of them as answers."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.events.questions import Question
from headwater.web.http.bodies import Answering, Approving
from headwater.web.mcp.questions import answer_of, can_be_asked, elicitation

NESTED = {"type": "object", "properties": {"result": {"type": "array", "items": {"type": "object"}}}}
FLAT = {"type": "object", "properties": {"nights": {"type": "integer"}}, "required": ["nights"]}

approval = Question(id="a", kind="approval", path=("top", "pay"), tool="pay", arguments={"euros": 5}, reason="Much.")
form = Question(id="i", kind="input", message="How many?", schema={**FLAT, "additionalProperties": False})
link = Question(id="u", kind="input", message="Log in.", url="https://bank.example/")


@pytest.mark.parametrize(
    ("question", "modes", "can"),
    [
        (approval, {"form"}, True),
        (approval, {"url"}, False),
        (form, {"form"}, True),
        (form, set(), False),
        (link, {"form"}, False),
        (link, {"form", "url"}, True),
        (Question(id="n", kind="input", schema=NESTED), {"form", "url"}, False),
    ],
)
def test_a_client_is_asked_what_it_can_show(question: Question, modes: set[str], can: bool) -> None:
    assert can_be_asked(question, modes) is can


def test_an_approval_names_the_call() -> None:
    told = elicitation(approval)
    assert told["message"] == 'pay wants to run pay with {"euros": 5}. Much. Allow it?'
    assert told["requestedSchema"]["required"] == ["approved"]


def test_a_question_keeps_its_form() -> None:
    assert elicitation(form) == {"mode": "form", "message": "How many?", "requestedSchema": FLAT}
    told = elicitation(link)
    assert (told["mode"], told["url"], told["elicitationId"]) == ("url", "https://bank.example/", "u")


@pytest.mark.parametrize(
    ("question", "action", "content", "answer"),
    [
        (approval, "accept", {"approved": True}, Approving("a", True)),
        (approval, "accept", {"approved": False, "note": "No."}, Approving("a", False, "No.")),
        (approval, "accept", {"approved": "yes"}, Approving("a", False)),
        (approval, "accept", None, Approving("a", False)),
        (approval, "decline", None, Approving("a", False, "The person declined.")),
        (approval, "cancel", None, Approving("a", False, "Nobody decided.")),
        (form, "accept", {"nights": 3}, Answering("i", "accept", {"nights": 3})),
        (form, "decline", None, Answering("i", "decline")),
        (form, "cancel", {"nights": 3}, Answering("i", "cancel")),
    ],
)
def test_an_answer_is_what_our_own_routes_take(question: Question, action: str, content: Any, answer: Any) -> None:
    assert answer_of(question, action, content) == answer
