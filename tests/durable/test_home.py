"""One process's end of a journal: it says that it is alive, and takes over from processes that have died."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from headwater import Agent, tool
from headwater.durable import home as homes
from headwater.durable.asked import asked_of
from headwater.durable.home import home_of, journal_url
from headwater.durable.run_ref import RunRef
from headwater.durable.station import Station
from headwater.errors import ConfigurationError, JournalUnavailable
from headwater.events.messages import Message
from headwater.journal.opening import open_journal
from headwater.journal.run_log import Batch, Request, Worker
from headwater.testing import Call
from tests.support.journals import by_role, journal, payer, plain, slow
from tests.support.virtual import run_virtual

__all__ = ("journal",)


def test_the_journal_is_what_is_given_or_what_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert journal_url(None) is None
    monkeypatch.setenv("HEADWATER_JOURNAL", "sqlite:///a.db")
    assert journal_url(None) == "sqlite:///a.db"
    assert journal_url("memory:") == "memory:"
    with pytest.raises(ConfigurationError):
        journal_url("runs.db")


def test_there_is_one_in_a_process(journal: str) -> None:
    assert home_of(journal) is home_of(journal)


def test_it_beats_and_takes_its_name_off_at_the_end(journal: str) -> None:
    home = home_of(journal)

    async def workers() -> list[Worker]:
        return await (await home.log()).workers()

    plain(journal).start("Hi").result_sync()
    for _ in range(1000):
        found = home.ask(workers)
        if found:
            break
    (me,) = found
    assert me.pid == os.getpid()
    home.stop()

    async def again() -> list[Worker]:
        log = await open_journal(journal)
        try:
            return await log.workers()
        finally:
            await log.close()

    assert asyncio.run(again()) == []


def ended_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_whose_process_has_died_on_this_machine_is_taken_over_at_once(journal: str) -> None:
    home = home_of(journal)

    async def left_behind() -> None:
        log = await open_journal(journal)
        body = asked_of([Message.user("Hi")], options={}).encode()
        await log.create("run_left", Request(agent="plain", body=body))
        await log.beat(Worker(id="dead", host=home._host, boot=home._boot, pid=ended_process()))
        from headwater.events import RunStarted
        from headwater.events.codec import encode

        started = RunStarted(
            agent_name="plain", input=(Message.user("Hi"),), seq=0, time=1.0, run="run_left", path=("plain",), grammar=2
        )
        await log.append(Batch(run="run_left", first=0, lines=(encode(started),), by="dead/1", owner="dead"))
        await log.close()

    asyncio.run(left_behind())
    home.members.add(plain(journal))
    home.stay_alive()
    ref: RunRef[str] = RunRef(home, "run_left")
    assert ref.result_sync() == "Hello there."
    assert [event.type for event in ref.events()].count("run.resumed") == 1
    assert ref.info().owner in [station.worker for station in home._stations.values()]


def test_an_answer_from_another_process_wakes_a_run_that_waits(journal: str) -> None:
    ref = payer(journal).start("Pay")
    question = ""
    for event in ref.events():
        if event.type == "approval.asked":
            question = event.approval
        if event.type == "run.waiting":
            break
    program = (
        "from headwater.durable.home import home_of\n"
        "from headwater.durable.run_ref import RunRef\n"
        f"RunRef(home_of({journal!r}), {ref.id!r}).approve({question!r}, by='ann')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert ref.result_sync() == "It is done."


def test_whether_a_process_runs() -> None:
    assert homes._runs(os.getpid())
    assert not homes._runs(ended_process())


def test_runs_of_unknown_agents_do_not_delay_others(journal: str) -> None:
    home = home_of(journal)

    async def left_behind() -> None:
        log = await open_journal(journal)
        body = asked_of([Message.user("Hi")], options={}).encode()
        for number in range(120):
            await log.create(f"run_{number}", Request(agent="stranger", body=body, not_before=1.0))
        await log.create("run_left", Request(agent="plain", body=body, not_before=1.0))
        await log.close()

    asyncio.run(left_behind())
    home.members.add(plain(journal))
    home.stay_alive()
    ref: RunRef[str] = RunRef(home, "run_left")
    assert ref.result_sync() == "Hello there."


# --- the loops


class Where:
    """An agent's instructions, which note on which thread and loop each drive happens."""

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.loops: list[asyncio.AbstractEventLoop] = []

    def __call__(self, context: Any) -> str:
        self.threads.append(threading.current_thread().name)
        self.loops.append(asyncio.get_running_loop())
        return "Go."


def test_a_run_is_driven_on_its_starting_loop_or_from_sync_code_on_a_thread(journal: str) -> None:
    where = Where()
    agent = plain(journal, instructions=where)
    agent.start("Hi").result_sync()
    assert where.threads == ["headwater runs"]

    async def main() -> None:
        await (await agent.start("Hi"))
        assert where.loops[-1] is asyncio.get_running_loop()
        ref = await asyncio.to_thread(agent.start, "Hi")
        await ref
        assert where.loops[-1] is asyncio.get_running_loop()

    for _ in range(2):  # the second loop drives what it starts, whatever drove before
        asyncio.run(main())
    agent.start("Hi").result_sync()
    assert where.threads[-1] == "headwater runs"


