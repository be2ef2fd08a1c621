"""All runs of one server: starts them, finds them by id, limits them, keeps them after their end, and stops them.

Owns the set of runs and their owners, the conversations that they continue, and one timer for all readers. It must
never handle what a run does, which is the run's, or how requests and output look, which is the routes'.
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from headwater.agents.agent import Agent
from headwater.agents.journaled import Journaled
from headwater.agents.runnable import Runnable
from headwater.errors import (
    ConfigurationError,
    HeadwaterError,
    MissingKey,
    ModelNotNamed,
    UnknownModel,
    UsageError,
)
from headwater.events.messages import Message
from headwater.runtime.thread import Thread
from headwater.web.limits import Limits
from headwater.web.problems import Problem, no_agent
from headwater.web.runs.live_run import LiveRun, OnDisconnect, Reading, State
from headwater.web.wires.wire import Wire

if TYPE_CHECKING:
    from headwater.durable.followed import Followed
    from headwater.web.runs.durable_runs import DurableRuns

__all__ = ("NOW", "ConversationName", "Manager", "checked_members", "checked_on_disconnect")

_Talk: TypeAlias = tuple[str | None, str, str]
"""The owner, the agent, and the owner's id of the conversation."""

ConversationName: TypeAlias = tuple[str, ...]
"""A wire, and its client's names of the conversation."""

NOW: Final = sys.maxsize
"""The position of everything that is stored now, for `find`."""


