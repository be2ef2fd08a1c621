"""When a page is drawn: by the clock, not by words; and who else may write meanwhile."""

from __future__ import annotations

import asyncio
import builtins
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from headwater.terminal.live import PACE, Live
from headwater.terminal.look import Look
from headwater.terminal.page import Page
from headwater.terminal.run_view import Act, Began, Ended, Noted, Said, Working
from tests.support.virtual import run_virtual
from tests.terminal import crowds

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")

WAITS = Working((Act("w", "wait", "gpt-5.4"),))
BEGUN = (Began("writer", 1), WAITS)
LOOK = Look(header=False, footer=False)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "linux")  # which, like the emulator here, does not break rows anew
    monkeypatch.delenv("COLUMNS", raising=False)


def raise_it(problem: Exception) -> None:
    raise problem


class Counted(Page):
    """A page that counts how often it is drawn."""

    draws = 0

    def draw(self, columns: int, lines: int, now: float) -> tuple[str, list[str]]:
        self.draws += 1
        return super().draw(columns, lines, now)


@contextmanager
def live(file: TextIO | None = None) -> Iterator[tuple[Live, Counted, TextIO, crowds.Watched]]:
    with crowds.terminal(40, 12) as (own, watched):
        page = Counted(LOOK, color=False)
        shown = Live(page, file if file is not None else own, raise_it)
        before = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = own
        try:
            yield shown, page, own, watched
        finally:
            shown.let_go()
            assert sys.stdout is sys.stderr is own
            sys.stdout, sys.stderr = before


def test_drawing_is_paced_by_the_clock_and_not_by_words() -> None:
    async def main() -> int:
        with live() as (shown, page, _, _):
            shown.take(BEGUN)
            shown.take((Working(),))
            for _ in range(1000):
                shown.take((Said("word "),))
                await asyncio.sleep(0.002)
            shown.take((Ended("finished"),))
            return page.draws

    draws, seconds = run_virtual(main())
    assert seconds == pytest.approx(2.0, abs=0.1)
    assert draws <= 2.0 / PACE.between + 3


def test_a_draw_writes_as_much_however_long_a_paragraph_has_become() -> None:
    async def main() -> list[float]:
        spent = []
        with live() as (shown, page, _, watched):
            shown.take((*BEGUN, Working()))
            for begin in range(0, 4000, 1000):
                drawn, written = page.draws, len(watched.raw)
                for number in range(begin, begin + 1000):
                    shown.take((Said(f"word {number} "),))
                    await asyncio.sleep(0.002)
                watched.look()
                spent.append((len(watched.raw) - written) / (page.draws - drawn))
            shown.take((Ended("finished"),))
        return spent

    spent, _ = run_virtual(main())
    assert max(spent) < 1.3 * min(spent)
    assert max(spent) < 2.5 * 40 * 12, "the screen once, what scrolls away, and the codes that move the cursor"


def test_a_run_that_fails_before_it_is_drawn_is_told_in_the_terminals_width() -> None:
    async def main() -> list[str]:
        with live() as (shown, _, _, watched):
            shown.take(BEGUN)
            shown.take((Noted("The script has no turns left. " * 3, "error"), Ended("failed")))
            return watched.look()

    rows, _ = run_virtual(main())
    assert len(rows) == 3
    assert all(row.startswith("  ") for row in rows[1:]), rows


def test_the_first_word_is_shown_at_once() -> None:
    async def main() -> None:
        with live() as (shown, _, _, watched):
            shown.take(BEGUN)
            await asyncio.sleep(1.0)
            shown.take((Working(), Said("Rivers")))
            await asyncio.sleep(PACE.between)
            assert watched.look() == ["Rivers"]

    run_virtual(main())


def test_a_wait_is_drawn_ten_times_a_second_and_an_end_ends_the_clock() -> None:
    async def main() -> None:
        with live() as (shown, page, _, watched):
            shown.take(BEGUN)
            await asyncio.sleep(5.15)
            assert 48 <= page.draws <= 54
            assert "· 5 s" in watched.look()[0]
            shown.take((Working(), Ended("finished")))
            draws = page.draws
            await asyncio.sleep(60.0)
            assert page.draws == draws
            assert watched.look() == []

    run_virtual(main())


def test_the_programs_output_is_above() -> None:
    async def main() -> None:
        with live() as (shown, _, _, watched):
            shown.take((*BEGUN, Said("one **tw")))
            await asyncio.sleep(0.1)
            print("printed")
            await asyncio.sleep(0.1)
            shown.take((Said("o**\n\nthree\n\n# x\n"),))
            await asyncio.sleep(0.1)
            print("begun ", end="")
            shown.take((Working(), Ended("finished")))
            print("and ended")
            assert watched.look() == ["printed", "one two", "", "three", "begun", "", "x", "and ended"]

    run_virtual(main())


