"""The capabilities of an output file: whether it is a terminal, its size and features; and writing to it.

Owns the environment variables for these. It must never decide what is written.
"""

from __future__ import annotations

import os
from typing import TextIO

__all__ = (
    "can_say",
    "drop_unsent",
    "is_screen",
    "knows_many_colors",
    "put",
    "size_of",
    "takes_escape_codes",
    "wants_color",
)


def is_screen(file: TextIO | None) -> bool:
    """Whether the file is a terminal."""
    try:
        return file is not None and file.isatty()
    except (AttributeError, ValueError):  # no method of that name, or closed
        return False


def takes_escape_codes() -> bool:
    """Whether the terminal supports escape codes."""
    if os.name == "nt":
        # The old Windows console prints escape codes unless they are enabled; the new one sets a variable.
        return "WT_SESSION" in os.environ or "TERM" in os.environ
    return os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def wants_color() -> bool:
    """Whether the user wants colors: see no-color.org."""
    return not os.environ.get("NO_COLOR")


def knows_many_colors() -> bool:
    """Whether the terminal has the 256 colors, as far as it says so; else it has sixteen."""
    term = os.environ.get("TERM", "")
    known = ("256color", "truecolor", "direct", "kitty", "alacritty", "ghostty", "wezterm", "foot")
    return bool(os.environ.get("COLORTERM") or "WT_SESSION" in os.environ) or any(name in term for name in known)


def size_of(file: TextIO) -> tuple[int, int]:
    """The terminal's columns and lines as of now; what COLUMNS and LINES say, or 80 and 24, where it does not tell."""
    try:
        columns, lines = os.get_terminal_size(file.fileno())
    except (AttributeError, OSError, ValueError):
        columns = lines = 0
    return columns or _int(os.environ.get("COLUMNS", "")) or 80, lines or _int(os.environ.get("LINES", "")) or 24


def can_say(characters: str, file: TextIO) -> bool:
    """Whether the file's encoding has all of these characters."""
    try:
        characters.encode(file.encoding or "ascii")
    except (AttributeError, LookupError, UnicodeEncodeError):
        return False
    return True


def put(file: TextIO, text: str) -> None:
    """Write text at once, with a replacement for what the file's encoding cannot say."""
    try:
        file.write(text)
    except UnicodeEncodeError:
        # The file refused it before it took any of it.
        encoding = file.encoding or "ascii"
        file.write(text.encode(encoding, "replace").decode(encoding))
    file.flush()


def drop_unsent(file: TextIO) -> None:
    """Discards the buffer after a broken pipe: otherwise Python reports an error when it exits.

    The descriptor itself stays broken, so that the program's own next print fails as it would have without us.
    """
    try:
        descriptor = file.fileno()
        kept, nowhere = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
    except (AttributeError, OSError, ValueError):
        return
    try:
        os.dup2(nowhere, descriptor)
        file.flush()
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(nowhere)


def _int(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
