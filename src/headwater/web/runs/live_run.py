"""A run that belongs to the server: its own task pulls it, and any number of readers follow it.

Owns the task, the log, the timeout of the run, and what happens when its last reader disconnects. A reader is a
position in the log and has no queue, so a slow reader delays only itself. Readers that have everything are written to
in the run's own task, if the server can do that. It must never show a reader events past
`visible`, and readers must never change what the run does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from headwater.errors import LimitExceeded, RunTimeout
from headwater.events import RunFailed, RunFinished, tree_response
from headwater.events.questions import Question
from headwater.runtime.from_log import DrivenElsewhere
from headwater.web.limits import WORK_SECONDS, WRITE_BYTES, Limits
from headwater.web.runs.kept_log import KeptLog
from headwater.web.wires.wire import Block, Frames, Map, Wire

if TYPE_CHECKING:
    from headwater.events.response import Response
    from headwater.events.results import Results
    from headwater.runtime.run import Run

__all__ = ("LiveRun", "OnDisconnect", "Reading", "State")

OnDisconnect: TypeAlias = Literal["continue", "cancel"] | float
"""What happens to a run when its last reader disconnects: it continues, is cancelled, or is cancelled after this many
seconds without a reader.
"""

EVENTS_AT_ONCE: Final = 1_000
"""Events that a late reader processes before it yields to other tasks: a few milliseconds of work."""

FOLLOWED_SECONDS: Final = 30.0
"""Seconds for which a run that is driven elsewhere is read without readers: time for one to come, or to come back."""

State: TypeAlias = Literal["queued", "running", "waiting", "finished", "failed", "cancelled"]


class LiveRun:
    """One run, from its start until its log is dropped.

    `ended` is called once, after the last event. With `led`, the run's only reader pulls it in the reader's own task;
    after that reader disconnects, a separate task finishes the run. Create it in a running event loop.
    """

    def __init__(
        self,
        run: Run,
        *,
        agent: str,
        owner: str | None,
        on_disconnect: OnDisconnect,
        limits: Limits,
        ended: Callable[[LiveRun], None],
        led: bool = False,
    ) -> None:
        self.followed: bool = isinstance(run, DrivenElsewhere)
        """Whether another process drives the run, or may: then leaving it does not cancel it."""
        self.error: BaseException | None = None
        """Why it ended without an event."""
        self.id: str = run.id
        self.agent = agent
        self.owner = owner
        self.on_disconnect = on_disconnect
        self.started_at: float = time.time()
        """Unix seconds."""
        self.notes: dict[str, dict[str, Any]] = {}
        """Request fields that a wire repeats in its responses, by the wire's name; set them with `Manager.start`."""
        self.log: KeptLog = KeptLog()
        self.visible: int = 0
        """The number of events that readers may see."""
        self.over: bool = False
        """Whether the log is complete."""
        self.readings: set[Reading] = set()
        self._run: Run | None = run
        self._limits = limits
        self._ended = ended
        self._frames: dict[Any, Frames] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._followers: dict[Any, Followers] = {}
        """By the key of their wire."""
        self._loop = asyncio.get_running_loop()
        self._grace: asyncio.TimerHandle | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._work_left = limits.work_seconds
        self._waits = False
        """Whether the run waited for people at the last check."""
        self.leader: Reading | None = None
        """The reader whose task pulls the run; there are no others."""
        run.watch(self.log.append)
        self._run_clock(going=True)
        self.task: asyncio.Future[None] = self._loop.create_future() if led else self._begin_driving(run)
        """Done when the run is done."""
        self._led = led
        self._let_go_soon()
        self._rest: asyncio.Task[None] | None = None
        """The task that finishes a run whose leader has disconnected."""

    # --- the run

    def _begin_driving(self, run: Run) -> asyncio.Task[None]:
        return asyncio.create_task(self._drive(run), name=f"headwater run {run.id}")

    async def _drive(self, run: Run) -> None:
        """Pulls the run to its end, with or without readers."""
        try:
            while await self._step(run):
                pass
        except BaseException:
            run.abort("shutdown")
            raise
        finally:
            self._finish()

    async def lead(self) -> None:
        """Pulls the run once, in the task of its leader, so that no task switch delays the provider's data."""
        run = self._run
        if run is not None and not await self._step(run):
            self._finish()

    async def _step(self, run: Run) -> bool:
        """Appends the next events. Returns False at the end of the run."""
        events = await run.pull()
        if not events:
            await run.settle()
            return False
        if run.resets:  # the journal was restored from a backup: readers start again, with another LiveRun
            run.abort("shutdown")
            return False
        append = run.append
        for event in events:
            if (wait := append(event)) is not None:
                await wait
        if run.waiting is not self._waits:
            self._waits = run.waiting
            self._run_clock(going=not self._waits)
        self._show()
        if self.log.size > self._limits.log_bytes and not run.stopping:
            run.task_failed(_too_long(self._limits.log_bytes))
        return True

    def _finish(self) -> None:
        self._run_clock(going=False)
        if self._run is not None:
            self.error = self._run.error
        self._run = None
        self.over = True
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        self._show()
        self._ended(self)
        if self._led and not self.task.done():
            self.task.set_result(None)

    def _show(self) -> None:
        """Makes the appended events visible to readers."""
        self.visible = len(self.log)
        for followers in self._followers.values():
            if self.over:
                followers.part()
            else:
                followers.tell(self.log, self.visible, self._loop.time())
        waiting, self._waiting = self._waiting, set()
        for reader in waiting:
            if not reader.done():
                reader.set_result(None)

    def _run_clock(self, *, going: bool) -> None:
        """Resumes the run's timeout, or pauses it while the run waits for people."""
        if self._clock is not None:
            self._work_left = max(0.0, self._clock.when() - self._loop.time())
            self._clock.cancel()
            self._clock = None
        if going and not self.followed:
            self._clock = self._loop.call_later(self._work_left, self._worked_too_long)

    def _worked_too_long(self) -> None:
        self._clock = None
        seconds = self._limits.work_seconds
        error = f"The run took longer than the {seconds:g} s that this server allows."
        if self._run is not None:
            self._run.task_failed(RunTimeout(error, hint="Ask for less in one run.", clock="work", seconds=seconds))
            self._drive_unled()

    # --- its state

    @property
    def state(self) -> State:
        """The state of the run."""
        end = self.log.end
        if end is not None:
            return (
                "finished" if isinstance(end, RunFinished) else "failed" if isinstance(end, RunFailed) else "cancelled"
            )
        if self.over:
            return "failed"
        if self._run is not None and self._run.waiting:
            return "waiting"
        return "running" if self.log.started is not None else "queued"

    @property
    def response(self) -> Response[Any] | Results | None:
        """The result of the run so far; None before its first event."""
        if self._run is not None:
            return self._run.response() if self.log.started is not None else None
        return tree_response(self.log) if len(self.log) else None

    @property
    def pending(self) -> tuple[Question, ...]:
        """Open questions to people."""
        return self._run.people.pending if self._run is not None else ()

    @property
    def needs_answers(self) -> bool:
        """Whether the run waits for people, and only a client can answer; see also `Manager.needs_answers`."""
        return self._run is not None and self._run.waiting and bool(self.unattended)

    @property
    def unattended(self) -> tuple[Question, ...]:
        """The open questions, if the run has no approver for any of them, as far as is known here."""
        if self._run is None:
            return ()
        return self._run.people.pending if self.followed else self._run.people.unattended

    @property
    def let_go(self) -> bool:
        """Whether this server has stopped to read a run that is driven elsewhere, and may go on there."""
        return self.over and self.followed and self.log.end is None

    @property
    def run(self) -> Run | None:
        """The run itself, to send it messages; None once it is over."""
        return self._run

    def cancel(self, by: Literal["caller", "left", "shutdown"] = "caller") -> bool:
        """Cancels the run. Returns False if it is over."""
        if self._run is None:
            return False
        if self.followed and by != "caller":
            if by == "shutdown":
                self._run.abort(by)
            return True
        self._run.cancel(by)
        self._drive_unled()
        return True

    def _drive_unled(self) -> None:
        """Finishes the run in a task if its leader has not started to read."""
        if self._led and self.leader is None and self._rest is None and self._run is not None:
            self._rest = self._begin_driving(self._run)

    # --- readers

    def read(self, wire: Wire, position: int = 0) -> Reading:
        """Returns a reader that starts at `position`; it counts as a reader until it is closed."""
        return Reading(self, wire, position)

    def attach(self, reading: Reading) -> None:
        """Adds the reader."""
        self.readings.add(reading)
        if self._led and self.leader is None:
            self.leader = reading
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def leaving(self, reading: Reading) -> None:
        """Called before a waiting reader is cancelled: cancels the run that it leads, with the reason."""
        if self.leader is reading and self._run is not None:
            self._run.cancel("left")

    def detach(self, reading: Reading) -> None:
        """Removes the reader."""
        self.readings.discard(reading)
        key = reading.wire.key
        if not any(other.wire.key == key for other in self.readings):
            self._frames.pop(key, None)
            self._followers.pop(key, None)
        if self.leader is reading and self._run is not None:
            self._run.cancel("left")
            self._rest = self._begin_driving(self._run)  # the run continues, or finishes, without a reader
        if self.readings or self._run is None:
            return
        if self.followed or self.on_disconnect == "continue":
            self._let_go_soon()
            return
        if self.on_disconnect == "cancel":
            self._run.cancel("left")
        else:
            # People need longer than a reader who reconnects.
            seconds = max(self.on_disconnect, WORK_SECONDS) if self._run.waiting else self.on_disconnect
            self._grace = self._loop.call_later(seconds, self.cancel, "left")

    def _let_go_soon(self) -> None:
        """Stops to read a run that is driven elsewhere, unless a reader comes: it is found in the journal again."""
        if self.followed and self._grace is None:
            self._grace = self._loop.call_later(FOLLOWED_SECONDS, self.cancel, "shutdown")

    async def reaches(self, position: int) -> None:
        """Waits until that many events are visible, or the run is over."""
        while self.visible < position and not self.over:
            await self.news()

    def frames(self, wire: Wire) -> Frames | None:
        """Returns the shared frames of the wire, up to date; None until a reader has caught up with a long run."""
        frames = self._frames.get(wire.key)
        if frames is None:
            if self.visible > EVENTS_AT_ONCE:
                return None
            frames = self.share(wire, wire.make(), 0)
        if frames.upto < self.visible:
            frames.catch_up(self.log, self.visible)
        return frames

    def share(self, wire: Wire, map: Map, first: int) -> Frames:
        """Shares this map's frames with the wire's readers from position `first` on; it has seen all events before."""
        frames = self._frames[wire.key] = Frames(map, first)
        return frames

    def followers(self, wire: Wire) -> Followers:
        """Returns the readers of the wire that are written to directly; its frames are shared already."""
        followers = self._followers.get(wire.key)
        if followers is None:
            followers = self._followers[wire.key] = Followers(self._frames[wire.key])
        return followers

    def news(self) -> asyncio.Future[None]:
        """Returns a future that is done when more events are visible, or the run is over."""
        future = self._loop.create_future()
        self._waiting.add(future)
        return future

    def no_news(self, future: asyncio.Future[None]) -> None:
        """Drops a future of `news`, so that a long idle run does not accumulate those of former readers."""
        self._waiting.discard(future)


