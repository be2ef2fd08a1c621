"""Decodes the parts of a Chat Completions answer other than text and calls: sources, images, audio.

Owns the formats in which servers send these. It must never see a chunk; `response` reads those.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from headwater.providers.decoder import Decoder, Place
from headwater.providers.request import Quirks

__all__ = ("ExtrasDecoder", "text_of")


class ExtrasDecoder(Decoder):
    """A base decoder that emits these parts; a subclass reads the chunks."""

    def __init__(self, place: Place | None = None, quirks: Quirks | None = None) -> None:
        super().__init__(place, quirks)
        self._audio: dict[str, list[str]] = {}
        self._sources: set[str] = set()

    def _found(self, sources: Iterable[Any]) -> None:
        for source in sources:
            if isinstance(source, str):
                source = {"url": source}
            if not isinstance(source, dict):
                continue
            inner = source.get("url_citation")
            source = inner if isinstance(inner, dict) else source
            url = source.get("url")
            start, end = source.get("start_index"), source.get("end_index")
            span = (start, end) if isinstance(start, int) and isinstance(end, int) else None
            # Perplexity repeats its list in every chunk; another span is another citation of the same page.
            if not isinstance(url, str) or (key := f"{url} {span}" if span else url) in self._sources:
                continue
            self._sources.add(key)
            quote = source.get("content") or source.get("snippet") or source.get("summary")
            self.source(kind="url", url=url, title=text_of(source.get("title")), quote=text_of(quote), span=span)

    def _read_image(self, image: Any) -> None:
        place = image.get("image_url") if isinstance(image, dict) else None
        url = place.get("url") if isinstance(place, dict) else place
        if not isinstance(url, str):
            self.warn("unknown_image", "The provider sent an image in an unknown format; it was dropped.")
            return
        head, _, content = url.partition(",")
        if head.startswith("data:") and head.endswith(";base64"):
            data = _from_base64([content])
            if data is not None:
                self.file(media_type=head[5:-7], data=data)
                return
        self.file(media_type="image/*", url=url)

    def _end_audio(self) -> None:
        """Audio arrives as PCM, the only format that OpenAI streams; later requests refer to it by its id."""
        idents, pieces = self._audio.get("id"), self._audio.get("data")
        if idents:
            transcript = "".join(self._audio.get("transcript", ()))
            self.item({"audio": {"id": idents[0], "transcript": transcript}})
        if pieces and (data := _from_base64(pieces)) is not None:
            self.file(media_type="audio/pcm", data=data, ref=idents[0] if idents else None)


def text_of(value: Any) -> str:
    """Returns the text in a value that may be text, or a list of text parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(text_of(part.get("text")) for part in value if isinstance(part, dict))
    return ""


def _from_base64(pieces: Iterable[str]) -> bytes | None:
    """Decodes pieces that are base64-encoded one by one; None if one is not base64."""
    try:
        return b"".join(base64.b64decode(piece, validate=True) for piece in pieces)
    except (binascii.Error, ValueError):
        return None
