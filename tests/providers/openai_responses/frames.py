"""Helpers: frames of a response, their events, and the request that sends an answer back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from headwater.events import (
    Event,
    RunStarted,
    StepStarted,
    Warned,
)
from headwater.events.fold import Fold
from headwater.events.messages import (
    Message,
)
from headwater.providers.openai_responses.request import OWN_CALLS
from headwater.providers.openai_responses.response import Decoder, encode
from headwater.providers.request import Endpoint, Request, Secret
from tests.support.recordings import (
    check_grammar,
    decode,
    one_byte_at_a_time,
    splits,
)

JSON = dict[str, Any]


PNG = b"\x89PNG\r\n\x1a\nrest of it"


ENDPOINT = Endpoint(provider="openai", api=Decoder.api, base_url="https://api.openai.com/v1", key=Secret("sk-1"))


def stream(*frames: JSON, named: bool = True) -> bytes:
    """Frames as server-sent events, with or without event names."""
    out = b""
    for frame in frames:
        name = f"event: {frame['type']}\n".encode() if named and "type" in frame else b""
        out += name + b"data: " + json.dumps(frame).encode() + b"\n\n"
    return out


def made(*frames: JSON) -> tuple[Decoder, list[Event]]:
    """Returns the result of decoding frames, checked to be the same for any split."""
    body = stream(*frames)
    decoder = Decoder()
    events = decode(decoder, [body])
    check_grammar(events)
    for pieces in (one_byte_at_a_time(body), splits(body, "seed"), [stream(*frames, named=False)]):
        assert decode(Decoder(), pieces) == events
    return decoder, events


def of(kind: type[Any], events: Sequence[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def warnings(events: Sequence[Event]) -> list[str]:
    return [event.code for event in of(Warned, events)]


def added(index: int | None, item: JSON) -> JSON:
    return {"type": "response.output_item.added", **place(index), "item": item}


def done(index: int | None, item: JSON) -> JSON:
    return {"type": "response.output_item.done", **place(index), "item": item}


def place(index: int | None) -> JSON:
    return {} if index is None else {"output_index": index}


def delta(
    text: str, *, kind: str = "output_text", item: str = "msg_1", index: int | None = 0, content: int = 0
) -> JSON:
    return {
        "type": f"response.{kind}.delta",
        **place(index),
        "item_id": item,
        "content_index": content,
        "delta": text,
    }


def said(*texts: str, ident: str = "msg_1", **fields: Any) -> JSON:
    """A message item."""
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {
        "type": "message",
        "id": ident,
        "role": "assistant",
        "status": "completed",
        "content": content,
        **fields,
    }


def called(arguments: str, *, ident: str = "fc_1", call: str = "call_1", name: str = "now", **fields: Any) -> JSON:
    """A function call item."""
    return {
        "type": "function_call",
        "id": ident,
        "call_id": call,
        "name": name,
        "arguments": arguments,
        "status": "completed",
        **fields,
    }


def completed(*output: JSON, status: str = "completed", **fields: Any) -> JSON:
    kind = "response.completed" if status == "completed" else f"response.{status}"
    return {"type": kind, "response": {"id": "resp_1", "model": "m-1", "status": status, "output": output, **fields}}


def message_of(events: Sequence[Event]) -> Message:
    fold = Fold()
    for event in (RunStarted(run="r"), StepStarted(step=1), *events):
        fold.add(event)
    return fold.message(Decoder.api, "m-1")


def sent(*messages: Message, **fields: Any) -> JSON:
    """The body of a request with these messages."""
    body: JSON = json.loads(encode(Request(model="gpt-5.4", messages=messages, **fields), ENDPOINT).body)
    return body


def items_of(*messages: Message, **fields: Any) -> list[JSON]:
    items: list[JSON] = sent(*messages, **fields)["input"]
    return items


def reasoned(*summary: str, ident: str = "rs_1", **fields: Any) -> JSON:
    parts = [{"type": "summary_text", "text": text} for text in summary]
    return {"type": "reasoning", "id": ident, "summary": parts, "encrypted_content": "gAAA", **fields}


def cited(*annotations: JSON) -> JSON:
    content = [{"type": "output_text", "text": "Mont Blanc, they say.", "annotations": list(annotations)}]
    return said(ident="msg_2", content=content)


URL = {"type": "url_citation", "start_index": 0, "end_index": 10, "title": "Peaks", "url": "https://peaks.example"}


def without_id(item: JSON) -> JSON:
    """An item as it is sent back without its id; a message becomes a plain one."""
    if item["type"] == "message":
        text = "".join(part["text"] for part in item["content"])
        phase = {"phase": item["phase"]} if "phase" in item else {}
        return {"role": "assistant", "content": text, **phase}
    return {name: value for name, value in item.items() if name != "id"} if item["type"] in OWN_CALLS else item
