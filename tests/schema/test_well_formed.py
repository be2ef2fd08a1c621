"""A lone surrogate becomes U+FFFD, and everything else stays the same object."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Message
from headwater.events.messages import Text, ToolCall
from headwater.schema.well_formed import all_well_formed, well_formed

HALF = "caf\udce9"
WHOLE = "caf\ufffd"

ANY_TEXT = st.text(st.characters(), max_size=6)
VALUES = st.recursive(
    st.none() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "becomes"),
    [(HALF, WHOLE), ("\ud83d\ude00 \ud83d", "\U0001f600 \ufffd"), ("\ude00\ud83d", "\ufffd\ufffd"), ("é潮", "é潮")],
)
def test_text(text: str, becomes: str) -> None:
    assert well_formed(text) == becomes


@given(ANY_TEXT)
def test_any_text_can_be_encoded_and_valid_text_is_the_same_object(text: str) -> None:
    whole = well_formed(text)
    assert well_formed(whole) is whole
    assert len(whole.encode()) >= len(whole)


@given(VALUES)
def test_all_of_any_value(value: Any) -> None:
    whole = all_well_formed(value)
    assert all_well_formed(whole) is whole
    repr(whole).encode()
    assert (whole is value) or whole != value


def test_messages_and_what_is_in_them() -> None:
    said = Message.assistant("Hello.", ToolCall(id="1", name="look", arguments={"where": [HALF]}))
    given_: tuple[Any, ...] = (Message.user("Hi."), said, {HALF: 1, 2: object})
    whole = all_well_formed(given_)
    assert whole[0] is given_[0]
    assert whole[1].content[0] is said.content[0]
    assert whole[1].tool_calls[0].arguments == {"where": [WHOLE]}
    assert whole[2] == {WHOLE: 1, 2: object}


class Word(str):
    """A str subclass, as Response is."""

    __slots__ = ()


def test_a_string_of_another_class() -> None:
    assert all_well_formed([Word(HALF)]) == [WHOLE]
    word = Word("fine")
    assert all_well_formed((word,))[0] is word


def test_cycles_and_endless_nesting_are_left_alone() -> None:
    around: list[Any] = [HALF]
    around.append(around)
    assert all_well_formed(around)[0] == WHOLE
    deep: list[Any] = [HALF]
    for _ in range(100_000):
        deep = [deep]
    assert all_well_formed(deep) is deep


class Odd(msgspec.Struct):
    kept: Any
    text: str = ""


def test_values_that_are_not_json_are_left_alone() -> None:
    odd = Odd(kept=object(), text=HALF)
    assert (all_well_formed(odd).kept, all_well_formed(odd).text) == (odd.kept, WHOLE)
    assert all_well_formed(odd.kept) is odd.kept
    assert all_well_formed(Text(text=HALF)) == Text(text=WHOLE)
