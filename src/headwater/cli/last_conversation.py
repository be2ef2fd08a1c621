"""The last conversation of this user, which `--continue` goes on with: what was said, and to whom.

Owns the file. It holds what was said and the options that say who answers; never a key, which no option takes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from headwater.cli.output import is_terminal, tell
from headwater.cli.state import SWITCH, keeps, state_folder, state_path
from headwater.errors import HeadwaterError, InvalidRecord, UsageError
from headwater.runtime.thread import Thread

__all__ = ("begin", "keep")

NAME: Final = "last.json"
MAX_BYTES: Final = 50_000_000
"""A larger conversation (with images) is not kept, because each answer would rewrite the whole file."""

_WHO: Final = ("agent", "base_url", "name")
"""What says who answers; where the line says any of it, nothing of the last conversation's counts."""

_HOW: Final = ("model", "instructions", "tool")


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="conversation"):
    """The file."""

    saved: float
    asked: dict[str, Any] = {}
    thread: dict[str, Any]


def begin(asked: argparse.Namespace, note: Callable[[str], object] = tell) -> Thread:
    """A new conversation; with `--continue` the last one, and `asked` holds who was asked in it where it says nothing.

    `note` is called with a message that says which one it is. Raises UsageError where there is none, and InvalidRecord
    where its file is broken.
    """
    if not asked.go_on:
        return Thread()
    record, thread = _read()
    said = any(getattr(asked, name) is not None for name in _WHO)
    for name in () if said else (*_WHO, *_HOW):
        if not getattr(asked, name):
            setattr(asked, name, record.asked.get(name, getattr(asked, name)))
    if is_terminal(sys.stderr):
        first = " ".join(next((one.text for one in thread.messages if one.role == "user"), "").split())
        shown = first if len(first) <= 40 else f"{first[:39]}…"
        note(f"going on after “{shown}”, {_ago(time.time() - record.saved)}.")
    return thread


def keep(thread: Thread, asked: argparse.Namespace) -> None:
    """Keep the conversation as the last one. What stands in the way is told, and ends nothing."""
    from headwater.backends.private_file import write_private
    from headwater.events.codec import write_record
    from headwater.providers.registry import MODEL_VARIABLE

    if not thread.messages or not keeps():
        return
    named = {name: value for name in (*_WHO, *_HOW) if (value := getattr(asked, name))}
    if any(sign in named.get("base_url", "") for sign in "@?"):
        del named["base_url"]  # it may hold a password or a key
    if asked.agent is None and not asked.model and (model := os.environ.get(MODEL_VARIABLE)):
        named["model"] = model
    try:
        thread_json = msgspec.json.decode(thread.to_json(), type=dict)
        data = write_record(_Record(saved=time.time(), asked=named, thread=thread_json), "conversation") + b"\n"
        if len(data) > MAX_BYTES:
            tell("the conversation is too large to be kept for --continue.")
            return
        write_private(state_path(NAME), data)
    except (OSError, HeadwaterError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        tell(f"the conversation is not kept for --continue: {why}. {SWITCH}=off keeps none.")


def _read() -> tuple[_Record, Thread]:
    from headwater.events.codec import read_record

    try:
        path = state_folder() / NAME
        data = path.read_bytes()
    except FileNotFoundError:
        why = f"{SWITCH} is off." if not keeps() else 'Have one first: headwater run "Explain tides".'
        raise UsageError("There is no conversation to go on from.", hint=why) from None
    except OSError as error:
        raise UsageError(f"The last conversation cannot be read: {error.strerror}.") from None
    try:
        record = read_record(data, _Record, "conversation")
        return record, Thread.from_json(record.thread)
    except InvalidRecord as error:
        raise InvalidRecord(f"{path}: {error.message}", hint=error.hint or "Begin a new conversation.") from None


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
