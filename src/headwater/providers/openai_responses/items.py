"""The output items of one answer in progress: their content so far, and which of them a frame belongs to.

Owns finding items: by call id, index, id, content, or their order within a type. Servers number items and contents in
their own ways, report them more than once, and change ids in mid-stream; an item that is reported twice must be found
twice. It must never emit an event; `output` does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from headwater.events.pieces import Pieces
from headwater.providers.decoder import Call, Part
from headwater.providers.openai_responses.request import JSON, OWN_CALLS, without
from headwater.providers.openai_responses.vocabulary import PART_KINDS, SERVER_CALLS, Head

__all__ = (
    "MAX_TRIED",
    "Content",
    "Item",
    "Items",
    "agrees",
    "alike",
    "dicts",
    "is_server_call",
    "squashed",
    "string",
    "text_of",
    "texts_of",
)

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


MAX_TRIED: Final = 64
"""Maximum number of items to search if neither an index nor an id identifies a frame's item."""

_ARGUMENTS: Final = {"function_call": "arguments", "custom_tool_call": "input"}


class Content:
    """One content of an item, as streamed so far."""

    __slots__ = ("annotations", "kind", "part", "said")

    def __init__(self, kind: str) -> None:
        self.kind: str = kind
        self.said: Pieces = Pieces()
        self.part: Part | None = None
        self.annotations: list[JSON] = []

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.said)


class Item:
    """One output item, the target of its frames."""

    __slots__ = (
        "call",
        "call_id",
        "contents",
        "done",
        "fields",
        "id",
        "index",
        "matched",
        "sealed",
        "signed_id",
        "twin",
        "type",
    )

    def __init__(self, kind: str) -> None:
        self.type: str = kind
        self.id: str | None = None
        self.call_id: str = ""
        self.index: int | None = None
        self.fields: JSON = {}
        self.contents: dict[tuple[str, int], Content] = {}
        self.call: Call | None = None
        self.done: bool = False
        self.matched: bool = False
        self.sealed: bool = False
        """Whether a part of it has ended, so that its id cannot change any more."""
        self.signed_id: str | None = None
        self.twin: Item | None = None
        """An earlier call with the same call id. This one is not started before its end shows that it is a different
        call."""

    def content(self, kind: str, index: int) -> Content:
        """Returns the content of this type and index, creating it if needed."""
        content = self.contents.get((kind, index))
        if content is None:
            content = self.contents[kind, index] = Content(kind)
        return content

    def content_told(self, kind: str, index: int, full: str) -> Content:
        """Returns the content for a complete text: by index if the text agrees, else by its text so far."""
        found = self.contents.get((kind, index))
        if found is None or not agrees(full, found.text):
            for content in self.of_kind(kind):
                if content.said and agrees(full, content.text):
                    return content
        return found or self.content(kind, index)

    def of_kind(self, kind: str) -> list[Content]:
        """The contents of this type, in the order in which they started."""
        return [content for content in self.contents.values() if content.kind == kind]

    def text(self, kind: str) -> str:
        """The text so far of all contents of this type."""
        return "".join(content.text for content in self.of_kind(kind))

    def content_said(self, kind: str, full: str) -> str:
        """Returns the text so far of the content that this complete text may belong to; empty if none."""
        return next(
            (text for text in (content.text for content in self.of_kind(kind)) if text and agrees(full, text)), ""
        )

    @property
    def silent(self) -> bool:
        """Whether none of its content was streamed yet."""
        return not any(content.said for content in self.contents.values()) and not (self.call and self.call.args)

    def may_be(self, fields: JSON) -> bool:
        """Whether the fields of an item are compatible with this one."""
        if self.type != fields.get("type"):
            return False
        if self.type in OWN_CALLS:
            call_id = string(fields.get("call_id"))
            if self.call_id and call_id:
                return self.call_id == call_id
            return self.may_be_whole(fields)
        return all(agrees("".join(texts), self.text(kind)) for kind, texts in texts_of(fields).items())

    def may_be_whole(self, fields: JSON) -> bool:
        """Whether the fields of a call are compatible with what was streamed of this one, whatever their ids."""
        name, full = string(fields.get("name")), string(fields.get(_ARGUMENTS[self.type]))
        said = "".join(self.call.args) if self.call else ""
        return (not self.call or not name or self.call.name == name) and (not full or agrees(full, said))

    def repeats(self, fields: JSON) -> bool:
        """Whether the fields of an item repeat this one, which is done."""
        if self.type != fields.get("type"):
            return False
        if self.type in OWN_CALLS:
            key = _ARGUMENTS[self.type]
            ours, theirs = string(self.fields.get(key)), string(fields.get(key))
            return self.fields.get("name") == fields.get("name") and (not theirs or same_json(ours, theirs))
        return all(alike("".join(texts), self.text(kind)) for kind, texts in texts_of(fields).items())

    def signature(self, content: Content) -> str | None:
        """Returns the signature that a part of this item needs so that the item can be sent back; None if it needs
        none."""
        if self.type == "reasoning":
            return self.id
        fields = without(self.fields, "type", "role", "content", *(() if self.done else ("status",)))
        # Ids may change in mid-stream; the parts of one message must have the same.
        if not self.sealed:
            self.signed_id = self.id
        if self.signed_id:
            fields["id"] = self.signed_id
        if content.annotations:
            fields["content"] = {"annotations": content.annotations}
        return _encode_json(fields).decode() if fields else None