def test_a_tool_that_asks_has_the_terminal_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    async def main() -> None:
        with live() as (shown, _, own, watched):

            def answer(prompt: object = "", /) -> str:
                assert sys.stdout is own
                own.write(str(prompt))
                own.flush()
                asked.append(watched.look())
                own.write("yes\n")  # as a terminal echoes what is typed
                own.flush()
                return "yes"

            monkeypatch.setattr(builtins, "input", answer)
            shown.take((*BEGUN, Said("one two")))
            await asyncio.sleep(0.1)
            print("Now: ", end="")
            assert input("May I? ") == "yes"  # noqa: ASYNC250  # as a tool does that blocks
            await asyncio.sleep(0.1)
            assert watched.look()[-3:-1] == ["one two", ""]
            assert watched.look()[-1].endswith("waiting for gpt-5.4")
            shown.take((Working(), Ended("finished")))
            assert input is answer
            assert watched.look() == ["Now: May I? yes", "one two"]

    run_virtual(main())
    assert asked == [["Now: May I?"]]


def test_text_that_arrives_during_typing_is_shown_afterwards() -> None:
    async def main() -> None:
        with live() as (shown, _, own, watched):
            loop = asyncio.get_running_loop()

            def answer() -> str:
                return input("May I? ")

            ready, go = asyncio.Event(), threading.Event()

            def typed(prompt: object = "", /) -> str:
                own.write(str(prompt))
                own.flush()
                loop.call_soon_threadsafe(ready.set)
                go.wait(10)
                own.write("yes\n")
                own.flush()
                return "yes"

            before, builtins.input = builtins.input, typed
            try:
                shown.take(BEGUN)
                await asyncio.sleep(0.1)
                asking = loop.run_in_executor(None, answer)
                await ready.wait()
                shown.take((Working(), Said("one\n\ntwo\n\n# x\n")))
                await asyncio.sleep(1.0)
                assert watched.look() == ["May I?"]
                go.set()
                assert await asking == "yes"
                await asyncio.sleep(0.2)
                shown.take((Ended("finished"),))
                assert watched.look() == ["May I? yes", "one", "", "two", "", "x"]
            finally:
                shown.let_go()
                builtins.input = before

    run_virtual(main())


def test_a_second_one_on_the_same_terminal_writes_what_is_done() -> None:
    async def main() -> None:
        with live() as (first, _, _, watched):
            first.take((*BEGUN, Said("first")))
            await asyncio.sleep(0.1)
            second = Live(Page(LOOK, color=False), sys.stdout, raise_it)
            second.take((*BEGUN, Working(), Said("second\n\nand ")))
            await asyncio.sleep(0.3)
            second.take((Said("more"), Ended("finished")))
            await asyncio.sleep(0.3)
            assert watched.look()[:3] == ["second", "", "and more"]
            first.take((Working(), Ended("finished")))
            assert watched.look() == ["second", "", "and more", "first"]

    run_virtual(main())


def test_a_log_that_is_read_without_a_loop_is_shown_too() -> None:
    with live() as (shown, _, _, watched):
        for item in (*BEGUN, Working(), *[Said("word ")] * 5, Ended("finished")):
            shown.take((item,))
        assert watched.look() == ["word word word word word"]


def test_a_second_run_is_shown_after_the_first_in_another_loop() -> None:
    with live() as (shown, _, _, watched):

        async def run(text: str) -> None:
            shown.take((WAITS,))
            await asyncio.sleep(0.2)
            shown.take((Working(), Said(text)))
            await asyncio.sleep(0.2)
            shown.take((Ended("finished"),))

        run_virtual(run("one"))
        run_virtual(run("two"))
        assert watched.look() == ["one", "two"]


def test_a_problem_between_calls_is_passed_on() -> None:
    problems: list[Exception] = []

    class Broken(Page):
        def draw(self, columns: int, lines: int, now: float) -> tuple[str, list[str]]:
            raise RuntimeError("no")

    async def main() -> None:
        with crowds.terminal(40, 12) as (own, _):
            shown = Live(Broken(LOOK), own, problems.append)
            shown.take(BEGUN)
            await asyncio.sleep(1.0)
            shown.let_go()

    run_virtual(main())
    assert [str(problem) for problem in problems] == ["no"]
