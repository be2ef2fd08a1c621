"""The command line: `headwater run`, `chat`, `runs`, `serve`, `gateway`, `models`, `doctor` and `demo`.

Owns what a process is: its arguments, its standard streams, its exit code. What is said and done comes from the
library; nothing here may be needed by a program that uses it. Commands stand in a file each and import what is heavy
when they are carried out, so that `--version` and `--help` cost no more than Python itself.

    exit code 0     done
              1     the run failed, or `doctor` found a fault
              2     the command cannot be carried out as it was given, nothing was asked of anyone
              3     the run waits for people, and was left as it stands: `headwater runs resume` goes on with it
              130   stopped by Ctrl-C
              141   whoever read the output had left
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse

    from headwater.errors import HeadwaterError

__all__ = ("main",)

DONE: Final = 0
FAILED: Final = 1
MISUSED: Final = 2
INTERRUPTED: Final = 130  # what shells make of SIGINT
READER_LEFT: Final = 141  # what shells make of SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line (None: the process's own) and give its exit code; nothing is raised for a mistake."""
    _open_streams()
    try:
        code = _carry_out(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # one more, while Python closes, ends it without a word
        code = INTERRUPTED
    return _flush() or code


def _carry_out(arguments: list[str]) -> int:
    from headwater.cli.parser import make_parser

    try:
        asked = make_parser().parse_args(arguments)
        return int(asked.execute(asked))
    except SystemExit as done:  # how argparse ends after --help and after a mistake
        return done.code if isinstance(done.code, int) else MISUSED
    except BrokenPipeError:
        return READER_LEFT
    except Exception as error:
        from headwater.errors import HeadwaterError

        if not isinstance(error, HeadwaterError):
            raise
        return _tell(error, asked)


def _tell(error: HeadwaterError, asked: argparse.Namespace) -> int:
    """Say what went wrong in one line; with --debug, where."""
    from headwater.cli.output import tell
    from headwater.cli.wording import for_the_command_line
    from headwater.errors import UsageError

    if asked.debug:
        import traceback

        from headwater.events.controls import harmless

        sys.stderr.write(harmless("".join(traceback.format_exception(error))))
    tell(for_the_command_line(str(error)))
    return MISUSED if isinstance(error, UsageError) else FAILED


def _open_streams() -> None:
    """Make the standard streams take every character, and be there at all."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us, or a program without a console
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the rest of the process
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace", newline=None)  # a line may end as on Windows, on any system
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")


def _flush() -> int:
    """Hand over what is still buffered; READER_LEFT where nobody takes it, else 0."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
        return READER_LEFT
    except OSError:
        _drop_stdout()  # told already by whoever wrote
    return 0


def _drop_stdout() -> None:
    """Let what cannot be written go nowhere: Python would complain of it when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
