"""A conversation kept in memory, or in a file: what run after run goes on from."""

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
    """A thread as JSON."""

    messages: tuple[Message, ...]
    agent: str = ""


class Thread:
    """Messages that grow by each run it is given to; one run at a time.

    `agent` is the name of who answered last, "" before that. Where an agent hands over, the next run on the thread
    starts with who took over; see `Agent`. Both may be read at any time and replaced between runs. `save` and `load`
    keep the thread in a file, `to_json` and `from_json` anywhere. A copy, also a pickled one, goes on by itself.
    """

    def __init__(self, messages: Iterable[Message] = (), *, agent: str = "") -> None:
        self.messages: tuple[Message, ...] = tuple(messages)
        self.agent = agent
        self._busy = False

    def __len__(self) -> int:
        return len(self.messages)

    def __repr__(self) -> str:
        return f"Thread({len(self.messages)} messages)"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_busy": False}  # the run that is going on is not the copy's

    # --- kept

    def to_json(self) -> str:
        """The conversation as JSON; `from_json` reads it. Raises InvalidRecord where a message has no JSON form."""
        return self._written().decode()

    @classmethod
    def from_json(cls, data: JSON) -> Self:
        """The thread that `to_json` wrote. Raises InvalidRecord where it is none, or one of a newer version."""
        from headwater.events.codec import read_record

        record = read_record(data, _Record, "thread")
        return cls(record.messages, agent=record.agent)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the conversation to a file that its owner alone can read, in the place of any that is there.

        The file is there whole or not at all. While a run goes on, it is what was said before that.
        Raises InvalidRecord as `to_json`, ConfigurationError for a device or a pipe, and OSError.
        """
        from headwater.backends.private_file import write_private

        write_private(path, self._written() + b"\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The thread that `save` wrote. Raises InvalidRecord where the file is broken or newer, and OSError."""
        try:
            with open(path, "rb") as file:
                return cls.from_json(file.read())
        except InvalidRecord as error:
            raise InvalidRecord(f"{os.fspath(path)}: {error.message}", hint=error.hint) from None

    def _written(self) -> bytes:
        from headwater.events.codec import write_record

        return write_record(_Record(messages=self.messages, agent=self.agent), "thread")

    # --- given to runs

    def take(self) -> tuple[Message, ...]:
        """The messages so far, for a run that begins. Raises ThreadBusy while another is going on."""
        if self._busy:
            raise ThreadBusy(
                "This thread has a run going on.",
                hint="Wait for it to end, cancel it, or give each conversation a Thread of its own.",
            )
        self._busy = True
        return self.messages

    def give_back(self, messages: tuple[Message, ...], agent: str) -> None:
        """The run has ended with these, and that agent answered."""
        self.messages = messages
        self.agent = agent
        self._busy = False
