"""Words, tools and notes: what is kept of them, and what they say of themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headwater.terminal.dashboard.blocks import TEXT_KEPT, ToolLine, Words


def test_only_the_end_of_a_long_text_is_kept() -> None:
    words = Words("answer")
    for number in range(10_000):
        words.add(f"{number:05} ")
    assert words.end == 60_000
    kept = words.since(0)
    assert TEXT_KEPT <= len(kept) <= 2 * TEXT_KEPT
    assert kept.endswith("09999 ")
    assert words.since(words.end - 6) == "09999 "
    assert words.since(words.end) == ""
    assert words.start + len(kept) == words.end


@given(st.lists(st.text(max_size=2000)), st.integers(0, 4000))
def test_the_end_of_the_text_is_kept(pieces: list[str], position: int) -> None:
    words, said = Words("answer"), "".join(pieces)
    for piece in pieces:
        words.add(piece)
    assert words.end == len(said)
    assert words.since(position) == said[max(position, words.start) :]
    assert len(words.since(0)) >= min(len(said), TEXT_KEPT)


def test_a_tool_is_at_work_until_it_is_done_or_stopped() -> None:
    going, done, stopped = (ToolLine("search()", 1.0) for _ in range(3))
    done.duration = 0.0
    stopped.stopped = True
    assert [tool.running for tool in (going, done, stopped)] == [True, False, False]
