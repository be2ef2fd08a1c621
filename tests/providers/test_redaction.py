from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import errors
from headwater.providers.redaction import (
    HIDDEN,
    MAX_WORDS,
    PIECE,
    Scrubber,
    scrubbed,
    secrets_in,
    secrets_under,
    without_secrets,
)
from tests.support.effort import tries

KEY = "sk-proj-AbCdEfGhIjKlMnOp1234"

KEYS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=16, max_size=60)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"Incorrect API key provided: {KEY}.", "Incorrect API key provided: ….",),
        (f"{KEY}{KEY} and {KEY}", "…… and …"),
        ("Incorrect API key provided: sk-proj-****************1234.", "Incorrect API key provided: …."),
        ("The key sk-pr...1234 is unknown.", "The key … is unknown."),
        ("The key sk-proj-AbCdxxxxxxxxxx is unknown.", "The key … is unknown."),
        (f"It begins with {KEY[:12]} and ends with {KEY[-9:]}.", "It begins with … and ends with …."),
        ("Wait... there is more.", "Wait... there is more."),
        ("Write ****** instead.", "Write ****** instead."),
        ("", ""),
    ],
)  # fmt: skip
def test_a_key_is_removed_whole_masked_and_in_pieces(text: str, left: str) -> None:
    assert scrubbed(text, [KEY]) == left


def test_a_short_key_is_removed_only_as_a_whole() -> None:
    assert scrubbed("a key is not needed; you sent not-needed", ["not-needed"]) == "a key is not needed; you sent …"
    assert scrubbed("ollama is not running", ["olla"]) == "ollama is not running"


@given(key=KEYS, before=st.text(max_size=40), after=st.text(max_size=40), cut=st.data())
@settings(max_examples=tries(50, 200), deadline=None)
def test_no_piece_of_a_key_is_left(key: str, before: str, after: str, cut: st.DataObject) -> None:
    start = cut.draw(st.integers(0, len(key) - PIECE))
    end = cut.draw(st.integers(start + PIECE, len(key)))
    text = scrubbed(before + key[start:end] + after, [key])
    assert not [at for at in range(len(key) - PIECE + 1) if key[at : at + PIECE] in text]


@given(text=st.text(max_size=200), key=KEYS)
@settings(max_examples=tries(25, 100), deadline=None)
def test_text_without_a_key_is_unchanged(text: str, key: str) -> None:
    if not any(letter in text for letter in "*.…•xX") and not any(
        key[at : at + PIECE] in text for at in range(len(key) - PIECE + 1)
    ):
        assert scrubbed(text, [key]) == text


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Proxy-Authorization",
        "x-api-key",
        "api-key",
        "X-Goog-Api-Key",
        "Ocp-Apim-Subscription-Key",
        "X-Auth-Token",
        "cookie",
        "X-Gateway-Secret",
        "OpenAI-Organization",
    ],
)
def test_a_header_with_a_secrets_name_is_secret(name: str) -> None:
    assert secrets_in({name: KEY}) == (KEY,)
    assert secrets_in({name: f"Bearer {KEY}"}) == (KEY,)
    assert secrets_in({name: "abc"}) == ()


def test_other_headers_are_not_secret() -> None:
    headers = {
        "X-Title": "openai",
        "HTTP-Referer": "https://example.com",
        "X-Team": "harbour",
        "anthropic-beta": "files",
    }
    assert secrets_in({**headers, "content-type": "application/json", "x-request-id": "12345678"}) == ()


def test_query_fields_with_a_secrets_name_are_secret() -> None:
    assert secrets_in({}, {"api-version": "2024-10-21", "api-key": "query-key"}) == ("query-key",)


