"""OpenAI's Responses API, as OpenAI, Azure, xAI, OpenRouter and local servers speak it: bytes to events.

Owns what comes back: the output items of an answer and the deltas that fill them; requests are written in
`openai_responses_request`. Must never do I/O, nor branch on who the server is: items are found by what a frame says of
them, be it an index, an id, or nothing at all. https://platform.openai.com/docs/api-reference/responses-streaming

How an answer is kept, so that `encode` can write it back item for item:

* a message item: one Text a content part; its `signature` is JSON with the item's other fields and the annotations;
* a reasoning item: the readable parts as Reasoning, whose `signature` is the item's id, and the whole as ProviderItem;
* a function or custom tool call: a ToolCall; `item_id` is the item's id, `signature` JSON with its other fields;
* a picture that was made: its bytes, with the rest of the item as `signature`;
* every other item, such as a web search: a ProviderItem.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from headwater.events import TextDelta
from headwater.events.messages import FinishReason, Usage, sniff_media_type
from headwater.events.pieces import Pieces
from headwater.providers.decoder import Call, Part, Place
from headwater.providers.decoder import Decoder as BaseDecoder
from headwater.providers.failures import in_band_error
from headwater.providers.framing.sse import SSEDecoder
from headwater.providers.openai_responses.request import API, JSON, OWN_CALLS, encode, without
from headwater.providers.request import Quirks

__all__ = ("Decoder", "encode")

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


# --- what comes back: frames


class _Head(msgspec.Struct, gc=False):
    """The fields of the frames that come by the thousand. The rest of a frame is decoded where its type is rare."""

    type: str = ""
    delta: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    item_id: str | None = None


_decode_head = msgspec.json.Decoder(_Head).decode

TEXT_DELTA: Final = "response.output_text.delta"

CONTENT_DELTAS: Final[Mapping[str, str]] = {
    TEXT_DELTA: "output_text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning_text",
    "response.reasoning.delta": "reasoning_text",
    "response.reasoning_summary_text.delta": "summary_text",
    "response.reasoning_summary.delta": "summary_text",
}
"""Deltas of content, and the content type that each is a piece of. The shorter reasoning names are gateways'."""

CONTENT_DONE: Final[Mapping[str, str]] = {
    "response.output_text.done": "output_text",
    "response.refusal.done": "refusal",
    "response.reasoning_text.done": "reasoning_text",
    "response.reasoning_summary_text.done": "summary_text",
}
"""Frames that hold the whole of one content."""

PART_DONE: Final = frozenset({"response.content_part.done", "response.reasoning_summary_part.done"})
"""The same, as a part with its type and annotations."""

CALL_DELTAS: Final = frozenset(
    {
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.code_interpreter_call_code.delta",
    }
)

CALL_DONE: Final[Mapping[str, str]] = {
    "response.function_call_arguments.done": "arguments",
    "response.custom_tool_call_input.done": "input",
    "response.mcp_call_arguments.done": "arguments",
    "response.code_interpreter_call_code.done": "code",
}
"""Frames that hold the whole of a call's arguments, and the field they stand in."""

TERMINAL: Final[Mapping[str, str]] = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
    "response.done": "completed",
}
"""The end markers, and the status that each stands for where the response does not say its own."""

UNTOLD: Final = frozenset(
    {
        "response.audio.delta",
        "response.audio.transcript.delta",
    }
)
"""What holds content that no event here can carry: told of by a warning."""

