"""Checks that a history is valid: each tool call has its result right after it.

Owns that one rule. Nothing here repairs a history.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from headwater.errors import HistoryInvalid
from headwater.events.messages import Message, ToolResult

__all__ = ("refuse_unanswered", "strays", "unanswered")


def unanswered(messages: Iterable[Message], *, by: Container[str]) -> tuple[str, ...]:
    """Returns the ids of calls run by one of `by` that have no result in the tool messages right after them."""
    missing: list[str] = []
    waiting: dict[str, None] = {}
    for message in messages:
        if message.role == "tool":
            for part in message.content:
                if isinstance(part, ToolResult):
                    waiting.pop(part.id, None)
            continue
        missing += waiting
        waiting = {call.id: None for call in message.tool_calls if call.by in by} if message.role == "assistant" else {}
    return (*missing, *waiting)


def strays(messages: Iterable[Message]) -> tuple[str, ...]:
    """Returns the ids of results that are not in a tool message right after their calls."""
    found: list[str] = []
    called: set[str] = set()
    for message in messages:
        if message.role != "tool":
            called = {call.id for call in message.tool_calls}
            continue
        found += [part.id for part in message.content if isinstance(part, ToolResult) and part.id not in called]
    return tuple(found)


def refuse_unanswered(messages: Iterable[Message]) -> None:
    """Raises HistoryInvalid if a call that the client runs has no result."""
    if ids := unanswered(messages, by=("client",)):
        raise HistoryInvalid(
            f"The conversation so far has calls without results: {', '.join(ids)}.",
            hint="Start the next input with their results, in a message of the role tool.",
            ids=ids,
        )
