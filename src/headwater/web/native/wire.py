"""The native wire: every event of the log unchanged, as server-sent events or as lines of JSON.

An event's `id:` is its seq, so a reader can resume after any event. A selection may hold events back until it knows
whether they are selected; events released together have one id, on the last, so that a reader cut off among them gets
all of them again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from headwater.errors import InvalidRecord
from headwater.events import Event, Unknown
from headwater.events.codec import VERSION, encode
from headwater.events.controls import harmless
from headwater.readers.selection import Choice, Selection
from headwater.web.wires.wire import Map, Wire

__all__ = (
    "NDJSON",
    "RESET",
    "SSE",
    "SSE_HELLO",
    "SSE_IDLE",
    "SSE_TYPE",
    "json_line",
    "native",
    "socket_wire",
    "sse_frame",
)

SSE_TYPE: Final = "text/event-stream; charset=utf-8"
SSE_HELLO: Final = b": headwater\n\n"
"""A comment sent immediately, so that proxies and clients see that the response has started."""

SSE_IDLE: Final = b": keep-alive\n\n"
RESET: Final = b'event: reset\ndata: {"reason":"The id is beyond the log, which is sent from its beginning."}\n\n'
"""Sent to a reader that resumes after an unknown event: what it has shown is not from this log."""


def _json(event: Event) -> bytes:
    try:
        return encode(event, stamps=True)
    except InvalidRecord as error:  # a wire must reach its end, whatever an event contains
        place = {"seq": event.seq, "time": event.time, "run": event.run, "path": event.path}
        return msgspec.json.encode({"v": VERSION, "type": event.type, **place, "unwritable": error.message})


def _name(event: Event) -> bytes:
    kind = harmless(event.name).replace("\n", " ") if isinstance(event, Unknown) else event.type
    return kind.encode("utf-8", "replace")


def sse_frame(event: Event) -> bytes:
    """Encodes the event as a server-sent event."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, _name(event), _json(event))


def json_line(event: Event) -> bytes:
    """Encodes the event as a line of JSON."""
    return _json(event) + b"\n"


SSE: Final = Wire(key="sse", make=lambda: sse_frame, media_type=SSE_TYPE, anywhere=True, hello=SSE_HELLO, idle=SSE_IDLE)
NDJSON: Final = Wire(key="ndjson", make=lambda: json_line, media_type="application/x-ndjson", anywhere=True)


def native(choice: Choice | None, *, lines: bool = False) -> Wire:
    """Returns the wire for a selection of events; None for all. `lines` selects lines of JSON."""
    whole = NDJSON if lines else SSE
    if choice is None:
        return whole
    show: Callable[[list[Event], int], bytes] = _lines if lines else _frames
    return msgspec.structs.replace(
        whole, key=(whole.key, choice), make=lambda: _chosen(Selection(choice), show), anywhere=False
    )


def socket_wire(run: str, choice: Choice | None) -> Wire:
    """Returns the wire for a socket: the selected events, each as a line that names its run."""
    before = b'{"run":%s,"event":' % msgspec.json.encode(run)

    def line(event: Event) -> bytes:
        return b"%s%s}\n" % (before, _json(event))

    def lines(events: list[Event], seq: int) -> bytes:
        return b"".join(map(line, events))

    whole = Wire(key="socket", make=lambda: line, media_type="application/x-ndjson", anywhere=True)
    if choice is None:
        return whole
    return msgspec.structs.replace(
        whole, key=(whole.key, choice), make=lambda: _chosen(Selection(choice), lines), anywhere=False
    )


def _chosen(selection: Selection, show: Callable[[list[Event], int], bytes]) -> Map:
    def frame_of(event: Event) -> bytes:
        chosen = selection(event)
        return show(chosen, event.seq) if chosen else b""

    return frame_of


def _lines(events: list[Event], seq: int) -> bytes:
    return b"".join(map(json_line, events))


def _frames(events: list[Event], seq: int) -> bytes:
    frames = [b"event: %s\ndata: %s\n\n" % (_name(event), _json(event)) for event in events]
    return b"".join([*frames[:-1], b"id: %d\n" % seq, frames[-1]])