IGNORED: Final = frozenset(
    {
        # An item or a part begins; nothing of it is said yet.
        "response.content_part.added",
        "response.reasoning_summary_part.added",
        # The end of what UNTOLD tells of.
        "response.audio.done",
        "response.audio.transcript.done",
        # How far a server's own tool is: its item says the same when it is done.
        "response.code_interpreter_call.in_progress",
        "response.code_interpreter_call.interpreting",
        "response.code_interpreter_call.completed",
        "response.compaction.compacting",
        "response.file_search_call.in_progress",
        "response.file_search_call.searching",
        "response.file_search_call.completed",
        "response.image_generation_call.in_progress",
        "response.image_generation_call.generating",
        "response.image_generation_call.completed",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_list_tools.in_progress",
        "response.mcp_list_tools.completed",
        "response.mcp_list_tools.failed",
        "response.web_search_call.in_progress",
        "response.web_search_call.searching",
        "response.web_search_call.completed",
        # A picture on its way to the one that counts.
        "response.image_generation_call.partial_image",
        # A shell call piece by piece: its item has it whole.
        "response.shell_call_command.added",
        "response.shell_call_command.delta",
        "response.shell_call_command.done",
        "response.shell_call_output_content.delta",
        "response.shell_call_output_content.done",
        # Sent only to keep the connection open.
        "keepalive",
    }
)
"""Frames that say nothing which is not said elsewhere, each by name."""

# --- what comes back: items

SERVER_CALLS: Final[Mapping[str, str]] = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "mcp_call": "mcp",
}
"""Calls that the provider runs and whose arguments it shows, and what they are called where they have no name."""

CLIENT_CALLS: Final = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "local_shell_call",
        "mcp_approval_request",
        "shell_call",
    }
)
"""What the model wants done by the caller in a way that is no tool of ours: kept as an item, told of by a warning."""

OPAQUE: Final = frozenset(
    {
        "additional_tools",
        "apply_patch_call_output",
        "compaction",
        "computer_call_output",
        "custom_tool_call_output",
        "function_call_output",
        "local_shell_call_output",
        "mcp_approval_response",
        "mcp_list_tools",
        "program",
        "program_output",
        "shell_call_output",
        "tool_search_output",
    }
)
"""Items kept as they are, to be sent back at their place."""

PART_KINDS: Final[Mapping[str, str]] = {
    "output_text": "answer",
    "refusal": "refusal",
    "reasoning_text": "full",
    "summary_text": "summary",
}
"""Content types, and the kind of part that each becomes."""

_KIND_ITEMS: Final[Mapping[str, str]] = {
    "output_text": "message",
    "refusal": "message",
    "reasoning_text": "reasoning",
    "summary_text": "reasoning",
}

_REFUSED_BY_CLIENT: Final = "The model asked for {} to be carried out by the caller, which is left to the program."


class _Content:
    """One content of an item: what was said of it."""

    __slots__ = ("annotations", "kind", "part", "said")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.said = Pieces()
        self.part: Part | None = None
        self.annotations: list[JSON] = []

    @property
    def text(self) -> str:
        return "".join(self.said)


class _Item:
    """One output item: where the frames that belong to it go."""

    __slots__ = ("call", "contents", "done", "fields", "id", "matched", "sealed", "signed_id", "type")

    def __init__(self, kind: str) -> None:
        self.type = kind
        self.id: str | None = None
        self.fields: JSON = {}
        self.contents: dict[tuple[str, int], _Content] = {}
        self.call: Call | None = None
        self.done = False
        self.matched = False
        self.sealed = False
        """Whether a part of it has ended, and with it an id that cannot be changed any more."""
        self.signed_id: str | None = None

    def content(self, kind: str, index: int) -> _Content:
        content = self.contents.get((kind, index))
        if content is None:
            content = self.contents[kind, index] = _Content(kind)
        return content


