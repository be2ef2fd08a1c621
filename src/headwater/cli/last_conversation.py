"""The last conversation of this user, which `--continue` continues: its messages and its agent.

Owns the file. It contains the messages and the options that select the agent, never a key, because no option takes one.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from headwater.backends.state_folder import state_folder, state_path
from headwater.cli.output import is_terminal, tell
from headwater.cli.state import SWITCH, keeps
from headwater.errors import HeadwaterError, InvalidRecord, UsageError
from headwater.runtime.thread import Thread

__all__ = ("begin", "keep")

NAME: Final = "last.json"
MAX_BYTES: Final = 50_000_000
"""A larger conversation (with images) is not kept, because each answer would rewrite the whole file."""

_WHO: Final = ("agent", "base_url", "name")
"""The options that select the agent; if the command line has one of them, those of the file are not used."""

_HOW: Final = ("model", "instructions", "tool")


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="conversation"):
    """The file."""

    saved: float
    asked: dict[str, Any] = {}
    thread: dict[str, Any]


def begin(asked: argparse.Namespace, note: Callable[[str], object] = tell) -> Thread:
    """Returns a new conversation, or with `--continue` the last one.

    If `asked` does not select an agent, it gets the options of the last conversation. `note` is called with a message
    that says which conversation it is. Raises UsageError if there is none, and InvalidRecord if its file is broken.
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
        note(f"continuing after “{shown}”, {_ago(time.time() - record.saved)}.")
    return thread


def keep(thread: Thread, asked: argparse.Namespace) -> None:
    """Saves the conversation as the last one. An error is reported and not raised."""
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
            tell("the conversation is too large to save for --continue.")
            return
        write_private(state_path(NAME), data)
    except (OSError, HeadwaterError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        tell(f"the conversation is not saved for --continue: {why}. {SWITCH}=off turns saving off.")


def _read() -> tuple[_Record, Thread]:
    from headwater.events.codec import read_record

    try:
        path = state_folder() / NAME
        data = path.read_bytes()
    except FileNotFoundError:
        why = f"{SWITCH} is off." if not keeps() else 'Start one: headwater run "Explain tides".'
        raise UsageError("There is no conversation to continue.", hint=why) from None
    except OSError as error:
        raise UsageError(f"The last conversation cannot be read: {error.strerror}.") from None
    try:
        record = read_record(data, _Record, "conversation")
        return record, Thread.from_json(record.thread)
    except InvalidRecord as error:
        raise InvalidRecord(f"{path}: {error.message}", hint=error.hint or "Start a new conversation.") from None


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
