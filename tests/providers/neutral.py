"""Changes to a stream that do not alter its meaning: differences between servers, applied to any body.

Owns the changes and the comparison. Each takes frames (an event name and a JSON value) and returns changed ones; a test
decodes both and compares them with `meaning`. It must not know any decoder.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from headwater.events import (
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    FileMade,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningStarted,
    SourceFound,
    TextDelta,
    TextStarted,
)
from headwater.providers.decoder import Decoder
from headwater.providers.framing.jsonlines import JSONLinesDecoder
from headwater.providers.framing.sse import SSEDecoder

__all__ = (
    "CHANGES",
    "WRITINGS",
    "Frames",
    "errors_after",
    "meaning",
    "read_frames",
    "repeat_snapshots",
    "rotate_ids",
    "second_finish",
    "shift_indexes",
    "split_surrogates",
    "with_waves",
    "write_frames",
)

Frames: TypeAlias = list[tuple[str, Any]]
"""An event's name ("" if it has none) and its value; a string if it is not JSON, such as `[DONE]`."""

SNAPSHOTS: Final = (".done", ".added", ".part.done")
INDEXES: Final = ("index", "output_index", "content_index", "summary_index", "annotation_index")
WAVE: Final = "\U0001f30a"


# --- bodies and frames


def read_frames(api: str, body: bytes) -> Frames:
    """Returns the frames of a body in the framing of its API."""
    pieces: list[tuple[str, bytes]]
    if api == "ollama-chat":
        lines = JSONLinesDecoder()
        pieces = [("", line) for line in (*lines.feed(body), *lines.finish())]
    else:
        events = SSEDecoder()
        pieces = [*events.feed(body), *events.finish()]
    return [(name, _value(data)) for name, data in pieces]


def write_frames(api: str, frames: Frames) -> bytes:
    """Returns the body of these frames; characters outside ASCII are escaped, so that lone surrogates are possible."""
    if api == "ollama-chat":
        return b"".join(_data(value) + b"\n" for _, value in frames)
    return b"".join(
        (f"event: {name}\n".encode() if name else b"") + b"data: " + _data(value) + b"\n\n" for name, value in frames
    )


def _with_comments(api: str, frames: Frames) -> bytes:
    """Inserts a keep-alive between any two frames."""
    if api == "ollama-chat":
        return b"\n".join(write_frames(api, [frame]) for frame in frames) + b" \n\n"
    between = b": keep-alive\n\n\n:\n\nid: 7\nretry: 10\n\n"
    return between + between.join(write_frames(api, [frame]) for frame in frames) + between


def _with_carriage_returns(api: str, frames: Frames) -> bytes:
    return write_frames(api, frames).replace(b"\n", b"\r\n")


def _with_spaces(api: str, frames: Frames) -> bytes:
    """Adds whitespace to the JSON wherever allowed, except line breaks."""
    spaced = [
        (name, value if isinstance(value, str) else json.dumps(value, separators=(" ,\t", "\t : ")) + " ")
        for name, value in frames
    ]
    return write_frames(api, spaced)


def _tightly(api: str, frames: Frames) -> bytes:
    """Removes optional whitespace, and uses real characters instead of escapes."""
    tight = [
        (name, value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False))
        for name, value in frames
    ]
    return write_frames(api, tight).replace(b"data: ", b"data:").replace(b"event: ", b"event:")


WRITINGS: Final[dict[str, Callable[[str, Frames], bytes]]] = {
    "comments between": _with_comments,
    "carriage returns": _with_carriage_returns,
    "spaces in the JSON": _with_spaces,
    "no space to spare": _tightly,
}
"""Ways to write the same frames, by name."""