class Items:
    """The items of one answer, in the order in which they started."""

    __slots__ = ("_all", "_by_call", "_by_id", "_by_index", "_by_type", "_open", "_seen")

    def __init__(self) -> None:
        self._all: list[Item] = []
        self._by_index: dict[int, Item] = {}
        self._by_id: dict[str, Item] = {}
        self._by_call: dict[str, Item] = {}
        self._by_type: dict[str, list[Item]] = {}
        self._open: dict[str, deque[Item]] = {}
        self._seen: set[int] = set()
        """Hashes of the content of the finished items."""

    def add(self, fields: JSON, index: int | None) -> Item:
        """Adds an item, which can be found by its index and id if it has them."""
        item = Item(string(fields.get("type")))
        if item.type in OWN_CALLS:
            item.twin = self._by_call.get(string(fields.get("call_id")))
        self._all.append(item)
        self._by_type.setdefault(item.type, []).append(item)
        self._open.setdefault(item.type, deque()).append(item)
        self.update(item, fields, index)
        return item

    def update(self, item: Item, fields: JSON, index: int | None = None) -> None:
        """Sets the item's fields; new ids and indexes lead to it like the old ones."""
        item.fields = fields
        if index is not None:
            item.index = index
            self._by_index[index] = item
        if ident := string(fields.get("id")):
            item.id = ident
            self._by_id[ident] = item
        if item.type in OWN_CALLS and (call_id := string(fields.get("call_id"))):
            item.call_id = call_id
            self._by_call.setdefault(call_id, item)

    def finish(self, item: Item, fields: JSON, index: int | None = None) -> None:
        """Finishes the item with its complete fields."""
        item.done = True
        self.update(item, fields, index)
        self._seen.add(_hash(fields))

    def of_type(self, kind: str) -> Sequence[Item]:
        """The items of this type, in order."""
        return self._by_type.get(kind, ())

    def by_id(self, ident: Any) -> Item | None:
        """The item with this id."""
        return self._by_id.get(string(ident))

    # --- finding a frame's item

    def for_added(self, fields: JSON, index: int | None) -> Item | None:
        """Returns the item that starts if it was reported before; None if it is new."""
        kind = string(fields.get("type"))
        by_index = self._by_index.get(index) if index is not None else None
        if kind in OWN_CALLS and (item := self._by_call.get(string(fields.get("call_id")))) is not None:
            # One call id is one call. If another call may be using it, its end will show: see `twin`.
            same = item is by_index or (not item.done and (item.silent or index is None))
            return item if same else None
        item = self.by_id(fields.get("id"))
        if item is not None and item.type == kind and (not item.done or item is by_index):
            return item
        if by_index is not None:
            return by_index if by_index.type == kind and not by_index.done and by_index.silent else None
        last = self._last(kind)
        found = (
            index is None and not fields.get("id") and not fields.get("call_id") and last is not None and last.silent
        )
        return last if found else None

    def for_delta(self, kind: str, head: Head) -> Item | None:
        """Returns the item of a delta: by index, else by id, else the last open one of its type.

        None if no frame has started it. A call's deltas have no type; they are matched only by index or id.
        """
        for item in self._named(head.output_index, head.item_id):
            if (item.type == kind and not item.done) or not kind:
                return item
        last = self._last(kind)
        if last is None or head.output_index is None or last.index is None or head.output_index == last.index:
            return last
        if head.output_index in self._by_index and self._by_index[head.output_index].type != kind:
            return last  # the index belongs to another item: ignore it
        if last.silent:
            self._by_index[head.output_index] = last
            return last
        return None

    def for_content(self, kind: str, head: Head, content_kind: str, full: str) -> Item | None:
        """Returns the item of a complete content; None if no frame has started it."""
        named = [item for item in self._named(head.output_index, head.item_id) if item.type == kind]
        said = [item for item in named if agrees(full, item.content_said(content_kind, full))]
        if said or named:
            return (said or named)[0]
        for item in islice(reversed(self._by_type.get(kind, ())), MAX_TRIED):
            if item.content_said(content_kind, full):
                return item
        return self.for_delta(kind, head)

    def for_done(self, fields: JSON, index: int | None) -> Item | None:
        """Returns the open item that is done: by call id, by index or id, else the oldest compatible one of its
        type."""
        kind = string(fields.get("type"))
        by_call = self._by_call.get(string(fields.get("call_id"))) if kind in OWN_CALLS else None
        named = [item for item in self._named(index, fields.get("id")) if item.type == kind and not item.done]
        if by_call is not None and by_call.type == kind and not by_call.done:
            return next((item for item in named if item.twin is by_call), by_call)
        if kind in OWN_CALLS:
            named = [item for item in named if item.may_be(fields)]
        if named:
            return next((item for item in named if item.may_be(fields)), named[0])
        if self.told(fields, index):
            return None
        tried = [item for item in islice(self._open.get(kind, ()), MAX_TRIED) if not item.done]
        maybe = [item for item in tried if item.may_be(fields)]
        for item in sorted(maybe, key=lambda item: item.silent):  # first those whose deltas have the same text
            if index is None or item.index is None or not item.silent:
                return item
        return tried[0] if tried and index is None and kind not in OWN_CALLS else None

    def told(self, fields: JSON, index: int | None) -> bool:
        """Whether this repeats an item that is done."""
        kind = string(fields.get("type"))
        named = [item for item in self._named(index, fields.get("id")) if item.type == kind and item.done]
        by_call = self._by_call.get(string(fields.get("call_id"))) if kind in OWN_CALLS else None
        if by_call is not None and by_call.done and (by_call in named or by_call.repeats(fields)):
            return True
        if any(item.repeats(fields) for item in named):
            return True
        known = self.by_id(fields.get("id"))
        if known in named and kind not in OWN_CALLS and (index is None or self._by_index.get(index) is known):
            return True
        return (index is None or bool(named)) and by_call is None and _hash(fields) in self._seen

    def match(self, output: Sequence[JSON]) -> list[tuple[Item | None, JSON]]:
        """Pairs each item of the finished response with the streamed one.

        By call id, by id, by its whole text, else the next of its type: never by position, which servers count in more
        than one way. Call it only once: a matched item is not matched again.
        """
        found: list[Item | None] = [None] * len(output)
        spoken: dict[tuple[str, str], deque[Item]] = {}
        for one in self._all:
            if text := squashed("".join(content.text for content in one.contents.values())):
                spoken.setdefault((one.type, text), deque()).append(one)

        def by_call(fields: JSON) -> Item | None:
            return self._by_call.get(string(fields.get("call_id")))

        def by_id(fields: JSON) -> Item | None:
            return self.by_id(fields.get("id"))

        def by_text(fields: JSON) -> Item | None:
            text = squashed("".join("".join(texts) for texts in texts_of(fields).values()))
            return _next(spoken.get((string(fields.get("type")), text)))

        def by_order(fields: JSON) -> Item | None:
            return _next(rest.get(string(fields.get("type"))))

        # Those without content come last: they may be repetitions of others.
        rest = {
            kind: deque(sorted(items, key=lambda item: item.silent and not item.done))
            for kind, items in self._by_type.items()
        }
        for way in (by_call, by_id, by_text, by_order):
            for place, fields in enumerate(output):
                if found[place] is not None:
                    continue
                item = way(fields)
                if item is None or item.matched or item.type != fields.get("type"):
                    continue
                if item.type not in OWN_CALLS or item.may_be(fields):
                    item.matched = True
                    found[place] = item
        return list(zip(found, output, strict=True))

    def _named(self, index: int | None, ident: Any) -> list[Item]:
        found = [self._by_index.get(index) if index is not None else None, self.by_id(ident)]
        return [item for item in found if item is not None]

    def _last(self, kind: str) -> Item | None:
        items = self._open.get(kind)
        while items and items[-1].done:
            items.pop()
        while items and items[0].done:
            items.popleft()
        return items[-1] if items else None

    @property
    def refused(self) -> bool:
        """Whether any of them has a refusal."""
        return any(
            content.said for item in self._all for content in item.contents.values() if content.kind == "refusal"
        )


