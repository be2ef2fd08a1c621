"""A conversation kept in memory: what run after run goes on from."""

from __future__ import annotations

from collections.abc import Iterable

from headwater.errors import ThreadBusy
from headwater.events.messages import Message

__all__ = ("Thread",)


class Thread:
    """Messages that grow by each run it is given to; one run at a time.

    `agent` is the name of who answered last, "" before that. Where an agent hands over, the next run on the thread
    starts with who took over; see `Agent`. Both may be read at any time and replaced between runs.
    """

    def __init__(self, messages: Iterable[Message] = (), *, agent: str = "") -> None:
        self.messages: tuple[Message, ...] = tuple(messages)
        self.agent = agent
        self._busy = False

    def __len__(self) -> int:
        return len(self.messages)

    def __repr__(self) -> str:
        return f"Thread({len(self.messages)} messages)"

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
