"""What a tool may ask of the run that called it.

Owns what the tool sees; how its words reach the run's loop from another thread is `execution`'s. Everything here may
be used from any thread.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Generic, Protocol, overload

import msgspec
from typing_extensions import TypeVar

from headwater.errors import AnswerInvalid, Cancelled, Declined, LoopMisuse
from headwater.events.questions import Answer
from headwater.schema import well_formed
from headwater.tools.work import Asked

__all__ = ("Stoppable", "ToolContext", "current_call", "earlier")

ContextT = TypeVar("ContextT", default=Any)
T = TypeVar("T")


class Stoppable(Protocol):
    """What a tool has begun, and nobody waits for once the tool is stopped: a run."""

    def cancel(self, by: Any) -> None:
        """Stop it; from any thread."""


class Asker(Protocol):
    """How a tool's question gets to a person."""

    async def here(self, asked: Asked) -> Answer:
        """Wait in the loop for the answer."""

    def in_thread(self, asked: Asked, stopped: threading.Event) -> Answer:
        """Block this thread until the answer is there, or the call is stopped."""


class ToolContext(Generic[ContextT]):
    """The run as one call of a tool sees it; given to each parameter that is annotated with it.

    `context` is what the run was given as its context, `call_id` the call's id, `run_id` the run's. `deadline` is
    when the tool must be done, in seconds of `time.monotonic`; None where nothing limits it.
    """

    __slots__ = (
        "_ask",
        "_begun",
        "_emit",
        "_stopped",
        "_thread",
        "call_id",
        "context",
        "deadline",
        "run_id",
        "tool_name",
    )

    def __init__(
        self,
        context: ContextT,
        *,
        call_id: str = "",
        tool_name: str = "",
        run_id: str = "",
        deadline: float | None = None,
        emit: Callable[[Any], None] | None = None,
        ask: Asker | None = None,
    ) -> None:
        """Made for each call; make one yourself to try a tool out, with an `emit` to see what it says."""
        self.context = context
        self.call_id = call_id
        self.tool_name = tool_name
        self.run_id = run_id
        self.deadline = deadline
        self._emit = emit
        self._ask = ask
        self._begun: list[weakref.ref[Stoppable]] = []  # two threads may be at it, and a list's copy is one step
        self._stopped = threading.Event()
        self._thread: int | None = None

    def emit(self, data: Any) -> None:
        """Say something while the tool runs: an event of the run, its data made plain JSON.

        In a thread it waits where the run is far behind. After the call has ended nothing is said.
        """
        if self._emit is not None and not self._stopped.is_set():
            from headwater.schema import to_plain

            self._emit(to_plain(data))

    @property
    def idempotency_key(self) -> str:
        """The same on every try of this call, also in another process: what a payment service wants to be told."""
        return f"{self.run_id}/{self.call_id}"

    @overload
    async def ask(self, message: str, type: type[T], *, seconds: float | None = None) -> T: ...
    @overload
    async def ask(self, message: str, type: Any = str, *, seconds: float | None = None) -> Any: ...
    async def ask(self, message: str, type: Any = str, *, seconds: float | None = None) -> Any:
        """Ask a person, and wait for the answer, a value of `type`: any type that a tool's parameter may have.

        The run says that it waits (`input.asked`); whoever reads it answers (`stream.answer`), or the run's approver.
        The clocks of the tool and of the run stand still meanwhile. `seconds` is how long an answer is waited for.
        A run that is left here and gone on with begins the tool anew, and this returns what was answered before: so
        nothing with an effect belongs before an `ask`. Raises Declined where the person does not answer.
        """
        asked, read = _question(message, type, seconds)
        return read(await self._asker().here(asked))

    @overload
    def ask_sync(self, message: str, type: type[T], *, seconds: float | None = None) -> T: ...
    @overload
    def ask_sync(self, message: str, type: Any = str, *, seconds: float | None = None) -> Any: ...
    def ask_sync(self, message: str, type: Any = str, *, seconds: float | None = None) -> Any:
        """`ask` for a plain tool, which blocks. Raises Cancelled where the call is stopped, and LoopMisuse."""
        asked, read = _question(message, type, seconds)
        return read(self._asker().in_thread(asked, self._stopped))

    def _asker(self) -> Asker:
        if self._ask is None:
            raise LoopMisuse("There is no run here that could ask anyone.", hint="Call the tool in an agent's run.")
        return self._ask

    @property
    def cancelled(self) -> bool:
        """Whether the call was cancelled or timed out, so that its result goes nowhere."""
        return self._stopped.is_set()

    def check(self) -> None:
        """Raise Cancelled where the call was cancelled or timed out: a plain tool's way out of a long loop."""
        if self._stopped.is_set():
            raise Cancelled(f"The call of {self.tool_name or 'the tool'} was stopped.")

    def wait(self, seconds: float) -> bool:
        """Sleep in a plain tool, at most `seconds`; returns True at once when the call is stopped."""
        return self._stopped.wait(seconds)

    def remaining(self) -> float | None:
        """Seconds until the deadline, never below 0; None where there is none."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    @property
    def works_here(self) -> bool:
        """Whether the tool is what this very thread is at, and not only something that it once began."""
        return self._thread == threading.get_ident()

    def work_here(self, working: bool) -> None:
        """The tool is at work in this thread from now on, or no longer; done by the run."""
        self._thread = threading.get_ident() if working else None

    def begun(self, run: Stoppable) -> bool:
        """The tool has begun a run, which is stopped with it; True where it has been stopped. Done by the run."""
        self._begun.append(weakref.ref(run))
        return self._stopped.is_set()

    def stop(self) -> None:
        """Tell the tool that nobody waits for it any more; done by the run."""
        self._stopped.set()
        for known in tuple(self._begun):
            if (run := known()) is not None:
                run.cancel("parent")


def _question(message: str, type: Any, seconds: float | None) -> tuple[Asked, Callable[[Answer], Any]]:
    """What is asked, and how the answer is read."""
    from headwater.schema import OutputType, to_json, to_plain

    wanted: OutputType[Any] = OutputType(type)
    schema = wanted.schema or {"type": "object", "properties": {"result": {"type": "string"}}, "required": ["result"]}

    def check(answer: Answer) -> Answer:
        if answer.action != "accept":
            return msgspec.structs.replace(answer, content=None)
        content = to_plain(answer.content)
        if type is str and not isinstance(content, str):
            raise AnswerInvalid("The answer is a text.", hint="Nothing was answered: the question is still open.")
        try:
            value = content if type is str else wanted.parse(to_json(content))
        except ValueError as error:
            hint = "Nothing was answered: the question is still open."
            raise AnswerInvalid(str(error), hint=hint) from None
        return msgspec.structs.replace(answer, content=wanted.dump(value))

    def read(answer: Answer) -> Any:
        if answer.action != "accept":
            by = f" by {answer.by}" if answer.by else ""
            how = "was declined" if answer.action == "decline" else "was not answered"
            raise Declined(f"The question {message!r} {how}{by}.", action=answer.action, by=answer.by)
        return answer.content if type is str else wanted.parse(to_json(answer.content))

    return Asked(well_formed(message), schema, check, seconds), read


def earlier(one: float | None, other: float | None) -> float | None:
    """Which of two deadlines comes first; None is never."""
    return other if one is None else one if other is None else min(one, other)


current_call: ContextVar[ToolContext[Any] | None] = ContextVar("headwater_current_call", default=None)
"""The call of a tool on whose behalf code is running, so that runs begun there know its deadline and end with it."""
