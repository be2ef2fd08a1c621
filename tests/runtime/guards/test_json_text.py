from __future__ import annotations

import json
import random

import pytest

from headwater.runtime.guards.json_text import JSONText, spelled_out


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        (r"\u006b3y", "k3y"),
        (r"a\/b", "a/b"),
        (r"\ud83d\uDE00", "\U0001f600"),
        (r"\u0022 \u005c \u000a \u0001", r"\" \\ \n \u0001"),
        (r"\\u006b", r"\\u006b"),
        (r"\ud83d and \ude00", r"\ud83d and \ude00"),
        (r"\ud83d\u006b", r"\ud83dk"),
        (r"C:\users, \", \t", r"C:\users, \", \t"),
        ("no escapes", "no escapes"),
        ("\\", "\\"),
        (r"\u00", r"\u00"),
    ],
)
def test_each_character_has_one_spelling(written: str, spelled: str) -> None:
    assert spelled_out(written) == spelled
    assert spelled_out(spelled) == spelled


@pytest.mark.parametrize("seed", range(50))
def test_the_value_and_the_pieces_do_not_matter(seed: int) -> None:
    chance = random.Random(seed)
    value = "".join(chance.choice(['"', "\\", "/", "\n", "\x01", "k", "ä", "\U0001f600", "u0041"]) for _ in range(20))
    units = value.encode("utf-16-be")
    escaped = "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
    written = chance.choice([json.dumps(value), f'"{escaped}"'])
    text = JSONText()
    pieces, at = [], 0
    while at < len(written):
        size = chance.randint(1, 7)
        pieces.append(text.add(written[at : at + size]))
        at += size
    spelled = "".join(pieces) + text.end()
    assert json.loads(spelled) == value
    assert spelled == spelled_out(written)
    assert spelled.replace("\\u0001", "") == json.dumps(value, ensure_ascii=False).replace("\\u0001", "")
