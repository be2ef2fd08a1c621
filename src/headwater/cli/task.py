"""The task of a command: its arguments, standard input, and attached files.

Owns the bounded reading of standard input and of attached files.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from headwater.errors import UsageError

if TYPE_CHECKING:
    from headwater.agents.task import Task
    from headwater.events.messages import File, Image

__all__ = ("add_task_arguments", "task_of")

MAX_BYTES: Final = 100_000_000
"""Maximum size of standard input or of an attached file: more than any provider accepts in a request."""

PATIENCE: Final = 3.0
"""Seconds without input on standard input before a notice is printed."""

_STDIN: Final = "-"


def add_task_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `task_of` reads."""
    parser.add_argument("task", nargs="*", metavar="TASK", help="the task; - reads standard input")
    _add_attached(parser, "image", "an image to attach: a file, a URL, or -; may be repeated")
    _add_attached(parser, "file", "a document to attach: a file, a URL, or -; may be repeated")


def _add_attached(parser: argparse.ArgumentParser, kind: str, told: str) -> None:
    def attached(name: str) -> tuple[str, str]:
        return kind, name

    parser.add_argument(
        f"--{kind}", action="append", default=[], dest="attached", type=attached, metavar="FILE", help=told
    )


def task_of(asked: argparse.Namespace) -> Task:
    """Joins the words, standard input (after them, or in place of a "-"), and the attachments.

    Raises UsageError if the result is empty, or a part of it cannot be read.
    """
    words: list[str] = asked.task
    attached: list[tuple[str, str]] = asked.attached
    spent = sum(name == _STDIN for _, name in attached) + words.count(_STDIN)
    if spent > 1:
        raise UsageError("Standard input can be read once.", hint="Use - only once.")
    if spent == 0 and not _is_terminal():
        words = [*words, _STDIN]
    text = _text(words)
    parts = [_read(kind, name) for kind, name in attached]
    if not text and not parts:
        if not words:
            raise UsageError("There is no task.", hint='Write it: headwater run "Explain tides", or pipe it in.')
        raise UsageError("The task is empty.", hint='Write it: headwater run "Explain tides".')
    return [text, *parts] if text and parts else parts or text


def _text(words: list[str]) -> str:
    paragraphs: list[str] = []
    row: list[str] = []
    for word in words:
        if word == _STDIN:
            paragraphs += [" ".join(row), _standard_input(waited_for=bool(row))]
            row = []
        else:
            row.append(word)
    return "\n\n".join(part for part in (*paragraphs, " ".join(row)) if part.strip())


def _is_terminal() -> bool:
    from headwater.cli.output import is_terminal

    return is_terminal(sys.stdin)


# --- standard input


def _standard_input(*, waited_for: bool) -> str:
    """Returns standard input as text, without surrounding blank lines. Raises UsageError."""
    if sys.stdin is None:
        return ""
    if waited_for:
        _say_what_is_waited_for()
    try:
        text = sys.stdin.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"Standard input cannot be read: {error.strerror or error}.") from None
    if len(text) > MAX_BYTES:
        raise _too_large("Standard input")
    if "\0" in text:
        raise UsageError("Standard input is not text.", hint="Attach it: --image - or --file -.")
    return text.strip()


def _say_what_is_waited_for() -> None:
    """Prints a notice if no input arrives: a program that keeps standard input open blocks the command."""
    from headwater.cli.output import tell

    try:
        ready, _, _ = select.select([sys.stdin], [], [], PATIENCE)
    except (OSError, ValueError):  # not a file that supports select
        return
    if not ready:
        tell("waiting for standard input to end; write < /dev/null if there is nothing to read.")


def _standard_bytes() -> bytes:
    buffer: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    return b"" if buffer is None else buffer.read(MAX_BYTES + 1)


# --- attachments


def _read(kind: str, name: str) -> Image | File:
    """Returns the image or document. Raises UsageError if it cannot be read or has the wrong type."""
    import mimetypes

    from headwater.events.messages import File, Image

    option = f"--{kind}"
    if name.startswith(("https://", "http://")):
        path = name.partition("?")[0]
        told = mimetypes.guess_type(path)[0] or ""
        return Image(url=name) if kind == "image" else File(url=name, name=path.rpartition("/")[2], media_type=told)
    data = _bytes(option, name)
    if kind == "image":
        media_type = _media_type(data, name)
        if not media_type.startswith("image/"):
            raise UsageError(f"{option} {name} is not an image, but {media_type}.", hint=f"Attach it: --file {name}.")
        return Image(data=data, media_type=media_type)
    called = "" if name == _STDIN else Path(name).name
    return File(data=data, name=called, media_type=_media_type(data, name))


def _bytes(option: str, name: str) -> bytes:
    if name == _STDIN:
        if _is_terminal():
            raise UsageError(f"{option} - reads standard input, which is a terminal.", hint="Pipe the file in.")
        data = _standard_bytes()
    else:
        try:
            with open(os.path.expanduser(name), "rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise UsageError(f"{option} {name} cannot be read: {error.strerror}.") from None
    if len(data) > MAX_BYTES:
        raise _too_large(f"{option} {name}")
    if not data:
        raise UsageError(f"{option} {name} is empty.")
    return data


def _media_type(data: bytes, name: str) -> str:
    """Detects the media type from the content, else from the name unless the content is text."""
    import mimetypes

    from headwater.events.messages import sniff_media_type

    if found := sniff_media_type(data, ""):
        return found
    try:
        if "\0" not in data.decode():
            return "text/plain"  # also for source code: every provider accepts it
    except UnicodeDecodeError:
        pass
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _too_large(what: str) -> UsageError:
    return UsageError(f"{what} is larger than {MAX_BYTES // 1_000_000} MB.", hint="No model accepts that much at once.")
