from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headwater import Agent, ConcurrentWorkflow, ToolContext, tool
from headwater.agents.remote import _PLAIN_CODE
from headwater.backends.offline import Call, Say, Wait
from headwater.events import Event, RunCancelled, RunFailed, RunWaiting
from headwater.runtime.from_log import DrivenElsewhere
from headwater.testing import check_log, sample_logs
from headwater.web.limits import WORK_SECONDS, WRITE_BYTES, Limits
from headwater.web.native.wire import NDJSON, SSE, SSE_HELLO, SSE_IDLE, json_line
from headwater.web.runs.live_run import EVENTS_AT_ONCE, FOLLOWED_SECONDS, LiveRun, OnDisconnect, Reading
from headwater.web.wires.wire import Wire
from tests.support.members import paced, speaker
from tests.support.streams import scripted
from tests.support.virtual import run_virtual


def live_of(agent: Any, on_disconnect: OnDisconnect = "continue", *, led: bool = False, **limits: Any) -> LiveRun:
    def ended(live: LiveRun) -> None:
        assert live.over

    return LiveRun(
        agent.run_stream("Go.").claim(),
        agent=agent.name,
        owner=None,
        on_disconnect=on_disconnect,
        limits=Limits(**limits),
        ended=ended,
        led=led,
    )


def state(live: LiveRun) -> str:
    return live.state  # a checker would take it for what it was before


class Elsewhere(DrivenElsewhere):
    """A run of another process, which has said something and says no more."""

    def __init__(self, *events: Event) -> None:
        super().__init__(_PLAIN_CODE)
        self._said = [*events]

    async def _advance(self) -> list[Event]:
        said, self._said = self._said, []
        if not said:
            await self._interruptible.wait(asyncio.Event().wait())
        return said


async def rest_of(live: LiveRun, wire: Wire = NDJSON, position: int = 0) -> bytes:
    reading = live.read(wire, position)
    data = b"".join([data async for data in reading])
    reading.close()
    return data


def whole(live: LiveRun, position: int = 0) -> bytes:
    return b"".join(map(json_line, live.log.between(position, len(live.log))))


