"""One agent on a terminal, as a person sees it: the cells of the screen, through everything that can happen."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from headwater import Agent
from headwater.backends.offline import Call, Fail, Finish, Say, ScriptedModel, Think, Wait
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.look import Look
from tests.support.markdown import SAMPLE, cut
from tests.support.panes import Frames, played
from tests.support.virtual import run_virtual
from tests.terminal import crowds

LONGEST_STILL = 0.31
"""Seconds for which a screen may stand still while something is waited for; and a little, for a frame is a tenth."""


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


def agent(*turns: Any, rate: float | None = None, **options: Any) -> Agent[Any, Any]:
    model = ScriptedModel([list(turn) if isinstance(turn, list) else [turn] for turn in turns])
    model.model = "gpt-5.4"
    return Agent(name="Writer", model=model, **options)


def slowly(text: str, seconds: float = 0.05, longest: int = 6) -> list[Any]:
    """A text in pieces, with a pause after each."""
    return [item for piece in cut(text, 1, longest) for item in (piece, Wait(seconds))]


def sound(frames: Frames, *, still: bool = True) -> None:
    """What holds for every run: it is never still, nothing raw is left, one empty row stands between two blocks."""
    if still:
        assert frames.stillest() <= LONGEST_STILL, "nothing moved while something was waited for"
    assert not any(first == second == "" for first, second in pairwise(frames.left)), frames.left
    assert not any(re.search(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", row) for row in frames.left), "a live line is left"
    assert frames.raw.count("\x1b[?25l") == frames.raw.count("\x1b[?25h"), "the cursor is gone"


def without_header(rows: Sequence[str]) -> list[str]:
    assert rows[0].endswith("Agent: Writer | Loops: 1")
    assert set(rows[1]) == {"━"}
    assert rows[2] == ""
    return list(rows[3:])


def test_a_slow_model_with_pauses() -> None:
    frames = played(agent([Wait(4.0), "Rivers run ", Wait(3.0), "to the **sea**."]))
    sound(frames)
    assert re.fullmatch(". waiting for gpt-5.4", without_header(frames.at(0.1))[0])
    assert re.fullmatch("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] waiting for gpt-5.4 · 3 s", without_header(frames.at(3.5))[0])
    assert without_header(frames.at(4.2)) == ["Rivers run"]
    paused = without_header(frames.at(6.0))
    assert paused[:2] == ["Rivers run", ""]
    assert re.fullmatch(". waiting for gpt-5.4 · [12] s", paused[2])
    assert without_header(frames.left)[:3] == ["Rivers run to the sea.", "", frames.left[-1]]
    assert frames.styles["sea."] == "" or frames.styles["sea."] == "bold"


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40), (200, 50), (40, 12)])
def test_a_long_answer_at_every_size(columns: int, lines: int) -> None:
    frames = played(agent(slowly(SAMPLE, 0.02, 12)), columns=columns, lines=lines)
    sound(frames)
    rows = without_header(frames.left)
    text = "\n".join(rows)
    prose = re.sub(r"```.*?```", "", SAMPLE, flags=re.DOTALL)
    for word in re.findall(r"[A-Za-z]{3,}", re.sub(r"\(http.*?\)", "", prose)):
        assert re.search(rf"(?<![A-Za-z]){word}(?![A-Za-z])", text), f"{word} is broken"
    code = text[text.index("async def") : text.index("flush=True)")]
    assert not re.search(r"\*\*|~~|`|\]\(|^#", text.replace(code, ""), flags=re.MULTILINE), "a raw mark is left"
    if lines > 40:
        assert frames.styles["Streaming"] == "bold underscore cyan"
    assert frames.styles["words"] == "bold italics"
    assert all(len(row) <= max(columns, 100) for row in rows)


def test_no_frame_shows_a_retracted_style_or_text_twice() -> None:
    frames = played(agent(slowly(SAMPLE, 0.05, 8)), columns=60, lines=60)
    final = "\n".join(frames.left)
    for screen in frames.screens:
        assert sum("Streaming in Python" in row for row in screen) <= 1
        assert sum("First item" in row for row in screen) <= 1
    assert final.count("Streaming in Python") == 1


async def weather(city: str) -> str:
    """The weather."""
    await asyncio.sleep(1.5)
    return "4 °C, rain\nwind from the west"


async def flights(to: str) -> str:
    """Flights."""
    await asyncio.sleep(2.5)
    return "812 NOK"


async def hotels(city: str) -> str:
    """Hotels."""
    await asyncio.sleep(1.0)
    raise ValueError("the booking service said that no rooms are left in the whole of the city for these dates")


TRIP: list[Any] = [
    "Let me look.",
    *(Call("weather", {"city": "Oslo"}), Call("flights", {"to": "Bergen"}), Call("hotels", {"city": "Bergen"})),
]


def test_three_tools_at_once_one_of_which_fails() -> None:
    frames = played(agent(TRIP, "Cold and wet.", tools=[weather, flights, hotels]))
    sound(frames)
    running = without_header(frames.at(0.5))
    assert running[:2] == ["Let me look.", ""]
    assert [re.sub(r"\d\.\d", "N", row[2:]) for row in running[2:]] == [
        'weather(city="Oslo") · N s',
        'flights(to="Bergen") · N s',
        'hotels(city="Bergen") · N s',
    ]
    rows = [re.sub(r"\d+(\.\d)? m?s$", "N s", row) for row in without_header(frames.left)]
    assert rows[:-2] == [
        *("Let me look.", ""),
        '● hotels(city="Bergen")',
        "  └ ValueError: the booking service said that no rooms are left in the whole of",
        "    the city for these dates · N s",
        '● weather(city="Oslo")',
        "  └ 4 °C, rain · N s",
        '● flights(to="Bergen")',
        "  └ 812 NOK · N s",
        *("", "Cold and wet."),
    ]
    assert frames.styles["●"] == "red"
    assert rows[-1].startswith("stop · ")


def test_a_tools_progress_is_on_its_line() -> None:
    from headwater import ToolContext

    async def ask(context: ToolContext) -> str:
        """Ask three people."""
        for number in range(1, 4):
            context.emit(f"asked {number} of 3")
            await asyncio.sleep(1.0)
        return "yes"

    frames = played(agent([Call("ask", {})], "They agree.", tools=[ask]))
    sound(frames)
    assert re.fullmatch(r". ask\(\) · 1\.\d s · asked 2 of 3", without_header(frames.at(1.5))[0])
    assert without_header(frames.left)[0] == "● ask()"
    assert without_header(frames.left)[1].startswith("  └ yes · ")


def test_reasoning_for_twenty_seconds_is_one_line() -> None:
    thinking = [Think("Hm, and so on. "), *([Wait(1.0), Think("More of it. ")] * 20)]
    frames = played(agent([*thinking, "Yes."]))
    sound(frames)
    assert re.fullmatch(". thinking · 12 s", without_header(frames.at(12.5))[0])
    assert without_header(frames.left)[:3] == ["· thought for 20 s", "", "Yes."]


def test_reasoning_is_shown_on_request() -> None:
    frames = played(agent([Think("Hm, well."), "Yes."]), look=Look(reasoning=True, header=False, footer=False))
    assert frames.left == ["Hm, well.", "", "Yes."]


def test_a_429_with_retry_after_counts_down() -> None:
    frames = played(agent([Fail(429, retry_after=4.0)], "Yes.", retries=2))
    sound(frames)
    assert re.fullmatch(r". reconnecting \(429, [23] s\)", without_header(frames.at(1.5))[0])
    assert without_header(frames.left)[0] == "Yes."


def test_a_recovered_stream_leaves_no_trace_of_erased_text() -> None:
    broken = ["Rivers run to", Wait(1.0), Fail(ConnectionResetError("reset by peer"))]
    frames = played(agent(broken, "Rivers run **uphill**.", on_interrupted="restart", retries=2))
    sound(frames)
    assert without_header(frames.at(0.5))[0] == "Rivers run to"
    rows = without_header(frames.left)
    assert "Rivers run to" not in rows
    assert rows[-3:-1] == ["Rivers run uphill.", ""]
    assert "(starting this answer again in" in " ".join(" ".join(rows).split())


def test_a_line_reports_the_retraction_of_scrolled_text() -> None:
    broken = ["# One\n\ntwo three\n\n- four\n", Wait(1.0), Fail(ConnectionResetError("reset by peer"))]
    frames = played(agent(broken, "Five.", on_interrupted="restart", retries=2))
    rows = without_header(frames.left)
    assert rows[:3] == ["One", "", "two three"]
    assert "- four" not in rows
    assert '↩ Retracted: what stands above from "One two three four" on' in " ".join(rows)
    assert rows[-3] == "Five."


def test_a_cut_stream_reports_what_was_kept() -> None:
    frames = played(agent(["Rivers run to", Fail(ConnectionResetError("reset by peer"))], retries=0))
    assert frames.error is not None
    rows = without_header(frames.left)
    assert rows[0] == "Rivers run to"
    assert rows[2].startswith("✗ ")
    assert rows[-1].startswith("failed · 13 characters kept · ")
    assert frames.styles["failed"] == frames.styles["✗"] == "red"


def test_length_is_yellow() -> None:
    frames = played(agent(["Rivers run to", Finish("length")]))
    assert frames.left[-1].startswith("length · the token limit cut the answer · ")
    assert frames.styles["length"] == "brown"


def test_ctrl_c_reports_what_was_kept() -> None:
    frames = played(agent(["Rivers run", Wait(60.0), "never"]), cancel_after=2.0)
    rows = without_header(frames.left)
    assert rows[0] == "Rivers run"
    assert rows[-1].startswith("cancelled · 10 characters kept · ")


def test_a_resize_in_the_middle_of_a_table() -> None:
    table = "| way | good for |\n|---|---|\n" + "".join(f"| way {n} | many user interfaces |\n" for n in range(6))
    resized: list[float] = []

    def during(file: Any, watched: Any, seconds: float) -> None:
        if seconds > 1.0 and not resized:
            resized.append(seconds)
            watched.look()
            crowds.resize(file.fileno(), 50, 20)
            watched.resize(50, 20)

    frames = played(agent([*slowly("Before it.\n\n" + table), "\nAnd after it."]), columns=80, during=during)
    assert resized
    rows = frames.left
    assert rows[1:4] == ["way    good for", "─────  ────────────────────", "way 0  many user interfaces"]
    assert "And after it." in rows
    assert sum("way 3" in row for row in rows) == 1


def test_forty_columns() -> None:
    frames = played(
        agent(slowly("A table:\n\n| one | two | three |\n|---|---|---|\n| a | b | " + "c " * 30 + "|\n")),
        columns=40,
        lines=12,
    )
    sound(frames)
    assert max(map(len, frames.left)) <= 40


def test_without_colors_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    frames = played(agent(slowly(SAMPLE, 0.02, 20), tools=[]), lines=60)
    sound(frames)
    codes = {code for found in re.findall(r"\x1b\[([\d;]*)m", frames.raw) for code in found.split(";")}
    assert codes <= {"", "0", "1", "2", "3", "4", "9"}, "colors are 30 and more"


def test_without_unicode_all_symbols_are_ascii() -> None:
    frames = played(
        agent(TRIP, slowly("- one\n\n> two\n\n---\n\n| a |\n|---|\n| b |\n"), tools=[weather, flights, hotels]),
        encoding="ascii",
    )
    assert all(row.isascii() for screen in [*frames.screens, frames.left] for row in screen)
    assert any(re.match(r"[-|/\\] weather\(", row) for row in frames.at(0.7))


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_screen_reader_gets_only_the_text(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    frames = played(agent(TRIP, ["Cold ", Wait(2.0), "and **wet**."], tools=[weather, flights, hotels]))
    assert "\x1b" not in frames.raw
    assert "\r" not in frames.raw.replace("\r\n", "\n")
    assert frames.raw.replace("\r\n", "\n") == f"{frames.response.transcript}\n"


def test_log_lines_never_split_a_line_of_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")

    async def note(text: str) -> str:
        """Write it down."""
        logging.getLogger("tests.notes").warning("noted")
        return text

    with crowds.terminal() as (file, watched):
        monkeypatch.setattr(sys, "stdout", file)
        monkeypatch.setattr(sys, "stderr", file)
        handler = logging.StreamHandler(file)
        logging.getLogger("tests.notes").addHandler(handler)
        one = agent(["Rivers run ", Wait(1.0), "on.", Call("note", {"text": "x"})], "To the sea.", tools=[note])
        printer = LinePrinter(one.name, file=file)

        async def main() -> None:
            stream = one.run_stream("Go.")
            stream.claim().watch(printer)
            asyncio.get_running_loop().call_later(0.5, print, "meanwhile")
            await stream.result()

        run_virtual(main())
        logging.getLogger("tests.notes").removeHandler(handler)
        assert watched.look() == ["Rivers run", "meanwhile", "on.", "noted", "", "", "To the sea."]
        assert "\x1b" not in watched.raw


def test_loops_are_separated() -> None:
    frames = played(agent("One.", "Two.", "Three.", max_loops=3), look=Look(header=False, footer=False))
    assert frames.left == ["One.", "", "── loop 2 of 3 ──", "", "Two.", "", "── loop 3 of 3 ──", "", "Three."]


def test_unrendered_text() -> None:
    frames = played(agent(slowly("# One\n\n**two**")), look=Look(header=False, footer=False, markdown=False))
    assert frames.left == ["# One", "", "**two**"]


def test_a_refusal_is_not_an_answer() -> None:
    frames = played(agent([Say("I will not.", refusal=True)]), look=Look(header=False))
    assert frames.left[0] == "Refused: I will not."
    assert frames.styles["Refused:"] == "brown"
