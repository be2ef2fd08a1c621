"""A conversation in the terminal: one answer after another, until there is no next message."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import Any

import pytest

from headwater import Message, Thread, tool
from headwater.agents.terminal_chat import next_message, thread_of
from headwater.backends.offline import Call
from headwater.errors import ApprovalNeeded
from tests.support.streams import scripted
from tests.support.typing_person import at_terminal


@pytest.mark.parametrize("end", ["exit\n", "QUIT\n", ""])
@pytest.mark.parametrize("plain", [True, False], ids=["plain", "async"])
def test_a_conversation_continues_until_it_is_ended(plain: bool, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\nAnd you?\n  \n" + end))
    agent = scripted("I am well.", "So am I.", interactive=True)
    thread = Thread()
    response = (
        agent.run_sync("How are you?", thread=thread)
        if plain
        else asyncio.run(agent.arun("How are you?", thread=thread))
    )
    assert response == "So am I."
    said = ["How are you?", "I am well.", "And you?", "So am I."]
    assert [message.text for message in thread.messages] == said
    assert [message.text for message in response.messages] == said


def test_a_conversation_without_a_terminal_is_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert scripted("I am well.", interactive=True).run_sync("How are you?") == "I am well."


def test_what_ends_a_conversation_and_what_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n  \nexits\n Quit \nmore\n"))
    assert [next_message(asking=True) for _ in range(4)] == ["exits", None, "more", None]


@pytest.mark.parametrize("asking", [True, False])
def test_a_prompt_is_written_to_a_person_alone(
    asking: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hi.\n"))  # a pipe: nobody reads a prompt
    assert next_message(asking=asking) == "Hi."
    assert capsys.readouterr().out == ""
    person = io.StringIO("Hi.\n")
    monkeypatch.setattr(person, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", person)
    assert next_message(asking=asking) == "Hi."
    assert capsys.readouterr().out == ("\nYou: " if asking else "")


def test_a_terminal_that_is_closed_ends_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdin", closed)
    assert next_message(asking=False) is None


def test_a_conversation_uses_the_given_thread_or_a_new_one() -> None:
    thread = Thread()
    assert thread_of({"thread": thread}) is thread
    options: dict[str, Any] = {"history": [Message.user("Hi.")], "context": 1}
    assert [message.text for message in thread_of(options).messages] == ["Hi."]
    assert options == {"context": 1}, "a run is given a thread or a history"


@tool(approval=True)
def send(to: str) -> str:
    """Send a letter."""
    return f"sent to {to}"


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
@pytest.mark.parametrize("plain", [True, False], ids=["plain", "async"])
def test_the_person_at_the_terminal_is_asked_below_the_output(plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = scripted([Call("send", {"to": "ann"})], "Done.", tools=[send], interactive=True, streaming_on=True)
    with at_terminal(monkeypatch) as person:
        person.types(("Allow it?", "y\n"), ("You:", "exit\n"))
        response = agent.run_sync("Write.") if plain else asyncio.run(agent.arun("Write."))
        assert response == "Done."
    shown = person.seen
    assert shown.index("wants to run send") < shown.index("to: ann") < shown.index("Allow it?") < shown.index("Done.")


def test_where_nobody_can_be_asked_the_run_is_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(ApprovalNeeded):
        scripted(Call("send", {"to": "ann"}), "Done.", tools=[send], interactive=True).run_sync("Write.")


def test_an_approver_of_its_own_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    turns = (Call("send", {"to": "ann"}), "Done.")
    agent = scripted(*turns, tools=[send], interactive=True, approver=lambda question: True)
    assert agent.run_sync("Write.") == "Done."


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, True),
        ({"print_on": True}, True),
        ({"print_on": False}, False),
        ({"streaming_callback": lambda token: None}, False),
    ],
    ids=["default", "print_on", "silent", "callback"],
)
def test_a_conversation_shows_its_answers(
    options: dict[str, Any], shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("And you?\n"))
    scripted("I am well.", "So am I.", interactive=True, **options).run_sync("How are you?")
    assert capsys.readouterr().out == ("I am well.\nSo am I.\n" if shown else "")
