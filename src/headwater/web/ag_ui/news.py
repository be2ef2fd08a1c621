"""AG-UI output besides messages: run events as CUSTOM events, and tool results as parts. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

from headwater.events import AttemptFailed, Custom, Event, FileMade, GuardTripped, Handoff, SourceFound, Warned
from headwater.events.messages import AnyPart, File, Image, Text, data_url
from headwater.web.wires.values import plain

__all__ = ("NEWS", "content_of", "custom", "news")

_Out: TypeAlias = dict[str, Any]

NEWS: Final = (AttemptFailed, Custom, FileMade, GuardTripped, Handoff, SourceFound, Warned)
"""Events that are sent as CUSTOM, because the protocol has no equivalent."""


def custom(name: str, value: Any) -> _Out:
    """Returns a CUSTOM event."""
    return {"type": "CUSTOM", "name": name, "value": value}


def news(event: Event) -> Iterator[_Out]:
    """Yields the CUSTOM event for one of NEWS. Ours have the prefix `headwater.`; a program's keep their own names."""
    match event:
        case Custom():
            yield custom(event.name, plain(event.data))
        case Warned():
            yield _news(event, code=event.code, message=event.message, hint=event.hint)
        case AttemptFailed():
            yield _news(event, then=event.then, error=event.error.type, message=event.error.message)
        case GuardTripped():
            yield _news(event, guard=event.guard, on=event.on, action=event.action, note=event.note)
        case Handoff():
            yield _news(event, to=event.to, note=event.note)
        case SourceFound():
            yield _news(event, kind=event.kind, url=event.url, title=event.title, quote=event.quote)
        case FileMade():
            media = event.media_type or "application/octet-stream"
            url = event.url if event.data is None else data_url(event.data, media)
            yield _news(event, mediaType=media, url=url or "", name=event.name)
        case _:
            pass


def _news(event: Event, **value: Any) -> _Out:
    told = {key: inner for key, inner in value.items() if inner != ""}
    return custom(f"headwater.{event.type}", {"agent": event.agent, **told})


# --- tool results


def content_of(result: str | Sequence[AnyPart], *, parts: bool) -> Any:
    """Returns a tool's result: text, or parts if `parts` says that the client supports them."""
    if isinstance(result, str):
        return result
    if parts and not all(isinstance(part, Text) for part in result):
        return [_part(part) for part in result if isinstance(part, (Text, Image, File))]
    return "".join(part.text for part in result if isinstance(part, Text))


def _part(part: Text | Image | File) -> _Out:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    media = {"mimeType": part.media_type} if part.media_type else {}
    source: _Out = {"type": "url", "value": part.url or "", **media}
    if part.data is not None:
        data = base64.b64encode(part.data).decode()
        source = {"type": "data", "value": data, "mimeType": part.media_type or "application/octet-stream"}
    elif part.url is None:
        source = {"type": "file", "value": part.id if isinstance(part, File) else "", **media}
    named = {"metadata": {"filename": part.name}} if isinstance(part, File) and part.name else {}
    return {"type": _kind(part), "source": source, **named}


def _kind(part: Image | File) -> str:
    general = part.media_type.partition("/")[0]
    return "image" if isinstance(part, Image) else general if general in ("audio", "video") else "document"
