"""A conversation: continued by successive runs, copied, and stored."""

from __future__ import annotations

import copy
import json
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Message, Thread, messages_from_json, messages_to_json
from headwater.errors import InvalidRecord, ThreadBusy, UsageError
from tests.support.effort import tries
from tests.support.streams import scripted
from tests.support.values import any_message


def test_a_thread_is_used_by_one_run_at_a_time() -> None:
    thread = Thread([Message.user("Hi.")])
    assert repr(thread) == "Thread(1 messages)"
    assert len(thread) == 1
    assert thread.take() == (Message.user("Hi."),)
    with pytest.raises(ThreadBusy, match="in use by a run"):
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


def test_a_thread_is_not_a_name_and_excludes_history() -> None:
    agent = scripted("One.")
    with pytest.raises(UsageError, match="has no journal"):
        agent.run_sync("1", thread="mine")
    with pytest.raises(TypeError, match="pass one of them"):
        agent.run_sync("1", thread=Thread(), history=[])


# --- copies


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_is_independent_even_during_a_run(copied: Callable[[Any], Thread]) -> None:
    thread = Thread([Message.user("Hi.")])
    thread.take()
    twin = copied(thread)
    assert twin.messages == thread.messages
    assert twin.take() == (Message.user("Hi."),)
    twin.give_back((), "heir")
    assert len(thread) == 1
    with pytest.raises(ThreadBusy):
        thread.take()


# --- storage


@given(messages=st.lists(any_message(), max_size=4))
@settings(max_examples=tries(12, 50), deadline=None)
def test_a_thread_survives_a_round_trip(messages: list[Message]) -> None:
    thread = Thread(messages, agent="heir")
    text = thread.to_json()
    for data in (text, text.encode(), json.loads(text)):
        assert Thread.from_json(data).__dict__ == thread.__dict__
    assert Thread.from_json(text).to_json() == text


def test_a_saved_thread_is_continued(tmp_path: Path) -> None:
    path, thread = tmp_path / "thread.json", Thread()
    agent = scripted("One.", "Two.")
    agent.run_sync("1", thread=thread)
    thread.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Thread.load(str(path))
    agent.run_sync("2", thread=again)
    assert [message.text for message in again.messages] == ["1", "One.", "2", "Two."]
    again.save(path)
    assert Thread.load(path).messages == again.messages


def test_a_history_can_be_saved_too_and_loaded_as_a_thread() -> None:
    thread = Thread([Message.user("Hi."), Message.assistant("Hello.")])
    text = messages_to_json(thread.messages)
    assert json.loads(text)["v"] == 1
    assert messages_from_json(text) == messages_from_json(thread.to_json()) == thread.messages
    assert Thread.from_json(text).messages == thread.messages


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not valid JSON"),
        ('{"v":1,"type":"thread","messages":[{"role":"us', "is not valid JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "is not valid"),
        ('{"v":1,"type":"response","text":"a"}', "is not valid"),
        ('{"v":1,"type":"thread","messages":[{"role":"chorus"}]}', r"is not valid.*upgrade this one"),
        ('{"v":2,"type":"thread","messages":[]}', r"is in version 2 of the format.*upgrade this one"),
    ],
)
def test_the_error_for_a_broken_or_newer_file_names_it(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "thread.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRecord, match=rf"thread\.json: The thread {said}"):
        Thread.load(path)
    with pytest.raises(InvalidRecord, match=rf"^The thread {said}"):
        Thread.from_json(text)


def test_a_missing_file_raises_pythons_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Thread.load(tmp_path / "none.json")
