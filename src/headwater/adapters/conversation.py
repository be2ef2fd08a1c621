"""A task's messages for another framework: who said what, as text, images and files.

Owns what can be passed on, and the error for what cannot. Reasoning and provider items stay behind: only the API that
made them reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from headwater.errors import ConfigurationError
from headwater.events.messages import File, Image, Message, Text, ToolCall, ToolResult

__all__ = ("PARTS", "Said", "Turn", "only_text", "turns")

Said: TypeAlias = Text | Image | File


class Turn(NamedTuple):
    """One message: who said it, and its content."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[Said, ...]

    @property
    def text(self) -> str:
        """Its text."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


PARTS: Final[tuple[type[Said], ...]] = (Text, Image, File)
"""What a message of a user may have."""


def turns(messages: Sequence[Message], framework: str, *, kinds: tuple[type[Said], ...] = PARTS) -> tuple[Turn, ...]:
    """Returns the messages for a framework that takes parts of these kinds. Raises ConfigurationError.

    An assistant's message is its text.
    """
    return tuple(turn for message in messages if (turn := _turn(message, framework, kinds)) is not None)


def _turn(message: Message, framework: str, kinds: tuple[type[Said], ...]) -> Turn | None:
    role, parts = message.role, message.content
    if role == "tool" or any(isinstance(part, (ToolCall, ToolResult)) for part in parts):
        raise ConfigurationError(
            f"{framework} cannot be given calls of tools that it did not make.",
            hint="Leave messages with tool calls and results out of the task.",
        )
    taken = (Text,) if role != "user" else kinds
    said = tuple(part for part in parts if isinstance(part, (Text, Image, File)))
    for part in said:
        if not isinstance(part, taken):
            raise ConfigurationError(
                f"{framework} cannot be given {_a(part)} in a message of the {role}.",
                hint="Pass it as text, or to an agent of headwater.",
            )
        if isinstance(part, File) and part.id is not None:
            raise ConfigurationError(
                f"{framework} cannot be given the file {part.id!r}, which is stored at a provider.",
                hint="Pass its bytes: File(data=…).",
            )
    return Turn(role, said) if said else None


def only_text(said: Iterable[Turn]) -> str:
    """Returns what the turns say, as one text."""
    return "\n\n".join(turn.text for turn in said if turn.text)


def _a(part: Said) -> str:
    return "an image" if isinstance(part, Image) else "a file" if isinstance(part, File) else "text"
