"""A message to a run is logged once, delivered once, and passed on if it was not delivered."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from headwater.errors import ConfigurationError
from headwater.events import MessageAdded, MessageReceived
from headwater.events.messages import Image, Message, ToolCall
from headwater.runtime.ear import Ear, to_say
from tests.support.streams import scripted


def _say(ear: Ear, text: str, *, now: bool = False) -> None:
    ear.say("run_1", Message.user(text), by="ann", now=now)


def test_it_is_logged_first_and_added_with_the_next_request() -> None:
    ear = Ear()
    _say(ear, "one")
    assert ear.untold
    (told,) = ear.told()
    assert isinstance(told, MessageReceived)
    assert (told.message.text, told.by, told.key.startswith("run_1/")) == ("one", "ann", True)
    assert (bool(ear), ear.untold) == (True, False), "nobody has heard it yet"
    (heard,) = ear.heard()
    assert isinstance(heard, MessageAdded)
    assert (heard.key, heard.cause, heard.message) == (told.key, "steer", told.message)
    assert not ear
    assert ear.heard() == []


def test_what_comes_too_late_for_the_log_is_told_again_and_first() -> None:
    ear = Ear()
    for text in ("one", "two"):
        _say(ear, text)
    told = ear.told()
    _say(ear, "three")
    assert ear.take_back(told) == []
    again = [event for event in ear.told() if isinstance(event, MessageReceived)]
    assert [event.message.text for event in again] == ["one", "two", "three"]
    assert [event.key for event in again[:2]] == [event.key for event in told if isinstance(event, MessageReceived)]
    assert len(ear.heard()) == 3


def test_a_pending_message_is_logged_before_it_is_added() -> None:
    ear = Ear()
    _say(ear, "one")
    ear.told()
    _say(ear, "two")
    told, first, second = ear.heard()
    assert isinstance(told, MessageReceived)
    assert [event.message.text for event in (first, second) if isinstance(event, MessageAdded)] == ["one", "two"]


def test_keys_are_their_own() -> None:
    ear = Ear()
    for _ in range(50):
        _say(ear, "again")
    keys = {event.key for event in ear.told() if isinstance(event, MessageReceived)}
    assert len(keys) == 50


def test_a_logged_message_that_was_not_added_is_added_now() -> None:
    ear = Ear({"k": Message.user("before")})
    assert ear
    assert ear.told() == []
    (heard,) = ear.heard()
    assert isinstance(heard, MessageAdded)
    assert heard.key == "k"


def test_it_is_passed_on_once() -> None:
    ear = Ear({"k": Message.user("before")})
    _say(ear, "not told")
    assert ear.pass_on() == {"k": Message.user("before")}
    assert ear.pass_on() == {}
    assert ear.untold


def test_an_interruption_is_requested_until_the_message_is_added() -> None:
    ear = Ear()
    _say(ear, "stop", now=True)
    _say(ear, "please")
    assert ear.cut
    ear.told()
    assert ear.cut
    ear.heard()
    assert not ear.cut


def test_many_threads_may_send_messages_at_once() -> None:
    ear = Ear()

    def speak() -> None:
        for _ in range(100):
            _say(ear, "x")

    threads = [threading.Thread(target=speak) for _ in range(8)]
    for thread in threads:
        thread.start()
    told = 0
    while any(thread.is_alive() for thread in threads) or ear.untold:
        told += len(ear.told())
    assert told == 800
    assert len(ear.heard()) == 800


CALL = ToolCall(id="c", name="t", arguments={})


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (None, "is of type NoneType"),
        (3, "is of type int"),
        (["stop"], "is of type list"),
        (Message.assistant("I have said so."), "has the role 'assistant'"),
        (Message.tool(), "has the role 'tool'"),
        (Message(role="user", content=(CALL,)), "contains an object of type ToolCall"),
    ],
)
def test_an_invalid_message_is_rejected_at_once_and_the_run_continues(message: Any, says: str) -> None:
    stream = scripted("So.").run_stream("Go.")
    with pytest.raises(ConfigurationError, match=says):
        stream.steer(message)
    assert stream.result_sync() == "So."


def test_the_sender_is_text() -> None:
    with pytest.raises(ConfigurationError, match="by is 3"):
        scripted("So.").run_stream("Go.").steer("stop", by=3)  # type: ignore[arg-type]


def test_a_message_can_have_text_and_images() -> None:
    assert to_say("stop") == Message.user("stop")
    shown = Message.user("this", Image(url="https://x.example/a.png"))
    assert to_say(shown) is shown
