from __future__ import annotations

import pytest

from headwater import Message, Thread
from headwater.errors import ThreadBusy, UsageError
from tests.support.streams import scripted


def test_a_thread_is_taken_by_one_and_given_back() -> None:
    thread = Thread([Message.user("Hi.")])
    assert repr(thread) == "Thread(1 messages)"
    assert len(thread) == 1
    assert thread.take() == (Message.user("Hi."),)
    with pytest.raises(ThreadBusy, match="a run going on"):
        thread.take()
    thread.give_back((Message.user("Bye."),), "writer")
    assert thread.agent == "writer"
    assert thread.take() == thread.messages == (Message.user("Bye."),)


def test_its_messages_may_be_replaced_between_runs() -> None:
    thread = Thread()
    agent = scripted("One.", "Two.")
    agent.run_sync("1", thread=thread)
    thread.messages = thread.messages[:1]
    agent.run_sync("2", thread=thread)
    assert [message.text for message in thread.messages] == ["1", "2", "Two."]


def test_a_thread_is_no_name_and_no_history_beside() -> None:
    agent = scripted("One.")
    with pytest.raises(UsageError, match="needs a journal"):
        agent.run_sync("1", thread="mine")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="give one of them"):
        agent.run_sync("1", thread=Thread(), history=[])
