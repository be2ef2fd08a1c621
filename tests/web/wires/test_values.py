from __future__ import annotations

import datetime

from headwater.events.messages import Text
from headwater.web.wires.values import plain


def test_a_value_is_sent_as_json_or_as_text() -> None:
    assert plain({1: [None, Text(text="a")]}) == {"1": [None, {"type": "text", "text": "a"}]}
    assert plain(datetime.date(2026, 11, 30)) == "2026-11-30"
    assert plain(test_a_value_is_sent_as_json_or_as_text).startswith("<function")
