from __future__ import annotations

import msgspec

from headwater.events import TextDelta


def test_stamping_changes_nothing_else() -> None:
    event = TextDelta(step=1, part=0, text="a")
    stamped = msgspec.structs.replace(event, seq=3, time=2.5, run="r", path=("team", "writer"))
    assert (stamped.seq, stamped.time, stamped.run, stamped.path) == (3, 2.5, "r", ("team", "writer"))
    assert (stamped.step, stamped.part, stamped.text) == (1, 0, "a")
    assert event.seq == 0


def test_the_agent_is_the_last_part_of_the_path() -> None:
    assert TextDelta(step=1, part=0, text="a", path=("team", "writer")).agent == "writer"
    assert TextDelta(step=1, part=0, text="a").agent == ""
