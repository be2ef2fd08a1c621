"""Where a conversation is cut, and what is written there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Compaction, Message, Text, ToolCall, ToolResult
from headwater.errors import ConfigurationError
from headwater.events.history import strays, unanswered
from headwater.events.messages import Image, sent_messages
from headwater.runtime.compaction import HEADING, cut, read_by, tokens_of, written


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"at": 0}, "at of a Compaction is 0. Give a whole number of tokens, at least 1."),
        ({"at": True}, "at of a Compaction is True"),
        ({"at": 100, "keep": -1}, "keep of a Compaction is -1. Give a whole number of tokens, at least 0."),
        ({"at": 100, "keep": 100}, "keep of a Compaction is 100. Keep less than the 100 tokens"),
        ({"at": 100, "by": "mini"}, "by of a Compaction is 'mini'. Give a function"),
        ({"at": 100, "prompt": " "}, "prompt of a Compaction is ' '. Give a text"),
    ],
)
def test_invalid_ones_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Compaction(**fields)
    assert says in str(caught.value)


def test_a_quarter_is_kept() -> None:
    assert Compaction(1000).kept == 250
    assert Compaction(1000, keep=0).kept == 0
    assert Compaction(1).kept == 0


# --- the cut


def turn(number: int, calls: int, size: int) -> list[Message]:
    """A question, so many calls with results, and an answer."""
    said = [Message.user(f"Question {number}. " + "x" * size)]
    for call in range(calls):
        key = f"c{number}.{call}"
        said.append(Message.assistant(ToolCall(id=key, name="look", arguments={})))
        said.append(Message.tool(ToolResult(id=key, name="look", content="y" * size)))
    return [*said, Message.assistant("Answer.")]


turns = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), min_size=1, max_size=6)


@given(turns, st.data())
def test_a_cut_never_separates_a_result_from_its_call(shape: list[tuple[int, int]], data: st.DataObject) -> None:
    """However often a conversation is shortened, at whatever places: it stays valid, and each cut replaces more."""
    messages: list[Message] = []
    replaced = 0
    for number, (calls, size) in enumerate(shape):
        said = turn(number, calls, size)
        messages += said[: data.draw(st.integers(1, len(said)))]
        if messages[-1].tool_calls:
            messages.append(
                Message.tool(*(ToolResult(id=one.id, name="", content="") for one in messages[-1].tool_calls))
            )
        keep, most = data.draw(st.integers(0, 500)), data.draw(st.none() | st.integers(0, 500))
        found = cut(messages, keep=keep, most=most)
        if not found:
            continue
        assert replaced < found < len(messages)
        replaced = found
        asked = read_by(messages, found)
        assert not unanswered(asked, by=("agent",))
        assert not strays(asked)
        assert most is None or tokens_of(asked) <= most or cut(messages, keep=keep, most=0) == found
        last = messages[-1]
        messages.append(written(f"Summary {number}.", found))
        sent = sent_messages(messages)
        assert not unanswered(sent, by=("agent",))
        assert not strays(sent)
        assert sent[0].text.endswith(f"Summary {number}.")
        assert sent[-1] is last, "the last message is never replaced"


@given(turns, st.integers(0, 600))
def test_what_is_kept_fits(shape: list[tuple[int, int]], keep: int) -> None:
    messages = [message for number, (calls, size) in enumerate(shape) for message in turn(number, calls, size)]
    found = cut(messages, keep=keep)
    least = cut(messages, keep=0)
    assert found <= least
    kept = sum(tokens_of((message,)) for message in messages[found:])
    assert kept <= keep or found == least, "as few as a cut allows"


def test_one_message_cannot_be_cut() -> None:
    assert cut([Message.user("x" * 9999)], keep=0) == 0
    assert cut([], keep=0) == 0
    summary = Message(role="user", content=(Text(text="s"),), replaces=1)
    assert cut([Message.user("a"), Message.assistant("b"), summary], keep=0) == 0, "only one is left after the summary"


def test_a_cut_reads_the_last_summary_and_what_followed() -> None:
    said = [Message.user(word) for word in "abcd"]
    messages = [*said[:3], written("Of a.", 1), said[3]]
    assert [one.text[-5:] for one in read_by(messages, 3)] == ["Of a.", "b", "c"]
    assert cut(messages, keep=0) == 4, "before the last message; the summary itself is not counted"


# --- the message


def test_the_message_repeats_the_task() -> None:
    picture = Image(data=b"\x89PNG")
    message = written(" All. \n", 7, [Message.user("What is this?", picture)])
    assert message.replaces == 7
    assert message.role == "user"
    assert message.text == f"{HEADING}\n\nAll.\n\nThe task, as it was given:What is this?"
    assert message.content[-1] is picture
    assert written("All.", 1).text == f"{HEADING}\n\nAll."