def agrees(full: str, said: str) -> bool:
    """Whether the text so far is the whole text or a prefix of it."""
    return full.startswith(said) or alike(full, said)


def alike(one: str, other: str) -> bool:
    """Whether two texts are equal except for whitespace, which servers strip when they repeat a text."""
    return one == other or squashed(one) == squashed(other)


def same_json(one: str, other: str) -> bool:
    """Whether two texts are equal as JSON, or as text."""
    if one == other:
        return True
    try:
        return bool(_decode_json(one) == _decode_json(other))
    except (msgspec.DecodeError, RecursionError):
        return False


def texts_of(fields: JSON) -> dict[str, list[str]]:
    """The complete texts of an item, by their content types."""
    found: dict[str, list[str]] = {}
    for part in (*dicts(fields.get("summary")), *dicts(fields.get("content"))):
        kind = string(part.get("type"))
        if kind in PART_KINDS:
            found.setdefault(kind, []).append(string(part.get("refusal" if kind == "refusal" else "text")))
    return found


def squashed(text: str) -> str:
    """The text without whitespace."""
    return "".join(text.split())


def _hash(fields: JSON) -> int:
    return hash(_encode_json(without(fields, "id", "status")))


def _next(items: deque[Item] | None) -> Item | None:
    """Returns the first one that was not matched yet."""
    while items and items[0].matched:
        items.popleft()
    return items[0] if items else None


def is_server_call(fields: JSON) -> bool:
    """Whether an item is a call that the provider runs."""
    kind = string(fields.get("type"))
    return kind in SERVER_CALLS or (kind == "tool_search_call" and fields.get("execution") == "server")


def text_of(fields: JSON) -> str:
    """The answer text in a message item; empty for any other item."""
    if fields.get("type") != "message":
        return ""
    parts = dicts(fields.get("content"))
    return "".join(string(part.get("text")) for part in parts if part.get("type") == "output_text")


def string(value: Any) -> str:
    """The value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def dicts(value: Any) -> list[JSON]:
    """The objects in the value if it is a list, else none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
