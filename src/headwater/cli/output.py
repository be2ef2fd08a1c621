"""Where commands write: standard output, whose reader may leave at any time, and lines about the command itself.

Owns the process's output streams. It must never end a run by an error of its own: it remembers the error, has the run
cancelled, and raises it when asked.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
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
    "is_terminal",
    "leave_it_to_the_screen",
    "takes_color",
    "tell",
)


class OutputFailed(HeadwaterError):
    """Standard output takes no more, for another reason than that its reader has left."""


def tell(text: str) -> None:
    """Say something about the command on standard error: one line, whatever `text` holds."""
    from headwater.events.controls import one_line

    try:
        sys.stderr.write(f"headwater: {one_line(text)}\n")
        sys.stderr.flush()
    except OSError:
        pass  # there is nowhere left to say it


class Outlet:
    """Standard output, enough of a text file for a printer. After an error it takes everything and writes nothing.

    `on_problem` is called once, when nothing more can be written: nobody sees what a run would still say.
    """

    def __init__(self) -> None:
        self.on_problem: Callable[[], None] | None = None
        self._file = sys.stdout
        self._problem: Exception | None = None

    @property
    def encoding(self) -> str:
        """The file's encoding."""
        return self._file.encoding

    def isatty(self) -> bool:
        """Whether a person's terminal is behind it."""
        return self._file.isatty()

    def fileno(self) -> int:
        """The file's descriptor."""
        return self._file.fileno()

    def write(self, text: str) -> int:
        """Write text; no error comes out of here."""
        if self._problem is None:
            try:
                self._file.write(text)
            except OSError as error:
                self.give_up(error)
        return len(text)

    def flush(self) -> None:
        """Hand over what is buffered; no error comes out of here."""
        if self._problem is None:
            try:
                self._file.flush()
            except OSError as error:
                self.give_up(error)

    def write_line(self, line: bytes) -> None:
        """Write one line as it is, whatever the encoding of text is, and hand it over."""
        if self._problem is None:
            try:
                self._file.buffer.write(line + b"\n")
                self._file.buffer.flush()
            except OSError as error:
                self.give_up(error)

    def give_up(self, problem: Exception) -> None:
        """Write no more, and have the run cancelled."""
        self._problem = problem
        if self.on_problem is not None:
            self.on_problem()

    def check(self) -> None:
        """Raise what writing met: BrokenPipeError where the reader left, else OutputFailed."""
        problem = self._problem
        if isinstance(problem, OSError) and not isinstance(problem, BrokenPipeError):
            raise OutputFailed(
                f"Standard output takes no more: {problem.strerror or problem}.",
                hint="What had been said until then is written.",
            ) from problem
        if problem is not None:
            raise problem


class Watching:
    """What is told every event of a run, and `close`d after it."""

    whole = False
    """Whether it is the log, and may miss nothing."""

    def __call__(self, event: Event) -> None:
        """Take the next event."""

    def pause(self) -> None:
        """End the line that is open: something else is to be written, and more events come after it."""

    def close(self) -> None:
        """No more events will come."""

    def ended(self, response: Any) -> None:
        """The run has ended, and this is what it came to: a Response, or Results."""

    def failed(self, error: HeadwaterError) -> None:
        """The run was ended by this, which is told by whoever carries out the command."""


class Printer(Watching):
    """Shows runs as text, one after the other.

    What made one fail is left to whoever carries out the command: it is told on standard error, on terminals and pipes.
    `look` are the switches of the terminal's `Look`.
    """

    def __init__(self, name: str, out: Outlet, **look: bool) -> None:
        from headwater.terminal.line_printer import LinePrinter
        from headwater.terminal.look import Look

        if out.isatty():
            leave_it_to_the_screen()
        shown = Look(**{"header": False, "errors": False, **look})
        self._printer: LinePrinter = LinePrinter(name, file=cast(TextIO, out), look=shown)

    def __call__(self, event: Event) -> None:
        """Show the event."""
        self._printer(event)

    def pause(self) -> None:
        """End what is open."""
        self._printer.pause()

    def close(self) -> None:
        """End the line that is open."""
        self._printer.close()


class JSONLines(Watching):
    """Writes a run's log: one event a line, as `headwater.events.codec` has them."""

    whole = True

    def __init__(self, out: Outlet) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        """Write the event."""
        from headwater.events.codec import encode

        try:
            line = encode(event, stamps=True)
        except HeadwaterError as error:
            self._out.give_up(error)  # a log with a hole in it is none
            return
        self._out.write_line(line)


def leave_it_to_the_screen() -> None:
    """Have what a terminal shows of tools and attempts that failed not said once more as a line of a log.

    Who has set up logging gets those lines all the same.
    """
    for name in ("headwater.tools", "headwater.models"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person is at the other end."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def takes_color() -> bool:
    """Whether standard output shows colors and wants them."""
    dumb = os.environ.get("TERM", "dumb") in ("", "dumb", "unknown") and os.name != "nt"
    return is_terminal(sys.stdout) and not dumb and not os.environ.get("NO_COLOR")