def virtual(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    async def main() -> None:
        await test()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def run() -> None:
        run_virtual(main())

    return run


@virtual
async def test_a_run_continues_without_readers() -> None:
    live = live_of(paced("a"))
    assert (state(live), live.response, live.visible) == ("queued", None, 0)
    await asyncio.sleep(2.5)
    assert state(live) == "running"
    assert live.response is not None
    assert live.response.text == "a0 a1 "
    assert live.visible == len(live.log)
    await live.task
    assert state(live) == "finished"
    check_log(list(live.log))
    assert live.run is None
    assert str(live.response) == "a0 a1 a2 a3 a4 "


@virtual
async def test_a_reader_gets_everything_from_its_position() -> None:
    live = live_of(ConcurrentWorkflow([paced("a"), paced("b", 7, 0.7)], name="team"))
    readers = []
    for second in range(7):
        readers += [asyncio.create_task(rest_of(live, NDJSON, position)) for position in {0, second, live.visible}]
        positions = {0, second, live.visible}
        await asyncio.sleep(0)
        for reader, position in zip(readers[-len(positions) :], positions, strict=True):
            reader.set_name(str(position))
        await asyncio.sleep(1)
    await live.task
    for reader in readers:
        assert await reader == whole(live, int(reader.get_name()))
    assert await rest_of(live, NDJSON, 3) == whole(live, 3)
    assert await rest_of(live, NDJSON, len(live.log)) == b""


@virtual
async def test_other_tasks_run_while_a_late_reader_catches_up() -> None:
    live = live_of(speaker("a", ["a "] * 3 * EVENTS_AT_ONCE))
    await live.task
    turns = pieces = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    reading = live.read(NDJSON)
    async for _ in reading:
        pieces += 1
    reading.close()
    task.cancel()
    assert turns >= pieces - 1 > 3


@virtual
async def test_readers_of_one_wire_share_the_encoded_bytes() -> None:
    made: list[int] = []

    def line(event: Any) -> bytes:
        made.append(event.seq)
        return json_line(event)

    wire = Wire(key="counted", make=lambda: line, media_type="x")
    live = live_of(paced("a"))
    readers = [asyncio.create_task(rest_of(live, wire)) for _ in range(50)]
    for reader in readers:
        assert await reader == whole(live)
    assert made == [*range(len(live.log))]
    assert await rest_of(live, wire) == whole(live)
    assert len(made) == 2 * len(live.log)  # nobody was left who could have kept it


async def _directly(reading: Reading, refuses: int = 0) -> tuple[bytes, int]:
    """Reads over a connection that is full every so many pieces; also returns how often its task was needed."""
    got: list[bytes] = []

    def write(data: bytes) -> bool:
        if refuses and len(got) % refuses == 0:
            return False
        got.append(data)
        return True

    reading.direct = write
    own = 0
    async for data in reading:
        got.append(data)
        own += 1
    reading.close()
    return b"".join(got), own


@virtual
async def test_readers_are_written_to_without_their_tasks() -> None:
    live = live_of(ConcurrentWorkflow([paced("a", 9), paced("b", 20, 0.7)], name="team"))
    readings = [live.read(NDJSON, position) for position in range(6)]
    quick, *others = (asyncio.create_task(_directly(reading, number)) for number, reading in enumerate(readings))
    usual = asyncio.create_task(rest_of(live))
    await asyncio.sleep(5)
    late = asyncio.create_task(_directly(live.read(NDJSON)))
    for position, task in enumerate([quick, *others]):
        assert (await task)[0] == whole(live, position)
    assert (await late)[0] == await usual == whole(live)
    assert (quick.result()[1], late.result()[1]) == (1, 1)  # for what was there when it came


@virtual
async def test_a_wire_that_fails_ends_its_readers_only() -> None:
    def line(event: Event) -> bytes:
        if event.seq == 6:
            raise ValueError("it fails")
        return json_line(event)

    live = live_of(paced("a"))
    wire = Wire(key="fails", make=lambda: line, media_type="x")
    failing = [asyncio.create_task(_directly(live.read(wire))) for _ in range(3)]
    await live.task
    assert state(live) == "finished"
    for task in failing:
        with pytest.raises(ValueError, match="it fails"):
            await task


@virtual
async def test_heartbeats_count_from_the_last_direct_write() -> None:
    live = live_of(paced("a", 2, 10.0))
    reading = live.read(NDJSON)
    task = asyncio.create_task(_directly(reading))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.sleep(15)
    assert reading.since - begun == 10
    await task


@virtual
async def test_a_heartbeat_is_never_within_a_frame() -> None:
    live = live_of(paced("a", 2, 10.0))
    wire = Wire(key="large", make=lambda: lambda event: b"x" * 2 * WRITE_BYTES, media_type="x", idle=SSE_IDLE)
    reading = live.read(wire)
    got: list[bytes] = []
    room = 100

    def write(data: bytes) -> bool:
        nonlocal room
        room -= 1
        if room >= 0:
            got.append(data)
        return room >= 0

    reading.direct = write

    async def follow() -> None:
        while data := await anext(reading, b""):
            got.append(data)

    task = asyncio.create_task(follow())
    await asyncio.sleep(10)
    told = sum(map(len, got))
    room = 1
    assert reading.wake()
    live._show()  # more events, before the reader's task continues
    assert sum(map(len, got)) == told
    await task
    reading.close()
    before, _, after = b"".join(got).partition(SSE_IDLE)
    assert (len(before) % (2 * WRITE_BYTES), len(after) % (2 * WRITE_BYTES)) == (0, 0)
    assert len(before + after) == 2 * WRITE_BYTES * len(live.log)


@virtual
async def test_a_silent_reader_gets_only_heartbeats() -> None:
    live = live_of(paced("a", 2, 30.0))
    reading = live.read(SSE)
    assert await anext(reading) == SSE_HELLO
    assert b"run.started" in await anext(reading)
    assert not reading.wake()  # its bytes are on their way
    waiting = asyncio.create_task(anext(reading))
    await asyncio.sleep(1)
    assert reading.wake()
    assert not reading.wake()
    assert await waiting == SSE_IDLE
    silent = live.read(NDJSON)
    await anext(silent)
    waiting = asyncio.create_task(anext(silent))
    await asyncio.sleep(1)
    assert not silent.wake()  # lines of JSON have none
    waiting.cancel()
    live.cancel()
    for one in (reading, silent):
        one.close()
    await live.task


@virtual
async def test_a_silent_run_keeps_no_disconnected_reader() -> None:
    live = live_of(speaker("a", [Wait(10_000)]))
    stays = live.read(SSE)
    waiting = asyncio.create_task(_all(stays))
    for _ in range(50):
        passing = asyncio.create_task(rest_of(live))
        await asyncio.sleep(1)
        stays.wake()
        passing.cancel()
        await asyncio.wait({passing})
    assert len(live._waiting) == 1
    live.cancel()
    await waiting
    assert live._waiting == set()
    stays.close()


async def _all(reading: Reading) -> None:
    async for _ in reading:
        pass


@virtual
async def test_a_waiting_run_says_so_and_its_timeout_pauses() -> None:
    @tool(approval=True)
    async def send() -> str:
        """Send it."""
        return "sent"

    agent = scripted(Call("send"), [Say("Done.")], tools=[send])
    live = live_of(agent, work_seconds=10)
    await asyncio.sleep(1000)
    assert state(live) == "waiting"
    (question,) = live.pending
    assert live.run is not None
    from headwater import Answer

    live.run.people.answer(question.id, Answer(), "approval")
    await live.task
    assert state(live) == "finished"
    assert live.pending == ()


@virtual
async def test_a_run_that_works_for_too_long_fails() -> None:
    live = live_of(paced("a", 100), work_seconds=10)
    await live.task
    assert state(live) == "failed"
    assert isinstance(live.log.end, RunFailed)
    assert live.log.end.error.type == "RunTimeout"
    assert "10 s" in live.log.end.error.message
    check_log(list(live.log))


@virtual
async def test_a_log_that_grows_too_long_ends_its_run() -> None:
    live = live_of(paced("a", 1000, 0.1), log_bytes=2000)
    assert await rest_of(live) == whole(live)
    assert isinstance(live.log.end, RunFailed)
    assert live.log.end.error.type == "LimitExceeded"
    assert live.log.size < 4000
    check_log(list(live.log))


@virtual
async def test_a_run_that_waits_for_people_waits_longer_than_for_a_reader_who_reconnects() -> None:
    @tool(approval=True)
    async def send() -> str:
        """Send it."""
        return "sent"

    live = live_of(scripted(Call("send", {}), "Done.", tools=[send]), 3.0)
    reading = live.read(NDJSON)
    while state(live) != "waiting":
        await anext(reading)
    (question,) = live.unattended
    reading.close()
    await asyncio.sleep(1000)
    assert state(live) == "waiting"
    await asyncio.sleep(WORK_SECONDS)
    await live.task
    assert (state(live), question.tool) == ("cancelled", "send")


@pytest.mark.parametrize(
    ("on_disconnect", "back_after", "ends"),
    [
        ("continue", None, "finished"),
        ("cancel", None, "cancelled"),
        (3.0, None, "cancelled"),
        (3.0, 2, "finished"),
        (3.0, 4, "cancelled"),
    ],
)
def test_on_disconnect_decides_about_a_run_without_readers(
    on_disconnect: OnDisconnect, back_after: float | None, ends: str
) -> None:
    async def main() -> None:
        live = live_of(paced("a", 20), on_disconnect)
        await asyncio.sleep(2)  # nobody has come yet, so nobody has left
        one, other = live.read(NDJSON), live.read(SSE)
        await anext(one)
        one.close()
        await asyncio.sleep(5)
        assert state(live) == "running"
        other.close()
        if back_after is not None:
            await asyncio.sleep(back_after)
            reading = live.read(NDJSON)
            await live.task
            reading.close()
        await live.task
        assert state(live) == ends
        if isinstance(live.log.end, RunCancelled):
            assert live.log.end.by == "left"
        check_log(list(live.log))

    run_virtual(main())


@virtual
async def test_a_run_without_words_still_has_its_end() -> None:
    agent: Agent[Any, Any] = speaker("a", [Wait(5)])
    live = live_of(agent)
    assert live.cancel()
    assert await rest_of(live) == whole(live)
    assert state(live) == "cancelled"
    assert not live.cancel()


@virtual
async def test_the_end_is_seen_also_where_the_task_is_cancelled() -> None:
    live = live_of(paced("a"))
    reader = asyncio.create_task(rest_of(live))
    await asyncio.sleep(1.5)
    live.task.cancel()
    data = await reader
    assert state(live) == "cancelled"
    assert data == whole(live)
    check_log(list(live.log))
    with pytest.raises(asyncio.CancelledError):
        await live.task


@virtual
async def test_what_people_are_asked_deep_down_is_asked_here() -> None:
    async def choose(ctx: ToolContext[Any]) -> str:
        """Ask."""
        return str(await ctx.ask("Which?", str))

    member = scripted(Call("choose"), [Say("So be it.")], tools=[choose])
    live = live_of(ConcurrentWorkflow([member], name="team"))
    await asyncio.sleep(1)
    assert [question.message for question in live.pending] == ["Which?"]
    live.cancel()
    await live.task
    assert live.pending == ()


@virtual
async def test_a_led_run_is_driven_only_by_its_reader() -> None:
    live = live_of(paced("a"), "cancel", led=True)
    await asyncio.sleep(10)
    assert (state(live), live.visible) == ("queued", 0)
    reading = live.read(NDJSON)
    assert live.leader is reading
    told = b""
    async for data in reading:
        told += data
        assert asyncio.all_tasks() == {asyncio.current_task()}
    reading.close()
    await live.task
    assert (state(live), told) == ("finished", whole(live))
    assert live._rest is None
    check_log(list(live.log))


def test_a_leader_looks_for_new_frames_once_a_pull(monkeypatch: pytest.MonkeyPatch) -> None:
    words, looks = 100, 0
    frames = LiveRun.frames

    def counted(self: LiveRun, wire: Wire) -> Any:
        nonlocal looks
        looks += 1
        return frames(self, wire)

    async def main() -> None:
        live = live_of(paced("a", words), "cancel", led=True)
        assert await rest_of(live) == whole(live)

    monkeypatch.setattr(LiveRun, "frames", counted)
    run_virtual(main())
    assert words < looks < 1.2 * words


@virtual
async def test_a_run_whose_leader_leaves_is_cancelled_and_ends() -> None:
    for seconds in (0.0, 1.5):
        live = live_of(paced("a"), "cancel", led=True)
        reading = live.read(NDJSON)
        task = asyncio.create_task(_all(reading))
        await asyncio.sleep(seconds)
        live.leaving(reading)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        reading.close()
        await live.task
        end = live.log.end
        assert isinstance(end, RunCancelled)
        assert end.by == "left"
        check_log(list(live.log))


@virtual
async def test_a_leading_reader_gets_heartbeats() -> None:
    live = live_of(paced("a", seconds=5), "cancel", led=True)
    reading = live.read(SSE)
    told: list[bytes] = []
    assert not reading.wake()
    reading.on_idle = told.append
    task = asyncio.create_task(_all(reading))
    await asyncio.sleep(1)
    assert reading.wake()
    assert (told, reading.since) == ([SSE_IDLE], live._loop.time())
    await task
    assert state(live) == "finished"


@virtual
async def test_a_run_without_a_leader_ends_when_it_is_stopped() -> None:
    live = live_of(paced("a"), "cancel", led=True)
    assert live.cancel("shutdown")
    await live.task
    assert state(live) == "cancelled"
    late = live_of(paced("a"), "cancel", led=True, work_seconds=5)
    await asyncio.sleep(6)
    await late.task
    assert state(late) == "failed"


@virtual
async def test_a_run_of_another_process_is_let_go_when_nobody_reads_it() -> None:
    ended: list[LiveRun] = []
    log = sample_logs()["text"]

    def follow() -> LiveRun:
        run = Elsewhere(*log[:4])
        return LiveRun(run, agent="a", owner=None, on_disconnect="cancel", limits=Limits(), ended=ended.append)

    live = follow()
    await asyncio.sleep(0)
    reading = live.read(NDJSON)
    await asyncio.sleep(3600)
    assert state(live) == "running"
    reading.close()
    await asyncio.sleep(FOLLOWED_SECONDS - 1)
    live.read(NDJSON).close()  # comes back
    await asyncio.sleep(FOLLOWED_SECONDS - 1)
    assert ended == []
    await asyncio.sleep(2)
    assert ended == [live]
    unread = follow()
    await asyncio.sleep(FOLLOWED_SECONDS + 1)
    assert ended == [live, unread]
    assert (live.log.end, unread.visible) == (None, 4)


@virtual
async def test_a_run_of_another_process_waits_as_its_log_says() -> None:
    log = sample_logs()["approved"]
    at = next(number for number, event in enumerate(log) if isinstance(event, RunWaiting))
    for upto, waits in ((at, False), (at + 1, True), (at + 2, False)):
        run = Elsewhere(*log[:upto])
        live = LiveRun(run, agent="a", owner=None, on_disconnect="continue", limits=Limits(), ended=lambda live: None)
        await asyncio.sleep(1)
        assert (live.state, live.needs_answers, bool(live.unattended)) == (
            "waiting" if waits else "running",
            waits,
            upto <= at + 1,
        )
        live.cancel("shutdown")
        await live.task
