from __future__ import annotations

from headwater import Message, Text, ToolCall, ToolResult
from headwater.events.messages import Reasoning
from headwater.web.gateway.memory import Memory


def said(number: str, *more: Reasoning) -> Message:
    return Message(role="assistant", content=(*more, ToolCall(id=number, name="pick", arguments={})), api="anthropic")


THOUGHT = Reasoning(text="Hm.", signature="sig")
RESULT = Message.tool(ToolResult(id="a", name="pick", content="b"))


def test_what_a_client_cannot_send_back_is_put_back() -> None:
    memory = Memory()
    memory.keep("ann", said("a", THOUGHT))
    bare = said("a")
    assert memory.restored("ann", [Message.user("Hi"), bare, RESULT]) == (
        Message.user("Hi"),
        said("a", THOUGHT),
        RESULT,
    )
    assert memory.restored("bob", [bare]) == (bare,)
    other = Message(role="assistant", content=(*bare.content, ToolCall(id="c", name="pick", arguments={})))
    assert memory.restored("ann", [other]) == (other,)


def test_only_what_is_more_than_words_and_calls_is_kept() -> None:
    memory = Memory()
    plain = Message(role="assistant", content=(Text(text="Pick."), ToolCall(id="a", name="pick", arguments={})))
    memory.keep(None, plain)
    memory.keep(None, Message(role="assistant", content=(THOUGHT,)))
    assert not memory._kept
    signed = Message(role="assistant", content=(ToolCall(id="a", name="pick", arguments={}, signature="sig"),))
    memory.keep(None, signed)
    assert memory.restored(None, [plain]) == (signed,)


def test_the_oldest_is_forgotten() -> None:
    memory = Memory(most=2)
    for number in "abc":
        memory.keep(None, said(number, THOUGHT))
    assert memory.restored(None, [said("a"), said("c")]) == (said("a"), said("c", THOUGHT))
