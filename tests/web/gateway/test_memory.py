from __future__ import annotations

from typing import Any

import pytest

from headwater import Message, Text, ToolCall, ToolResult
from headwater.events.messages import Reasoning
from headwater.web.gateway.memory import Memory

HI = Message.user("Hi")
THOUGHT = Reasoning(text="Hm.", signature="sig")
RESULT = Message.tool(ToolResult(id="a", name="pick", content="b"))


def said(number: str, *more: Reasoning, text: str = "", **arguments: Any) -> Message:
    words = (Text(text=text),) if text else ()
    content = (*more, *words, ToolCall(id=number, name="pick", arguments=arguments))
    return Message(role="assistant", content=content, api="anthropic")


def test_what_a_client_cannot_send_back_is_put_back() -> None:
    memory = Memory()
    memory.keep("ann", [HI], said("a", THOUGHT))
    bare = said("a")
    assert memory.restored("ann", [HI, bare, RESULT]) == (HI, said("a", THOUGHT), RESULT)
    assert memory.restored("bob", [HI, bare]) == (HI, bare)


def test_a_second_turn_is_found_behind_the_first() -> None:
    memory = Memory()
    memory.keep(None, [HI], said("a", THOUGHT))
    memory.keep(None, [HI, said("a"), RESULT], said("a", THOUGHT, text="Again."))
    conversation = [HI, said("a"), RESULT, said("a", text="Again."), RESULT]
    restored = memory.restored(None, conversation)
    assert restored == (HI, said("a", THOUGHT), RESULT, said("a", THOUGHT, text="Again."), RESULT)


def test_instructions_may_change() -> None:
    memory = Memory()
    memory.keep(None, [Message.system("It is 9."), HI], said("a", THOUGHT))
    assert memory.restored(None, [Message.system("It is 10."), HI, said("a")])[2] == said("a", THOUGHT)


@pytest.mark.parametrize(
    "conversation",
    [
        [Message.user("Ho"), said("a", who="Ann")],
        [HI, said("a", who="Bob")],
        [HI, said("a", text="Look.", who="Ann")],
        [HI, said("b", who="Ann")],
        [HI, RESULT, said("a", who="Ann")],
        [said("a", who="Ann")],
    ],
)
def test_another_conversation_with_the_same_ids_stays_as_it_was_sent(conversation: list[Message]) -> None:
    memory = Memory()
    memory.keep(None, [HI], said("a", THOUGHT, who="Ann"))
    assert memory.restored(None, conversation) == tuple(conversation)


def test_only_parts_beyond_text_and_calls_are_kept() -> None:
    memory = Memory()
    plain = said("a", text="Pick.")
    memory.keep(None, [HI], plain)
    memory.keep(None, [HI], Message(role="assistant", content=(THOUGHT,)))
    assert not memory._kept
    signed = Message(
        role="assistant",
        content=(Text(text="Pick."), ToolCall(id="a", name="pick", arguments={}, signature="sig")),
    )
    memory.keep(None, [HI], signed)
    assert memory.restored(None, [HI, plain]) == (HI, signed)


def test_the_oldest_is_forgotten() -> None:
    memory = Memory(most=2)
    for number in "abc":
        memory.keep(None, [], said(number, THOUGHT))
    assert memory.restored(None, [said("a")]) == (said("a"),)
    assert memory.restored(None, [said("c")]) == (said("c", THOUGHT),)
