"""The command line: `headwater run`, `chat`, `runs`, `serve`, `gateway`, `models`, `doctor` and `demo`.

Owns the process: its arguments, standard streams and exit code. The library does the work, and must never depend on
this package. Each command is one file and imports heavy modules only when it runs, so that `--version` and `--help`
cost no more than Python itself.

    exit code 0     done
              1     the run failed, or `doctor` found a problem
              2     the command line is invalid; no request was sent
              3     the run waits for people and was parked: `headwater runs resume` continues it
              130   stopped by Ctrl-C
              141   the reader of the output closed it
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
INTERRUPTED: Final = 130  # the exit code that shells use for SIGINT
READER_LEFT: Final = 141  # the exit code that shells use for SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (None: the process's own) and returns its exit code; never raises for an invalid one."""
    _open_streams()
    try:
        code = _carry_out(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # another Ctrl-C while Python exits ends it silently
        code = INTERRUPTED
    return _flush() or code


def _carry_out(arguments: list[str]) -> int:
    from headwater.cli.parser import make_parser

    try:
        asked = make_parser().parse_args(arguments)
        return int(asked.execute(asked))
    except SystemExit as done:  # argparse exits after --help and after an error
        return done.code if isinstance(done.code, int) else MISUSED
    except BrokenPipeError:
        return READER_LEFT
    except Exception as error:
        from headwater.errors import HeadwaterError

        if not isinstance(error, HeadwaterError):
            raise
        return _tell(error, asked)


def _tell(error: HeadwaterError, asked: argparse.Namespace) -> int:
    """Prints the error in one line; with --debug, with a traceback."""
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
    """Makes the standard streams exist and accept every character."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process, or a program without a console
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the rest of the process
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace", newline=None)  # a line may end as on Windows, on any system
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")


def _flush() -> int:
    """Flushes the buffers. Returns READER_LEFT if the reader closed the pipe, else 0."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
        return READER_LEFT
    except OSError:
        _drop_stdout()  # already reported where it was written
    return 0


def _drop_stdout() -> None:
    """Discards unwritable output: otherwise Python reports an error when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
