"""The output of commands: standard output, whose reader may close it at any time, and messages about the command.

Owns the process's output streams. An output error must never propagate into a run: it is stored, the run is cancelled,
and `check` raises it later.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO, cast

from headwater.errors import HeadwaterError

if TYPE_CHECKING:
    from headwater.events import Event
    from headwater.terminal.line_printer import LinePrinter

__all__ = (
    "JSONLines",
    "Outlet",
    "OutputFailed",
    "Printer",
    "Watching",
    "columns",
    "is_terminal",
    "leave_it_to_the_screen",
    "takes_color",
    "tell",
)


class OutputFailed(HeadwaterError):
    """Standard output is not writable, for another reason than a closed pipe."""


def tell(text: str) -> None:
    """Prints a message about the command on standard error, always on one line."""
    from headwater.events.controls import one_line

    try:
        sys.stderr.write(f"headwater: {one_line(text)}\n")
        sys.stderr.flush()
    except OSError:
        pass  # there is nowhere left to report it


class Outlet:
    """Standard output, with the part of the text file interface that printers use. After an error it discards writes.

    `on_problem` is called once, when writing is no longer possible, because further output of a run would be lost.
    """

    def __init__(self) -> None:
        self.on_problem: Callable[[], None] | None = None
        self.noted: bool = False
        """Whether a message stands on the terminal above what comes first."""
        self._file = sys.stdout
        self._problem: Exception | None = None

    def note(self, text: str) -> None:
        """Tells something before the first output; on a terminal an empty line separates the two."""
        tell(text)
        self.noted = self.noted or is_terminal(sys.stderr)

    @property
    def encoding(self) -> str:
        """The encoding of the file."""
        return self._file.encoding

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._file.isatty()

    def fileno(self) -> int:
        """The file descriptor."""
        return self._file.fileno()

    def write(self, text: str) -> int:
        """Writes text; never raises."""
        if self._problem is None:
            try:
                self._file.write(text)
            except OSError as error:
                self.give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flushes the buffer; never raises."""
        if self._problem is None:
            try:
                self._file.flush()
            except OSError as error:
                self.give_up(error)

    def write_line(self, line: bytes) -> None:
        """Writes one line of bytes, independent of the text encoding, and flushes."""
        if self._problem is None:
            try:
                self._file.buffer.write(line + b"\n")
                self._file.buffer.flush()
            except OSError as error:
                self.give_up(error)

    def give_up(self, problem: Exception) -> None:
        """Stops writing, and has the run cancelled."""
        self._problem = problem
        if self.on_problem is not None:
            self.on_problem()

    def check(self) -> None:
        """Raises the stored error: BrokenPipeError if the reader closed the pipe, else OutputFailed."""
        problem = self._problem
        if isinstance(problem, OSError) and not isinstance(problem, BrokenPipeError):
            raise OutputFailed(
                f"Standard output cannot be written: {problem.strerror or problem}.",
                hint="Everything before the error was written.",
            ) from problem
        if problem is not None:
            raise problem


class Watching:
    """Receives every event of a run, and is closed after it."""

    whole = False
    """Whether it writes the log, which must be complete."""

    def __call__(self, event: Event) -> None:
        """Handles the next event."""

    def pause(self) -> None:
        """Ends the open line, before other output between events."""

    def close(self) -> None:
        """Called after the last event."""

    def ended(self, response: Any) -> None:
        """Called with the result of the run: a Response, or Results."""

    def failed(self, error: HeadwaterError) -> None:
        """Called with the error that ended the run; the command reports it."""


class Printer(Watching):
    """Shows runs as text, one after another.

    The command reports why a run failed, on standard error, for terminals and pipes. `look` has the options of the
    terminal's `Look`.
    """

    def __init__(self, name: str, out: Outlet, **look: bool) -> None:
        from headwater.terminal.line_printer import LinePrinter
        from headwater.terminal.look import Look

        if out.isatty():
            leave_it_to_the_screen()
        shown = Look(**{"header": False, "errors": False, **look})
        self._printer: LinePrinter = LinePrinter(name, file=cast(TextIO, out), look=shown, parted=out.noted)

    def __call__(self, event: Event) -> None:
        """Shows the event."""
        self._printer(event)

    def pause(self) -> None:
        """Ends the output."""
        self._printer.pause()

    def close(self) -> None:
        """Ends the open line."""
        self._printer.close()


class JSONLines(Watching):
    """Writes a run's log: one event per line, in the format of `headwater.events.codec`."""

    whole = True

    def __init__(self, out: Outlet) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        """Writes the event."""
        from headwater.events.codec import encode

        try:
            line = encode(event, stamps=True)
        except HeadwaterError as error:
            self._out.give_up(error)  # a log must have no gaps
            return
        self._out.write_line(line)


def columns(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yields each row as a line, its cells below those of the rows above."""
    from headwater.events.controls import one_line

    shown = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def leave_it_to_the_screen() -> None:
    """Suppresses log lines about failed tools and attempts, which the terminal already shows.

    If logging is configured, these lines are still logged.
    """
    for name in ("headwater.tools", "headwater.models"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def is_terminal(stream: TextIO | None) -> bool:
    """Whether the stream is a terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def takes_color() -> bool:
    """Whether to use colors on standard output."""
    dumb = os.environ.get("TERM", "dumb") in ("", "dumb", "unknown") and os.name != "nt"
    return is_terminal(sys.stdout) and not dumb and not os.environ.get("NO_COLOR")