def _value(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")


def _data(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


# --- meaning


def meaning(decoder: Decoder, events: Sequence[Event]) -> dict[str, Any]:
    """Everything that a reader of the answer sees, without the ids that a server may change."""
    kinds = {event.part: event.kind for event in events if isinstance(event, (TextStarted, ReasoningStarted))}
    said: dict[str, str] = {}
    for event in events:
        if isinstance(event, (TextDelta, ReasoningDelta)):
            said[kinds[event.part]] = said.get(kinds[event.part], "") + event.text
    return {
        **said,
        "calls": [(event.name, event.by) for event in events if isinstance(event, CallStarted)],
        "ready": [(_call(event), event.name, event.arguments) for event in events if isinstance(event, CallReady)],
        "rejected": [(_call(event), event.name, event.raw) for event in events if isinstance(event, CallRejected)],
        "files": [event.data or event.url for event in events if isinstance(event, FileMade)],
        "sources": [(event.url, event.title, event.span) for event in events if isinstance(event, SourceFound)],
        "items": [_without_ids(event.item) for event in events if isinstance(event, ProviderItemMade)],
        "finish": (decoder.complete, decoder.finish_reason, decoder.provider_finish_reason),
        "usage": decoder.usage,
        "error": str(decoder.error),
    }


def _call(event: CallReady | CallRejected) -> str:
    """A call's key; the provider's own calls are identified by the id of their item."""
    return "" if event.by == "provider" else event.call


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_ids(one) for name, one in value.items() if name not in ("id", "index")}
    return [_without_ids(one) for one in value] if isinstance(value, list) else value


# --- the changes


def shift_indexes(frames: Frames) -> Frames:
    """Increases every index by one, like servers that count items that they do not send. Choice and candidate 0
    stay."""
    return [(name, _shifted(value, "")) for name, value in frames]


def _shifted(value: Any, under: str) -> Any:
    if isinstance(value, list):
        return [_shifted(one, under) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: one + 1
        if name in INDEXES and under not in ("choices", "candidates") and type(one) is int
        else _shifted(one, name)
        for name, one in value.items()
    }


def repeat_snapshots(frames: Frames) -> Frames:
    """Duplicates every event that repeats or completes the content of others."""
    changed: Frames = []
    for name, value in frames:
        kind = str(value.get("type", "")) if isinstance(value, dict) else ""
        snapshot = kind.startswith("response.") and kind.endswith(SNAPSHOTS) and kind != "response.done"
        snapshot = snapshot and "annotation" not in kind
        changed += [(name, value)] * (2 if snapshot else 1)
    return changed


def rotate_ids(frames: Frames) -> Frames:
    """Changes every item id in every frame, like gateways that encrypt them. Ids of calls stay."""
    counter = iter(range(1_000_000))

    def rotated(value: Any, inside: str) -> Any:
        if isinstance(value, list):
            return [rotated(one, inside) for one in value]
        if not isinstance(value, dict):
            return value
        return {
            name: f"new_{next(counter)}"
            if isinstance(one, str) and (name == "item_id" or (name == "id" and inside in ("item", "output")))
            else rotated(one, name)
            for name, one in value.items()
        }

    return [(name, rotated(value, "")) for name, value in frames]


def second_finish(frames: Frames) -> Frames:
    """Repeats the frame with the finish reason, without its other content."""
    changed: Frames = []
    for name, value in frames:
        changed.append((name, value))
        if (again := _finish_of(value)) is not None:
            changed.append((name, again))
    return changed


def _finish_of(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    choice = next(iter(value.get("choices") or ()), None)
    if isinstance(choice, dict) and choice.get("finish_reason"):
        return {**value, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
    candidate = next(iter(value.get("candidates") or ()), None)
    if isinstance(candidate, dict) and candidate.get("finishReason"):
        return {**value, "candidates": [{"finishReason": candidate["finishReason"]}]}
    return value if value.get("type") == "message_delta" else None


TEXTS: Final = {"content", "text", "thinking", "partial_json", "delta", "reasoning_content", "reasoning", "refusal"}
OTHERS: Final = {"arguments", "summary", "token", "data", "snippet", "args"}


def split_surrogates(frames: Frames) -> Frames:
    """Splits every delta that starts with a character outside the Basic Multilingual Plane inside that character."""
    changed: Frames = []
    for name, value in frames:
        for path in _texts(value):
            text = _at(value, path)
            halves = text[0].encode("utf-16-le", "surrogatepass")
            high, low = (halves[at : at + 2].decode("utf-16-le", "surrogatepass") for at in (0, 2))
            changed += [(name, _with(value, path, high)), (name, _with(value, path, low + text[1:]))]
            break
        else:
            changed.append((name, value))
    return changed


def with_waves(frames: Frames) -> Frames:
    """Prepends a character outside the Basic Multilingual Plane to every tenth delta, so that there is one to split."""
    changed: Frames = []
    for number, (name, value) in enumerate(frames):
        path = next(_texts(value, anything=True), None) if number % 10 < 2 else None
        changed.append((name, value if path is None else _with(value, path, WAVE + _at(value, path))))
    return changed


def _texts(value: Any, *, anything: bool = False) -> Iterator[tuple[Any, ...]]:
    """Returns the path of a pure delta's text that starts with such a character (or with `anything`)."""
    if not isinstance(value, dict):
        return
    kind = str(value.get("type", ""))
    if kind.startswith("response.") and not kind.endswith(".delta"):
        return
    if kind and not kind.startswith("response.") and kind != "content_block_delta":
        return
    if _finish_of(value) is not None or value.get("done") or value.get("error"):
        return
    found = [(path, text) for path, text in _strings(value, ()) if text and path[-1] in TEXTS | OTHERS]
    for path, text in found:
        # Other texts beside it would be repeated, which would be another stream.
        if len(found) == 1 and path[-1] in TEXTS and "args" not in path and (anything or text[:1] > "\uffff"):
            yield path


def _strings(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, (dict, list)):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _strings(one, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> str:
    for key in path:
        value = value[key]
    text: str = value
    return text


def _with(value: Any, path: tuple[Any, ...], text: str) -> Any:
    changed = copy.deepcopy(value)
    node = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = text
    return changed


def errors_after(api: str, frames: Frames) -> Frames:
    """Adds an error after all events but the end marker: the answer must not be reported as complete."""
    ends = ("[DONE]", "message_stop", "response.completed", "response.incomplete", "response.done")
    kept = [
        (name, value)
        for name, value in frames
        if not (value in ends if isinstance(value, str) else value.get("type") in ends or value.get("done"))
    ]
    return [*kept, ("error" if api != "ollama-chat" else "", {"error": {"message": "It broke.", "code": "500"}})]


CHANGES: Final[dict[str, Callable[[Frames], Frames]]] = {
    "indexes shifted": shift_indexes,
    "snapshots repeated": repeat_snapshots,
    "ids rotated": rotate_ids,
    "snapshots repeated, ids rotated": lambda frames: rotate_ids(repeat_snapshots(frames)),
    "all of it": lambda frames: shift_indexes(rotate_ids(repeat_snapshots(frames))),
    "a second finish reason": second_finish,
    "surrogates split": split_surrogates,
}
"""The changes that must not alter the meaning, by name."""