def test_fields_with_a_secrets_name_are_hidden_and_found() -> None:
    extra = {
        "tools": [{"type": "mcp", "authorization": KEY, "headers": {"X": ["one-header"]}, "server_url": "https://h"}],
        "max_tokens": 3,
        "prompt_cache_key": "conversation-1",
        "api_key": "another-key",
        "token": 7,
    }
    assert without_secrets(extra) == {
        "tools": [{"type": "mcp", "authorization": HIDDEN, "headers": {"X": [HIDDEN]}, "server_url": "https://h"}],
        "max_tokens": 3,
        "prompt_cache_key": "conversation-1",
        "api_key": HIDDEN,
        "token": 7,
    }
    assert secrets_under(extra) == [KEY, "one-header", "another-key"]
    assert (without_secrets(None), secrets_under(None)) == (None, [])


@pytest.mark.parametrize("text", ["a" * 1_000_000, "x-" * 100_000, f"{KEY[:-1]}." * 10_000, "xxxx-" * 20_000])
def test_a_long_text_is_searched_fast(text: str) -> None:
    assert KEY[:PIECE] not in scrubbed(text, [KEY])  # a quadratic search would take hours


# --- text from outside


def test_secrets_are_requested_once_on_first_use() -> None:
    asked: list[int] = []

    def find() -> list[str]:
        asked.append(1)
        return [KEY, "other-key", "short"]

    scrubber = Scrubber(find)
    assert asked == []
    assert scrubber.text(f"a {KEY} b other-key c short") == "a … b … c short"
    assert scrubber.text("nothing") == "nothing"
    assert asked == [1]
    assert KEY not in repr(scrubber)


def test_fields_are_searched_for_whole_secrets_and_messages_for_pieces_too() -> None:
    scrubber = Scrubber(lambda: [KEY])
    half = KEY[:12]
    assert scrubber.text(half) == half
    assert scrubber.words(f"{half} sk-…1234") == "… …"
    assert scrubber.words("a\x1b[2Jb\n\u202ec") == "a␛[2Jb\n�c"
    assert len(scrubber.words("x" * 100_000)) == MAX_WORDS + 1


@pytest.mark.parametrize("secret", [KEY, 'odd"\\key-0123456789', "kéy-0123456789012345", "tab\tkey-0123456789"])
def test_a_value_without_secrets_is_unchanged(secret: str) -> None:
    scrubber = Scrubber(lambda: [secret])
    for clean in ({"a": [1, None, {"b": "c"}]}, "text", 7, {"raw": b"\xff"}, {"nan": float("nan")}):
        assert scrubber.value(clean) is clean
    held = {"a": [secret, {"b": f"x{secret}"}], secret: (1, secret)}
    assert scrubber.value(held) == {"a": [HIDDEN, {"b": f"x{HIDDEN}"}], HIDDEN: (1, HIDDEN)}
    assert scrubber.value({"lone": "\ud800", "key": secret}) == {"lone": "\ud800", "key": HIDDEN}
    assert Scrubber().value(held) is held


def test_all_texts_of_an_error_are_clean() -> None:
    error = errors.RateLimited(
        f"No: {KEY}", hint=f"Try {KEY[:10]}", provider="acme", status=429, code=KEY, request_id=f"r {KEY}"
    )
    Scrubber(lambda: [KEY]).error(error)
    assert (error.message, error.hint, error.code, error.request_id) == ("No: …", "Try …", "…", "r …")
    assert (str(error), error.args, error.status) == ("No: … Try …", ("No: …",), 429)
    plain = errors.ConnectionFailed(f"Bad status line {KEY}")
    Scrubber(lambda: [KEY]).error(plain)
    assert str(plain) == "Bad status line …"


@given(
    key=KEYS,
    pieces=st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["***", "...", "…", "xxxx", "-", "key"]))),
    data=st.data(),
)
@settings(max_examples=tries(50, 200), deadline=None)
def test_clean_text_stays_unchanged(key: str, pieces: list[str], data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(0, 4))):
        start, length = data.draw(st.integers(0, len(key) - 1)), data.draw(st.integers(1, len(key)))
        pieces.insert(data.draw(st.integers(0, len(pieces))), key[start : start + length])
    text = scrubbed("".join(pieces), [key])
    assert not [at for at in range(len(key) - PIECE + 1) if key[at : at + PIECE] in text]
    assert scrubbed(text, [key]) == text or HIDDEN in text
