"""What a line that begins with / does."""

from __future__ import annotations

import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from headwater import Agent, ProviderTool, SequentialWorkflow, Thread
from headwater.backends.offline import Call, ScriptedModel
from headwater.cli.chat_commands import COMMANDS, carry_out
from headwater.cli.conversation import Conversation
from headwater.cli.output import Outlet
from headwater.cli.watching import watching_for
from headwater.events.messages import Usage


def high_water(port: str) -> str:
    """When is high water?

    In the port's own time.
    """
    return "17:05"


def conversation(runnable: Any) -> Conversation:
    out = Outlet()
    return Conversation(runnable, out, watching_for(runnable, out), thread=Thread())


def pilot(*said: Any, **more: Any) -> Agent[Any, Any]:
    return Agent(name="pilot", model=ScriptedModel(list(said) or ["Aye."]), **more)


def told(capsys: pytest.CaptureFixture[str], line: str, chat: Conversation) -> str:
    capsys.readouterr()
    assert carry_out(line, chat)
    shown = capsys.readouterr()
    assert shown.out == "" or line == "/retry"
    return shown.err


def test_help_lists_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    listed = told(capsys, "/help", conversation(pilot()))
    assert [line.split()[0] for line in listed.splitlines() if "/" in line] == [f"/{name}" for name in COMMANDS]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("/sav", "headwater: there is no command /sav; did you mean /save? A space before it makes it a message.\n"),
        ("/", "headwater: there is no command /; /help lists them. A space before it makes it a message.\n"),
    ],
)
def test_invalid_input_is_reported(line: str, answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, line, conversation(pilot())) == answer


@pytest.mark.parametrize("line", ["/exit", "/quit", "/EXIT now"])
def test_it_ends(line: str) -> None:
    assert not carry_out(line, conversation(pilot()))


def test_the_model_is_shown_and_changed(bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    chat = conversation(Agent(model="offline"))
    assert told(capsys, "/model", chat) == "headwater: offline is the model. /model NAME switches to another one.\n"
    assert told(capsys, "/model offline/poem", chat) == "headwater: offline/poem is the model from now on.\n"
    assert "No key for openai" in told(capsys, "/model openai/gpt-5.4", chat)
    assert told(capsys, "/model", chat).startswith("headwater: offline/poem is the model.")
    assert "is a workflow" in told(capsys, "/model x", conversation(SequentialWorkflow([pilot()])))


def test_the_conversation_is_saved_to_be_read_or_loaded(
    tmp_path: Path, bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.chdir(tmp_path)
    chat = conversation(pilot(Call("high_water", {"port": "Brest"}), "At 17:05.", "Aye.", tools=[high_water]))
    assert told(capsys, "/save x.md", chat) == "headwater: The conversation is empty.\n"
    chat.answer("When?")
    assert told(capsys, "/save x.md", chat) == "headwater: 4 messages were written to x.md.\n"
    written = Path("x.md").read_text("utf-8")
    assert written.startswith("# pilot, 20")
    assert written.endswith(
        '\n\n**You**\n\nWhen?\n\n**pilot**\n\n`high_water(port="Brest")`\n\n**pilot**\n\nAt 17:05.\n'
    )
    assert stat.S_IMODE(Path("x.md").stat().st_mode) == 0o600
    told(capsys, "/save x.json", chat)
    assert Thread.load("x.json").messages == chat.thread.messages
    chat.answer("Thanks.")
    assert told(capsys, "/save x.md", chat) == "headwater: 6 messages were written to x.md.\n", (
        "its own is written again"
    )
    Path("y.md").touch()
    assert told(capsys, "/save y.md", chat) == "headwater: y.md exists already. Name another file.\n"
    assert told(capsys, "/save", chat).startswith("headwater: Where to?")
    assert told(capsys, "/save no/x.md", chat) == "headwater: no/x.md cannot be written: No such file or directory.\n"


def test_the_last_message_is_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    model = ScriptedModel(["1", "2", "3"])
    chat = conversation(Agent(model=model))
    assert told(capsys, "/retry", chat) == "headwater: There is no message to ask again.\n"
    chat.answer("one")
    chat.answer("two")
    told(capsys, "/retry", chat)
    assert [message.text for message in chat.thread.messages] == ["one", "1", "two", "3"]
    assert [message.text for message in model.requests[2].messages] == ["one", "1", "two"]


@pytest.mark.parametrize("line", ["/clear", "/new"])
def test_the_conversation_is_forgotten(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    chat = conversation(pilot())
    chat.answer("one")
    assert told(capsys, line, chat) == "headwater: the conversation was forgotten.\n"
    assert (chat.thread.messages, chat.before_last) == ((), None)


def test_tools_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    tools = [high_water, ProviderTool({"type": "web_search"})]
    assert told(capsys, "/tools", conversation(pilot(tools=tools))) == (
        "  high_water: When is high water?\n  web_search: run by the provider\n"
    )
    assert told(capsys, "/tools", conversation(pilot())).startswith("headwater: no tools.")
    crew = SequentialWorkflow([pilot()], name="crew")
    assert told(capsys, "/tools", conversation(crew)).endswith("Its members are pilot.\n")


def test_what_it_has_cost(capsys: pytest.CaptureFixture[str]) -> None:
    chat = conversation(pilot("1", "2"))
    assert told(capsys, "/usage", chat) == "headwater: there are no answers yet.\n"
    chat.answer("one")
    chat.usage = Usage(input_tokens=1234, cost=Decimal("0.1234"))
    assert told(capsys, "/usage", chat).splitlines()[1] == (
        "headwater: all answers: 1,234 tokens in, an unknown number of tokens out, $0.1234."
    )