class Manager:
    """The runs of a server. The first of `members` is the default.

    Without a `journal`, that of the members is used. It belongs to the event loop in which the first run starts.
    Raises ConfigurationError.
    """

    def __init__(
        self,
        members: Iterable[Runnable],
        *,
        limits: Limits | None = None,
        journal: str | None = None,
        engine: str | None = None,
    ) -> None:
        self.members: dict[str, Runnable] = checked_members(members)
        self.limits: Limits = limits or Limits()
        self.durable: DurableRuns | None = None
        """The runs of the journal; None: runs are kept in this process's memory."""
        if journal is not None or any(isinstance(one, Journaled) and one.is_journaled for one in self.members.values()):
            from headwater.web.runs.durable_runs import DurableRuns, shared_journal

            named = journal is not None
            url = journal if journal is not None else shared_journal(self.members.values())
            self.durable = DurableRuns(url, self.members.values(), engine=engine, by_workers=named)
        self.draining: bool = False
        """Whether the server is shutting down and starts no new runs."""
        self.stopped: asyncio.Event = asyncio.Event()
        """Set when all runs have ended during shutdown."""
        self._going: dict[str, LiveRun] = {}
        self._kept: OrderedDict[str, tuple[LiveRun, float]] = OrderedDict()
        """Ended runs with the loop time of their end, oldest first."""
        self._kept_bytes = 0
        self._threads: OrderedDict[_Talk, Thread] = OrderedDict()
        """Conversations, least recently used first."""
        self._talking: dict[_Talk, LiveRun] = {}
        """Conversations with an active run."""
        self._readings: set[Reading] = set()
        self._tick: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None

    def adopt(self) -> None:
        """Has this process continue the runs of the journal that no process drives, if there is a journal. Call it in
        the event loop that serves.
        """
        if self.durable is not None:
            self.durable.adopt()

    # --- starting

    def start(
        self,
        agent: str | None,
        task: Sequence[Message] | str,
        *,
        owner: str | None = None,
        on_disconnect: OnDisconnect = "continue",
        thread: str | None = None,
        history: Sequence[Message] = (),
        keep: bool = True,
        led: bool = False,
        notes: Mapping[str, Any] | None = None,
        conversation: ConversationName | None = None,
        **options: Any,
    ) -> LiveRun:
        """Starts a run. `options` are passed to the member's `run_stream`. `keep` sets whether the log is kept for a
        while after the end. With `led`, the run's only reader pulls it, and a disconnect ends it. `notes` become those
        of the run, `conversation` is the client's, as for `latest`.

        Raises Problem if it cannot start: unknown_agent, too_many_runs, shutting_down, thread_busy, bad_request and
        not_configured.
        """
        member = self.member(agent)
        self._check_room(owner)
        if self.durable is not None:
            return self._submit(
                self.durable,
                member,
                task,
                owner=owner,
                thread=thread,
                history=history,
                notes=notes or {},
                conversation=conversation,
                **options,
            )
        talk: _Talk | None = None
        if isinstance(member, Agent):
            if thread is not None:
                talk = (owner, member.name, thread)
                options["thread"] = self._thread(talk)
            elif history:
                options["history"] = tuple(history)
        elif thread is not None:
            raise _no_thread(member.name)
        elif history:
            task = (*history, *([Message.user(task)] if isinstance(task, str) else task))
        try:
            run = member.run_stream(task, **options).claim()
        except HeadwaterError as error:
            raise _cannot_begin(error) from error
        live = LiveRun(
            run,
            agent=member.name,
            owner=owner,
            on_disconnect=on_disconnect,
            limits=self.limits,
            ended=self._ended if keep else self._forgotten,
            led=led,
        )
        live.notes.update(notes or {})
        self._going[live.id] = live
        if talk is not None:
            self._talking[talk] = live
        return live

    async def begin(self, agent: str | None, task: Sequence[Message] | str, **options: Any) -> LiveRun:
        """Starts a run like `start`, and waits until every server finds it. Raises Problem, also not_stored."""
        live = self.start(agent, task, **options)
        await self.stored(live)
        return live

    def _submit(
        self,
        durable: DurableRuns,
        member: Any,
        task: Sequence[Message] | str,
        *,
        owner: str | None,
        thread: str | None,
        history: Sequence[Message],
        notes: Mapping[str, Any],
        conversation: ConversationName | None,
        **options: Any,
    ) -> LiveRun:
        """Starts a run of the journal, which continues without readers."""
        said = [Message.user(task)] if isinstance(task, str) else list(task)
        if not isinstance(member, Agent):
            if thread is not None:
                raise _no_thread(member.name)
            said, history = [*history, *said], ()
        try:
            run = durable.submit(
                member,
                said,
                owner=owner,
                thread=thread,
                history=history,
                notes=notes,
                conversation=conversation,
                options=options,
            )
        except HeadwaterError as error:
            raise Problem("bad_request", error.message, hint=error.hint) from error
        return self._follow(run, member.name, owner, notes)

    def _follow(self, run: Followed, agent: str, owner: str | None, notes: Mapping[str, Any]) -> LiveRun:
        live = LiveRun(run, agent=agent, owner=owner, on_disconnect="continue", limits=self.limits, ended=self._ended)
        live.notes.update(notes)
        self._going[live.id] = live
        return live

    async def stored(self, live: LiveRun) -> None:
        """Waits until the journal has the run, if there is one. Raises Problem if it could not be stored."""
        from headwater.web.runs.durable_runs import Submitted, unavailable

        if isinstance(live.run, Submitted):
            storing: asyncio.Future[Any] = asyncio.ensure_future(live.run.stored.wait())
            await asyncio.wait({storing, live.task}, return_when=asyncio.FIRST_COMPLETED)
            if not storing.done():
                storing.cancel()
                raise unavailable(live.error or HeadwaterError("The run could not be stored."))

    async def find(self, id: str, owner: str | None = None, *, position: int = 0) -> LiveRun:
        """Returns the owner's run with that id, also one of the journal that was started elsewhere.

        A run that is read from the journal has caught up with what was stored, if `position` lies past what is
        visible here (`NOW`: with everything). Raises Problem, the same for another owner's run as for no run.
        """
        live = await self._found(id, owner, position)
        return await self._found(id, owner, position) if live.let_go else live  # it was let go while it was awaited

    async def _found(self, id: str, owner: str | None, position: int) -> LiveRun:
        durable = self.durable
        try:
            live = self.get(id, owner)
        except Problem:
            if durable is None:
                raise
            info, run = await durable.find(id, owner)
            live = self._going.get(id) or self._follow(run, info.request.agent, owner, durable.notes_of(info))
            live.started_at = info.created_at
            await live.reaches(info.end)
            return live
        if durable is not None and live.followed and not live.over and position > live.visible:
            there = await durable.info(id)
            await live.reaches(min(position, there.end if there is not None else 0))
        return live

    async def needs_answers(self, live: LiveRun) -> bool:
        """Whether the run waits for people, and only a client can answer: no approver of its agent does."""
        if not live.needs_answers or self.durable is None or not live.followed:
            return live.needs_answers
        info = await self.durable.info(live.id)
        return info is not None and info.state == "waiting"  # then the process that drove it has let go of it

    def member(self, name: str | None) -> Any:
        """Returns the member with that name; the first one without a name. Raises Problem."""
        if name is None:
            return next(iter(self.members.values()))
        if name not in self.members:
            raise no_agent(f"There is no agent {name!r}.", name, self.members, param="agent")
        return self.members[name]

    def _check_room(self, owner: str | None) -> None:
        if self.draining:
            raise Problem("shutting_down", "The server is shutting down.", hint="Try again soon.", retry_after=5)
        limits = self.limits
        if len(self._going) >= limits.runs:
            raise Problem("too_many_runs", f"{limits.runs} runs are active.", hint="Try again soon.", retry_after=5)
        if owner is not None and sum(live.owner == owner for live in self._going.values()) >= limits.runs_of_one:
            said = f"{limits.runs_of_one} of your runs are active."
            raise Problem("too_many_runs", said, hint="Wait for one to end, or cancel one.", retry_after=5)

    def _thread(self, conversation: _Talk) -> Thread:
        if conversation in self._talking:
            said = f"The thread {conversation[-1]!r} has an active run."
            raise Problem("thread_busy", said, hint="Wait for it to end, cancel it, or use another thread.")
        thread = self._threads.setdefault(conversation, Thread())
        self._threads.move_to_end(conversation)
        for other in [*self._threads][: max(0, len(self._threads) - self.limits.threads)]:
            if other not in self._talking:
                del self._threads[other]
        return thread

    # --- finding

    def get(self, id: str, owner: str | None = None) -> LiveRun:
        """Returns the owner's run with that id. Raises Problem, the same for another owner's run as for no run."""
        live = self._going.get(id)
        if live is None and id in self._kept:
            live = self._kept[id][0]
        if live is None or live.owner != owner:
            raise Problem(
                "unknown_run", "There is no such run.", hint="Runs are kept for a limited time after they end."
            )
        return live

    def runs(
        self, owner: str | None = None, *, agent: str | None = None, state: State | None = None
    ) -> Iterator[LiveRun]:
        """Yields the owner's runs, newest first."""
        everyone = [*(live for live, _ in self._kept.values()), *self._going.values()]
        for live in sorted(everyone, key=lambda live: live.started_at, reverse=True):
            if live.owner == owner and agent in (None, live.agent) and state in (None, live.state):
                yield live

    # --- readers

    def check_readers(self) -> None:
        """Raises Problem if the server already has the maximum number of readers."""
        if len(self._readings) >= self.limits.readers:
            said = f"{len(self._readings)} readers are connected."
            raise Problem("too_many_readers", said, hint="Try again soon.", retry_after=5)

    def read(self, live: LiveRun, wire: Wire, position: int = 0) -> Reading:
        """Returns a reader of the run, which the timer watches until `leave`."""
        reading = live.read(wire, position)
        self._readings.add(reading)
        if self._tick is None:
            self._look_again_soon()
        return reading

    def leave(self, reading: Reading) -> None:
        """Closes the reader."""
        self._readings.discard(reading)
        reading.close()

    def _look_again_soon(self) -> None:
        shortest = min(self.limits.heartbeat_seconds, self.limits.stall_seconds)
        self._tick = asyncio.get_running_loop().call_later(min(1.0, shortest / 10), self._look_after_readers)

    def _look_after_readers(self) -> None:
        """Sends heartbeats to idle readers and cuts off stalled ones: one timer for all."""
        self._tick = None
        now, limits = asyncio.get_running_loop().time(), self.limits
        for reading in [*self._readings]:
            if reading.given:
                if now - reading.since >= limits.stall_seconds:
                    reading.cut_off()
            elif now - reading.since >= limits.heartbeat_seconds:
                reading.wake()
        if self._readings:
            self._look_again_soon()

    # --- ending

    def _forgotten(self, live: LiveRun) -> None:
        self._going.pop(live.id, None)

    def _ended(self, live: LiveRun) -> None:
        self._going.pop(live.id, None)
        if live.let_go:
            return  # this server stopped reading it: it is found in the journal again
        for conversation in [one for one, other in self._talking.items() if other is live]:
            del self._talking[conversation]
        self._kept[live.id] = (live, asyncio.get_running_loop().time())
        self._kept_bytes += live.log.size
        self._forget()

    def _forget(self) -> None:
        """Drops runs that ended long ago, and the oldest ones above the limits."""
        limits, loop = self.limits, asyncio.get_running_loop()
        now = loop.time()
        while self._kept:
            live, since = next(iter(self._kept.values()))
            much = len(self._kept) > limits.ended_runs or self._kept_bytes > limits.ended_bytes
            if not much and now - since < limits.ended_seconds:
                break
            del self._kept[live.id]
            self._kept_bytes -= live.log.size
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self._kept:
            _, since = next(iter(self._kept.values()))
            self._expiry = loop.call_at(since + limits.ended_seconds, self._forget)

    async def shutdown(self) -> None:
        """Starts no new runs, and cancels active ones after a grace period. Returns when all have ended."""
        self.draining = True
        for live in [*self._going.values()]:
            if live.followed:  # it continues elsewhere, and its readers on another server
                live.cancel("shutdown")
        tasks = [live.task for live in self._going.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=self.limits.grace_seconds)
        for live in [*self._going.values()]:
            live.cancel("shutdown")
        if left := [live.task for live in self._going.values()]:
            await asyncio.wait(left)
        self.stopped.set()

    def close(self) -> None:
        """Cancels the timers, before the loop ends."""
        for timer in (self._tick, self._expiry):
            if timer is not None:
                timer.cancel()
        self._tick = self._expiry = None