class Decoder(BaseDecoder):
    """Decodes a streamed response; see `BaseDecoder` for the contract.

    `provider_finish_reason` is the response's status; for an incomplete one its reason follows, parted by a colon, such
    as `incomplete:max_output_tokens`.
    """

    api = API

    def __init__(self, place: Place | None = None, quirks: Quirks | None = None) -> None:
        super().__init__(place, quirks)
        self._sse = SSEDecoder()
        self._items: list[_Item] = []
        self._by_index: dict[int, _Item] = {}
        self._by_id: dict[str, _Item] = {}
        self._texts: list[_Content] = []
        """The answer's contents in the order in which they began, for counting where a citation stands."""
        self._frames = 0
        # Where the last frame put text, so that the next one, nearly always for the same place, needs no search.
        self._hot_said: Pieces | None = None
        self._hot_part = 0
        self._hot_index: int | None = None
        self._hot_content: int | None = None
        self._hot_id: str | None = None

    # --- frames

    def _feed(self, data: bytes) -> None:
        for name, payload in self._sse.feed(data):
            try:
                head = _decode_head(payload)
            except msgspec.DecodeError as error:
                self._odd_frame(name, payload, error)
                continue
            if (
                head.type == TEXT_DELTA
                and head.output_index == self._hot_index
                and head.content_index == self._hot_content
                and (self._hot_index is not None or head.item_id == self._hot_id)
                and self._hot_said is not None
                and (delta := head.delta)
            ):
                self._hot_said.append(delta)
                self.events.append(TextDelta(step=self._step, part=self._hot_part, text=delta))
                continue
            self._frame(head.type or name, head, payload)
            if self.complete:
                return
        if self._hot_said is not None:
            self._hot_said.tidy()

    def _finish(self) -> None:
        for name, payload in self._sse.finish():
            try:
                head = _decode_head(payload)
                self._frame(head.type or name, head, payload)
            except msgspec.DecodeError as error:
                self._odd_frame(name, payload, error)
        if self._sse.stray and not self._frames:
            self._read_plain(b"\n".join(self._sse.stray))

    def _odd_frame(self, name: str, payload: bytes, error: msgspec.DecodeError) -> None:
        """A frame that the common decoding refuses: not JSON, or a field of an unknown shape in some rare one."""
        if payload.strip() in (b"", b"[DONE]"):
            return
        if name == "error":
            raise in_band_error(self.api, payload.decode("utf-8", "replace"))
        if not isinstance(error, msgspec.ValidationError):
            raise error
        self._frame(name, _Head(), payload)

    def _frame(self, kind: str, head: _Head, payload: bytes) -> None:
        self._hot_said = None
        self._frames += 1
        self.lifecycle += kind != "keepalive"
        delta = head.delta
        if delta is not None and kind in CONTENT_DELTAS:
            self._content_delta(kind, head, delta)
        elif delta is not None and kind in CALL_DELTAS:
            self._arguments_delta(head, delta)
        elif kind not in IGNORED:
            self._rare(kind, head, _decode_json(payload))

    def _rare(self, kind: str, head: _Head, frame: Any) -> None:
        if not isinstance(frame, dict):
            self.warn("unknown_event", f"A frame was no JSON object: {str(frame)[:100]!r}.")
            return
        kind = _str(frame.get("type")) or kind
        if handler := _HANDLERS.get(kind):
            handler(self, kind, head, frame)
        elif kind == "error" or (not kind and frame.get("error")):
            raise in_band_error(self.api, frame)
        elif kind in UNTOLD:
            self.warn("not_decoded", f"{kind} holds content that cannot be passed on.")
        elif kind in CONTENT_DELTAS or kind in CALL_DELTAS:
            if frame.get("delta"):
                self.warn("not_decoded", f"A {kind} came in a shape that is not known.")
        elif kind not in IGNORED:
            self.warn("unknown_event", f"The event {kind!r} is not known and was passed over.")

    def _read_plain(self, body: bytes) -> None:
        """A body that is no stream: an error, or the whole response from a server that does not stream."""
        value = _decode_json(body)
        if isinstance(value, dict) and value.get("error"):
            raise in_band_error(self.api, value)
        if isinstance(value, dict) and value.get("object") == "response":
            self._ended("response.done", _Head(), {"response": value})

    # --- which item a frame is about

    def _item_for_delta(self, kind: str, head: _Head) -> _Item | None:
        """The item that a delta goes to; by index, else by id, else the last open one of its type."""
        if head.output_index is not None:
            item = self._by_index.get(head.output_index)
            if item is not None and (item.type == kind or not kind):
                return item
        if head.item_id is not None:
            item = self._by_id.get(head.item_id)
            if item is not None and (item.type == kind or not kind):
                return item
        return next((item for item in reversed(self._items) if item.type == kind and not item.done), None)

    def _item_for_done(self, fields: JSON, head: _Head) -> _Item:
        """The item that is done: the one begun under this index or id, else the oldest open one of its type."""
        kind = _str(fields.get("type"))
        found = [self._by_id.get(_str(fields.get("id")))]
        if head.output_index is not None:
            found.insert(0, self._by_index.get(head.output_index))
        for item in found:
            if item is not None and item.type == kind and not item.done:
                return item
        if head.output_index is None:
            for item in self._items:
                if item.type == kind and not item.done:
                    return item
        return self._begin(fields, head)

    def _begin(self, fields: JSON, head: _Head) -> _Item:
        item = _Item(_str(fields.get("type")))
        self._items.append(item)
        if head.output_index is not None:
            self._by_index[head.output_index] = item
        self._name(item, fields)
        if (item.type in OWN_CALLS and fields.get("name")) or _is_server_call(fields):
            self._begin_call(item, fields)
        return item

    def _name(self, item: _Item, fields: JSON) -> None:
        item.fields = fields
        if ident := _str(fields.get("id")):
            item.id = ident
            self._by_id[ident] = item

    # --- text, refusals, reasoning

    def _content_delta(self, name: str, head: _Head, delta: str) -> None:
        kind = CONTENT_DELTAS[name]
        item = self._item_for_delta(_KIND_ITEMS[kind], head)
        if item is None:
            item = self._begin({"type": _KIND_ITEMS[kind], "id": head.item_id}, head)
        index = head.summary_index if kind == "summary_text" else head.content_index
        content = item.content(kind, index or 0)
        self._say(item, content, delta)
        if kind == "output_text" and content.part is not None:
            self._hot_said = content.said
            self._hot_part = content.part.number
            self._hot_index, self._hot_content, self._hot_id = head.output_index, head.content_index, head.item_id

    def _say(self, item: _Item, content: _Content, text: str) -> None:
        """The next piece of a content; opens a part for it, closing any other."""
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

    def _catch_up(self, item: _Item, content: _Content, full: Any) -> None:
        """The whole of a content is known: say what its deltas left out."""
        if not isinstance(full, str) or not full:
            return
        said = content.text
        if full.startswith(said):
            self._say(item, content, full[len(said) :])
        else:
            self.warn(
                "text_differs", "What a finished part says is not what its deltas said; what was streamed is kept."
            )

    def _sign(self, item: _Item, content: _Content) -> None:
        """Hang on the open part what its item needs to be sent back."""
        part = content.part
        if part is None or part not in self._open:
            return
        if item.type == "reasoning":
            part.signature = item.id
            return
        fields = without(item.fields, "type", "role", "content", *(() if item.done else ("status",)))
        # Ids may change in mid-stream; the parts of one message must agree on theirs.
        if not item.sealed:
            item.signed_id = item.id
        if item.signed_id:
            fields["id"] = item.signed_id
        if content.annotations:
            fields["content"] = {"annotations": content.annotations}
        part.signature = _encode_json(fields).decode() if fields else None

    def _content_done(self, name: str, head: _Head, frame: JSON) -> None:
        kind = CONTENT_DONE[name]
        self._part_known(kind, head, frame)

    def _part_done(self, name: str, head: _Head, frame: JSON) -> None:
        part = frame.get("part")
        if isinstance(part, dict) and (kind := _str(part.get("type"))) in PART_KINDS:
            self._part_known(kind, head, part)

    def _part_known(self, kind: str, head: _Head, part: JSON) -> None:
        item = self._item_for_delta(_KIND_ITEMS[kind], head)
        if item is None:
            item = self._begin({"type": _KIND_ITEMS[kind], "id": head.item_id}, head)
        index = head.summary_index if kind == "summary_text" else head.content_index
        self._content_known(item, kind, index or 0, part)

    def _content_known(self, item: _Item, kind: str, index: int, part: JSON) -> None:
        content = item.content(kind, index)
        self._catch_up(item, content, part.get("refusal" if kind == "refusal" else "text"))
        self._annotate_rest(content, part)

    def _annotate_rest(self, content: _Content, part: JSON) -> None:
        for annotation in _dicts(part.get("annotations"))[len(content.annotations) :]:
            self._annotate(content, annotation)

    def _annotation(self, name: str, head: _Head, frame: JSON) -> None:
        item = self._item_for_delta("message", head)
        annotation = frame.get("annotation")
        if item is not None and isinstance(annotation, dict):
            self._annotate(item.content("output_text", head.content_index or 0), annotation)

    def _annotate(self, content: _Content, annotation: JSON) -> None:
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
            url=_str(annotation.get("url")),
            title=_str(annotation.get("title") or annotation.get("filename") or annotation.get("file_id")),
            span=span,
        )

    # --- calls

    def _begin_call(self, item: _Item, fields: JSON) -> Call:
        if item.type in OWN_CALLS:
            call = self.start_call(_str(fields.get("call_id")), _str(fields.get("name")))
            call.custom = item.type == "custom_tool_call"
        else:
            name = _str(fields.get("name")) or SERVER_CALLS.get(item.type) or "tool_search"
            call = self.start_call(_str(fields.get("id")), name, "provider")
            call.custom = item.type == "code_interpreter_call"
        call.item_id = item.id
        item.call = call
        return call

    def _call_for(self, head: _Head) -> Call | None:
        item = self._item_for_delta("", head)
        if item is not None:
            return item.call
        return next((call for call in reversed(self.calls) if not call.ready), None)

    def _arguments_delta(self, head: _Head, delta: str) -> None:
        # A call whose name is not known yet waits for its item to be done, which has the arguments whole.
        if (call := self._call_for(head)) is not None:
            self.call_delta(call, delta)

    def _arguments_done(self, name: str, head: _Head, frame: JSON) -> None:
        if (call := self._call_for(head)) is not None:
            self._complete_arguments(call, frame.get(CALL_DONE[name]))

    def _complete_arguments(self, call: Call, full: Any) -> str | None:
        """Say what the deltas left out of the arguments; gives the ones that count, None for the deltas joined."""
        if not isinstance(full, str) or not full:
            return None
        said = "".join(call.args)
        if full.startswith(said):
            self.call_delta(call, full[len(said) :])
        else:
            self.warn("arguments_differ", "A call's finished arguments are not what its deltas were; they are used.")
        return full

    def _finish_call(self, item: _Item, fields: JSON) -> None:
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

    def _finish_server_call(self, item: _Item, fields: JSON) -> None:
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

    # --- items

    def _item_added(self, name: str, head: _Head, frame: JSON) -> None:
        fields = frame.get("item")
        if not isinstance(fields, dict):
            return
        known = self._by_id.get(_str(fields.get("id")))
        if known is None or known.done or known.type != fields.get("type"):
            self._begin(fields, head)

    def _item_done(self, name: str, head: _Head, frame: JSON) -> None:
        fields = frame.get("item")
        if not isinstance(fields, dict):
            return
        known = self._by_id.get(_str(fields.get("id")))
        if known is None or not known.done:
            self._complete_item(self._item_for_done(fields, head), fields)

    def _complete_item(self, item: _Item, fields: JSON) -> None:
        item.done = True
        self._name(item, fields)
        if item.type == "message":
            for index, part in enumerate(_dicts(fields.get("content"))):
                if (kind := _str(part.get("type"))) in PART_KINDS:
                    self._content_known(item, kind, index, part)
            self._close_item(item)
        elif item.type == "reasoning":
            for key in ("summary", "content"):
                for index, part in enumerate(_dicts(fields.get(key))):
                    kind = "summary_text" if key == "summary" else "reasoning_text"
                    self._content_known(item, kind, index, part)
            self._close_item(item)
            self.item(fields)
        elif item.type in OWN_CALLS:
            self._finish_call(item, fields)
        elif _is_server_call(fields):
            self._finish_server_call(item, fields)
        elif item.type == "image_generation_call":
            self._picture(fields)
        else:
            if item.type in CLIENT_CALLS or item.type == "tool_search_call":
                self.warn("not_run", _REFUSED_BY_CLIENT.format(item.type))
            self.item(fields)

    def _close_item(self, item: _Item) -> None:
        for content in item.contents.values():
            self._sign(item, content)
            if content.part is not None:
                self.close_part(content.part)

    def _picture(self, fields: JSON) -> None:
        try:
            data = base64.b64decode(_str(fields.get("result")), validate=True)
        except ValueError:  # not base64, or not even ASCII
            data = b""
        if not data:
            self.item(fields)
            return
        form = _str(fields.get("output_format")) or "png"
        self.file(
            media_type=sniff_media_type(data, f"image/{form}"),
            data=data,
            signature=_encode_json(without(fields, "type", "result")).decode(),
        )

    # --- the response

    def _told(self, name: str, head: _Head, frame: JSON) -> None:
        response = frame.get("response")
        if isinstance(response, dict):
            self.response_id = _str(response.get("id")) or self.response_id
            self.model = _str(response.get("model")) or self.model

    def _ended(self, name: str, head: _Head, frame: JSON) -> None:
        self._told(name, head, frame)
        response = frame.get("response")
        if not isinstance(response, dict):
            response = {}
        self._settle(_dicts(response.get("output")))
        if isinstance(usage := response.get("usage"), dict):
            self.report(_usage(usage))
        status = _str(response.get("status"))
        if status not in ("completed", "incomplete", "failed", "cancelled"):
            status = TERMINAL[name]
        self.provider_finish_reason = status
        if status == "failed" or response.get("error"):
            raise in_band_error(self.api, response.get("error") or {"message": "The response failed."})
        self._set_finish_reason(status, response.get("incomplete_details"))
        self.end_parts()
        for call in self.calls:
            self.end_call(call, cut=status != "completed")
        self.complete = self.ended = True

    def _set_finish_reason(self, status: str, details: Any) -> None:
        if status == "cancelled":
            self.finish_reason = "cancelled"
        elif status == "incomplete":
            reason = _str(details.get("reason")) if isinstance(details, dict) else ""
            if reason:
                self.provider_finish_reason = f"incomplete:{reason}"
            self.finish_reason = _INCOMPLETE.get(reason)
        elif any(call.by == "agent" for call in self.calls):
            self.finish_reason = "tool_calls"
        elif any(
            content.said for item in self._items for content in item.contents.values() if content.kind == "refusal"
        ):
            self.finish_reason = "refusal"
        else:
            self.finish_reason = "stop"

    def _settle(self, output: Sequence[JSON]) -> None:
        """The response tells its whole output once more: take from it what was never told before.

        Text is compared as a whole, because servers have been known to join or part messages here.
        """
        pairs = self._match(output)
        full = "".join(_text_of(fields) for _, fields in pairs)
        said = "".join(content.text for content in self._texts)
        left = len(said)
        agrees = not full or full.startswith(said)
        if not agrees:
            self.warn("text_differs", "The finished response is not what was streamed; what was streamed is kept.")
        for item, fields in pairs:
            if fields.get("type") == "message":
                size = len(_text_of(fields))
                known = min(left, size) if agrees else size if item is not None else 0
                left -= known
                self._settle_message(item, fields, known)
            elif item is None or not item.done:
                self._complete_item(item or self._begin(fields, _Head()), fields)

    def _match(self, output: Sequence[JSON]) -> list[tuple[_Item | None, JSON]]:
        """Each item of the response with the one that was streamed: by id, by place, or the next of its type."""
        found: list[_Item | None] = [self._take(fields, self._by_id.get(_str(fields.get("id")))) for fields in output]
        for index, fields in enumerate(output):
            if found[index] is None:
                found[index] = self._take(fields, self._by_index.get(index), *self._items)
        return list(zip(found, output, strict=True))

    def _take(self, fields: JSON, *candidates: _Item | None) -> _Item | None:
        for item in candidates:
            if item is not None and item.type == fields.get("type") and not item.matched:
                item.matched = True
                return item
        return None

    def _settle_message(self, item: _Item | None, fields: JSON, known: int) -> None:
        """A message of the finished response, of whose text the first `known` characters were streamed."""
        text = _text_of(fields)
        if known >= len(text) and (item.done if item is not None else text):
            return
        item = item or self._begin(fields, _Head())
        item.done = True
        self._name(item, fields)
        for index, part in enumerate(_dicts(fields.get("content"))):
            if part.get("type") == "output_text":
                piece = _str(part.get("text"))
                content = item.content("output_text", index)
                self._say(item, content, piece[known:])
                known = max(0, known - len(piece))
                self._annotate_rest(content, part)
            elif (kind := _str(part.get("type"))) in PART_KINDS:
                self._content_known(item, kind, index, part)
        self._close_item(item)


