"""A reference to a run of a journal, as returned by `agent.start`. It has only the id, and reads the run every time.

Methods block in sync code and return an awaitable inside a running event loop, like `run`. A message is sent whether it
is awaited or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
from typing import Any, Final, Generic, Literal, cast

from typing_extensions import TypeVar

from headwater.durable.drive import whole_log
from headwater.durable.followed import Followed
from headwater.durable.home import Home, home_of, journal_url
from headwater.durable.saying import say_answer, say_cancel, say_steer
from headwater.errors import ConfigurationError
from headwater.events.messages import Message
from headwater.events.questions import Answer, Question
from headwater.journal.run_log import RunInfo
from headwater.readers.chunks import StreamChunk
from headwater.readers.stream import AgentStream
from headwater.runtime.ear import to_say
from headwater.runtime.past import past_of
from headwater.runtime.people import Approver, question_id

__all__ = ("RunRef", "attached", "either")

OutputT = TypeVar("OutputT", default=str)
T = TypeVar("T")


def either(home: Home, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Returns the coroutine's result in sync code, and an awaitable inside a running event loop."""
    if home.blocks():
        return home.ask(make)
    return cast("T", make())


def sent(home: Home, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Sends a message with the coroutine: has done so on return in sync code, returns a task in a running event loop.

    A plain function that is called in an event loop, such as a callback, cannot await it: the message is sent anyway.
    """
    if home.blocks():
        return home.ask(make)
    task = asyncio.get_running_loop().create_task(make(), name="headwater message")
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return cast("None", task)


_under_way: Final[set[asyncio.Task[None]]] = set()
"""The messages that are being sent: the event loop itself keeps no task."""


def attached(id: str, journal: str | None = None, *, approver: Approver | None = None) -> AgentStream[Any, Any]:
    """Returns the run with that id as a stream. `journal` is its store's URL; None means HEADWATER_JOURNAL. `approver`
    answers what the run asks, unless someone else is faster.

    Raises ConfigurationError.
    """
    url = journal_url(journal)
    if url is None:
        raise ConfigurationError(
            f"No journal is named to read the run {id!r} from.",
            hint='Pass it: attach(id, journal="sqlite:///runs.db"), or set HEADWATER_JOURNAL.',
        )
    home = home_of(url)
    return AgentStream(lambda: Followed(home, id, approver))


class RunRef(Generic[OutputT]):
    """A run that needs no reader. Its `id` is enough to read it from anywhere: `headwater.attach(id)`."""

    def __init__(self, home: Home, id: str, *, new: bool = True) -> None:
        self.id = id
        self.new = new
        """Whether this call created the run; False if a run with the same key existed."""
        self._home = home

    def __repr__(self) -> str:
        return f"RunRef({self.id!r})"

    # --- reading it

    def stream(self) -> AgentStream[OutputT]:
        """Returns the run from its start, as a stream with all its views. Leaving it does not cancel the run."""
        return AgentStream(lambda: Followed(self._home, self.id))

    def __aiter__(self) -> AsyncIterator[StreamChunk]:
        return aiter(self.stream())

    def __iter__(self) -> Iterator[StreamChunk]:
        return iter(self.stream())

    def events(self) -> Any:
        """Returns the typed log from its start: `async for event in ref.events()`, or plain `for`."""
        return self.stream().events()

    async def result(self) -> Any:
        """Returns the Response when the run has ended. Raises the error that ended it."""
        return await self.stream().result()

    def result_sync(self) -> Any:
        """`result()` for sync code."""
        return self.stream().result_sync()

    def __await__(self) -> Generator[Any, None, Any]:
        return self.result().__await__()

    def info(self) -> RunInfo:
        """Returns the journal's information about the run: its state, driver and request. Raises UnknownRun."""

        async def ask() -> RunInfo:
            return await (await self._home.log()).info(self.id)

        return either(self._home, ask)

    def pending(self) -> tuple[Question, ...]:
        """Returns the open questions of the run, in the order in which they were asked. Raises UnknownRun."""

        async def ask() -> tuple[Question, ...]:
            log = await self._home.log()
            if (await log.info(self.id)).over:
                return ()
            events = await whole_log(log, self.id)
            return past_of(events).pending if events else ()

        return either(self._home, ask)

    # --- messages to the run

    def cancel(self) -> None:
        """Cancels the run, in any process. Raises RunEnded, UnknownRun."""
        return sent(self._home, lambda: say_cancel(self._home, self.id))

    def steer(self, message: str | Message, *, agent: str | None = None, now: bool = False, by: str = "") -> None:
        """Sends a message to the run. The model gets it with its next request; a waiting run, when it continues.

        Raises RunEnded, UnknownRun, and ConfigurationError for anything but text or a message.
        """
        said = to_say(message, by, agent)
        return sent(self._home, lambda: say_steer(self._home, self.id, said, agent=agent, by=by, now=now))

    def approve(
        self,
        id: str,
        *,
        arguments: Mapping[str, Any] | None = None,
        note: str = "",
        by: str = "",
        for_run: bool = False,
    ) -> None:
        """Approves the call. Raises AlreadyAnswered, RunEnded, UnknownRun."""
        return self._say(id, Answer(arguments=arguments, note=note, by=by, for_run=for_run), "approval")

    def deny(self, id: str, *, note: str = "", by: str = "", for_run: bool = False) -> None:
        """Denies the call. Raises like `approve`."""
        return self._say(id, Answer(allowed=False, note=note, by=by, for_run=for_run), "approval")

    def answer(self, id: str, content: Any, *, by: str = "") -> None:
        """Answers a tool's question. Raises like `approve`."""
        return self._say(id, Answer(content=content, by=by), "input")

    def decline(self, id: str, *, by: str = "") -> None:
        """Declines a tool's question. Raises like `approve`."""
        return self._say(id, Answer(action="decline", by=by), "input")

    def _say(self, id: str, answer: Answer, kind: Literal["approval", "input"]) -> None:
        return sent(self._home, lambda: say_answer(self._home, self.id, question_id(id), answer, kind))
