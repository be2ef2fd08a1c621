"""The result of a call as parts for a model. Needs no connection."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from headwater.events.messages import File, Image, Text
from headwater.schema.plain import to_json
from headwater.tools.outcome import ToolOutcome

if TYPE_CHECKING:
    from mcp_types import CallToolResult, ContentBlock

__all__ = ("outcome_of",)


def outcome_of(result: CallToolResult, *, max_chars: int) -> ToolOutcome:
    """Returns the outcome of a call: an error that the model reads, or text, JSON, images and files.

    Structured content stays JSON; text that says the same is left out.
    """
    parts = [part for block in result.content if (part := _part(block)) is not None]
    texts = [part.text for part in parts if isinstance(part, Text)]
    if result.is_error:
        said = "\n".join(texts) or (_json(result.structured_content) if result.structured_content is not None else "")
        return ToolOutcome.failed(said or "The tool failed, and said nothing about it.", max_chars=max_chars)
    structured = result.structured_content
    if structured is not None and not any(_says(text, structured) for text in ["\n".join(texts), *texts]):
        parts.append(Text(text=_json(structured)))
    if len(parts) == 1 and isinstance(parts[0], Text):
        return ToolOutcome.of(parts[0].text, max_chars=max_chars)
    return ToolOutcome.of(parts if parts else "", max_chars=max_chars)


def _says(text: str, structured: Any) -> bool:
    """Whether a text says what the structured content does: as JSON, or as the only result in it."""
    only = structured.get("result") if isinstance(structured, dict) and len(structured) == 1 else None
    if only is not None and text == only:
        return True
    try:
        read = json.loads(text)
    except ValueError:
        return False
    return bool(read == structured or (only is not None and read == only))


def _json(value: Any) -> str:
    return to_json(value)


def _part(block: ContentBlock) -> Text | Image | File | None:
    kind = getattr(block, "type", "")
    if kind == "text":
        return Text(text=str(getattr(block, "text", "")))
    if kind in ("image", "audio"):
        return _bytes(getattr(block, "data", ""), getattr(block, "mime_type", None) or "")
    if kind == "resource_link":
        return Text(text=_link(block))
    if kind == "resource":
        inner: Any = getattr(block, "resource", None)
        if (blob := getattr(inner, "blob", None)) is not None:
            name = str(getattr(inner, "uri", "")).rpartition("/")[2]
            return _bytes(blob, getattr(inner, "mime_type", None) or "", name)
        return Text(text=str(getattr(inner, "text", "")))
    return None


def _bytes(data: str, media_type: str, name: str = "") -> Text | Image | File:
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return Text(text=f"[{media_type or 'Binary'} content that is not valid base64]")
    if media_type.startswith("image/"):
        return Image(data=raw, media_type=media_type)
    return File(data=raw, media_type=media_type or "application/octet-stream", name=name)


def _link(block: Any) -> str:
    described = f": {block.description}" if getattr(block, "description", None) else ""
    return f"[{block.name}]({block.uri}){described}"
