"""The dashboard on real files: what is drawn, when, how often, and what is left when it ends."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import pytest

from headwater import Agent, ConcurrentWorkflow, SequentialWorkflow
from headwater.backends.offline import Call, Fail, OfflineModel, ScriptedModel, Wait
from headwater.events import Event
from headwater.terminal.dashboard import dashboard
from headwater.terminal.dashboard.dashboard import Dashboard
from tests.support.paths import ROOT
from tests.support.virtual import run_virtual
from tests.terminal import crowds as log
from tests.terminal import logs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")

MEMBERS = ("ann", "bob")
WHOLE = logs.joined(
    log.opened(),
    log.begun("ann"),
    log.begun("bob"),
    log.said("ann", "Rivers ", "run."),
    log.answered("ann", tokens=3),
    log.ended("ann"),
    log.failed("bob"),
    log.ended(time=3.0),
)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


def tell(dashboard: Dashboard, *parts: list[Event]) -> None:
    for event in logs.joined(*parts):
        dashboard(event)


@contextmanager
def standard_output(file: TextIO) -> Iterator[None]:
    """Have the program print to `file`. No fixture: pytest puts its own streams in place after those."""
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = file
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


# --- where it draws in place


def test_the_last_state_stays() -> None:
    with log.terminal(64, 24) as (file, watched):
        tell(Dashboard("rivers", MEMBERS, file=file), WHOLE)
        rows = watched.look()
    assert " Rivers " in rows[0]
    assert rows[1].strip("│ ") == ""
    assert [row.strip("│ ") for row in rows[2:-1] if "━" not in row] == [
        "✅ ann                 done   2.0 s        3 tokens",
        "Rivers run.",
        "─" * 59,
        "❌ bob               failed   2.0 s",
        "✗ Overloaded: No capacity. Try later.",
        "─" * 59,
        "2 agents: 1 done, 1 failed    3.0 s        3 tokens     1/s",
    ]
    assert rows[-1].startswith("╰")
    assert not watched.screen.cursor.hidden
    assert (watched.screen.cursor.x, watched.screen.cursor.y) == (0, len(rows) + 1), "one line is empty below"


def test_nothing_is_drawn_for_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many come: draws are paced by the loop's clock."""
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)  # by which drawing takes no time
    monkeypatch.setattr(time, "thread_time", lambda: 100.0)

    async def main(dashboard: Dashboard, watched: log.Watched) -> list[int]:
        frames = []
        tell(dashboard, log.opened(), log.begun("ann"), log.said("ann", "x"))
        for _ in range(40):
            for _ in range(50):
                tell(dashboard, log.said("ann", "word ")[1:])
            await asyncio.sleep(0.025)
            watched.look()
            frames.append(watched.last.count("\x1b[?2026h"))
        dashboard.close()
        return frames

    with log.terminal() as (file, watched):
        frames, seconds = run_virtual(main(Dashboard("w", MEMBERS, file=file), watched))
    assert seconds == pytest.approx(1.0)
    assert max(frames) == 1
    assert 6 <= sum(frames) <= 1 + 1.0 / dashboard.PACE.between + 1


def test_without_events_only_the_time_is_drawn() -> None:
    async def main(dashboard: Dashboard, watched: log.Watched) -> int:
        tell(dashboard, log.opened(), log.begun("ann"))
        await asyncio.sleep(0.01)
        watched.look()
        before = watched.raw.count("\x1b[?2026h")
        await asyncio.sleep(10)
        watched.look()
        dashboard.close()
        return watched.raw.count("\x1b[?2026h") - before

    with log.terminal() as (file, watched):
        # The loop's clock is virtual and the one that is shown is not: ten ticks, and nothing new to show.
        ticks, _ = run_virtual(main(Dashboard("w", MEMBERS, file=file), watched))
    assert ticks <= 1


