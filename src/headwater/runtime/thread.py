"""A conversation in memory or in a file, which successive runs continue."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import msgspec

from headwater.errors import InvalidRecord, ThreadBusy
from headwater.events.messages import Message

if TYPE_CHECKING:
    from headwater.events.codec import JSON

__all__ = ("Thread",)


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="thread"):
    """The JSON form of a thread."""

    messages: tuple[Message, ...]
    agent: str = ""


class Thread:
    """The messages of a conversation, which grow with each run; one run at a time.

    `agent` is the name of the agent that answered last, "" before that. After a handoff, the next run on the thread
    starts with the agent that took over; see `Agent`. Both may be read at any time and replaced between runs. `save`
    and `load` store the thread in a file, `to_json` and `from_json` anywhere. A copy, also a pickled one, is
    independent.
    """

    def __init__(self, messages: Iterable[Message] = (), *, agent: str = "") -> None:
        self.messages: tuple[Message, ...] = tuple(messages)
        self.agent: str = agent
        self._busy = False

    def __len__(self) -> int:
        return len(self.messages)

    def __repr__(self) -> str:
        return f"Thread({len(self.messages)} messages)"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_busy": False}  # a running run does not belong to the copy

    # --- storage

    def to_json(self) -> str:
        """Returns the conversation as JSON; `from_json` reads it. Raises InvalidRecord if a message has no JSON
        form."""
        return self._written().decode()

    @classmethod
    def from_json(cls, data: JSON) -> Self:
        """Reads the output of `to_json`. Raises InvalidRecord if it is not a thread, or of a newer version."""
        from headwater.events.codec import read_record

        record = read_record(data, _Record, "thread")
        return cls(record.messages, agent=record.agent)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the conversation to a file that only its owner can read; an existing file is replaced.

        The file is written completely or not at all. During a run, it has the conversation from before the run.

        Raises InvalidRecord like `to_json`, ConfigurationError for a device or a pipe, and OSError.
        """
        from headwater.backends.private_file import write_private

        write_private(path, self._written() + b"\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a file that `save` wrote. Raises InvalidRecord if the file is damaged or newer, and OSError."""
        try:
            with open(path, "rb") as file:
                return cls.from_json(file.read())
        except InvalidRecord as error:
            raise InvalidRecord(f"{os.fspath(path)}: {error.message}", hint=error.hint) from None

    def _written(self) -> bytes:
        from headwater.events.codec import write_record

        return write_record(_Record(messages=self.messages, agent=self.agent), "thread")

    # --- use by runs

    def take(self) -> tuple[Message, ...]:
        """Returns the messages so far for a new run. Raises ThreadBusy during another run."""
        if self._busy:
            raise ThreadBusy(
                "This thread is in use by a run.",
                hint="Wait for it to end, cancel it, or use a separate Thread for each conversation.",
            )
        self._busy = True
        return self.messages

    def give_back(self, messages: tuple[Message, ...], agent: str) -> None:
        """Stores the messages and the agent of an ended run."""
        self.messages = messages
        self.agent = agent
        self._busy = False
