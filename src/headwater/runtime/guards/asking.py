"""A step's request whose answer passes guards before anything of it is an event.

Between `Asking`, which reads the provider, and the run's log: what is read waits in a `gate` for each guard, one behind
the other. While an async guard thinks, the provider is read on, up to READ_AHEAD_CHARS. A block ends the attempt and
the run; a retry ends the attempt and asks again, with the guard's note. What was held when an attempt ends is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from headwater.backends.retry import Asking
from headwater.errors import GuardBlocked, HeadwaterError
from headwater.events import (
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallStarted,
    Event,
    FileMade,
    ReasoningDelta,
    ReasoningStarted,
    Retracted,
    TextDelta,
    TextStarted,
    UsageReported,
    Warned,
)
from headwater.events.messages import Message, utf8_size
from headwater.events.spending import at_least
from headwater.runtime.guards.gate import Gate, Subject
from headwater.runtime.guards.guard import Block, GuardContext, On, Replace, Retry, Verdict
from headwater.runtime.guards.verdicts import CANCELLED, WITHHELD, ask, blocked, judge

if TYPE_CHECKING:
    from headwater.backends.base import Backend, Exchange
    from headwater.providers.decoder import Decoder
    from headwater.runtime.job import Job
    from headwater.runtime.run import Run

__all__ = ("GuardedAsking", "asking_of")

READ_AHEAD_CHARS: Final = 64 * 1024
"""How much is read on while a guard checks what came before: minutes of a model's output, and little memory."""

_OF_ANSWER: Final[tuple[On, ...]] = ("output", "reasoning", "arguments")
"""What a model writes."""

_SHOWS: Final = (TextStarted, ReasoningStarted, CallStarted, FileMade)

CUT_OFF: Final = "The answer was cut off before a guard had let it pass."
"""The error of a call that was being written when its attempt ended."""


class _Checked(Exception):  # internal: it interrupts the reading, and never leaves `pull`
    """A guard has given its verdict."""


