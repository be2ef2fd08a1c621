"""What a run is asked, as messages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Image, Message, Text
from headwater.agents.task import as_messages
from headwater.errors import ConfigurationError
from tests.support.streams import scripted


def test_a_task_is_messages() -> None:
    picture = Image(data=b"\x89PNG\r\n\x1a\n")
    assert as_messages("Hi.") == (Message.user("Hi."),)
    assert as_messages(["Look:", picture]) == (Message.user("Look:", picture),)
    mixed = as_messages(["a", Message.assistant("b"), "c", "d"])
    assert [message.role for message in mixed] == ["user", "assistant", "user"]
    assert len(mixed[2].content) == 2
    assert as_messages([]) == ()
    for wrong in (5, b"Hi.", None, {"role": "user"}, [5], [{"role": "user", "content": "Hi."}]):
        with pytest.raises(TypeError, match="A task"):
            as_messages(wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="The task is empty"):
        as_messages("")


def test_a_task_may_be_of_many_parts() -> None:
    agent = scripted("A cat.")
    picture = Image(data=b"\x89PNG\r\n\x1a\n")
    agent.run_sync(["What is this?", picture, Message.assistant("A dog."), "No."])
    model: Any = agent.model
    asked = model.requests[0].messages
    assert [message.role for message in asked] == ["user", "assistant", "user"]
    assert asked[0].content[1] == picture


_words = st.text(min_size=1, max_size=8)
_items = st.one_of(
    _words, st.builds(Text, text=_words), st.builds(Image, data=st.binary(min_size=1)), st.builds(Message.user, _words)
)


@given(st.lists(_items, max_size=6))
def test_nothing_of_a_task_is_lost_or_reordered(task: list[Any]) -> None:
    said = [part for message in as_messages(task) for part in message.content]
    given_: list[Any] = []
    for item in task:
        given_ += item.content if isinstance(item, Message) else Message.user(item).content
    assert said == given_
    alone = [message for message in task if isinstance(message, Message)]
    assert len(as_messages(task)) <= 2 * len(alone) + 1


def test_a_response_is_asked_as_its_text_alone() -> None:
    response = scripted("Hello.").run_sync("Hi.")
    (message,) = as_messages(response)
    assert message == Message.user("Hello.")
    assert type(message.content[0].text) is str  # type: ignore[union-attr]


def test_a_message_of_another_library_is_an_error_with_advice() -> None:
    with pytest.raises(TypeError, match=r'not a dict.*Message\.user\("…"\)|Message\.user\("…"\) instead'):
        as_messages([{"role": "user", "content": "Hi."}])  # type: ignore[list-item]
