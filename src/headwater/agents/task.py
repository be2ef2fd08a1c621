"""The task of a run: a string, or a list of strings, images, files and messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from headwater.agents import validation
from headwater.errors import ConfigurationError
from headwater.events.messages import File, Image, Message, Text

if TYPE_CHECKING:
    pass

__all__ = (
    "Task",
    "as_messages",
)

Task: TypeAlias = str | Message | Text | Image | File | Sequence[str | Message | Text | Image | File]
"""The task of a run: a string, or a list of strings, images, files and messages."""


def as_messages(task: Task) -> tuple[Message, ...]:
    """A task as messages: adjacent strings, images and files become one user message.

    Raises ConfigurationError if it is an empty string, TypeError if it is of another kind.
    """
    if isinstance(task, str) and not task:
        raise ConfigurationError("The task is empty.", hint='Say what is to be done: agent.run("…").')
    if isinstance(task, (str, Message, Text, Image, File)):
        task = [task]
    if isinstance(task, bytes) or not isinstance(task, Sequence):  # type: ignore[unreachable]
        raise TypeError(
            f"A task is a string or a list of strings, images, files and messages, not {validation.kind_of(task)}."
        )
    messages: list[Message] = []
    parts: list[str | Text | Image | File] = []

    def close() -> None:
        if parts:
            messages.append(Message.user(*parts))
            parts.clear()

    for item in task:
        if isinstance(item, Message):
            close()
            messages.append(item)
        elif isinstance(item, str):
            parts.append(str.__str__(item))
        elif isinstance(item, (Text, Image, File)):
            parts.append(item)
        else:
            raise TypeError(
                f"A task holds strings, images, files and messages, not {validation.kind_of(item)}."
                + (' Write Message.user("…") instead.' if isinstance(item, dict) else "")
            )
    close()
    return tuple(messages)
