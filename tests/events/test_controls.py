from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from headwater.events.controls import harmless, one_line
from tests.support.effort import tries

HOSTILE = "a\x1b[2Jb\x1b]0;title\x07c\x9b31md\be\rf\x00g\x7fh"

REORDERING = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
MARKS = [0x200E, 0x200F, 0x061C]

# Real text in these scripts, with the marks that keep a full stop and a number in place.
RIGHT_TO_LEFT = [
    "שלום עולם! (C++\u200e) הוא שם.",
    "מחיר: 100\u200f ₪",
    "مرحبا بالعالم؛ الرقم \u200f123\u200f هنا.",
    "النسخة \u061c1.2 (تجريبية)",
]


def test_control_characters_are_made_visible() -> None:
    assert harmless(HOSTILE) == "a␛[2Jb␛]0;title␇c�31md␈ef␀g␡h"
    assert harmless("tab\tand\nnewline") == "tab\tand\nnewline"
    assert (
        one_line("The arguments do not fit:\n- a: wrong\n- b: missing")
        == "The arguments do not fit: a: wrong; b: missing"
    )
    assert one_line(" two\n\x1b[1mlines\t") == "two ␛[1mlines"


@pytest.mark.parametrize("code", REORDERING, ids=hex)
def test_reordering_controls_become_visible_in_one_cell_each(code: int) -> None:
    text = f"user{chr(code)} nimda"
    assert harmless(text) == "user� nimda"
    assert cell_len(harmless(text)) == len(text)


@pytest.mark.parametrize("text", RIGHT_TO_LEFT)
def test_right_to_left_text_is_not_changed(text: str) -> None:
    assert harmless(text) == text
    assert one_line(text) == text
    assert cell_len(harmless(text)) == sum(
        unicodedata.category(letter) not in ("Cf", "Mn") for letter in text
    )  # the marks have no width


def test_every_bidirectional_control_is_covered() -> None:
    turning = {code for code in range(0x110000) if unicodedata.bidirectional(chr(code)) in _TURNING}
    assert turning == set(REORDERING)
    weak = {code for code in range(0x110000) if chr(code) != harmless(chr(code))}
    assert weak == {*range(9), *range(11, 32), *range(0x7F, 0xA0), *REORDERING}
    assert not weak & set(MARKS)


_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(st.text(max_size=60), st.data())
@settings(max_examples=tries(50, 200), deadline=None)
def test_no_text_is_harmful_however_it_is_split(text: str, data: st.DataObject) -> None:
    text = HOSTILE + "\u202e" + text
    cut = data.draw(st.integers(0, len(text)))
    whole = harmless(text)
    assert harmless(text[:cut]) + harmless(text[cut:]) == whole
    assert harmless(whole) == whole
    assert not [letter for letter in whole if unicodedata.category(letter) == "Cc" and letter not in "\t\n"]
    assert "\n" not in one_line(text)
