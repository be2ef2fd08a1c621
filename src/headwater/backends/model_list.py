"""Which models a server has, asked only where it answered that it does not have the one that was named.

Owns the one short question and its bounds, and how a list is read. Whatever goes wrong with the question is nobody's
concern: the refusal is the news.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from headwater.errors import HeadwaterError
from headwater.providers.request import HTTPRequest

if TYPE_CHECKING:
    from headwater.backends.base import Post

__all__ = ("in_words", "list_url", "models_at", "names_in")

LIST_SECONDS: Final = 3.0
"""What an error may be later for the list: a server that answered a moment ago answers this within a second."""

MAX_LIST_BYTES: Final = 2 * 1024 * 1024
"""A list of models: a router's hundreds, with all it says about each, fit."""

MAX_NAMED: Final = 8
"""Models that an error names: as many as one reads."""

MAX_NAME_CHARS: Final = 100
"""The longest name that is shown; what is longer is none."""

_TAILS: Final = (
    (r"/(chat/completions|responses|messages)$", "/models"),
    (r"/api/chat$", "/api/tags"),
    (r"/models/[^/]+:streamGenerateContent$", "/models"),
)


def list_url(url: str) -> str | None:
    """Returns the address of the list beside that of a request; None where it is none that we know."""
    parts = urlsplit(url)
    query = urlencode([pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair != ("alt", "sse")])
    for tail, instead in _TAILS:
        path, found = re.subn(tail, instead, parts.path)
        if found:
            return urlunsplit(parts._replace(path=path, query=query))
    return None


async def models_at(request: HTTPRequest, post: Post, *, connect: float | None = None) -> tuple[str, ...]:
    """Returns the names of the models that the server of `request` has; empty where it does not say."""
    url = list_url(request.url)
    if url is None:
        return ()
    headers = {name: value for name, value in request.headers.items() if name.lower() not in ("content-type", "accept")}
    asked = HTTPRequest(method="GET", url=url, headers={**headers, "accept": "application/json"}, body=b"")
    body = b""
    try:
        async with asyncio.timeout(LIST_SECONDS):
            reply = await post(asked, connect=connect)
            try:
                while reply.status == 200 and len(body) <= MAX_LIST_BYTES and (piece := await reply.read()):
                    body += piece
            finally:
                (reply.release if reply.ended else reply.abort)()
    except (HeadwaterError, TimeoutError):
        return ()
    return (names_in(body) or ()) if len(body) <= MAX_LIST_BYTES else ()


def names_in(body: bytes) -> tuple[str, ...] | None:
    """Returns the names in OpenAI's list (`data`, by `id`), Ollama's or Gemini's (`models`, by `name`).

    None where it is no such list, whatever it is. Names that cannot be shown on one line are left out.
    """
    try:
        listed: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    for key, name in (("data", "id"), ("models", "name")):
        items = listed.get(key) if isinstance(listed, Mapping) else None
        if isinstance(items, list):
            named = [item.get(name) for item in items if isinstance(item, dict)]
            found = (one.removeprefix("models/") for one in named if isinstance(one, str))
            return tuple(one for one in found if one.isprintable() and 0 < len(one) <= MAX_NAME_CHARS)
    return None


def in_words(models: Sequence[str], named: str) -> str:
    """Returns what the server has as a sentence, the nearest to the model that was named first; "" for nothing."""
    if not models:
        return ""
    import difflib

    last = named.rpartition("/")[2].lower()
    ends = [one for one in models if one.rpartition("/")[2].lower() == last]
    near = difflib.get_close_matches(named, models, n=MAX_NAMED, cutoff=0.6)
    told = [*dict.fromkeys((*ends, *near, *models))][:MAX_NAMED]
    more = len(models) - len(told)
    return f"It has {', '.join(told)}{f' and {more} more' if more else ''}."