_HANDLERS: Final[Mapping[str, Callable[[Decoder, str, _Head, JSON], None]]] = {
    "response.created": Decoder._told,
    "response.queued": Decoder._told,
    "response.in_progress": Decoder._told,
    "response.output_item.added": Decoder._item_added,
    "response.output_item.done": Decoder._item_done,
    "response.output_text.annotation.added": Decoder._annotation,
    **dict.fromkeys(CONTENT_DONE, Decoder._content_done),
    **dict.fromkeys(PART_DONE, Decoder._part_done),
    **dict.fromkeys(CALL_DONE, Decoder._arguments_done),
    **dict.fromkeys(TERMINAL, Decoder._ended),
}

_INCOMPLETE: Final[Mapping[str, FinishReason]] = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
}
"""Why a response is incomplete, in the common words; any other reason has none."""


def _is_server_call(fields: JSON) -> bool:
    kind = _str(fields.get("type"))
    return kind in SERVER_CALLS or (kind == "tool_search_call" and fields.get("execution") == "server")


def _text_of(fields: JSON) -> str:
    """The answer text in a message item; nothing for any other item."""
    if fields.get("type") != "message":
        return ""
    parts = _dicts(fields.get("content"))
    return "".join(_str(part.get("text")) for part in parts if part.get("type") == "output_text")


def _usage(value: JSON) -> Usage:
    ins, outs = value.get("input_tokens_details"), value.get("output_tokens_details")
    ins = ins if isinstance(ins, dict) else {}
    outs = outs if isinstance(outs, dict) else {}
    return Usage(
        input_tokens=_count(value.get("input_tokens")),
        output_tokens=_count(value.get("output_tokens")),
        cached_input_tokens=_count(ins.get("cached_tokens")),
        cache_write_tokens=_count(ins.get("cache_write_tokens")),
        reasoning_tokens=_count(outs.get("reasoning_tokens")),
        raw=value,
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _dicts(value: Any) -> list[JSON]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _canonical(raw: str) -> str | None:
    """JSON as it would be written again; None where it is none."""
    try:
        return _encode_json(_decode_json(raw)).decode()
    except (msgspec.DecodeError, RecursionError):
        return None
