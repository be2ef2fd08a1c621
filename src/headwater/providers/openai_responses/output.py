"""Converts the output items of an answer to events: contents, calls, images, and items kept whole.

Owns the rule that everything is emitted once, however often a server repeats it: `done` and `completed` only complete
what the deltas had. It must not know frames; `response` reads those.

How an answer is stored, so that `encode` can write it back item for item:

* a message item: one Text per content part; its `signature` is JSON with the item's other fields and the annotations;
* a reasoning item: the readable parts as Reasoning, whose `signature` is the item's id, and the whole as ProviderItem;
* a function or custom tool call: a ToolCall; `item_id` is the item's id, `signature` JSON with its other fields;
* a generated image: its bytes, with the rest of the item as `signature`;
* every other item, such as a web search: a ProviderItem.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headwater.events.messages import sniff_media_type
from headwater.providers.decoder import Call, Decoder, Place
from headwater.providers.openai_responses.items import (
    MAX_TRIED,
    Content,
    Item,
    Items,
    agrees,
    alike,
    dicts,
    is_server_call,
    squashed,
    string,
    text_of,
)
from headwater.providers.openai_responses.request import JSON, OWN_CALLS, without
from headwater.providers.openai_responses.vocabulary import CLIENT_CALLS, PART_KINDS, SERVER_CALLS, Head
from headwater.providers.request import Quirks

__all__ = ("OutputDecoder",)

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode

_REFUSED_BY_CLIENT: Final = "The model asked the caller to execute {}, which is left to the program."


class OutputDecoder(Decoder):
    """A base decoder that emits output items; a subclass reads the frames."""

    def __init__(self, place: Place | None = None, quirks: Quirks | None = None) -> None:
        super().__init__(place, quirks)
        self._items = Items()
        self._texts: list[Content] = []
        """The answer's contents in the order in which they started, to compute the positions of citations."""

    # --- items

    def _begin(self, fields: JSON, head: Head) -> Item:
        item = self._items.add(fields, head.output_index)
        if (item.type in OWN_CALLS and fields.get("name") and item.twin is None) or is_server_call(fields):
            self._begin_call(item, fields)
        return item

    def _complete_item(self, item: Item, fields: JSON, index: int | None = None) -> None:
        self._items.finish(item, fields, index)
        if item.type == "message":
            self._tell(item, dicts(fields.get("content")))
            self._close_item(item)
        elif item.type == "reasoning":
            self._tell(item, dicts(fields.get("summary")))
            self._tell(item, dicts(fields.get("content")))
            self._close_item(item)
            self.item(fields)
        elif item.type in OWN_CALLS:
            self._finish_call(item, fields)
        elif is_server_call(fields):
            self._finish_server_call(item, fields)
        elif item.type == "image_generation_call":
            self._picture(fields)
        else:
            if item.type in CLIENT_CALLS or item.type == "tool_search_call":
                self.warn("not_run", _REFUSED_BY_CLIENT.format(item.type))
            self.item(fields)

    def _close_item(self, item: Item) -> None:
        for content in item.contents.values():
            self._sign(item, content)
            if content.part is not None:
                self.close_part(content.part)

    def _picture(self, fields: JSON) -> None:
        try:
            data = base64.b64decode(string(fields.get("result")), validate=True)
        except ValueError:  # not base64, or not even ASCII
            data = b""
        if not data:
            self.item(fields)
            return
        form = string(fields.get("output_format")) or "png"
        self.file(
            media_type=sniff_media_type(data, f"image/{form}"),
            data=data,
            signature=_encode_json(without(fields, "type", "result")).decode(),
        )

    # --- text, refusals, reasoning

    def _say(self, item: Item, content: Content, text: str) -> None:
        """Adds a piece of a content; opens a part for it, closing any other."""
        if not text:
            return
        if content.part is None or content.part not in self._open:
            item.sealed = any(one.part is not None for one in item.contents.values())
            self.end_parts()
            content.part = self.open_part(PART_KINDS[content.kind])
            self._sign(item, content)
            if content.kind == "output_text" and content not in self._texts:
                self._texts.append(content)
        self.part_delta(content.part, text)
        content.said.append(text)

    def _catch_up(self, item: Item, content: Content, full: Any) -> None:
        """Completes a content whose whole text is known: emits what its deltas left out."""
        if not isinstance(full, str) or not full:
            return
        said = content.text
        if full.startswith(said):
            self._say(item, content, full[len(said) :])
        elif not alike(full, said):
            self.warn("text_differs", "A finished part differs from its deltas; the streamed text is kept.")

    def _sign(self, item: Item, content: Content) -> None:
        """Sets the signature that the open part's item needs to be sent back."""
        part = content.part
        if part is not None and part in self._open:
            part.signature = item.signature(content)

    def _content_known(self, item: Item, kind: str, index: int, part: JSON) -> None:
        """Handles a complete content in its own frame."""
        full = _full(kind, part)
        content = item.content_told(kind, index, full)
        self._catch_up(item, content, full)
        self._annotate_rest(content, part)

    def _tell(self, item: Item, parts: Sequence[JSON]) -> None:
        """Handles all complete contents of an item: they are paired by their order within a type, then by their text.

        Indexes are not used here: they do not always match the positions in the list.
        """
        for kind in dict.fromkeys(string(part.get("type")) for part in parts):
            if kind in PART_KINDS:
                self._tell_kind(item, kind, [part for part in parts if part.get("type") == kind])

    def _tell_kind(self, item: Item, kind: str, parts: Sequence[JSON]) -> None:
        contents = [content for content in item.of_kind(kind) if content.said]
        fulls = [_full(kind, part) for part in parts]
        full, said = "".join(fulls), "".join(content.text for content in contents)
        if not contents and full and any(alike(full, content.text) for content in item.contents.values()):
            return  # the same content under another name: as a summary and in full
        if full.startswith(said) or alike(full, said):
            # All of it, or a prefix, was streamed, maybe in other pieces.
            known = len(said) if full.startswith(said) else len(full)
            for place, (text, part) in enumerate(zip(fulls, parts, strict=True)):
                if place < len(contents):
                    content = contents[place]
                else:
                    content = contents[-1] if contents and known >= len(text) else item.content(kind, -1 - place)
                self._say(item, content, text[known:])
                known = max(0, known - len(text))
                self._annotate_rest(content, part)
            return
        left = list(contents)
        for place, (text, part) in enumerate(zip(fulls, parts, strict=True)):
            found = next((content for content in left if agrees(text, content.text)), None)
            if found is None and len(left) >= len(fulls) - place:
                found = left[0]  # a contradiction: the streamed text is kept
            if found is not None:
                left.remove(found)
            content = found or item.content(kind, -1 - place)
            self._catch_up(item, content, text)
            self._annotate_rest(content, part)

    def _annotate_rest(self, content: Content, part: JSON) -> None:
        for annotation in dicts(part.get("annotations"))[len(content.annotations) :]:
            self._annotate(content, annotation)

    def _annotate(self, content: Content, annotation: JSON) -> None:
        content.annotations.append(annotation)
        start = annotation.get("start_index", annotation.get("index"))
        end = annotation.get("end_index", start)
        span = None
        if isinstance(start, int) and isinstance(end, int):
            before = self._texts[: self._texts.index(content)] if content in self._texts else self._texts
            offset = sum(len(text.text) for text in before)
            span = (offset + start, offset + end)
        is_url = annotation.get("type") == "url_citation" or "url" in annotation
        self.source(
            kind="url" if is_url else "file",
            url=string(annotation.get("url")),
            title=string(annotation.get("title") or annotation.get("filename") or annotation.get("file_id")),
            span=span,
        )

    # --- calls

    def _begin_call(self, item: Item, fields: JSON) -> Call:
        if item.type in OWN_CALLS:
            call = self.start_call(string(fields.get("call_id")), string(fields.get("name")))
            call.custom = item.type == "custom_tool_call"
        else:
            name = string(fields.get("name")) or SERVER_CALLS.get(item.type) or "tool_search"
            call = self.start_call(string(fields.get("id")), name, "provider")
            call.custom = item.type == "code_interpreter_call"
        call.item_id = item.id
        item.call = call
        return call

    def _call_for(self, head: Head) -> Call | None:
        item = self._items.for_delta("", head)
        if item is not None:
            return item.call
        return next((call for call in reversed(self.calls[-MAX_TRIED:]) if not call.ready), None)

    def _complete_arguments(self, call: Call, full: Any) -> str | None:
        """Emits what the deltas left out of the arguments; returns the final arguments, None for the joined deltas."""
        if not full:
            return None
        if not isinstance(full, str):
            full = _encode_json(full).decode()  # some servers send an object; anything else is rejected
        whole: str = full
        said = "".join(call.args)
        if call.ready:
            pass  # a repetition
        elif whole.startswith(said):
            self.call_delta(call, whole[len(said) :])
        else:
            self.warn(
                "arguments_differ", "A call's finished arguments differ from its deltas; the finished ones are used."
            )
        return whole

    def _finish_call(self, item: Item, fields: JSON) -> None:
        if item.call is None and (twin := item.twin) is not None:
            if twin.done and twin.repeats(fields):
                return
            if not twin.done and twin.may_be_whole(fields):
                self._complete_item(twin, fields)
                return
        call = item.call or self._begin_call(item, fields)
        call.item_id = item.id
        key = "input" if call.custom else "arguments"
        full = self._complete_arguments(call, fields.get(key))
        rest = without(fields, "type", "id", "call_id", "name", key)
        raw = "".join(call.args) if full is None else full
        if not call.custom and raw != _canonical(raw):
            rest["arguments"] = raw
        call.signature = _encode_json(rest).decode() if rest else None
        self.end_call(call, full, cut=fields.get("status") == "incomplete")

    def _finish_server_call(self, item: Item, fields: JSON) -> None:
        call = item.call or self._begin_call(item, fields)
        if call.custom:
            self.end_call(call, self._complete_arguments(call, fields.get("code")))
        elif item.type == "web_search_call":
            action = fields.get("action")
            self.end_call(call, without(action, "sources") if isinstance(action, dict) else {})
        elif item.type == "file_search_call":
            self.end_call(call, {"queries": fields.get("queries") or []})
        else:
            arguments = fields.get("arguments")
            self.end_call(call, arguments if isinstance(arguments, dict) else self._complete_arguments(call, arguments))
        self.item(fields)

    # --- the finished response

    def _settle(self, output: Sequence[JSON]) -> None:
        """Handles the complete output at the end of the response: emits what was not streamed before.

        Text is compared as a whole, because some servers join or split messages here.
        """
        told = {squashed(item.text("output_text")) for item in self._items.of_type("message")} - {""}
        pairs = self._items.match(output)
        full = "".join(text_of(fields) for _, fields in pairs)
        said = "".join(content.text for content in self._texts)
        beginning = full.startswith(said)
        left = len(said) if beginning else len(full)
        agreed = not full or beginning or alike(full, said)
        for item, fields in pairs:
            if fields.get("type") == "message":
                text = text_of(fields)
                known = min(left, len(text)) if agreed else len(text) if item is not None else 0
                left -= known
                if item is None and known < len(text) and squashed(text) in told:
                    continue  # a repeated message
                if not agreed and item is not None and not alike(text, item.text("output_text")):
                    self.warn(
                        "text_differs", "The finished response differs from the stream; the streamed text is kept."
                    )
                self._settle_message(item, fields, known)
            elif item is None:
                if not self._items.told(fields, None):
                    self._complete_item(self._begin(fields, Head()), fields)
            elif not item.done:
                self._complete_item(item, fields)

    def _settle_message(self, item: Item | None, fields: JSON, known: int) -> None:
        """Handles a message of the finished response; the first `known` characters of its text were streamed."""
        text = text_of(fields)
        if known >= len(text) and (item.done if item is not None else text or self._items.told(fields, None)):
            return
        item = item or self._begin(fields, Head())
        self._items.finish(item, fields)
        parts = dicts(fields.get("content"))
        contents = item.of_kind("output_text")
        texts = [part for part in parts if part.get("type") == "output_text"]
        for place, part in enumerate(texts):
            piece = string(part.get("text"))
            content = contents[place] if place < len(contents) else item.content("output_text", -1 - place)
            self._say(item, content, piece[known:])
            known = max(0, known - len(piece))
            self._annotate_rest(content, part)
        self._tell(item, [part for part in parts if part.get("type") != "output_text"])
        self._close_item(item)


def _full(kind: str, part: JSON) -> str:
    return string(part.get("refusal" if kind == "refusal" else "text"))


def _canonical(raw: str) -> str | None:
    """Returns JSON in canonical form; None if it is not JSON."""
    try:
        return _encode_json(_decode_json(raw)).decode()
    except (msgspec.DecodeError, RecursionError):
        return None
