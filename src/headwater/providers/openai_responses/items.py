"""The output items of one answer as they grow: what was said of each, and which of them a frame is about.

Owns the finding of items: by index, by id, or by being the last or the oldest open one of a type. It must never emit
an event; that is `output`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.events.pieces import Pieces
from headwater.providers.decoder import Call, Part
from headwater.providers.openai_responses.request import JSON, without
from headwater.providers.openai_responses.vocabulary import SERVER_CALLS, Head

__all__ = ("Content", "Item", "Items", "dicts", "is_server_call", "string", "text_of")

_encode_json = msgspec.json.Encoder().encode


class Content:
    """One content of an item: what was said of it."""

    __slots__ = ("annotations", "kind", "part", "said")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.said = Pieces()
        self.part: Part | None = None
        self.annotations: list[JSON] = []

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self.said)


class Item:
    """One output item: where the frames that belong to it go."""

    __slots__ = ("call", "contents", "done", "fields", "id", "matched", "sealed", "signed_id", "type")

    def __init__(self, kind: str) -> None:
        self.type = kind
        self.id: str | None = None
        self.fields: JSON = {}
        self.contents: dict[tuple[str, int], Content] = {}
        self.call: Call | None = None
        self.done = False
        self.matched = False
        self.sealed = False
        """Whether a part of it has ended, and with it an id that cannot be changed any more."""
        self.signed_id: str | None = None

    def content(self, kind: str, index: int) -> Content:
        """The content of this type and index, made where there is none."""
        content = self.contents.get((kind, index))
        if content is None:
            content = self.contents[kind, index] = Content(kind)
        return content

    def signature(self, content: Content) -> str | None:
        """What a part of this item must carry so that the item can be sent back; None where it needs nothing."""
        if self.type == "reasoning":
            return self.id
        fields = without(self.fields, "type", "role", "content", *(() if self.done else ("status",)))
        # Ids may change in mid-stream; the parts of one message must agree on theirs.
        if not self.sealed:
            self.signed_id = self.id
        if self.signed_id:
            fields["id"] = self.signed_id
        if content.annotations:
            fields["content"] = {"annotations": content.annotations}
        return _encode_json(fields).decode() if fields else None


class Items:
    """The items of one answer, in the order in which they began."""

    __slots__ = ("_all", "_by_id", "_by_index")

    def __init__(self) -> None:
        self._all: list[Item] = []
        self._by_index: dict[int, Item] = {}
        self._by_id: dict[str, Item] = {}

    def add(self, fields: JSON, index: int | None) -> Item:
        """A new item, known from now on by its index and id where it has them."""
        item = Item(string(fields.get("type")))
        self._all.append(item)
        if index is not None:
            self._by_index[index] = item
        self.update(item, fields)
        return item

    def update(self, item: Item, fields: JSON) -> None:
        """Set the item's fields; its id may be a new one."""
        item.fields = fields
        if ident := string(fields.get("id")):
            item.id = ident
            self._by_id[ident] = item

    def by_id(self, ident: Any) -> Item | None:
        """The item with this id."""
        return self._by_id.get(string(ident))

    def for_delta(self, kind: str, head: Head) -> Item | None:
        """The item that a delta goes to; by index, else by id, else the last open one of its type."""
        if head.output_index is not None:
            item = self._by_index.get(head.output_index)
            if item is not None and (item.type == kind or not kind):
                return item
        if head.item_id is not None:
            item = self._by_id.get(head.item_id)
            if item is not None and (item.type == kind or not kind):
                return item
        return next((item for item in reversed(self._all) if item.type == kind and not item.done), None)

    def for_done(self, fields: JSON, index: int | None) -> Item | None:
        """The item that is done: the one begun under this index or id, else the oldest open one of its type."""
        kind = string(fields.get("type"))
        found = [self.by_id(fields.get("id"))]
        if index is not None:
            found.insert(0, self._by_index.get(index))
        for item in found:
            if item is not None and item.type == kind and not item.done:
                return item
        if index is None:
            return next((item for item in self._all if item.type == kind and not item.done), None)
        return None

    def match(self, output: Sequence[JSON]) -> list[tuple[Item | None, JSON]]:
        """Each item of the finished response with the one that was streamed: by id, by place, or the next of its type.

        To be called once: an item that was matched is not matched again.
        """
        found: list[Item | None] = [_take(fields, self.by_id(fields.get("id"))) for fields in output]
        for index, fields in enumerate(output):
            if found[index] is None:
                found[index] = _take(fields, self._by_index.get(index), *self._all)
        return list(zip(found, output, strict=True))

    @property
    def refused(self) -> bool:
        """Whether any of them holds a refusal."""
        return any(
            content.said for item in self._all for content in item.contents.values() if content.kind == "refusal"
        )


def _take(fields: JSON, *candidates: Item | None) -> Item | None:
    for item in candidates:
        if item is not None and item.type == fields.get("type") and not item.matched:
            item.matched = True
            return item
    return None


def is_server_call(fields: JSON) -> bool:
    """Whether an item is a call that the provider runs."""
    kind = string(fields.get("type"))
    return kind in SERVER_CALLS or (kind == "tool_search_call" and fields.get("execution") == "server")


def text_of(fields: JSON) -> str:
    """The answer text in a message item; nothing for any other item."""
    if fields.get("type") != "message":
        return ""
    parts = dicts(fields.get("content"))
    return "".join(string(part.get("text")) for part in parts if part.get("type") == "output_text")


def string(value: Any) -> str:
    """The value where it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def dicts(value: Any) -> list[JSON]:
    """The objects in the value where it is a list, else none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
