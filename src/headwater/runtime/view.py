"""Views: functions that select the messages for a model, while the log keeps the whole conversation.

Owns the signature of these functions and the checks of their results. It must never change the log.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from headwater.errors import ConfigurationError, HistoryInvalid
from headwater.events.history import strays, unanswered
from headwater.events.messages import Message, Text, ToolResult

__all__ = ("View", "ViewInfo", "clip_tool_results", "seen_by")


class ViewInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Information for a view besides the messages."""

    agent: str
    model: str
    """The model that is called first."""
    step: int
    """Counts from 1."""
    context: Any = None
    """The run's context."""


View: TypeAlias = Callable[[tuple[Message, ...], ViewInfo], Any]
"""A function of the messages and a ViewInfo that returns the messages to send, or an awaitable of them."""


async def seen_by(view: View, messages: Sequence[Message], info: ViewInfo) -> tuple[Message, ...]:
    """Returns the view's messages for the conversation.

    Raises HistoryInvalid if they are not messages, or leave a call without its result.
    """
    said = view(tuple(messages), info)
    given: Any = await said if inspect.isawaitable(said) else said
    hint = "Return the messages to send, each call with its result."
    if isinstance(given, (str, Message)) or not isinstance(given, Sequence):
        raise HistoryInvalid(f"The view of {info.agent!r} returned {type(given).__name__}, not messages.", hint=hint)
    if strange := [type(one).__name__ for one in given if not isinstance(one, Message)]:
        raise HistoryInvalid(f"The view of {info.agent!r} returned {strange[0]} among messages.", hint=hint)
    seen = tuple(given)
    if ids := unanswered(seen, by=("agent", "client")):
        raise HistoryInvalid(
            f"The view of {info.agent!r} leaves calls without results: {', '.join(ids)}.", hint=hint, ids=ids
        )
    if ids := strays(seen):
        raise HistoryInvalid(
            f"The view of {info.agent!r} leaves results without calls: {', '.join(ids)}.", hint=hint, ids=ids
        )
    return seen


def clip_tool_results(chars: int, *, keep_last: int = 2) -> View:
    """Returns a view that truncates the text of tool results to `chars` characters each, except in the last messages.

    A note says how long the text was. A text that would not get shorter with it stays whole.

    `keep_last` is the number of messages at the end that are not truncated. The log keeps everything. Raises
    ConfigurationError.
    """
    for name, value in (("chars", chars), ("keep_last", keep_last)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ConfigurationError(f"{name} of clip_tool_results is {value!r}.", hint="Pass a whole number from 0.")

    def view(messages: tuple[Message, ...], info: ViewInfo) -> list[Message]:
        whole = len(messages) - keep_last
        return [_clip(one, chars) if at < whole and one.role == "tool" else one for at, one in enumerate(messages)]

    return view


def _clip(message: Message, chars: int) -> Message:
    content = tuple(_clip_result(part, chars) if isinstance(part, ToolResult) else part for part in message.content)
    return msgspec.structs.replace(message, content=content)


def _clip_result(result: ToolResult, chars: int) -> ToolResult:
    said = result.content
    if isinstance(said, str):
        return msgspec.structs.replace(result, content=_cut(said, chars))
    parts = tuple(msgspec.structs.replace(p, text=_cut(p.text, chars)) if isinstance(p, Text) else p for p in said)
    return msgspec.structs.replace(result, content=parts)


def _cut(text: str, chars: int) -> str:
    short = f"{text[:chars]}\n[Truncated: {len(text):,} characters in total.]"
    return short if len(short) < len(text) else text