def test_after_the_end_nothing_is_drawn_and_no_timer_is_left() -> None:
    async def main(dashboard: Dashboard, watched: log.Watched) -> None:
        tell(dashboard, WHOLE)
        watched.look()
        tell(dashboard, log.said("ann", "late"))
        dashboard.close()
        await asyncio.sleep(5)
        assert watched.look()
        assert watched.last == ""

    with log.terminal() as (file, watched):
        _, seconds = run_virtual(main(Dashboard("w", MEMBERS, file=file), watched))
    assert seconds == 5


def test_closing_in_the_middle_keeps_the_current_state() -> None:
    with log.terminal() as (file, watched):
        dashboard = Dashboard("w", MEMBERS, file=file)
        tell(dashboard, log.opened(), log.begun("ann"), log.said("ann", "Half a"))
        dashboard.close()
        dashboard.close()
        assert any("Half a" in row for row in watched.look())


def test_a_log_read_without_a_loop_is_drawn_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with log.terminal() as (file, watched):
        dashboard = Dashboard("w", MEMBERS, file=file)
        tell(dashboard, log.opened(), log.begun("ann"), log.said("ann", "one"))
        assert not any("one" in row for row in watched.look())
        clock[0] += 1.0
        tell(dashboard, log.said("ann", " two")[1:])
        assert any("one two" in row for row in watched.look())
        tell(dashboard, WHOLE[-1:])
        dashboard.close()


def test_a_resize_is_seen_by_the_next_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "linux")  # which, like the emulator here, does not break rows anew

    async def main(dashboard: Dashboard, file: TextIO, watched: log.Watched) -> None:
        tell(dashboard, log.opened(), log.begun("ann"), log.begun("bob"))
        await asyncio.sleep(0.01)
        assert len(watched.look()[0]) == 79
        log.resize(file.fileno(), 50, 20)
        watched.resize(50, 20)
        await asyncio.sleep(1.5)
        rows = watched.look()
        assert {len(row) for row in (rows[0], rows[-1])} == {49}
        assert sum(row.startswith("╭") for row in rows) == 1
        dashboard.close()

    with log.terminal() as (file, watched):
        run_virtual(main(Dashboard("w", MEMBERS, file=file), file, watched))


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with log.terminal() as (file, watched):
        tell(Dashboard("w", MEMBERS, file=file), WHOLE)
        watched.look()
    assert not re.findall("\x1b\\[[0-9;]+m", watched.raw)


def test_a_terminal_without_the_signs_gets_plain_ones() -> None:
    with log.terminal(encoding="ascii") as (file, watched):
        tell(Dashboard("w", MEMBERS, file=file), WHOLE)
        rows = watched.look()
    assert "".join(rows).isascii()
    assert rows[0].startswith("+---")
    assert any("Rivers run." in row for row in rows)


def test_what_the_program_prints_appears_above() -> None:
    async def main(file: TextIO, watched: log.Watched) -> None:
        dashboard = Dashboard("w", MEMBERS)
        tell(dashboard, log.opened(), log.begun("ann"))
        await asyncio.sleep(0.01)
        print("printed by the program")
        print("and begun", end="")
        await asyncio.sleep(0.5)
        rows = watched.look()
        assert rows[:2] == ["printed by the program", "and begun"]
        assert rows[2].startswith("╭")
        await asyncio.to_thread(print, " and ended, in a thread")
        await asyncio.sleep(0.5)
        tell(dashboard, WHOLE[-1:])
        print("after")
        rows = watched.look()
        assert rows[:2] == ["printed by the program", "and begun and ended, in a thread"]
        assert rows[-1] == "after"
        assert sys.stdout is file

    with log.terminal() as (file, watched), standard_output(file):
        run_virtual(main(file, watched))


def test_later_output_is_below_the_box() -> None:
    with log.terminal(60, 40) as (file, watched), standard_output(file):
        tell(Dashboard("rivers", MEMBERS), WHOLE)
        print("ann has answered:", "Rivers run.", sep="\n")
        rows = watched.look()
    assert rows[0].startswith("╭")
    box = next(at for at, row in enumerate(rows) if row.startswith("╰"))
    assert rows[box + 1 :] == ["", "ann has answered:", "Rivers run."]


