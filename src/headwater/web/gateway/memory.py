"""What a model said with a call and the client's API has no place for, kept until the call's result comes.

Providers want it back with the result: the signature of what was thought, their own items. Owns that and its bound;
what is forgotten is as if the client had never had it, which every API takes, though some think less well then.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from headwater.events.messages import AnyPart, Message, ProviderItem, Reasoning

__all__ = ("MAX_KEPT", "Memory")

MAX_KEPT: Final = 2_000
"""Messages that are kept, the newest of all callers: some kilobytes each."""


class Memory:
    """Messages of models by the calls in them, each for the caller who asked."""

    def __init__(self, most: int = MAX_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str | None, str], Message] = OrderedDict()
        """By the caller and the id of the first call."""

    def keep(self, caller: str | None, message: Message) -> None:
        """Keep a message, where there is more in it than its text and its calls."""
        calls = message.tool_calls
        if not calls or not any(_more(part) for part in message.content):
            return
        self._kept[caller, calls[0].id] = message
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def restored(self, caller: str | None, messages: Iterable[Message]) -> tuple[Message, ...]:
        """The messages, each that is kept as it was said."""
        return tuple(self._found(caller, message) for message in messages)

    def _found(self, caller: str | None, message: Message) -> Message:
        calls = message.tool_calls
        kept = self._kept.get((caller, calls[0].id)) if calls else None
        same = kept is not None and [call.id for call in kept.tool_calls] == [call.id for call in calls]
        return kept if kept is not None and same else message


def _more(part: AnyPart) -> bool:
    return part.signature is not None or isinstance(part, (Reasoning, ProviderItem))
