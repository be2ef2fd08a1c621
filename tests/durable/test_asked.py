"""What a run was asked survives the store, and what cannot is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from headwater import Image, Message, Timeouts
from headwater.durable.asked import Asked, AskedFor, asked_of, context_of, plain_context
from headwater.errors import ConfigurationError
from headwater.providers.request import Settings


def test_it_is_read_back_as_it_was_written() -> None:
    asked = asked_of(
        [Message.user("Look.", Image(data=b"\x89PNG", media_type="image/png"))],
        history=[Message.user("Hi"), Message.assistant("Hello")],
        context={"user": 7, "tags": ["a"]},
        options={
            "settings": Settings(temperature=0.5),
            "timeouts": Timeouts(run=60.0),
            "top_k": 10,
            "model": None,
        },
    )
    again = Asked.decode(bytes(asked.encode()))
    assert again == asked
    assert again.run_options() == {
        "settings": Settings(temperature=0.5),
        "timeouts": Timeouts(run=60.0),
        "top_k": 10,
    }


def test_options_without_a_json_form_are_named_and_rejected_on_resume() -> None:
    asked = asked_of([Message.user("go")], options={"output_type": int, "tools": [print], "on_event": print})
    assert asked.missing == ("output_type", "tools")
    with pytest.raises(ConfigurationError, match="output_type=, tools="):
        asked.run_options()


@dataclass
class Live:
    name: str


@pytest.mark.parametrize("context", [{"a": 1}, ["a", None], "text", 1, 1.5, True, None])
def test_json_is_a_context(context: Any) -> None:
    assert plain_context(context) == context


@pytest.mark.parametrize("context", [Live("ann"), ("a",), {1: "a"}, object(), {"live": Live("ann")}, b"bytes"])
def test_anything_else_is_refused_with_what_to_do(context: Any) -> None:
    with pytest.raises(ConfigurationError, match="context_from"):
        plain_context(context)


def test_context_from_builds_it_again() -> None:
    asked_for = AskedFor(run="r", agent="a", task=(), context={"user": "ann"}, thread="t", labels={"x": "y"})
    assert context_of(asked_for, None) == {"user": "ann"}
    assert context_of(asked_for, lambda request: Live(request.context["user"])) == Live("ann")
    with pytest.raises(ConfigurationError, match="KeyError: 'nobody'"):
        context_of(asked_for, lambda request: request.context["nobody"])