class Followers:
    """The readers of one wire that have all its bytes, and to whom the server can write without their tasks.

    They move on together, so that new bytes cost each of them hardly more than the write.
    """

    __slots__ = ("_at", "_block", "_frames", "_writes", "told_at")

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._writes: dict[Reading, Callable[[bytes], bool]] = {}
        self._block, self._at = frames.tail, 0
        self.told_at: float = 0.0
        """When they were written to, in the loop's time."""

    def add(self, reading: Reading, write: Callable[[bytes], bool]) -> bool:
        """Adds a reader that has all bytes. Returns False if its place is not that of the others."""
        if not self._writes:
            self._block, self._at = reading.place
        elif reading.place != (self._block, self._at):
            return False
        self._writes[reading] = write
        return True

    def remove(self, reading: Reading) -> None:
        """Removes a reader, which continues from its place."""
        if self._writes.pop(reading, None) is not None:
            reading.continue_at(self._block, self._at, self.told_at)

    def tell(self, log: KeptLog, end: int, now: float) -> None:
        """Writes the frames of the events before position `end`."""
        if not self._writes:
            return
        try:
            self._frames.catch_up(log, end)
        except Exception:  # a wire's, which ends its readers, but not the run: each meets it in its own task
            self.part()
            return
        while (place := self._block.after(self._at)) is not None:
            self._block, self._at = place
            data = self._block.piece(self._at)
            behind = [reading for reading, write in self._writes.items() if not write(data)]
            self.part(behind)
            self._at += len(data)
            self.told_at = now

    def part(self, readings: Iterable[Reading] | None = None) -> None:
        """Lets these readers, or all, continue in their own tasks."""
        for reading in [*self._writes] if readings is None else readings:
            self.remove(reading)
            reading.rouse()