class GuardedAsking(Asking):
    """See `Asking`. `notes` are the guards' reasons for asking again in this step so far, from a resumed log."""

    def __init__(self, *given: Any, run: Run, job: Job, notes: Sequence[str] = (), **more: Any) -> None:
        super().__init__(*given, **more)
        self._run = run
        self._job = job
        self._guards = job.guards_of(*_OF_ANSWER)
        self._may_retry = any(guard.may_retry for guard in self._guards)
        self._retractable = self._retractable or self._may_retry
        self._notes = [*notes]
        self._plain_request = self._request
        self._gates: list[Gate] = []
        self._out: list[Event] = []
        """What may be appended now."""
        self._logged: set[str] = set()
        """The calls of this attempt that may be appended."""
        self._all_read = False
        self._ahead: asyncio.Task[list[Event]] | None = None
        """The provider's next events, while a guard checks."""
        self._check: asyncio.Task[Verdict] | None = None
        self._checked: tuple[Gate, Subject] | None = None
        """What is being checked."""
        self._again = False
        """Whether a guard has asked for another attempt."""
        self._arrived = 0
        """Bytes that the model has written in this attempt, shown or not."""
        self._tell_again()

    async def pull(self) -> list[Event]:
        """See `Asking`."""
        while True:
            if self._failure is None:
                self._advance()
            if self._out:
                out, self._out = self._out, []
                return out
            if self._failure is None and self._check is not None and self._full:
                await self._interruptible.wait(self._verdict_comes(self._check))
                continue
            if self._failure is None and self._error is None and self._all_read and self._exchange is not None:
                return []
            try:
                events = await super().pull()
            except _Checked:
                continue
            if events:
                await self._heard(events)
            else:
                self._all_read = True
                self._gates[0].end()

    @property
    def _full(self) -> bool:
        return self._all_read or sum(gate.unchecked for gate in self._gates) > READ_AHEAD_CHARS

    # --- reading

    async def _read(self, exchange: Exchange) -> list[Event]:
        """See `Asking`: returns early, by an exception, if a check is done first."""
        if self._check is None and self._ahead is None:
            return await exchange.pull()
        ahead = self._ahead = self._ahead or asyncio.create_task(exchange.pull(), name="headwater read ahead")
        await asyncio.wait({ahead} if self._check is None else {ahead, self._check}, return_when="FIRST_COMPLETED")
        if not ahead.done():
            raise _Checked
        self._ahead = None
        return ahead.result()

    async def _heard(self, events: list[Event]) -> None:
        """Sorts what was read: the model's output waits, an attempt's beginning and end do not."""
        said: list[Event] = []
        for event in events:
            match event:
                case AttemptStarted():
                    self._out.append(event)
                case AttemptFailed():
                    held = await self._vetted(event)
                    self._out = [*self._fold.closing_step(CUT_OFF), *self._out, held]
                    self._drop()
                    said.clear()
                case UsageReported() | Retracted():
                    self._out.append(event)
                case Warned() if self._exchange is None:
                    self._out.append(event)
                case _:
                    said.append(event)
                    self._arrived += _size(event)
        if said and self._gates:
            self._gates[0].add(said)

    async def _vetted(self, failed: AttemptFailed) -> AttemptFailed:
        """Returns the failure with its message withheld if a guard of the output would not let it pass: a server may
        quote the answer in it."""
        if isinstance(self._last_error, GuardBlocked):
            return failed
        for guard in self._job.guards_of("output") if failed.error.status is None else ():
            text = f"{failed.error.message}\n{failed.error.hint}"
            verdict = await self._interruptible.wait(judge(self._run, guard, text, self._about("output", final=True)))
            if verdict is not None:
                words = WITHHELD.format(guard.name)
                for error in (self._last_error, self._error):
                    if error is not None:
                        error.message, error.args, error.hint = words, (words,), ""
                        error.__cause__ = error.__context__ = None
                info = msgspec.structs.replace(failed.error, message=words, hint="")
                failed = msgspec.structs.replace(failed, error=info)
                break
        if self._last_error is not None and self._failed_backend is not None:
            super()._log(self._failed_backend, self._last_error, failed.then)
        return failed

    _last_error: HeadwaterError | None = None
    _failed_backend: Backend | None = None

    def _log(self, failed: Backend, error: HeadwaterError, then: str) -> None:
        self._last_error, self._failed_backend = error, failed  # logged once it is known that it may be shown

    # --- checking

    def _advance(self) -> None:
        """Lets pass what has been checked, and starts the next checks."""
        while True:
            if self._check is not None:
                if not self._check.done():
                    self._pass_on()
                    return
                self._take_verdict()
            elif self._pass_on():
                continue
            elif self._exchange is None or (due := self._due()) is None:
                return
            else:
                self._judge(*due)
            if self._failure is not None:
                return

    def _due(self) -> tuple[Gate, Subject] | None:
        for gate in self._gates:
            if (subject := gate.due()) is not None:
                return gate, subject
        return None

    def _pass_on(self) -> bool:
        """Moves events from each gate to the next; returns whether any moved, or a gate was told of the end."""
        if not self._gates:
            return False
        moved = False
        for gate, following in zip(self._gates, (*self._gates[1:], None), strict=True):
            events = gate.take()
            moved = moved or bool(events)
            if following is None:
                self._out += events
                self._logged.update(event.call for event in events if isinstance(event, CallStarted))
                continue
            following.add(events)
            if gate.ended and gate.empty and not following.ended:
                following.end()
                moved = True
        return moved

    async def _verdict_comes(self, check: asyncio.Task[Verdict]) -> None:
        await asyncio.wait({check})

    def _take_verdict(self) -> None:
        check, checked = self._check, self._checked
        assert check is not None
        assert checked is not None
        self._check = self._checked = None
        verdict = CANCELLED if check.cancelled() else check.result()
        self._apply(*checked, verdict)

    def _judge(self, gate: Gate, subject: Subject) -> None:
        """Asks the guard, and applies its verdict if that is there at once."""
        said = ask(self._run, gate.guard, subject.text, self._about(subject.on, subject))
        if isinstance(said, Awaitable):
            self._checked, self._check = (gate, subject), asyncio.ensure_future(said)
        else:
            self._apply(gate, subject, said)

    def _apply(self, gate: Gate, subject: Subject, verdict: Verdict) -> None:
        if verdict is None:
            gate.passed(subject)
        elif isinstance(verdict, Replace):
            self._replace(gate, subject, verdict)
        else:
            self._stop(gate, subject, verdict)

    def _replace(self, gate: Gate, subject: Subject, verdict: Replace) -> None:
        told = gate.replaced(subject, verdict.text)
        if told is not None:
            self._out += told
        elif subject.shown > 0:
            # The change is in what has passed already, where it was judged with what came before: ask without that.
            rest = msgspec.structs.replace(subject, text=subject.text[subject.shown :], shown=0)
            self._judge(gate, rest)
        else:
            self._stop(gate, subject, Block("Its replacement does not fit."))

    def _stop(self, gate: Gate, subject: Subject, verdict: Block | Retry) -> None:
        """Ends the attempt: nothing that is held will be seen."""
        limit = self._job.limits.max_repairs
        note, again = verdict.note, isinstance(verdict, Retry)
        shown = self._fold.visible or any(isinstance(event, _SHOWS) for event in self._out)
        if again and shown and not self._may_retry:
            again, note = False, f"{note} (It needs may_retry=True: some of the answer was shown.)"
        elif again and len(self._notes) >= limit:
            again, note = False, f"{note} (The model was asked again {limit} times.)"
        if again:
            self._notes.append(note)
        chars = sum(one.held for one in self._gates)
        self.abort()
        self._out.append(gate.tripped(subject, "retry" if again else "block", note, chars))
        self._drop()
        self._again = again
        self._failure = blocked(gate.guard, subject.on, note)

    def _about(self, on: Any, subject: Subject | None = None, *, final: bool = False) -> GuardContext:
        job = self._job
        return GuardContext(
            on=on,
            agent=job.name,
            run=self._run.id,
            step=self._place.step,
            final=final if subject is None else subject.final,
            tool="" if subject is None else subject.tool,
            arguments=None if subject is None else subject.arguments,
            context=job.context,
        )

    # --- attempts

    def _begin(self) -> list[Event]:
        job = self._job
        names = {*job.tools, *job.client}
        json = job.output is not None or job.shape is not None
        self._gates = [
            Gate(guard, tools=names, answer_tool=job.answer_tool, json=json, logged=self._logged)
            for guard in self._guards
        ]
        self._all_read = self._again = False
        self._logged.clear()
        self._arrived = 0
        self._last_error = None
        return super()._begin()

    def _tell_again(self) -> None:
        """Adds the guards' notes to the request."""
        if self._notes:
            said = "\n".join(f"Your answer was rejected: {note}" for note in self._notes)
            message = Message.user(f"{said}\nAnswer again.")
            messages = (*self._plain_request.messages, message)
            self._request = msgspec.structs.replace(self._plain_request, messages=messages)

    def _what_next(
        self, error: HeadwaterError, visible: bool
    ) -> Literal["retry", "fallback", "restart", "guard", "raise"]:
        if not isinstance(error, GuardBlocked):
            return super()._what_next(error, visible)
        if not self._again:
            return "raise"
        self._again = False
        self._wait = 0.0
        self._tell_again()
        return "guard"

    def _estimate(self, decoder: Decoder) -> UsageReported | None:
        """The usage of the attempt if it ended now: what was held was paid for too."""
        estimate = super()._estimate(decoder)
        if estimate is None or estimate.origin == "measured":
            return estimate
        return msgspec.structs.replace(estimate, usage=at_least(estimate.usage, self._arrived), origin="estimated")

    def _drop(self) -> None:
        """Forgets what is held."""
        self._gates = []
        self._stop_tasks()

    def _stop_tasks(self) -> None:
        for task in (self._ahead, self._check):
            if task is not None and not task.done():
                with contextlib.suppress(RuntimeError):  # its loop is closed
                    task.cancel()
            if task is not None:
                task.add_done_callback(_look_at)
        self._ahead = self._check = self._checked = None

    def abort(self) -> None:
        """See `Asking`."""
        super().abort()
        self._stop_tasks()


def asking_of(run: Run, job: Job, notes: Sequence[str]) -> Callable[..., Asking]:
    """Returns what creates the requests of a run with guards; `notes` are those of the step in a resumed log."""
    if job.guards_of(*_OF_ANSWER):
        return partial(GuardedAsking, run=run, job=job, notes=notes)
    return Asking


def _look_at(task: asyncio.Task[Any]) -> None:
    """Retrieves the exception of a task that nobody waits for, so that it is not reported as lost."""
    if not task.cancelled():
        task.exception()


def _size(event: Event) -> int:
    if isinstance(event, (TextDelta, ReasoningDelta)):
        return utf8_size(event.text)
    return utf8_size(event.json) if isinstance(event, CallDelta) else 0
