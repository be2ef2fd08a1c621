"""Lists the models of a server, after it answered that it does not have the requested one.

Owns that request, its limits, and how a list is read. Errors of the request are ignored: the original refusal is what
matters.
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
"""How long the list may delay an error: a server that just answered replies within a second."""

MAX_LIST_BYTES: Final = 2 * 1024 * 1024
"""Maximum size of a list: a router's hundreds of models with all their details fit."""

MAX_NAMED: Final = 8
"""Number of models that an error names: as many as a person reads."""

MAX_NAME_CHARS: Final = 100
"""The longest name that is shown; anything longer is not a name."""

_TAILS: Final = (
    (r"/(chat/completions|responses|messages)$", "/models"),
    (r"/api/chat$", "/api/tags"),
    (r"/models/[^/]+:streamGenerateContent$", "/models"),
)


def list_url(url: str) -> str | None:
    """Returns the URL of the model list for a request's URL; None if unknown."""
    parts = urlsplit(url)
    query = urlencode([pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair != ("alt", "sse")])
    for tail, instead in _TAILS:
        path, found = re.subn(tail, instead, parts.path)
        if found:
            return urlunsplit(parts._replace(path=path, query=query))
    return None


async def models_at(request: HTTPRequest, post: Post, *, connect: float | None = None) -> tuple[str, ...]:
    """Returns the names of the models on the server of `request`; empty if it does not list them."""
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

    None if it is not such a list. Names that cannot be shown on one line are left out.
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
    """Returns the server's models as a sentence, those most similar to the requested one first; "" if there are
    none."""
    if not models:
        return ""
    import difflib

    last = named.rpartition("/")[2].lower()
    ends = [one for one in models if one.rpartition("/")[2].lower() == last]
    near = difflib.get_close_matches(named, models, n=MAX_NAMED, cutoff=0.6)
    told = [*dict.fromkeys((*ends, *near, *models))][:MAX_NAMED]
    more = len(models) - len(told)
    return f"It has {', '.join(told)}{f' and {more} more' if more else ''}."