def test_a_second_dashboard_on_the_same_terminal_prints_lines() -> None:
    with log.terminal(80, 30) as (file, watched), standard_output(file):
        one, two = Dashboard("one", MEMBERS), Dashboard("two", MEMBERS)
        tell(one, WHOLE[:5])
        tell(two, WHOLE)
        tell(one, WHOLE[5:])
        rows = watched.look()
    assert rows[0] == "two: 2 agents"
    assert "two: done, 3.0 s, 3 tokens" in rows
    assert sum(row.startswith("╭") for row in rows) == 1
    assert rows[-1].startswith("╰")


# --- where it tells in lines


def test_a_pipe_gets_lines_as_things_happen() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as file:
        dashboard = Dashboard("rivers", MEMBERS, file=file)
        tell(dashboard, WHOLE[:5])
        assert os.read(reading, 1000).decode().splitlines() == ["rivers: 2 agents", "ann: started"]
        tell(dashboard, WHOLE[5:])
        dashboard.close()
        assert os.read(reading, 1000).decode().splitlines() == [
            "bob: started",
            "ann | Rivers run.",
            "ann: done, 2.0 s, 3 tokens",
            "bob: ✗ Overloaded: No capacity. Try later.",
            "bob: failed, 2.0 s",
            "rivers: done, 3.0 s, 3 tokens",
        ]
    os.close(reading)


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with log.terminal() as (file, watched):
        tell(Dashboard("w", MEMBERS, file=file), WHOLE)
        assert watched.look()[:2] == ["w: 2 agents", "ann: started"]
        assert "\x1b" not in watched.raw


def test_standard_output_is_the_file_unless_one_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Dashboard("w", MEMBERS), WHOLE)
    assert capsys.readouterr().out.startswith("w: 2 agents\nann: started\n")


def test_without_standard_output_nothing_happens() -> None:
    with standard_output(None):  # type: ignore[arg-type]  # as where a program has no console
        dashboard = Dashboard("w", MEMBERS)
        tell(dashboard, WHOLE)
        dashboard.close()


# --- what may go wrong


class Refusing(io.StringIO):
    """A file of someone's own that fails."""

    def write(self, text: str, /) -> int:
        raise RuntimeError("no")


def test_a_file_that_fails_is_reported_once_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="headwater"):
        tell(Dashboard("w", MEMBERS, file=Refusing()), WHOLE)
    assert [record.message for record in caplog.records] == ["The run is no longer shown: RuntimeError: no"]


def test_a_terminal_that_goes_away_ends_nothing_and_gives_the_streams_back(caplog: pytest.LogCaptureFixture) -> None:
    async def main(close: Callable[[], None]) -> None:
        dashboard = Dashboard("w", MEMBERS)
        tell(dashboard, log.opened(), log.begun("ann"))
        await asyncio.sleep(0.01)
        close()
        tell(dashboard, WHOLE[4:-1])
        await asyncio.sleep(5)
        tell(dashboard, WHOLE[-1:])

    import pty

    ours, theirs = pty.openpty()
    file = os.fdopen(theirs, "w")
    with caplog.at_level(logging.WARNING, logger="headwater"), standard_output(file):
        run_virtual(main(lambda: os.close(ours)))
        assert sys.stdout is file
    assert len(caplog.records) == 1
    with pytest.raises(OSError, match="Input/output"):
        file.close()
    with log.terminal() as (other, watched):
        tell(Dashboard("w", MEMBERS, file=other), WHOLE)
        assert watched.look()[0].startswith("╭")


# --- with the real thing


