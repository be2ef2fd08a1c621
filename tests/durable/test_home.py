"""One process's end of a journal: it says that it is alive, and takes over from processes that have died."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading

import pytest

from headwater.durable import home as homes
from headwater.durable.asked import asked_of
from headwater.durable.home import Home, home_of, journal_url
from headwater.durable.run_ref import RunRef
from headwater.errors import ConfigurationError
from headwater.events.messages import Message
from headwater.journal.opening import open_journal
from headwater.journal.run_log import Batch, Request, Worker
from tests.support.journals import journal, payer, plain

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
    assert (me.id, me.pid) == (home.worker.id, os.getpid())
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
        me = home.worker
        await log.beat(Worker(id="dead", host=me.host, boot=me.boot, pid=ended_process()))
        from headwater.events import RunStarted
        from headwater.events.codec import encode

        started = RunStarted(
            agent_name="plain", input=(Message.user("Hi"),), seq=0, time=1.0, run="run_left", path=("plain",), grammar=2
        )
        await log.append(Batch(run="run_left", first=0, lines=(encode(started),), by="dead/1", owner="dead"))
        await log.close()

    asyncio.run(left_behind())
    home.register(plain(journal))
    home.stay_alive()
    ref: RunRef[str] = RunRef(home, "run_left")
    assert ref.result_sync() == "Hello there."
    assert [event.type for event in ref.events()].count("run.resumed") == 1
    assert ref.info().owner == home.worker.id


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


def test_a_loop_that_does_not_turn_is_not_alive(journal: str) -> None:
    home = Home(journal)
    hold, held = threading.Event(), threading.Event()

    async def main() -> None:
        station = home.station
        run = payer(journal).run_stream("Pay").claim()
        station._writing["x"] = (run, None)  # type: ignore[assignment]
        held.set()
        hold.wait(20)  # it stands still

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    held.wait(20)
    home._turning()
    assert not home._turning()
    hold.set()
    thread.join()
    assert home._turning()
    home.stop()


def test_two_members_of_different_kinds_cannot_share_a_name(journal: str) -> None:
    from headwater import SequentialWorkflow

    home = home_of(journal)
    home.register(plain(journal))
    home.register(plain(journal))
    with pytest.raises(ConfigurationError, match="Two members"):
        home.register(SequentialWorkflow([payer(journal)], name="plain"))


def test_whether_a_process_runs() -> None:
    assert homes._runs(os.getpid())
    assert not homes._runs(ended_process())


def test_runs_of_agents_that_nobody_here_knows_do_not_keep_others_waiting(journal: str) -> None:
    home = home_of(journal)

    async def left_behind() -> None:
        log = await open_journal(journal)
        body = asked_of([Message.user("Hi")], options={}).encode()
        for number in range(120):
            await log.create(f"run_{number}", Request(agent="stranger", body=body, not_before=1.0))
        await log.create("run_left", Request(agent="plain", body=body, not_before=1.0))
        await log.close()

    asyncio.run(left_behind())
    home.register(plain(journal))
    home.stay_alive()
    ref: RunRef[str] = RunRef(home, "run_left")
    assert ref.result_sync() == "Hello there."