def checked_members(members: Iterable[Runnable]) -> dict[str, Runnable]:
    """Returns the members by name. Raises ConfigurationError if one cannot be run, or two share a name."""
    named: dict[str, Runnable] = {}
    for member in members:
        name = getattr(member, "name", None)
        if not (callable(getattr(member, "run_stream", None)) and isinstance(name, str) and name):
            raise ConfigurationError(
                f"{member!r} cannot be served.", hint="Give agents and workflows: router(agent, workflow)."
            )
        if name in named:
            raise ConfigurationError(f"Two members are named {name!r}.", hint="Give each a unique name: name=…")
        named[name] = member
    if not named:
        raise ConfigurationError("There is nothing to serve.", hint="Give agents or workflows: router(agent).")
    return named


def checked_on_disconnect(value: Any) -> OnDisconnect | None:
    """Validates `on_disconnect`; None stands for the wire's default. Raises ConfigurationError."""
    if value is None or value in ("continue", "cancel"):
        return value  # type: ignore[no-any-return]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    raise ConfigurationError(f"on_disconnect is {value!r}.", hint='Give "continue", "cancel", or seconds of grace.')


def _cannot_begin(error: HeadwaterError) -> Problem:
    """Returns why a run could not start: an invalid request, or an invalid configuration."""
    ours = not isinstance(error, UsageError) or isinstance(error, (MissingKey, ModelNotNamed, UnknownModel))
    return Problem("not_configured" if ours else "bad_request", error.message, hint=error.hint)


def _no_thread(workflow: str) -> Problem:
    return Problem(
        "bad_request",
        f"{workflow!r} is a workflow, which does not keep conversations.",
        hint="Use an agent with handoffs, or leave out thread and put the earlier messages into input.",
    )
