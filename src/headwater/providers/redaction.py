"""Keeps secrets out of events, errors and logs.

Owns what counts as a secret (by the name of its field, or because it was sent as one) and how secrets are removed from
texts and values. It must never change what is sent to a provider.

Text from outside (a provider, a proxy, any server) enters events and errors through a `Scrubber`, which removes the
secrets in use and terminal control characters. The model's own words are the exception: text, reasoning and the
arguments of calls are the content of the stream and stay unchanged. A model never sees a key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from headwater.errors import HeadwaterError, ProviderError
from headwater.events.controls import harmless

__all__ = ("HIDDEN", "Scrubber", "scrubbed", "secrets_in", "secrets_under", "without_secrets")

HIDDEN: Final = "…"
"""The replacement for a secret."""

SHORTEST: Final = 6
"""Minimum length of a secret to search for: anything shorter is not a key, and occurs in text by chance."""

SHORTEST_CUT: Final = 16
"""Minimum length of a secret to search for its pieces too: a shorter one is often a word, such as not-needed."""

PIECE: Final = 8
"""Length of a run of characters that counts as a piece of a secret."""

_BLOCK: Final = 4
"""Half a piece. A piece from anywhere in a secret contains at least one whole block, so a text without blocks is
clean."""

_REACH: Final = PIECE - _BLOCK
"""How far a piece may extend beyond a block on either side without containing the next one."""

_encode: Final = msgspec.json.Encoder().encode

MAX_WORDS: Final = 4_000
"""Maximum length of outside text in a message: more than anyone reads."""

_ACCOUNT_HEADERS: Final = frozenset({"openai-organization", "openai-project"})
"""Headers that identify the account, which are private too."""

_SECRET_NAME: Final = re.compile(
    r"(auth|bearer|cookie|credential|passw|secret|signature|headers$|(^|[-_])(api)?[-_]?key$|token$|^sig$|^code$)",
    re.IGNORECASE,
)
_PLAIN_NAMES: Final = frozenset({"prompt_cache_key"})

_MASK: Final = re.compile(r"\*{3,}|\.{3,}|…+|•{3,}|[xX]{4,}")
"""Characters that mask the middle of a word: sk-proj-****abcd."""
_WORD: Final = re.compile(r"[\w-]+")


class Scrubber:
    """Removes the secrets in use from outside text.

    `find` returns them; it is called once, on first use: only then are the headers of a request known. Messages are
    searched for pieces and masked forms too, which is how vendors quote a key; everything else only for whole secrets,
    which is fast.
    """

    __slots__ = ("_find", "_in_json", "_known")

    def __init__(self, find: Callable[[], Iterable[str]] = tuple) -> None:
        self._find = find
        self._known: tuple[str, ...] | None = None
        self._in_json: tuple[bytes, ...] = ()

    @property
    def _secrets(self) -> tuple[str, ...]:
        if self._known is None:
            self._known = _longest_first(self._find())
            self._in_json = tuple(_encode(secret)[1:-1] for secret in self._known)
        return self._known

    def text(self, text: str) -> str:
        """Returns `text` without the secrets."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        return text

    def value(self, value: Any) -> Any:
        """Returns `value`, JSON-like, without secrets in its strings and keys; the same object if it has none."""
        if not self._secrets:
            return value
        try:
            told = _encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError):  # the value cannot be written as JSON
            return self._walked(value)
        for secret in self._in_json:
            if secret in told:
                return self._walked(value)
        return value

    def words(self, text: str) -> str:
        """Returns a message for people: without secrets, their pieces and masked forms; safe for terminals, and
        truncated after MAX_WORDS characters."""
        cut = text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}…"
        return harmless(_scrubbed(cut, self._secrets))

    def error(self, error: HeadwaterError) -> None:
        """Removes the secrets from the texts of `error`, as `words` does."""
        error.message, error.hint = self.words(error.message), self.words(error.hint)
        error.args = (error.message,)
        if isinstance(error, ProviderError):
            error.code = error.code and self.words(error.code)
            error.request_id = error.request_id and self.words(error.request_id)

    def _walked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._walked(name): self._walked(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(map(self._walked, value))
        return value


def secrets_in(headers: Mapping[str, str], query: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Returns the secrets of a request: the values of headers and query fields with a secret's name.

    Other headers are not secret: a title or a team may well be a word of the answer.
    """
    found = [
        re.sub(r"^(Bearer|Basic) ", "", value)
        for name, value in headers.items()
        if _secret_name(name) or name.lower() in _ACCOUNT_HEADERS
    ] + [value for name, value in (query or {}).items() if _secret_name(name)]
    return tuple(value for value in found if len(value) >= SHORTEST)


def secrets_under(value: Any, *, hide: bool = False) -> list[str]:
    """Returns the strings in `value`, JSON-like, whose field has a secret's name."""
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
    """Returns `text` without the secrets, their pieces and masked forms."""
    return _scrubbed(text, _longest_first(secrets))


def without_secrets(value: Any, *, hide: bool = False) -> Any:
    """Returns `value`, JSON-like, with the strings of fields with a secret's name hidden."""
    if isinstance(value, Mapping):
        return {name: without_secrets(inner, hide=hide or _secret_name(str(name))) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(inner, hide=hide) for inner in value]
    return HIDDEN if hide and isinstance(value, (str, bytes)) else value


@lru_cache(maxsize=256)
def _secret_name(name: str) -> bool:
    return name not in _PLAIN_NAMES and _SECRET_NAME.search(name) is not None


# --- finding a secret in a text without looking at each character


def _longest_first(secrets: Iterable[str]) -> tuple[str, ...]:
    """Returns the secrets that are long enough to search for."""
    return tuple(sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True))


def _scrubbed(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
        if len(secret) >= SHORTEST_CUT:
            text = _without_pieces(_without_masked(text, secret), secret)
    return text


def _without_pieces(text: str, secret: str) -> str:
    spans: list[tuple[int, int]] = []
    for at in range(0, len(secret) - _BLOCK + 1, _BLOCK):
        if secret[at : at + _BLOCK] in text:
            spans += _around(text, secret, at)
    kept: list[str] = []
    past = 0
    for begin, end in sorted(spans):
        if begin >= past:
            kept += (text[past:begin], HIDDEN)
        past = max(past, end)
    return "".join((*kept, text[past:])) if spans else text


def _around(text: str, secret: str, at: int) -> Iterator[tuple[int, int]]:
    """Yields the positions of pieces that contain the secret's block at `at`; a longer one up to the next block."""
    stop = at + _BLOCK
    found = text.find(secret[at:stop])
    while found >= 0:
        before = after = 0
        while before < min(_REACH, at, found) and text[found - before - 1] == secret[at - before - 1]:
            before += 1
        end = found + _BLOCK
        while after < min(_REACH, len(secret) - stop, len(text) - end) and text[end + after] == secret[stop + after]:
            after += 1
        if before + _BLOCK + after >= PIECE:
            yield found - before, end + after
        found = text.find(secret[at:stop], found + 1)


def _without_masked(text: str, secret: str) -> str:
    if secret[:3] not in text and secret[-3:] not in text:
        return text
    kept: list[str] = []
    past = 0
    for mask in _MASK.finditer(text):
        begin, end = mask.span()
        if begin < past:
            continue
        # A longer head or tail is not part of the secret.
        head = text[_word_begins(text, begin, max(past, begin - len(secret) - 1)) : begin]
        word = _WORD.match(text, end, end + len(secret) + 1)
        tail = word[0] if word else ""
        if (len(head) >= 3 and secret.startswith(head)) or (len(tail) >= 3 and secret.endswith(tail)):
            kept += (text[past : begin - len(head)], HIDDEN)
            past = end + len(tail)
    return "".join((*kept, text[past:]))


def _word_begins(text: str, at: int, least: int) -> int:
    while at > least and (text[at - 1].isalnum() or text[at - 1] in "_-"):
        at -= 1
    return at
