from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.providers.redaction import HIDDEN, PIECE, scrubbed, secrets_in, secrets_under, without_secrets

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
def test_a_key_is_taken_out_whole_masked_and_in_part(text: str, left: str) -> None:
    assert scrubbed(text, [KEY]) == left


def test_a_word_that_serves_as_a_key_is_taken_out_only_whole() -> None:
    assert scrubbed("a key is not needed; you sent not-needed", ["not-needed"]) == "a key is not needed; you sent …"
    assert scrubbed("ollama is not running", ["olla"]) == "ollama is not running"


@given(key=KEYS, before=st.text(max_size=40), after=st.text(max_size=40), cut=st.data())
@settings(max_examples=200, deadline=None)
def test_no_piece_of_a_key_is_left(key: str, before: str, after: str, cut: st.DataObject) -> None:
    start = cut.draw(st.integers(0, len(key) - PIECE))
    end = cut.draw(st.integers(start + PIECE, len(key)))
    text = scrubbed(before + key[start:end] + after, [key])
    assert not [at for at in range(len(key) - PIECE + 1) if key[at : at + PIECE] in text]


@given(text=st.text(max_size=200), key=KEYS)
@settings(max_examples=100, deadline=None)
def test_what_holds_nothing_of_a_key_is_left_alone(text: str, key: str) -> None:
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
def test_a_header_with_a_secrets_name_holds_one(name: str) -> None:
    assert secrets_in({name: KEY}) == (KEY,)
    assert secrets_in({name: f"Bearer {KEY}"}) == (KEY,)
    assert secrets_in({name: "abc"}) == ()


def test_any_other_header_holds_none() -> None:
    headers = {
        "X-Title": "openai",
        "HTTP-Referer": "https://example.com",
        "X-Team": "harbour",
        "anthropic-beta": "files",
    }
    assert secrets_in({**headers, "content-type": "application/json", "x-request-id": "12345678"}) == ()


def test_a_query_holds_secrets_by_name_too() -> None:
    assert secrets_in({}, {"api-version": "2024-10-21", "api-key": "query-key"}) == ("query-key",)


def test_what_stands_under_a_secrets_name_is_hidden_and_found() -> None:
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