def test_runs_started_below_sync_code_are_driven_on_the_thread(journal: str) -> None:
    where = Where()
    inner, refs = plain(journal, instructions=where), list[RunRef[Any]]()

    @tool
    async def begin() -> str:
        """Start a run and leave it."""
        refs.append(await inner.start("Hi"))
        return "begun"

    outer = Agent(name="outer", model=by_role(user=[Call("begin", {})], tool="Begun."), tools=[begin])
    outer.run("Go")
    assert refs[0].result_sync() == "Hello there."
    assert where.threads == ["headwater runs"]


class Held:
    """An agent whose tool hangs on the first loop that calls it."""

    def __init__(self, journal: str) -> None:
        self.begun = threading.Event()
        self.loops: list[asyncio.AbstractEventLoop] = []

        @tool
        async def hang() -> str:
            """Hang."""
            self.loops.append(asyncio.get_running_loop())
            self.begun.set()
            if len(self.loops) == 1:
                await asyncio.Event().wait()
            return "done"

        model = by_role(user=[Call("hang", {})], tool="It is done.")
        self.agent = Agent(name="held", model=model, tools=[hang], journal=journal)


def test_a_loop_that_ends_releases_its_runs(journal: str) -> None:
    held = Held(journal)

    async def main() -> str:
        ref: RunRef[str] = await held.agent.start("Go")
        await asyncio.to_thread(held.begun.wait, 20)
        return ref.id

    ref: RunRef[str] = RunRef(home_of(journal), asyncio.run(main()))
    assert ref.result_sync() == "It is done."
    assert len(held.loops) == 2
    assert [event.type for event in ref.events()].count("run.resumed") == 1


def test_an_idle_loop_that_drives_runs_is_not_alive(journal: str) -> None:
    held, loop = Held(journal), asyncio.new_event_loop()

    async def main() -> Station:
        await held.agent.start("Go")
        await asyncio.to_thread(held.begun.wait, 20)
        return home_of(journal).station

    station = loop.run_until_complete(main())
    assert (station.claims, homes._turns(station)) == (True, False)
    loop.close()


def test_a_loop_that_only_reads_may_be_idle(journal: str) -> None:
    stream = slow(journal).run_stream("Think")
    for event in stream.events():
        if event.type == "text.delta":
            (station,) = [one for one in home_of(journal)._stations.values() if one.driving]
            assert homes._turns(station)
            break
    stream.close()


def test_a_loop_that_is_blocked_is_not_alive_until_it_turns(journal: str) -> None:
    hold, held = threading.Event(), threading.Event()
    stations: list[Station] = []

    async def main() -> None:
        station = home_of(journal).station
        station._writing["x"] = (payer(journal).run_stream("Pay").claim(), None)  # type: ignore[assignment]
        stations.append(station)
        held.set()
        hold.wait(20)  # it stands still

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    held.wait(20)
    homes._turns(stations[0])
    assert not homes._turns(stations[0])
    hold.set()
    thread.join()


def test_handing_a_run_to_a_loop_that_is_blocked_waits_for_nothing(journal: str) -> None:
    home, agent = home_of(journal), plain(journal)
    hold, held = threading.Event(), threading.Event()

    async def main() -> None:
        await (await agent.start("Hi"))
        held.set()
        hold.wait(20)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    held.wait(20)
    home.submit("run_nobody_knows", "plain")
    hold.set()
    thread.join()


def test_the_thread_continues_whatever_a_step_raises(caplog: pytest.LogCaptureFixture) -> None:
    taken: list[str] = []

    async def step() -> None:
        taken.append("step")
        if len(taken) == 1:
            raise ValueError("a bug")
        if len(taken) == 2:
            raise JournalUnavailable("Away.")
        if len(taken) == 3:
            other = asyncio.get_running_loop().create_future()
            other.cancel()
            await other  # what another loop, which ends, leaves to whoever waits on it

    async def main() -> None:
        task = asyncio.ensure_future(homes._every(1.0, step))
        await asyncio.sleep(4.5)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run_virtual(main())
    assert len(taken) == 5
    assert "a bug" in caplog.text


@pytest.mark.parametrize(
    "last",
    [
        "agent.run('Go.')",
        "for _ in agent.run_stream('Go.'): pass",
        "asyncio.run(agent.arun('Go.'))",
        "agent.start('Go.')",
        "agent.start('Go.').result_sync()",
    ],
)
def test_a_short_program_ends_silently(tmp_path: Path, last: str) -> None:
    program = f"""
import asyncio
from headwater import Agent
agent = Agent(model="offline", journal="sqlite:///runs.db")
{last}
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
