from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from headwater import Agent, ConcurrentWorkflow, Message, SequentialWorkflow
from headwater.backends.offline import Fail, Say, Wait
from headwater.errors import ConfigurationError
from headwater.events import Event, RunCancelled, RunFailed
from headwater.testing import check_log
from headwater.testing.virtual_time import VirtualLoop
from headwater.web.limits import Limits
from headwater.web.native.wire import NDJSON, SSE, SSE_HELLO, SSE_IDLE
from headwater.web.problems import Problem
from headwater.web.runs import live_run
from headwater.web.runs.live_run import LiveRun, OnDisconnect
from headwater.web.runs.manager import Manager, checked_on_disconnect
from headwater.web.wires import wire
from headwater.web.wires.wire import Map, Wire
from tests.support.effort import tries
from tests.support.members import asked, paced, speaker
from tests.support.virtual import run_virtual


def virtual(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        async def main() -> None:
            await test()

        run_virtual(main())

    return run


def code(problem: pytest.ExceptionInfo[Problem]) -> str:
    return problem.value.code


async def read(manager: Manager, live: LiveRun, wire: Wire = NDJSON, position: int = 0) -> bytes:
    reading = manager.read(live, wire, position)
    data = b"".join([data async for data in reading])
    manager.leave(reading)
    return data


# --- members


@pytest.mark.parametrize("members", [[], [None], ["writer"], [object()], [speaker("a"), speaker("a")]])
def test_what_cannot_be_served_is_refused(members: list[Any]) -> None:
    with pytest.raises(ConfigurationError):
        Manager(members)


@pytest.mark.parametrize("value", ["continue", "cancel", 0, 30, 2.5, None])
def test_what_may_become_of_a_run_that_was_left(value: Any) -> None:
    assert checked_on_disconnect(value) == value


@pytest.mark.parametrize("value", ["stop", -1, True, float("inf"), float("nan"), [], "30"])
def test_what_may_not(value: Any) -> None:
    with pytest.raises(ConfigurationError):
        checked_on_disconnect(value)


# --- beginning


@virtual
async def test_the_first_member_answers_where_none_is_named() -> None:
    manager = Manager([speaker("a"), speaker("b")])
    assert (manager.start(None, "Hi").agent, manager.start("b", "Hi").agent) == ("a", "b")
    with pytest.raises(Problem) as problem:
        manager.start("c", "Hi")
    assert code(problem) == "unknown_agent"
    assert "a, b" in problem.value.hint
    await manager.shutdown()


def test_a_misspelled_member_gets_a_guess() -> None:
    with pytest.raises(Problem) as problem:
        Manager([speaker("writer"), speaker("b")]).member("wrtier")
    assert problem.value.body()["error"]["hint"] == "Did you mean 'writer'?"


def test_an_invalid_start_says_whose_mistake_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    keyless, typed = Agent(name="keyless", model="openai/gpt-5.4"), speaker("typed", context_type=dict)
    manager = Manager([keyless, typed])
    with pytest.raises(Problem) as problem:
        manager.start("typed", "Hi")
    assert (code(problem), problem.value.status) == ("bad_request", 400)
    assert "context" in problem.value.message
    with pytest.raises(Problem) as problem:
        manager.start("keyless", "Hi")
    assert (code(problem), problem.value.status) == ("not_configured", 500)
    assert "OPENAI_API_KEY" in problem.value.hint
    assert manager._going == {}


@virtual
async def test_there_is_an_end_to_what_is_taken_on() -> None:
    manager = Manager([paced("a", 100)], limits=Limits(runs=3, runs_of_one=2))
    one = manager.start(None, "Hi", owner="ann")
    manager.start(None, "Hi", owner="ann")
    with pytest.raises(Problem) as problem:
        manager.start(None, "Hi", owner="ann")
    assert (code(problem), problem.value.retry_after) == ("too_many_runs", 5)
    manager.start(None, "Hi", owner="bob")
    with pytest.raises(Problem) as problem:
        manager.start(None, "Hi", owner="cy")
    assert code(problem) == "too_many_runs"
    one.cancel()
    await one.task
    manager.start(None, "Hi", owner="ann")
    await manager.shutdown()


# --- conversations


@virtual
async def test_a_thread_belongs_to_its_owner_and_continues() -> None:
    agent = speaker("a")
    manager = Manager([agent])
    for owner, heard in (("ann", ["One"]), ("ann", ["One", "a says hi there.", "Two"]), ("bob", ["Two"])):
        await manager.start(None, heard[-1], owner=owner, thread="t").task
        assert [message.text for message in asked(agent)[-1].messages] == heard


@virtual
async def test_a_busy_thread_is_not_disturbed() -> None:
    manager = Manager([paced("a")])
    live = manager.start(None, "One", thread="t")
    await asyncio.sleep(0)
    with pytest.raises(Problem) as problem:
        manager.start(None, "Two", thread="t")
    assert code(problem) == "thread_busy"
    await live.task
    assert live.state == "finished"


@virtual
async def test_the_thread_used_least_recently_is_forgotten() -> None:
    agent = speaker("a")
    manager = Manager([agent], limits=Limits(threads=2))
    for thread in ("x", "y", "x", "z"):
        await manager.start(None, "Hi", thread=thread).task
    await manager.start(None, "Hi", thread="x").task
    assert len(asked(agent)[-1].messages) == 5
    await manager.start(None, "Hi", thread="y").task
    assert len(asked(agent)[-1].messages) == 1


@virtual
async def test_the_conversation_is_history_and_part_of_a_workflows_task() -> None:
    agent, member = speaker("a"), speaker("m")
    manager = Manager([agent, SequentialWorkflow([member], name="team")])
    history = [Message.user("One"), Message.assistant("Aha.")]
    for name in ("a", "team"):
        await manager.start(name, [Message.user("Two")], history=history).task
    for one in (agent, member):
        assert [message.text for message in asked(one)[-1].messages] == ["One", "Aha.", "Two"]
    with pytest.raises(Problem) as problem:
        manager.start("team", "Hi", thread="t")
    assert code(problem) == "bad_request"
    assert "put the earlier messages into input" in (problem.value.hint or "")


# --- finding


@virtual
async def test_a_run_is_its_owners_alone() -> None:
    manager = Manager([paced("a")])
    live, other = manager.start(None, "Hi", owner="ann"), manager.start(None, "Hi")
    assert manager.get(live.id, "ann") is live
    for run, owner in ((live.id, "bob"), (live.id, None), (other.id, "ann"), ("nothing", "ann")):
        with pytest.raises(Problem) as problem:
            manager.get(run, owner)
        assert code(problem) == "unknown_run"
    assert [*manager.runs("ann")] == [live]
    await manager.shutdown()
    assert manager.get(live.id, "ann") is live


@virtual
async def test_runs_are_listed_the_newest_first() -> None:
    manager = Manager([speaker("a"), paced("b")])
    lives = [manager.start(name, "Hi") for name in ("a", "b", "a", "b")]
    for at, live in enumerate(lives):
        live.started_at = float(at)
    await asyncio.sleep(1)
    assert [*manager.runs()] == lives[::-1]
    assert [*manager.runs(agent="b")] == [lives[3], lives[1]]
    assert [*manager.runs(state="finished")] == [lives[2], lives[0]]
    assert [*manager.runs(agent="b", state="running")] == [lives[3], lives[1]]
    await manager.shutdown()


# --- what has ended


@virtual
async def test_ended_runs_are_kept_for_a_while() -> None:
    manager = Manager([speaker("a")])
    live = manager.start(None, "Hi")
    await live.task
    await asyncio.sleep(299)
    assert await read(manager, manager.get(live.id))
    await asyncio.sleep(2)
    assert not manager._kept
    assert manager._kept_bytes == 0
    with pytest.raises(Problem):
        manager.get(live.id)


@virtual
async def test_the_oldest_that_have_ended_go_first() -> None:
    manager = Manager([speaker("a")], limits=Limits(ended_runs=2))
    lives = [manager.start(None, "Hi") for _ in range(4)]
    for live in lives:
        await live.task
    assert [live.id for live, _ in manager._kept.values()] == [live.id for live in lives[2:]]
    size = lives[0].log.size
    small = Manager([speaker("a")], limits=Limits(ended_bytes=int(2.5 * size)))
    for _ in range(5):
        await small.start(None, "Hi").task
        assert small._kept_bytes <= 2.5 * size
    assert len(small._kept) == 2


@virtual
async def test_a_reader_of_a_run_that_is_forgotten_reads_on() -> None:
    manager = Manager([speaker("a")], limits=Limits(ended_runs=0))
    live = manager.start(None, "Hi")
    reading = manager.read(live, NDJSON)
    await live.task
    assert not manager._kept
    assert len([data async for data in reading]) == 1
    manager.leave(reading)


# --- readers


@virtual
async def test_there_is_an_end_to_readers() -> None:
    manager = Manager([paced("a")], limits=Limits(readers=2))
    live = manager.start(None, "Hi")
    one, _ = manager.read(live, NDJSON), manager.read(live, SSE)
    with pytest.raises(Problem) as problem:
        manager.check_readers()
    assert code(problem) == "too_many_readers"
    manager.leave(one)
    manager.check_readers()
    await manager.shutdown()


@virtual
async def test_silence_is_broken_every_fifteen_seconds() -> None:
    manager = Manager([paced("a", 2, 60.0)])
    live = manager.start(None, "Hi")
    reading, at = manager.read(live, SSE), asyncio.get_running_loop().time()
    times: dict[bytes, list[int]] = {}
    async for data in reading:
        times.setdefault(data if data in (SSE_HELLO, SSE_IDLE) else b"event", []).append(
            round(asyncio.get_running_loop().time() - at)
        )
    manager.leave(reading)
    assert times[SSE_HELLO] == [0]
    assert sorted({*times[b"event"]}) == [0, 60, 120]
    assert all(15 <= later - before <= 16 for before, later in itertools.pairwise([0, *times[SSE_IDLE][:3]]))
    await asyncio.sleep(2)
    assert manager._tick is None  # the timer has gone with the last reader


@virtual
async def test_a_slow_reader_is_disconnected_and_others_are_not() -> None:
    manager = Manager([paced("a", 100)])
    live = manager.start(None, "Hi")
    cut: list[str] = []
    stalled, slow = manager.read(live, NDJSON), manager.read(live, NDJSON)
    stalled.on_stall = lambda: cut.append("stalled")
    slow.on_stall = lambda: cut.append("slow")
    await anext(stalled)
    for _ in range(3):
        await anext(slow)
        await asyncio.sleep(20)
    assert set(cut) == {"stalled"}
    for reading in (stalled, slow):
        manager.leave(reading)
    await manager.shutdown()


# --- stopping


@virtual
async def test_a_server_that_stops_lets_runs_end_and_then_ends_them() -> None:
    manager = Manager([paced("short", 3), paced("long", 100)])
    short, long = manager.start("short", "Hi"), manager.start("long", "Hi")
    reader = asyncio.create_task(read(manager, long))
    await asyncio.sleep(0.5)
    stopping = asyncio.create_task(manager.shutdown())
    await asyncio.sleep(0.1)
    with pytest.raises(Problem) as problem:
        manager.start("short", "Hi")
    assert code(problem) == "shutting_down"
    await stopping
    assert asyncio.get_running_loop().time() == pytest.approx(5.5)
    assert (short.state, long.state) == ("finished", "cancelled")
    assert isinstance(long.log.end, RunCancelled)
    assert long.log.end.by == "shutdown"
    assert b'"run.cancelled"' in await reader
    manager.close()


# --- anything at any time


def chained(event: Event, before: list[bytes]) -> bytes:
    """Tells of all that was before, so that nothing can be left out, doubled or out of order."""
    before[0] = hashlib.sha256(before[0] + event.type.encode()).digest()
    return b"%d %s %s\n" % (event.seq, before[0].hex().encode(), event.type.encode() * (event.seq % 5))


def chain() -> Map:
    before = [b""]
    return lambda event: chained(event, before)


WIRES = (NDJSON, SSE, Wire(key="chain", make=chain, media_type="x"))


def shown(wire: Wire, live: LiveRun, position: int) -> bytes:
    of = wire.make()
    frames = [of(event) for event in live.log]
    return wire.hello + b"".join(frames[position:])


class Reader:
    """One who reads a run, and what they have been sent."""

    def __init__(self, manager: Manager, live: LiveRun, wire: Wire, position: int) -> None:
        self.live = live
        self.wire = wire
        self.position = position
        self.sent = b""
        self.ended = False
        self.reading = manager.read(live, wire, position)

    async def read(self, times: int) -> None:
        for _ in range(times):
            try:
                data = await asyncio.wait_for(anext(self.reading), 0.3)
            except TimeoutError:
                return
            except StopAsyncIteration:
                self.ended = True
                return
            assert len(data) <= 300
            self.sent += b"" if data == self.wire.idle else data

    def check(self) -> None:
        of = self.wire.make()
        whole = self.wire.hello + b"".join([of(event) for event in self.live.log][self.position :])
        assert whole == self.sent if self.ended else whole.startswith(self.sent)


class Readers(RuleBasedStateMachine):
    """Runs and readers, who come at any place, stall, leave, and are sent everything after it exactly once."""

    runs = Bundle("runs")
    readers = Bundle("readers")

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        for module in (wire, live_run):
            self.patch.setattr(module, "WRITE_BYTES", 300)
        self.patch.setattr(wire, "FRAME_WINDOW", 900)
        self.patch.setattr(live_run, "EVENTS_AT_ONCE", 7)
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        flaky = speaker("flaky", [Say([f"{n} " for n in range(30)]), Wait(1), Fail(OSError("gone"))], retries=0)
        team = ConcurrentWorkflow([paced("a", 6, 0.5), paced("b", 3)], name="team")
        self.manager = Manager([paced("paced", 12, 0.4), team, flaky, speaker("quick")], limits=Limits(runs=1000))
        self.begun: list[LiveRun] = []
        self.open: list[Reader] = []

    @rule(
        target=runs, agent=st.sampled_from(["paced", "team", "flaky", "quick"]), then=st.sampled_from(["continue", 2])
    )
    def start(self, agent: str, then: OnDisconnect) -> LiveRun:
        async def begin() -> LiveRun:
            return self.manager.start(agent, "Go.", on_disconnect=then)

        self.begun.append(live := self.runner.run(begin()))
        return live

    @rule(seconds=st.sampled_from([0.0, 0.4, 1.0, 3.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.runner.run(asyncio.sleep(seconds))

    @rule(target=readers, live=runs, part=st.floats(0, 1), wire=st.sampled_from(WIRES))
    def come(self, live: LiveRun, part: float, wire: Wire) -> Reader:
        async def attach() -> Reader:
            return Reader(self.manager, live, wire, round(part * live.visible))

        self.open.append(reader := self.runner.run(attach()))
        return reader

    @rule(reader=readers, times=st.integers(1, 40))
    def read(self, reader: Reader, times: int) -> None:
        if reader in self.open:
            self.runner.run(reader.read(times))

    @rule(reader=consumes(readers))
    def leave(self, reader: Reader) -> None:
        async def detach() -> None:
            self.manager.leave(reader.reading)

        self.runner.run(detach())
        self.open.remove(reader)
        reader.check()

    @rule(live=runs)
    def cancel(self, live: LiveRun) -> None:
        async def stop() -> None:
            live.cancel()

        self.runner.run(stop())

    @invariant()
    def everyone_was_sent_what_there_was(self) -> None:
        for reader in self.open:
            reader.check()
        assert self.manager._readings == {reader.reading for reader in self.open}

    def teardown(self) -> None:
        try:
            self.runner.run(self.manager.shutdown())
            for reader in self.open:
                while not reader.ended:
                    self.runner.run(reader.read(100))
                reader.check()
            for live in self.begun:
                assert live.log.end is not None
                assert isinstance(live.log.end, RunFailed) is (live.agent == "flaky" and live.state == "failed")
                check_log(list(live.log))
        finally:
            self.manager.close()
            self.runner.close()
            self.patch.undo()


@pytest.mark.long
def test_each_reader_gets_exactly_what_follows_its_position() -> None:
    run_state_machine_as_test(
        Readers,
        settings=settings(
            max_examples=tries(8, 1000),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )


def test_a_run_whose_log_is_not_kept_is_forgotten_with_its_end() -> None:
    async def main() -> None:
        manager = Manager([speaker("a")])
        try:
            live = manager.start("a", "Go.", keep=False)
            assert manager.get(live.id) is live
            await live.task
            with pytest.raises(Problem, match="no such run"):
                manager.get(live.id)
        finally:
            manager.close()

    asyncio.run(main())
