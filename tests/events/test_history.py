from __future__ import annotations

import pytest

from headwater.events.history import strays, unanswered
from headwater.events.messages import Message, ToolCall, ToolResult

USER = Message.user("Go.")


def calls(*names: str, by: str = "agent") -> Message:
    return Message.assistant(*(ToolCall(id=name, name="t", arguments={}, by=by) for name in names))  # type: ignore[arg-type]


def results(*names: str) -> Message:
    return Message.tool(*(ToolResult(id=name, name="t", content="x") for name in names))


@pytest.mark.parametrize(
    ("messages", "missing", "stray"),
    [
        ((), (), ()),
        ((USER, calls("a", "b"), results("a", "b"), USER), (), ()),
        ((USER, calls("a", "b"), results("a"), results("b")), (), ()),
        ((USER, calls("a", "b"), results("a"), USER), ("b",), ()),
        ((USER, calls("a")), ("a",), ()),
        ((USER, calls("a"), USER, results("a")), ("a",), ("a",)),
        ((results("a"), USER), (), ("a",)),
        ((calls("a"), calls("b"), results("b")), ("a",), ()),
        ((calls("a"), results("a"), calls("a")), ("a",), ()),
    ],
)
def test_each_call_has_its_result_right_after_it(
    messages: tuple[Message, ...], missing: tuple[str, ...], stray: tuple[str, ...]
) -> None:
    assert unanswered(messages, by=("agent",)) == missing
    assert strays(messages) == stray


def test_only_the_given_kinds_of_calls_count() -> None:
    messages = (calls("ours"), calls("theirs", by="client"), calls("providers", by="provider"))
    assert unanswered(messages, by=("agent",)) == ("ours",)
    assert unanswered(messages, by=("client",)) == ("theirs",)
    assert unanswered(messages, by=("agent", "client")) == ("ours", "theirs")
