"""The offline model's tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headwater.backends.offline.tokenizer import count, split
from tests.backends.offline.answers import BOUNDED


@BOUNDED
@given(st.text())
def test_tokens_joined_are_the_text(text: str) -> None:
    tokens = split(text)
    assert "".join(tokens) == text
    assert all(tokens)
    assert count(text) == len(tokens)


def test_tokens_are_words_with_the_space_before_them() -> None:
    assert split("So it is, internationalisation!\n") == [
        "So",
        " it",
        " is",
        ",",
        " internationa",
        "lisation",
        "!",
        "\n",
    ]
