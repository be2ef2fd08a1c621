"""Reading a person's next message: with editing and history where prompt_toolkit is, plainly where it is not.

Owns standard input while a message is written. A message may have several lines: Alt-Enter begins another one, and so
does a \\ at the end of a line. What a message means is `chat`'s.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from headwater.cli.typed import Typed

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings

    from headwater.cli.output import Outlet

__all__ = ("Editor", "Lines", "Plain", "Reader", "reader_for")

ACCENT: Final = "36"
"""The colour of the prompt, as an SGR code: cyan, as the marks of an answer have it."""

SIGN: Final = "\u276f"
"""What the prompt is: a heavy angle."""

CONTINUED: Final = "  "
"""What stands before the further lines of a message."""


class Reader(Protocol):
    """Reads message after message."""

    def read(self) -> str | None:
        """The next message; None at the end. Raises KeyboardInterrupt, after which it may be called again."""


def reader_for(out: Outlet, *, at_terminal: bool, words: Sequence[str]) -> Reader:
    """What reads this process's messages; `words` are completed by Tab where they begin a message.

    `at_terminal`: whether standard input is a person's terminal.
    """
    from headwater.terminal.device import can_say, takes_escape_codes

    if not at_terminal:
        return Lines()
    if not out.isatty():  # the answers go elsewhere, and the prompt must not go with them
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
    """Messages as lines of standard input, which is no terminal, or whose answers go elsewhere."""

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
    """A terminal where prompt_toolkit is not installed: Python's own line editing, where it has one."""

    def __init__(self, sign: str) -> None:
        from headwater.terminal.device import takes_escape_codes, wants_color

        self._typed = Typed()
        self._remember: Callable[[str], None] | None = None
        before, after = (f"\x1b[{ACCENT}m", "\x1b[0m") if takes_escape_codes() and wants_color() else ("", "")
        with contextlib.suppress(ImportError):
            import readline

            readline.set_auto_history(False)
            self._remember = readline.add_history
            # What has no width stands between these, or the line would be thought to be longer than it is.
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
    """A terminal with prompt_toolkit. Raises ImportError where that is not installed."""

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
            complete_style=CompleteStyle.READLINE_LIKE,  # the others keep rows free below the prompt
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
                return ""  # it was for what had been typed
            raise
        self._typed.add(message)
        return message


def _keys() -> KeyBindings:
    """Enter sends, unless a \\ stands at the end; Alt-Enter begins another line."""
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
    """Lines read by `line`, told whether it is the first, up to one that does not end with \\; None where none came."""
    lines: list[str] = []
    while (said := line(not lines)) is not None:
        if not said.endswith("\\"):
            return "\n".join([*lines, said])
        lines.append(said[:-1])
    return "\n".join(lines) if lines else None