def workflow(**options: Any) -> ConcurrentWorkflow:
    def look(place: str) -> str:
        """Look somewhere."""
        print(f"looked at {place}")
        return "nothing"

    agents = [
        Agent(name="ann", model=OfflineModel("One two three four five six seven eight.", rate=40)),
        Agent(
            name="bob",
            model=ScriptedModel([["I look.", Call("look", {"place": "sea"})], Fail(ConnectionResetError()), "There."]),
            tools=[look],
        ),
    ]
    return ConcurrentWorkflow(agents, name="rivers", show_dashboard=True, **options)


def test_a_workflow_shows_itself() -> None:
    async def main() -> None:
        results = await workflow().arun("go")
        assert [str(result) for result in results] == ["One two three four five six seven eight.", "There."]

    with log.terminal(90, 24) as (file, watched), standard_output(file):
        asyncio.run(main())
        rows = watched.look()
    assert rows[0] == "looked at sea"
    shown = [row.strip("│ ") for row in rows]
    assert "One two three four five six seven eight." in shown
    assert any(row.startswith("🩹 bob") and "done, healed" in row for row in shown)
    assert any(row.startswith('✓ look(place="sea")') for row in shown)
    assert any(row.startswith("✚ Healed: ConnectionFailed") for row in shown)
    assert watched.raw.count("\x1b[?2026h") < 20


def test_a_resumed_workflow_shows_its_earlier_state() -> None:
    agents = [
        Agent(name="ann", model=ScriptedModel(["Written in the morning."])),
        Agent(name="bob", model=ScriptedModel([["Half", Wait(100)], "Written in the evening."])),
    ]
    crew = SequentialWorkflow(agents, name="rivers", show_dashboard=True)
    events: list[Event] = []

    async def begin() -> None:
        async for event in crew.run_stream("go").events():
            events.append(event)
            if event.type == "text.delta" and event.agent == "bob":
                break

    async def go_on() -> None:
        await crew.resume(events).result()

    with log.terminal(90, 24) as (file, watched), standard_output(file):
        run_virtual(begin())
        assert watched.look() == []
        run_virtual(go_on())
        rows = [row.strip("│ ") for row in watched.look()]
    assert "Written in the morning." in rows
    assert "Written in the evening." in rows
    assert any(row.startswith("✅ ann") for row in rows)
    assert not any("waiting" in row for row in rows)


def test_leaving_the_run_ends_the_dashboard() -> None:
    async def main() -> None:
        agent = Agent(name="ann", model=ScriptedModel([["Some words.", Wait(1000)]]))
        run = asyncio.create_task(ConcurrentWorkflow([agent], name="w", show_dashboard=True).arun("go"))
        await asyncio.sleep(1)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    with log.terminal() as (file, watched), standard_output(file):
        run_virtual(main())
        gc.collect()
        assert sys.stdout is file
        assert any("🚫 ann" in row for row in watched.look())


PROGRAM = """
import sys
from headwater import Agent, ConcurrentWorkflow, SequentialWorkflow
from headwater.backends.offline import OfflineModel

agents = [Agent(name=name, model=OfflineModel("word " * 500, rate=20)) for name in ("ann", "bob")]
try:
    ConcurrentWorkflow(agents, name="w", show_dashboard=True).run("go")
except KeyboardInterrupt:
    print("interrupted", type(sys.stdout).__name__)
"""


def test_ctrl_c_leaves_the_terminal_as_it_was() -> None:
    root = ROOT
    with log.terminal() as (file, watched):
        command = [sys.executable, "-c", PROGRAM]
        process = subprocess.Popen(command, cwd=root, stdin=file, stdout=file, stderr=file)
        try:
            watched.wait_for("word word")
            process.send_signal(signal.SIGINT)
            process.wait(20)
        finally:
            process.kill()
            process.wait()
        rows = watched.look()
    assert process.returncode == 0
    assert rows[-1] == "interrupted TextIOWrapper"
    assert sum("🚫" in row for row in rows) == 2
    assert [row[:1] for row in rows[-3:-1]] == ["╰", ""]
    screen = watched.screen
    assert not screen.cursor.hidden
    assert not screen.cursor.attrs.bold
    assert screen.cursor.attrs.fg == "default"
