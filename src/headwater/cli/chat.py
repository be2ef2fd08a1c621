"""`headwater chat`: a conversation with an agent, until the user quits."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from headwater.cli.options import add_agent_options, add_continue_option, look_of, make_agent

if TYPE_CHECKING:
    from headwater.cli.conversation import Conversation
    from headwater.cli.prompt import Reader

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute", "hold")

SUMMARY = "chat with an agent"
USAGE = "chat [OPTIONS]"
DESCRIPTION = """\
Chat with an agent. Enter sends the message; Alt-Enter, or a \\ at the end of a
line, starts another line. Ctrl-C stops the current answer, Ctrl-D quits, /help
lists the commands."""
EXAMPLES = """\
examples:
  headwater chat
  headwater chat --model anthropic/claude-sonnet-5 -i "Answer in verse."
  headwater chat --agent harbour:pilot
  headwater chat --continue
  headwater chat --model ollama/llama3.2 < questions.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_continue_option(parser)
    add_agent_options(parser)


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from headwater.cli.chat_commands import COMMANDS
    from headwater.cli.conversation import Conversation
    from headwater.cli.last_conversation import begin, keep
    from headwater.cli.output import Outlet, is_terminal
    from headwater.cli.prompt import reader_for
    from headwater.cli.watching import watching_for

    thread = begin(asked)
    agent = make_agent(asked)
    out = Outlet()
    at_terminal = is_terminal(sys.stdin)
    words = [f"/{name} " if command.takes else f"/{name}" for name, command in COMMANDS.items()]
    reader = reader_for(out, at_terminal=at_terminal, words=words)
    chat = Conversation(agent, out, watching_for(agent, out, **look_of(asked)), thread=thread, at_terminal=at_terminal)
    chat.after_answer = lambda: keep(chat.thread, asked)
    hold(chat, reader)
    return int(chat.failed and not at_terminal)


def hold(chat: Conversation, reader: Reader) -> None:
    """Reads and answers messages until the end of input.

    Raises KeyboardInterrupt for a second Ctrl-C, and for any Ctrl-C without a terminal.
    """
    if chat.shown:
        _greet(chat)
    idle = False  # whether the last input was a Ctrl-C with nothing to stop
    while True:
        try:
            message = reader.read()
        except KeyboardInterrupt:
            if idle or not chat.at_terminal:
                raise
            idle = True
            sys.stderr.write("(Ctrl-D quits; so does Ctrl-C once more.)\n")
            continue
        if message is None or not _take(chat, message):
            return
        idle = False


def _take(chat: Conversation, message: str) -> bool:
    """Answers a message or runs a slash command. Returns False if it ends the chat."""
    from headwater.cli.chat_commands import carry_out

    word = message.strip()
    if word.lower() in ("exit", "quit"):
        return False
    stays = True
    if message.startswith("/"):
        stays = carry_out(word, chat)
    elif word:
        chat.answer(word)
    chat.leave_room()
    return stays


def _greet(chat: Conversation) -> None:
    from headwater.events.controls import one_line

    model = getattr(getattr(chat.agent, "llm", None), "name", None)
    name = chat.agent.name if model is None else str(model)
    chat.out.write(f"{one_line(name)} is ready. /help lists commands, Ctrl-D quits.\n\n")
    chat.out.flush()
    chat.out.check()
