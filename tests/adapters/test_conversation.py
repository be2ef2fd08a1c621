from __future__ import annotations

import pytest

from headwater.adapters.conversation import Turn, only_text, turns
from headwater.errors import ConfigurationError
from headwater.events.messages import File, Image, Message, Reasoning, Text, ToolCall, ToolResult


def test_messages_become_turns() -> None:
    image = Image(url="https://example.org/a.png")
    messages = [Message.system("Be kind."), Message.user("See: ", image), Message.assistant("I ", "see.")]
    assert turns(messages, "X") == (
        Turn("system", (Text(text="Be kind."),)),
        Turn("user", (Text(text="See: "), image)),
        Turn("assistant", (Text(text="I "), Text(text="see."))),
    )


def test_reasoning_stays_behind() -> None:
    said = Message.assistant(Reasoning(text="Hm."), "Yes.")
    assert turns([said, Message.assistant(Reasoning(text="Hm."))], "X") == (Turn("assistant", (Text(text="Yes."),)),)


def test_turns_as_one_text() -> None:
    assert only_text(turns([Message.user("One"), Message.user(""), Message.assistant("Two")], "X")) == "One\n\nTwo"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (Message.assistant(ToolCall(id="1", name="look", arguments={})), "calls of tools"),
        (Message.tool(ToolResult(id="1", name="look", content="sunny")), "calls of tools"),
        (Message.user(File(id="file-1")), "stored at a provider"),
    ],
)
def test_what_cannot_be_passed_on_is_refused(message: Message, why: str) -> None:
    with pytest.raises(ConfigurationError, match=f"X cannot be given .*{why}"):
        turns([message], "X")


def test_kinds_that_a_framework_does_not_take_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="an image in a message of the user"):
        turns([Message.user(Image(data=b"x"))], "X", kinds=(Text,))
