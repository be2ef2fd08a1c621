"""Parts of a model's message that the client's API has no field for, kept until the results of its calls come.

Providers expect them back with the results: signatures of reasoning, their own items. Owns them and their bound. A
message is found by the whole conversation that led to it, never by ids alone: several providers count their call ids
from 0 in each answer, and one token may serve many people. A client that edits a message, or has edited what came
before it, gets what it sent; every API accepts that, though some models do worse without their reasoning.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

import msgspec

from headwater.events.messages import AnyPart, Message, ProviderItem, Reasoning, Text, ToolCall, ToolResult

__all__ = ("MAX_KEPT", "Memory")

MAX_KEPT: Final = 2_000
"""Messages kept, the newest of all callers: some kilobytes each."""


class Memory:
    """Messages of models that called tools, by the caller and the conversation that ends in them."""

    def __init__(self, most: int = MAX_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str | None, bytes], Message] = OrderedDict()

    def keep(self, caller: str | None, conversation: Iterable[Message], message: Message) -> None:
        """Keep the answer to a conversation, as its client sent it, if there is more in it than text and calls."""
        if not message.tool_calls or not any(_more(part) for part in message.content):
            return
        *_, (_, digest) = _digests((*conversation, message))
        self._kept[caller, digest] = message
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def restored(self, caller: str | None, conversation: Iterable[Message]) -> tuple[Message, ...]:
        """The conversation, each message that is kept as the model wrote it."""
        return tuple(self._kept.get((caller, digest), message) for message, digest in _digests(conversation))


def _digests(conversation: Iterable[Message]) -> Iterator[tuple[Message, bytes]]:
    """Each message with a digest of all that a client sends of it and of those before it.

    Instructions are left out: programs write the time of day into them.
    """
    digest = blake2b(digest_size=16)
    for message in conversation:
        if message.role != "system":
            digest.update(msgspec.json.encode(_seen(message), order="sorted") + b"\n")
        yield message, digest.digest()


def _seen(message: Message) -> list[object]:
    calls = [[part.id, part.name, part.arguments] for part in message.content if isinstance(part, ToolCall)]
    results = [[part.id, part.content] for part in message.content if isinstance(part, ToolResult)]
    others = [
        part for part in message.content if not isinstance(part, (Text, ToolCall, ToolResult)) and not _more(part)
    ]
    text = "".join(part.text for part in message.content if isinstance(part, Text))
    return [message.role, text, calls, results, others]


def _more(part: AnyPart) -> bool:
    return part.signature is not None or isinstance(part, (Reasoning, ProviderItem))
