"""What a model is sent in place of the whole conversation: a function of the messages, which the log keeps all of.

Owns the shape of that function and what it must return. It must never change what the log holds.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from headwater.errors import HistoryInvalid
from headwater.events.history import strays, unanswered
from headwater.events.messages import Message, Text, ToolResult

__all__ = ("View", "ViewInfo", "clip_tool_results", "seen_by")


class ViewInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a view may go by beside the messages."""

    agent: str
    model: str
    """The model that is asked first."""
    step: int
    """Counts from 1."""
    context: Any = None
    """The run's context."""


View: TypeAlias = Callable[[tuple[Message, ...], ViewInfo], Any]
"""A function of the messages and a ViewInfo that returns the messages to send, or an awaitable of them."""


async def seen_by(view: View, messages: Sequence[Message], info: ViewInfo) -> tuple[Message, ...]:
    """The messages that the view makes of the conversation.

    Raises HistoryInvalid where they are none, or leave a call without its result.
    """
    said = view(tuple(messages), info)
    given: Any = await said if inspect.isawaitable(said) else said
    hint = "Return the messages to send, each call with its result."
    if isinstance(given, (str, Message)) or not isinstance(given, Sequence):
        raise HistoryInvalid(f"The view of {info.agent!r} returned {type(given).__name__}, not messages.", hint=hint)
    if strange := next((one for one in given if not isinstance(one, Message)), None):
        raise HistoryInvalid(f"The view of {info.agent!r} returned {type(strange).__name__} among messages.", hint=hint)
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
    """A view that shortens the text of tool results to `chars` characters each, but for those of the last messages.

    `keep_last` is how many messages from the end are left whole. The log keeps all of it.
    """

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
    return text if len(text) <= chars else f"{text[:chars]}\n[The rest of {len(text):,} characters is left out here.]"
