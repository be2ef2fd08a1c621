"""`headwater chat`: a conversation, kept while it lasts and nowhere else."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING, Any, Final

from headwater.cli.options import add_agent_options, make_agent

if TYPE_CHECKING:
    from headwater.agents.agent import Agent
    from headwater.cli.output import Outlet, Printer
    from headwater.runtime.thread import Thread

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute")

SUMMARY = "converse"
USAGE = "chat [OPTIONS]"
DESCRIPTION = """\
Converse with an agent: each line is a message, and the conversation is kept
until you leave. Ctrl-C stops the answer that is coming; exit, quit, Ctrl-D or
Ctrl-C at the prompt leave. /help lists what else can be written."""
EXAMPLES = """\
examples:
  headwater chat
  headwater chat --model anthropic/claude-sonnet-5 -i "Answer in verse."
  headwater chat --tool tides:high_water
  headwater chat --model ollama/llama3.2 < questions.txt"""

PROMPT: Final = "> "
HELP: Final = """\
  /new    forget what was said, and begin again
  /help   this list
  /exit   leave; so do exit, quit, Ctrl-D and Ctrl-C
  A line that begins with a space is always a message.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_agent_options(parser)


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from headwater.agents.agent import Agent
    from headwater.cli.output import Outlet, Printer, is_terminal
    from headwater.errors import UsageError

    agent = make_agent(asked)
    if not isinstance(agent, Agent):
        raise UsageError(f"{agent.name} is no single agent.", hint=f"Ask it: headwater run --agent {asked.agent}.")
    out = Outlet()
    conversation = Conversation(agent, out, Printer(agent.name, out), at_terminal=is_terminal(sys.stdin))
    return conversation.hold()


class Conversation:
    """Messages read line by line, each answered before the next is read."""

    def __init__(self, agent: Agent[Any, str], out: Outlet, printer: Printer, *, at_terminal: bool) -> None:
        from headwater.runtime.thread import Thread

        self._agent = agent
        self._out = out
        self._printer = printer
        self._at_terminal = at_terminal
        self._shown = at_terminal and out.isatty()
        self._thread: Thread = Thread()
        self._failed = False

    def hold(self) -> int:
        """Until its end. The exit code is 1 where input was no terminal and an answer failed."""
        if self._at_terminal:
            _edit_lines()
        if self._shown:
            from headwater.events.controls import one_line

            self._printer.open()
            self._out.write(f"{one_line(str(self._agent.llm.name))} listens. /help lists commands, Ctrl-D leaves.\n")
        while (line := self._read()) is not None:
            word = line.strip().lower()
            if word in ("exit", "quit", "/exit", "/quit"):
                break
            if line.startswith("/"):
                self._command(word)
            elif word:
                self._answer(line.strip())
        return int(self._failed and not self._at_terminal)

    def _answer(self, message: str) -> None:
        from headwater.cli.output import tell
        from headwater.cli.run import ask
        from headwater.cli.wording import for_the_command_line
        from headwater.errors import HeadwaterError, UsageError

        if self._shown:
            self._out.write("\n")
        try:
            ask(self._agent, message, self._out, self._printer, thread=self._thread)
        except KeyboardInterrupt:
            if not self._at_terminal:
                raise
        except UsageError:
            raise  # no further message would fare better
        except HeadwaterError as error:
            self._out.check()
            self._failed = True
            tell(for_the_command_line(str(error)))

    def _command(self, word: str) -> None:
        from headwater.cli.output import tell
        from headwater.runtime.thread import Thread

        if word == "/new":
            self._thread = Thread()
            tell("what was said is forgotten.")
        elif word == "/help":
            sys.stderr.write(HELP)
        else:
            tell(f"there is no command {word.split()[0]}; /help lists them, and a space before it makes it a message.")

    def _read(self) -> str | None:
        """The next line; None at the end."""
        if not self._at_terminal:
            return _line()
        if not self._shown:  # the answers go elsewhere, and the prompt must not go with them
            sys.stderr.write(PROMPT)
            sys.stderr.flush()
            return _line()
        self._out.write("\n")
        self._out.flush()
        self._out.check()
        try:
            return input(PROMPT)
        except (EOFError, KeyboardInterrupt) as left:
            self._out.write("\n")  # whatever comes next begins a line of its own
            if isinstance(left, KeyboardInterrupt):
                raise
            return None


def _line() -> str | None:
    line = sys.stdin.readline() if sys.stdin is not None else ""
    return line.removesuffix("\n") if line else None


def _edit_lines() -> None:
    """Arrows and the lines before, where Python has them; kept in memory only."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - importing it is what does it
