"""Makes control characters visible: all text for a terminal passes through here.

Owns which characters those are. Pure.

Of the bidirectional controls, those that reorder the text around them become visible: embeddings, overrides and
isolates, which can make a line read differently than it is. The three marks (LRM, RLM, ALM) pass: they only affect a
comma or a bracket beside them, which is what writers of Hebrew and Arabic need them for. Words in those scripts need
none of the others: their letters have a direction of their own.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ("harmless", "one_line")

_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

# One character for one, so that a sequence split between deltas is as harmless as a whole one. A carriage return is
# just removed: with a line feed it means the same as without.
_STAND_INS: Final = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x0D: None,
    0x7F: 0x2421,
    **dict.fromkeys([*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD),
}


def harmless(text: str) -> str:
    """Returns `text` with every control character made visible; tab and newline stay."""
    return text.translate(_STAND_INS) if _CONTROL.search(text) else text


def one_line(text: str) -> str:
    """Returns `text` with control characters made visible, on one line; a list is separated by semicolons."""
    if "\n- " in text:
        text = text.replace(":\n- ", ": ").replace("\n- ", "; ")
    return harmless(" ".join(text.split()))