class Reading(AsyncIterator[bytes]):
    """One reader of a run on a wire: a position, and a reference to the bytes that follow.

    It processes the log with its own map until it reaches the shared frames. Close it at the end.
    """

    __slots__ = (
        "_at",
        "_block",
        "_done",
        "_followers",
        "_live",
        "_map",
        "_nap",
        "_position",
        "_said",
        "_since",
        "_skip",
        "direct",
        "given",
        "on_idle",
        "on_stall",
        "wire",
    )

    def __init__(self, live: LiveRun, wire: Wire, position: int) -> None:
        self.wire: Wire = wire
        self._live = live
        self._block: Block | None = None
        self._at = 0
        """Offset in the block."""
        self._done = False
        """Whether its last bytes were all that there are."""
        self._map: Map | None = None
        self._position = position
        """Position of the next event, while the reader uses its own map."""
        self._skip = position
        """Frames of events before this position are not sent."""
        self._said = bytearray(wire.hello)
        """Bytes to send first."""
        self._nap: asyncio.Future[None] | None = None
        self.given: bool = False
        """Whether its last bytes are still being written: it has not asked for more."""
        self.direct: Callable[[bytes], bool] | None = None
        """Writes bytes at once, without the reader's task. Returns False, without writing any, if that has to wait or
        is impossible; never raises."""
        self._followers: Followers | None = None
        """Those among which it is written to directly, while it waits."""
        self._since = live._loop.time()
        self.on_stall: Callable[[], None] | None = None
        """Called when a write takes too long."""
        self.on_idle: Callable[[bytes], None] | None = None
        """Called with a heartbeat while a leader waits for its run."""
        live.attach(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Returns the pending bytes, at most WRITE_BYTES, or a heartbeat after a long silence."""
        live = self._live
        self.given = False
        leads = live.leader is self
        if leads and self._done and not live.over:
            await live.lead()  # only that makes more events visible
        if self._map is not None:
            await asyncio.sleep(0)  # yield to other tasks while catching up: a write to a quick reader does not
        while True:
            if data := self._take():
                self.given = True
                self._since = live._loop.time()
                return data
            if self._block is None:
                await asyncio.sleep(0)
                continue
            if live.over:
                raise StopAsyncIteration
            if leads:
                await live.lead()
                continue
            await self._wait()

    async def _wait(self) -> None:
        """Waits for bytes that are not written directly, for a heartbeat, or for the end of the run."""
        live, write = self._live, self.direct
        followers = None if write is None else live.followers(self.wire)
        if followers is not None and write is not None and followers.add(self, write):
            self._followers, self._nap = followers, live._loop.create_future()
        else:
            self._nap = live.news()
        try:
            await self._nap
        finally:
            if self._followers is not None:
                self._followers.remove(self)
                self._followers = None
            live.no_news(self._nap)
            self._nap = None

    def rouse(self) -> None:
        """Lets its task continue, if it waits."""
        if self._nap is not None and not self._nap.done():
            self._nap.set_result(None)

    @property
    def place(self) -> tuple[Block, int]:
        """Where its next byte is, or will be, once it reads the shared frames."""
        assert self._block is not None
        return self._block, self._at

    def continue_at(self, block: Block, at: int, since: float) -> None:
        """Called when it stops following, with the place of its next byte."""
        self._block, self._at, self._since = block, at, max(self._since, since)

    @property
    def since(self) -> float:
        """Start of the current write or silence, in the loop's time."""
        return self._since if self._followers is None else max(self._since, self._followers.told_at)

    def wake(self) -> bool:
        """Sends a heartbeat if nothing else is being sent. Returns False if the reader is not idle."""
        if self._live.leader is self and self.on_idle is not None and self.wire.idle:
            self._since = self._live._loop.time()
            self.on_idle(self.wire.idle)
            return True
        if self._nap is None or self._nap.done() or not self.wire.idle:
            return False
        if self._followers is not None:
            self._followers.remove(self)  # now: what is written before its task continues may stop within a frame
        self._said += self.wire.idle
        self.rouse()
        return True

    def cut_off(self) -> None:
        """Called when a write to the reader has timed out."""
        if self.on_stall is not None:
            self.on_stall()

    def close(self) -> None:
        """Detaches the reader."""
        self._live.detach(self)

    def _take(self) -> bytes:
        if self._said:
            data = bytes(self._said[:WRITE_BYTES])
            del self._said[:WRITE_BYTES]
            return data
        frames = self._live.frames(self.wire)
        if self._block is None and not self._join(frames, self._position):
            return self._alone()
        return self._shared()

    def _shared(self) -> bytes:
        block, at = self._block, self._at
        assert block is not None
        place = block.after(at)
        if place is None:
            return b""
        block, at = place
        data = block.piece(at)
        self._block, self._at = block, at + len(data)
        self._done = self._at == len(block.data) and block.next is None
        return data

    def _join(self, frames: Frames | None, position: int) -> bool:
        """Switches to the shared frames, if they contain the position."""
        if frames is None or position < self._skip or (place := frames.find(position)) is None:
            return False
        self._block, self._at = place
        self._map = None
        return True

    def _alone(self) -> bytes:
        """Returns bytes from the reader's own map. Once it has caught up, the map becomes the shared one."""
        live, wire = self._live, self.wire
        if self._map is None:
            self._map = wire.make()
            if not wire.anywhere:
                self._position = 0
        frame_of, log, position = self._map, live.log, self._position
        end = min(live.visible, position + EVENTS_AT_ONCE)
        made = bytearray()
        while position < end and len(made) < WRITE_BYTES:
            frame = frame_of(log[position])
            if position >= self._skip:
                made += frame
            position += 1
        self._position = position
        if position == live.visible:
            self._join(live.frames(wire) or live.share(wire, frame_of, position), position)
        if len(made) > WRITE_BYTES:
            self._said = made[WRITE_BYTES:]
            del made[WRITE_BYTES:]
        return bytes(made)


def _too_long(bytes: int) -> LimitExceeded:
    return LimitExceeded(
        f"The run's log is longer than the {bytes} bytes that this server keeps per run.",
        hint="Ask for less in one run, or raise Limits(log_bytes=…).",
        limit="log_bytes",
        size=bytes,
    )
