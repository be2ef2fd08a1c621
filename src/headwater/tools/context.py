"""The context of a tool call: what a tool may ask of the run that called it.

Owns what the tool sees; `execution` owns the way from another thread to the run's loop. Everything here may be used
from any thread.
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

from headwater.backends.timeouts import is_seconds
from headwater.errors import AnswerInvalid, Cancelled, ConfigurationError, Declined, LoopMisuse
from headwater.events.questions import Answer
from headwater.schema.well_formed import well_formed
from headwater.tools.work import Asked

__all__ = ("Stoppable", "ToolContext", "current_call", "earliest")

ContextT = TypeVar("ContextT", default=Any)
T = TypeVar("T")


class Stoppable(Protocol):
    """Work that a tool has started and that ends with the tool: a run."""

    def cancel(self, by: Any) -> None:
        """Stops it, from any thread."""


class Asker(Protocol):
    """Passes a tool's question to a person."""

    async def here(self, asked: Asked) -> Answer:
        """Waits in the loop for the answer."""

    def in_thread(self, asked: Asked, stopped: threading.Event) -> Answer:
        """Blocks this thread until the answer arrives, or the call is stopped."""


class ToolContext(Generic[ContextT]):
    """The run as seen by one call of a tool; passed to each parameter that is annotated with it.

    `context` is the run's context, `call_id` the call's id, `run_id` the run's. `deadline` is when the tool must be
    done, in seconds of `time.monotonic`; None if there is no limit.
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
        """Created for each call; create one yourself to test a tool, with an `emit` to see its progress."""
        self.context: ContextT = context
        self.call_id: str = call_id
        self.tool_name: str = tool_name
        self.run_id: str = run_id
        self.deadline: float | None = deadline
        self._emit = emit
        self._ask = ask
        self._begun: list[weakref.ref[Stoppable]] = []  # other threads may change it, and copying a list is one step
        self._stopped = threading.Event()
        self._thread: int | None = None

    def emit(self, data: Any) -> None:
        """Reports progress: an event of the run, with its data converted to plain JSON.

        In a thread it waits if the run is far behind. After the call has ended it does nothing.
        """
        if self._emit is not None and not self._stopped.is_set():
            from headwater.schema.plain import to_plain

            self._emit(to_plain(data))

    @property
    def idempotency_key(self) -> str:
        """The same for every try of this call, also in another process: an idempotency key, as for a payment
        service."""
        return f"{self.run_id}/{self.call_id}"

    @overload
    async def ask(self, message: str, type: type[T], *, seconds: float | None = None) -> T: ...
    @overload
    async def ask(self, message: str, type: Any = str, *, seconds: float | None = None) -> Any: ...
    async def ask(self, message: str, type: Any = str, *, seconds: float | None = None) -> Any:
        """Asks a person and waits for the answer, a value of `type`: any type that a tool's parameter may have.

        The run reports the question (`input.asked`); its reader answers (`stream.answer`), or the run's approver. The
        timeouts of the tool and of the run pause meanwhile. `seconds` limits the wait for an answer.

        If the run is parked here and resumed, the tool starts again and this returns the earliest answer: so no side
        effects belong before an `ask`. Raises Declined if the person does not answer, and ConfigurationError.
        """
        asked, read = _question(message, type, seconds)
        return read(await self._asker().here(asked))

    @overload
    def ask_sync(self, message: str, type: type[T], *, seconds: float | None = None) -> T: ...
    @overload
    def ask_sync(self, message: str, type: Any = str, *, seconds: float | None = None) -> Any: ...
    def ask_sync(self, message: str, type: Any = str, *, seconds: float | None = None) -> Any:
        """`ask` for a sync tool; it blocks. Raises Cancelled if the call is stopped, and LoopMisuse."""
        asked, read = _question(message, type, seconds)
        return read(self._asker().in_thread(asked, self._stopped))

    async def put(self, asked: Asked) -> Answer:
        """`ask` with a schema of its own, or a URL: returns the answer as it was given."""
        return await self._asker().here(asked)

    def _asker(self) -> Asker:
        if self._ask is None:
            raise LoopMisuse("There is no run that could ask anyone.", hint="Call the tool from an agent's run.")
        return self._ask

    @property
    def cancelled(self) -> bool:
        """Whether the call was cancelled or timed out, so that its result goes nowhere."""
        return self._stopped.is_set()

    def check(self) -> None:
        """Raises Cancelled if the call was cancelled or timed out, to leave a long loop in a sync tool."""
        if self._stopped.is_set():
            raise Cancelled(f"The call of {self.tool_name or 'the tool'} was stopped.")

    def wait(self, seconds: float) -> bool:
        """Sleeps in a sync tool, at most `seconds`; returns True at once when the call is stopped."""
        return self._stopped.wait(seconds)

    def remaining(self) -> float | None:
        """Seconds until the deadline, never below 0; None if there is none."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    @property
    def works_here(self) -> bool:
        """Whether this thread is running the tool itself, not something that the tool started."""
        return self._thread == threading.get_ident()

    def work_here(self, working: bool) -> None:
        """Marks that the tool runs in this thread, or no longer does; called by the run."""
        self._thread = threading.get_ident() if working else None

    def begun(self, run: Stoppable) -> bool:
        """Registers a run that the tool started, to be stopped with it; True if it is stopped already. Called by the
        run."""
        self._begun.append(weakref.ref(run))
        return self._stopped.is_set()

    def stop(self) -> None:
        """Tells the tool that it was stopped; called by the run."""
        self._stopped.set()
        for known in tuple(self._begun):
            if (run := known()) is not None:
                run.cancel("parent")


def _question(message: str, type: Any, seconds: float | None) -> tuple[Asked, Callable[[Answer], Any]]:
    """Returns the question's schema, and the function that reads the answer. Raises ConfigurationError."""
    from headwater.schema.output import OutputType
    from headwater.schema.plain import to_json, to_plain

    if not isinstance(message, str):
        raise ConfigurationError(
            f"The question to a person is of type {message.__class__.__name__}.", hint="Pass the question as text."
        )
    if seconds is not None and not is_seconds(seconds):
        raise ConfigurationError(
            f"seconds= of a question is {seconds!r}.", hint="Pass a number of seconds above 0, or None for no limit."
        )
    wanted: OutputType[Any] = OutputType(type)
    schema = wanted.schema or {"type": "object", "properties": {"result": {"type": "string"}}, "required": ["result"]}

    def check(answer: Answer) -> Answer:
        if answer.action != "accept":
            return msgspec.structs.replace(answer, content=None)
        content = to_plain(answer.content)
        if type is str and not isinstance(content, str):
            raise AnswerInvalid(
                "The answer must be a string.", hint="Nothing was answered: the question is still open."
            )
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


def earliest(one: float | None, other: float | None) -> float | None:
    """Returns the earliest of two deadlines; None is never."""
    return other if one is None else one if other is None else min(one, other)


current_call: ContextVar[ToolContext[Any] | None] = ContextVar("headwater_current_call", default=None)
"""The tool call that the current code belongs to, so that runs started there know its deadline and end with it."""
