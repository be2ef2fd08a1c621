"""The grammar of the command line: its commands, help and error messages.

Help must be the same in every version of Python, because docs/cli.md shows it; an error is one line. The file of each
command owns its arguments.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, Protocol

from headwater.cli import (
    attach,
    chat,
    completion,
    demo,
    doctor,
    gateway,
    journal,
    models,
    probe,
    run,
    runs,
    serve,
    worker,
    workers,
)
from headwater.version import __version__

__all__ = ("COMMANDS", "Command", "make_parser")

DESCRIPTION = "Streaming agents: one run is one ordered, truthful stream of events."

EXAMPLES = """\
examples:
  headwater demo                            see agents at work, without a key
  headwater run "Explain tides"             ask once
  headwater chat --model ollama/llama3.2    chat
  headwater serve harbour:pilot             an agent of yours behind HTTP
  headwater gateway models.toml             models behind OpenAI's APIs
  headwater doctor                          what is missing, and what to do

Models are named provider/model; `headwater models` lists the providers. Keys
are read from the providers' own variables (OPENAI_API_KEY, ...), and
HEADWATER_MODEL names the model where no option does. If no model is named
and no key is set, run and chat use the offline model, a built-in fake model
that says so.

exit codes:
  0    done
  1    the run failed; doctor found a problem
  2    the command line is invalid
  3    the run waits for people and can be resumed
  130  stopped by Ctrl-C
  141  the reader of the output exited before its end"""


class Command(Protocol):
    """The interface of a command's module."""

    SUMMARY: str
    """A short description in the list of commands."""
    USAGE: str
    """The usage line after `headwater`."""
    DESCRIPTION: str
    EXAMPLES: str

    @property
    def add_arguments(self) -> Callable[[argparse.ArgumentParser], None]:
        """Adds the command's arguments."""

    @property
    def execute(self) -> Callable[[argparse.Namespace], int]:
        """Runs the command and returns its exit code. Raises HeadwaterError, and OSError for failed output."""


_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)$")
"""argparse's words for one that is not in a list."""

COMMANDS: dict[str, Command] = {
    "run": run,
    "chat": chat,
    "runs": runs,
    "serve": serve,
    "attach": attach,
    "gateway": gateway,
    "worker": worker,
    "workers": workers,
    "journal": journal,
    "demo": demo,
    "models": models,
    "doctor": doctor,
    "probe": probe,
    "completion": completion,
}


class Parser(argparse.ArgumentParser):
    """An argument parser with one-line errors."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuses what it does not know here, in the command's own parser: only that knows the command's options."""
        asked, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = (word for word in unknown if word.startswith("--"))
            meant = _meant(next(options, ""), self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
        return asked, unknown

    def error(self, message: str) -> NoReturn:
        """Prints the error and a pointer to the help; exits with code 2."""
        self.exit(2, f"headwater: {_mended(message)} See {self.prog} --help.\n")


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Formats options as `-m, --model NAME`, as newer versions of Python do."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=80)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line; its result has `execute`, `debug`, and the command's `parser`."""
    parser = Parser(
        prog="headwater",
        usage="headwater COMMAND [...]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"headwater {__version__}")
    parser.set_defaults(execute=lambda asked: _no_command(parser), debug=False)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", parser_class=Parser)
    for name, command in COMMANDS.items():
        own = commands.add_parser(
            name,
            prog=f"headwater {name}",
            help=command.SUMMARY,
            usage=f"headwater {command.USAGE}",
            description=command.DESCRIPTION,
            epilog=command.EXAMPLES,
            formatter_class=Formatter,
            allow_abbrev=False,
        )
        command.add_arguments(own)
        own.add_argument("--debug", action="store_true", help="show where an error comes from")
        own.set_defaults(execute=command.execute, parser=parser)
    return parser


def _no_command(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 0


def _mended(message: str) -> str:
    """Rewrites an argparse error as a sentence, with a suggestion."""
    _, said, wrong = message.partition("invalid choice: ")
    if said and message.startswith("argument COMMAND"):
        word = wrong.split("'")[1] if wrong.count("'") > 1 else ""
        near = difflib.get_close_matches(word, COMMANDS, 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(COMMANDS)}."
        return f"There is no command {word!r}. {hint}"
    if found := _CHOICE.search(message):
        message += _meant(found[1], re.findall(r"[\w-]+", found[2]))
    return f"{message[:1].upper()}{message[1:]}{'' if message.endswith('?') else '.'}"


def _meant(word: str, known: Iterable[str]) -> str:
    """The end of a message that asks for the nearest of the known words; empty if none is near."""
    near = difflib.get_close_matches(word, known, 1, cutoff=0.7)
    return f". Did you mean {near[0]}?" if near else ""
