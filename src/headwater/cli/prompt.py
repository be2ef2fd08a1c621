"""Reads the user's next message: with editing and history if prompt_toolkit is installed, else plainly.

Owns standard input while a message is typed. A message may have several lines: Alt-Enter starts another one, and so
does a \\ at the end of a line. `chat` owns the meaning of a message.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from headwater.cli.message_history import Typed

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings

    from headwater.cli.output import Outlet

__all__ = ("Editor", "Lines", "Plain", "Reader", "reader_for")

ACCENT: Final = "36"
"""The color of the prompt as an SGR code: cyan, like the marks of an answer."""

SIGN: Final = "\u276f"
"""The prompt: a heavy angle."""

CONTINUED: Final = "  "
"""The prompt of the further lines of a message."""


class Reader(Protocol):
    """Reads messages, one at a time."""

    def read(self) -> str | None:
        """Returns the next message; None at the end. May be called again after it raised KeyboardInterrupt."""


def reader_for(out: Outlet, *, at_terminal: bool, words: Sequence[str]) -> Reader:
    """Returns the reader of this process's messages; Tab completes `words` at the start of a message.

    `at_terminal`: whether standard input is a terminal.
    """
    from headwater.terminal.device import can_say, takes_escape_codes

    if not at_terminal:
        return Lines()
    if not out.isatty():  # the output is redirected, and must not contain the prompt
        return Lines(lambda prompt: _show(prompt))
    sign = f"{SIGN} " if can_say(SIGN, sys.stdout) else "> "
    if takes_escape_codes():
        with contextlib.suppress(ImportError):
            return Editor(sign, words)
    return Plain(sign)


def _show(prompt: str) -> None:
    sys.stderr.write(prompt)
    sys.stderr.flush()


class Lines:
    """Messages as lines of standard input, if input or output is not a terminal."""

    def __init__(self, show: Callable[[str], None] = lambda prompt: None) -> None:
        self._show = show

    def read(self) -> str | None:
        """See `Reader`."""
        self._show("> ")
        return joined(self._line)

    def _line(self, first: bool) -> str | None:
        if not first:
            self._show(CONTINUED)
        line = sys.stdin.readline() if sys.stdin is not None else ""
        return line.removesuffix("\n") if line else None


class Plain:
    """A terminal without prompt_toolkit: uses Python's own line editing, if available."""

    def __init__(self, sign: str) -> None:
        from headwater.terminal.device import takes_escape_codes, wants_color

        self._typed = Typed()
        self._remember: Callable[[str], None] | None = None
        before, after = (f"\x1b[{ACCENT}m", "\x1b[0m") if takes_escape_codes() and wants_color() else ("", "")
        with contextlib.suppress(ImportError):
            import readline

            readline.set_auto_history(False)
            self._remember = readline.add_history
            # These enclose text without width; otherwise readline overestimates the width of the line.
            before, after = (f"\x01{code}\x02" if code else "" for code in (before, after))
            for entry in self._typed.entries:
                readline.add_history(entry)
        self._prompt = f"{before}{sign}{after}"

    def read(self) -> str | None:
        """See `Reader`."""
        message = joined(self._line)
        if message is not None and self._typed.add(message) and self._remember is not None:
            self._remember(message)
        return message

    def _line(self, first: bool) -> str | None:
        try:
            return input(self._prompt if first else CONTINUED)
        except EOFError:
            sys.stdout.write("\n")
            return None
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            raise


class Editor:
    """A terminal with prompt_toolkit. Raises ImportError if it is not installed."""

    def __init__(self, sign: str, words: Sequence[str]) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.formatted_text import ANSI
        from prompt_toolkit.history import InMemoryHistory
        from prompt_toolkit.shortcuts import CompleteStyle

        from headwater.terminal.device import wants_color

        self._typed = Typed()
        self._sign = ANSI(f"\x1b[{ACCENT}m{sign}\x1b[0m" if wants_color() else sign)
        self._session: PromptSession[str] = PromptSession(
            history=InMemoryHistory(self._typed.entries),
            multiline=True,
            prompt_continuation=CONTINUED,
            key_bindings=_keys(),
            completer=WordCompleter(list(words), sentence=True),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,  # the other styles reserve rows below the prompt
            enable_open_in_editor=True,
            enable_suspend=True,
        )

    def read(self) -> str | None:
        """See `Reader`."""
        try:
            message = self._session.prompt(self._sign)
        except EOFError:
            return None
        except KeyboardInterrupt:
            if self._session.default_buffer.text:
                return ""  # the Ctrl-C discarded the typed text
            raise
        self._typed.add(message)
        return message


def _keys() -> KeyBindings:
    """Enter sends, unless the line ends with a \\; Alt-Enter starts another line."""
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    keys = KeyBindings()

    @keys.add("enter")
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.is_cursor_at_the_end and buffer.text.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def another_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def joined(line: Callable[[bool], str | None]) -> str | None:
    """Joins the lines of `line` up to one without a final \\; None without input."""
    lines: list[str] = []
    while (said := line(not lines)) is not None:
        if not said.endswith("\\"):
            return "\n".join([*lines, said])
        lines.append(said[:-1])
    return "\n".join(lines) if lines else None
