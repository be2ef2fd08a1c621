"""Where a key could show, and how it is kept from showing.

Owns what counts as a secret (by the name it stands under, or because it was sent as one) and how it is removed from
texts and values. It must never touch what goes to a provider: that is sent unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ("HIDDEN", "scrubbed", "secrets_in", "secrets_under", "without_secrets")

HIDDEN: Final = "…"
"""What stands where a secret stood."""

SHORTEST: Final = 6
"""Characters of a secret that is looked for: what is shorter is no key, and stands in any sentence by chance."""

SHORTEST_CUT: Final = 16
"""Characters from which pieces of a secret are looked for too: a shorter one is often a word, such as not-needed."""

PIECE: Final = 8
"""Characters in a row that are taken for a piece of a secret."""

_ACCOUNT_HEADERS: Final = frozenset({"openai-organization", "openai-project"})
"""Headers that say whose account it is, which is nobody else's business either."""

_SECRET_NAME: Final = re.compile(
    r"(auth|bearer|cookie|credential|passw|secret|signature|headers$|(^|[-_])(api)?[-_]?key$|token$|^sig$|^code$)",
    re.IGNORECASE,
)
_PLAIN_NAMES: Final = frozenset({"prompt_cache_key"})

_MASKED: Final = re.compile(r"(?P<head>[\w-]*?)(?:\*{3,}|\.{3,}|…+|•{3,}|[xX]{4,})(?P<tail>[\w-]*)")
"""A word of which something was masked: sk-proj-****abcd."""


def secrets_in(headers: Mapping[str, str], query: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Returns the secrets of a request: the values of headers and query fields that have a secret's name.

    Any other header says what anyone may say: a title or a team may well be a word of the answer.
    """
    found = [
        re.sub(r"^(Bearer|Basic) ", "", value)
        for name, value in headers.items()
        if _secret_name(name) or name.lower() in _ACCOUNT_HEADERS
    ] + [value for name, value in (query or {}).items() if _secret_name(name)]
    return tuple(value for value in found if len(value) >= SHORTEST)


def secrets_under(value: Any, *, hide: bool = False) -> list[str]:
    """Returns the strings in `value`, JSON-like, that stand under a secret's name."""
    if isinstance(value, Mapping):
        return [
            secret
            for name, inner in value.items()
            for secret in secrets_under(inner, hide=hide or _secret_name(str(name)))
        ]
    if isinstance(value, (list, tuple)):
        return [secret for inner in value for secret in secrets_under(inner, hide=hide)]
    return [value] if hide and isinstance(value, str) and len(value) >= SHORTEST else []


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """Returns `text` without the secrets, including parts of them and masked forms."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) < SHORTEST:
            continue
        text = text.replace(secret, HIDDEN)
        if len(secret) >= SHORTEST_CUT:
            text = _without_pieces(_without_masked(text, secret), secret)
    return text


def without_secrets(value: Any, *, hide: bool = False) -> Any:
    """Returns `value`, JSON-like, with the strings under a secret's name hidden."""
    if isinstance(value, Mapping):
        return {name: without_secrets(inner, hide=hide or _secret_name(str(name))) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(inner, hide=hide) for inner in value]
    return HIDDEN if hide and isinstance(value, (str, bytes)) else value


def _secret_name(name: str) -> bool:
    return name not in _PLAIN_NAMES and _SECRET_NAME.search(name) is not None


def _without_pieces(text: str, secret: str) -> str:
    pieces = {secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1)}
    kept: list[str] = []
    at = 0
    while at < len(text):
        end = at
        while text[end : end + PIECE] in pieces:
            end += 1
        if end > at:
            kept.append(HIDDEN)
            at = end + PIECE - 1
        else:
            kept.append(text[at])
            at += 1
    return "".join(kept)


def _without_masked(text: str, secret: str) -> str:
    def hide(match: re.Match[str]) -> str:
        head, tail = match["head"], match["tail"]
        known = (len(head) >= 3 and secret.startswith(head)) or (len(tail) >= 3 and secret.endswith(tail))
        return HIDDEN if known else match[0]

    return _MASKED.sub(hide, text)
