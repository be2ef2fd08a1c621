"""AgentStream: the result of `run_stream`, and every way to read it.

A stream starts a run when it is first read and yields chunks, events or text, in async or sync code.
Leaving is cancelling: whatever ends the reading (break, return, an exception, a cancelled task, garbage) closes the
provider's connection before the next statement runs. It decides nothing about the run and keeps none of its events.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Self, cast

from typing_extensions import TypeVar

from headwater.errors import LoopMisuse, Parked, RunEnded, UnknownQuestion, UsageError
from headwater.events import AnyEvent, Event
from headwater.events.messages import Message
from headwater.events.questions import Answer, Question
from headwater.readers.chunks import StreamChunk
from headwater.readers.kept_loop import KeptLoop, in_loop, kept_loop, refuse_inside_loop
from headwater.readers.reading import (
    AsyncReading,
    OneByOne,
    Reader,
    as_chunks,
    as_events,
    as_text,
    chosen_chunks,
    chosen_events,
    drain_blocking,
    read_plainly,
)
from headwater.readers.selection import Choice
from headwater.runtime.ear import to_say
from headwater.runtime.people import question_id

if TYPE_CHECKING:
    from types import GeneratorType, TracebackType

    from headwater.events.response import Response
    from headwater.readers.partials import Partial, PartialArguments
    from headwater.runtime.run import Run

__all__ = ("AgentStream",)

OutputT = TypeVar("OutputT", default=str)
ResultT_co = TypeVar("ResultT_co", default="Response[OutputT]", covariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


_READ_ONCE: Final = "A stream is one run, read once: call run_stream again, or keep what you read."

_claiming = threading.RLock()
"""Held while a stream's run is created or claimed by a reader: once per stream, so one lock serves all."""


class _Readable(Generic[T_co]):
    """Can be iterated once, in async or sync code: by a loop, by `anext` and `next`, or by a loop after these.

    A loop releases its iterator when it is left, which ends the run; `anext` and `next` keep theirs here.
    """

    _instead = "`async for`"
    """What to write in async code instead of a sync loop."""

    def __init__(self) -> None:
        self._next: AsyncReading[T_co] | Iterator[T_co] | None = None

    def _open(self) -> AsyncReading[T_co]:
        raise NotImplementedError

    def _open_plainly(self) -> Iterator[T_co]:
        raise NotImplementedError

    def _is_over(self) -> bool:
        """Whether it was read or left already."""
        raise NotImplementedError

    def __aiter__(self) -> AsyncIterator[T_co]:
        if isinstance(begun := self._next, (Reader, OneByOne)):
            self._next = None
            return begun
        return self._open()

    def __iter__(self) -> Iterator[T_co]:
        refuse_inside_loop(self._instead)
        if (begun := self._next) is not None and not isinstance(begun, (Reader, OneByOne)):
            self._next = None
            return begun
        return self._open_plainly()

    async def __anext__(self) -> T_co:
        if not isinstance(self._next, (Reader, OneByOne)):
            if self._is_over():
                raise StopAsyncIteration
            self._next = self._open()
        step: Callable[[], Awaitable[T_co]] = getattr(self._next, "__anext__")  # noqa: B009  # a slot, see `Reader`
        return await step()

    def __next__(self) -> T_co:
        refuse_inside_loop("`await anext(stream)`")
        if self._next is None:
            if self._is_over():
                raise StopIteration
            self._next = self._open_plainly()
        if isinstance(self._next, (Reader, OneByOne)):
            raise LoopMisuse("This stream is being read by `anext`.", hint="Continue to read it in async code.")
        try:
            return next(self._next)
        except ValueError as error:
            if str(error) != "generator already executing":
                raise
        raise LoopMisuse("This stream is being read by another thread.", hint=_READ_ONCE)


class AgentStream(_Readable[StreamChunk], Generic[OutputT, ResultT_co]):
    """One run as it happens; the first read starts it.

    Read it once: as chunks (`async for chunk in stream`, `for chunk in stream` in sync code, `anext(stream)`,
    `next(stream)`), as typed `events()`, as `text()`, in part with `select()`, or to its end with `result()`.
    `cancel()` stops it from anywhere. `response` is available once it has ended: a Response, or Results for a
    concurrent workflow.
    """

    _instead = "`async for chunk in …`"

    def __init__(self, make: Callable[[], Run]) -> None:
        super().__init__()
        self._make = make
        self._run: Run | None = None
        self._reading = False
        self._reader: threading.Thread | None = None
        """The thread that started reading."""
        self._kept: KeptLoop | None = None
        self._closing = False

    # --- reading

    def _open(self) -> Reader[StreamChunk]:
        return Reader(self.claim(), as_chunks)

    def _open_plainly(self) -> Iterator[StreamChunk]:
        return self._plain(self.claim(), as_chunks)

    def _is_over(self) -> bool:
        return self._reading and self._begun().over

    def events(
        self, *, final_only: bool = False, agent: str | Sequence[str] | None = None, depth: int | None = None
    ) -> View[AnyEvent]:
        """The typed log, each event as it is appended: `async for event in stream.events()`, or a sync `for`.

        It has the same choices as `select`; the end of the outermost run is always included, and with `final_only`
        otherwise only the answer's text. Raises ConfigurationError.
        """
        choice = Choice.of(final_only, agent, depth)
        return View(self, as_events) if choice is None else Chosen(self, partial(chosen_events, choice=choice))

    def select(
        self, *, final_only: bool = False, agent: str | Sequence[str] | None = None, depth: int | None = None
    ) -> View[StreamChunk]:
        """Chunks of a part of the stream; the last one, which is final, is always included.

        `final_only`: only the text of the answer, as in `Response.text`: the last step's for an agent with tools, the
        last member's for a sequential workflow. Undecided text is held until it is known. `agent`: agents with this
        name, and the runs inside them; a sequence of names is the end of a path. `depth`: the maximum depth, 0 for the
        outermost run, 1 for its members. A choice by place also includes agents that were called as tools.

        Raises ConfigurationError.
        """
        choice = Choice.of(final_only, agent, depth)
        return View(self, as_chunks) if choice is None else Chosen(self, partial(chosen_chunks, choice=choice))

    def text(self) -> View[str]:
        """Only the text, piece by piece: `async for text in stream.text()`, or a sync `for`."""
        return View(self, as_text)

    def partials(self, *, agent: str | None = None, early: bool = False, output_type: Any = None) -> View[Partial]:
        """The answer's JSON while it is generated, as plain data: at most one Partial for each read from the provider.

        `early`: the first completed part that cannot be valid ends the request, and the answer is sent back with the
        error. `agent` is the name of the agent whose answer is meant (None: the one that answers). A saved or remote
        run does not have the type of its answer; pass `output_type` to read it exactly as the agent did.

        Raises ConfigurationError.
        """
        from headwater.readers.partials import as_partials, type_of

        return View(self, partial(as_partials, agent=agent, early=early, output=type_of(output_type)))

    def items(
        self,
        path: str | Sequence[str | int] = (),
        *,
        restarts: Literal["raise", "again"] = "raise",
        agent: str | None = None,
        early: bool = False,
        output_type: Any = None,
    ) -> View[Any]:
        """The elements of a list in the answer, each once, as it is completed, and as a value of its type.

        `path` leads to the list: `items("ports")` for the field `ports`, () if the answer is a list. If the answer
        starts again after the first item (a repair, a retry, another step), ItemsRestarted is raised; with
        `restarts="again"` all items are yielded again. The other arguments are those of `partials`; without a known
        type, items are plain data.

        Raises ConfigurationError.
        """
        from headwater.readers.partials import as_items, path_of, restarts_of, type_of

        shape = partial(
            as_items,
            path=path_of(path),
            restarts=restarts_of(restarts),
            agent=agent,
            early=early,
            output=type_of(output_type),
        )
        return Chosen(self, shape)

    def arguments(self, *, agent: str | None = None) -> View[PartialArguments]:
        """The arguments of tool calls while the model writes them: like `partials`, one for each call and read.

        `agent` selects the calls of the agents with that name; the call that gives an answer is not included.
        """
        from headwater.readers.partials import as_arguments

        return Chosen(self, partial(as_arguments, agent=agent))

    async def result(self) -> ResultT_co:
        """Returns the Response once the run has ended; if it was not read yet, this reads it to its end.

        After the reader left or `cancel()` it is the partial one. If the run waits for people, so does this: answer
        from another task or thread. Raises the error that ended the run, if any.
        """
        if isinstance(self._next, Reader):
            async for _ in self:
                pass
        run = self._begun()
        if not run.over:
            if self._reading and run.begun:
                raise LoopMisuse(
                    "This stream is being read elsewhere, so its result is not there yet.",
                    hint="Ask for the result after the reading has ended.",
                )
            self._reading = True
            await run.drain()
        run.raise_error()
        return cast("ResultT_co", run.response())

    def result_sync(self) -> ResultT_co:
        """`result()` for sync code. Raises LoopMisuse inside a running event loop."""
        refuse_inside_loop("`await stream.result()`")
        if self._next is not None and not isinstance(self._next, Reader):
            for _ in self:
                pass
        run = self._begun()
        with _claiming:
            mine = not (run.over or (self._reading and (run.begun or self._read_elsewhere)))
            if mine:
                self._reading, self._reader = True, threading.current_thread()
        if mine:
            drain_blocking(run, self._loop())
        run.raise_error()
        if not run.over:
            raise LoopMisuse(
                "This stream is being read elsewhere, so its result is not there yet.",
                hint="Ask for the result after the reading has ended.",
            )
        return cast("ResultT_co", run.response())

    @property
    def response(self) -> ResultT_co:
        """The Response of the run, which must have ended. Raises LoopMisuse before that."""
        if self._run is None or not self._run.over:
            raise LoopMisuse(
                "The run has not ended yet.",
                hint="Read it to its end, or write `await stream.result()` (`stream.result_sync()` in sync code).",
            )
        return cast("ResultT_co", self._run.response())

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._begun().id

    # --- people

    @property
    def pending(self) -> tuple[Question, ...]:
        """The open questions to people, anywhere in the tree."""
        return self._begun().people.pending

    @property
    def log(self) -> tuple[Event, ...]:
        """All the events so far, for `resume`. Raises LogNotKept, unless a tool may ask, or with keep_log=True."""
        return self._begun().kept

    def approve(
        self,
        id: str,
        *,
        arguments: Mapping[str, Any] | None = None,
        note: str = "",
        by: str = "",
        for_run: bool = False,
    ) -> None:
        """Approves a call, from any thread. The tool starts.

        With `arguments` it runs with those, and the model is told. `for_run` approves every further call of the tool in
        its run. Raises UnknownQuestion, AlreadyAnswered, RunEnded, and AnswerInvalid if the arguments do not fit.
        """
        self._answer(id, Answer(arguments=arguments, note=note, by=by, for_run=for_run), "approval")

    def deny(self, id: str, *, note: str = "", by: str = "", for_run: bool = False) -> None:
        """Refuses a call, from any thread. It never runs, and the model is told by whom and why.

        `for_run` denies every further call of the tool in its run. Raises the same errors as `approve`.
        """
        self._answer(id, Answer(allowed=False, note=note, by=by, for_run=for_run), "approval")

    def answer(self, id: str, content: Any, *, by: str = "") -> None:
        """Answers a tool's question, from any thread. Raises the same errors as `approve`."""
        self._answer(id, Answer(content=content, by=by), "input")

    def decline(self, id: str, *, by: str = "") -> None:
        """Declines a tool's question, from any thread. The tool gets Declined. Raises the same errors as `approve`."""
        self._answer(id, Answer(action="decline", by=by), "input")

    def _answer(self, id: str, answer: Answer, kind: Literal["approval", "input"]) -> None:
        run = self._begun()
        try:
            run.people.answer(question_id(id), answer, kind)
        except (UnknownQuestion, RunEnded):
            if isinstance(run.error, Parked):
                which = "approvals={id: True}" if kind == "approval" else "answers={id: …}"
                raise RunEnded(
                    f"The run was parked, so {id!r} was not answered.", hint=f"Resume it: agent.resume(log, {which})."
                ) from None
            if run.over:
                raise RunEnded(f"The run is over, so {id!r} was not answered.", hint="Start another run.") from None
            raise

    def steer(self, message: str | Message, *, now: bool = False, agent: str | None = None, by: str = "") -> bool:
        """Sends a message to the running run, from any thread. Returns False if the run is over.

        The model sees it in its next request; a message during the last answer makes the run continue. With `now` the
        current answer is cut off, but never a tool. A workflow needs `agent`, the name of a running member. Messages
        that no model saw are in `Response.unheard`. Raises ConfigurationError for anything but text or a message.
        """
        said = to_say(message, by, agent)
        return self._begun().steer(said, agent=agent, by=by, now=now)

    # --- leaving

    def park(self, *, now: bool = False) -> None:
        """Parks the run, from any thread, so that it can be resumed: `agent.resume(stream.log)`.

        Nothing new starts; running tools and the current answer end first, unless `now`. Then the reading raises
        Parked, with the log. Raises LogNotKept.
        """
        self._begun().park(now=now)

    def cancel(self) -> None:
        """Stops the run, from any thread. Its reader gets the last chunk ("cancelled"); `result()` returns the partial
        Response."""
        self._begun().cancel("caller")

    async def aclose(self) -> None:
        """Leaves the stream: cancels the run if it has not ended, and waits until everything is closed."""
        if self._run is not None:
            self._run.abort("left")
            await self._run.settle()

    def close(self) -> None:
        """Leaves the stream from sync code. If another thread is reading, its reading ends as with `cancel`."""
        with _claiming:
            run, elsewhere = self._run, self._read_elsewhere
            if run is None or self._closing:
                return
            self._closing = not elsewhere
        if elsewhere:
            run.cancel("left")
            return
        try:
            run.abort("left")
            if self._kept is not None and not (in_loop() or self._kept.busy or self._kept.loop.is_closed()):
                self._kept.run(run.settle())
                self._kept.settle()
        finally:
            self._closing = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        run = self._run
        state = "not begun" if run is None or not (run.begun or run.over) else "over" if run.over else "going on"
        return f"<AgentStream {state}>"

    def __await__(self) -> Generator[Any, None, ResultT_co]:
        return self.result().__await__()

    # --- internals

    def _begun(self) -> Run:
        if self._run is None:
            with _claiming:  # one thread may cancel a stream that another is starting to read
                if self._run is None:
                    try:
                        self._run = self._make()
                    except UsageError as mistake:
                        mistake.__traceback__ = None  # the internal traceback does not help the caller
                        raise
        return self._run

    def claim(self) -> Run:
        """Returns the run itself, for a workflow that drives it. Raises LoopMisuse."""
        run = self._begun()
        with _claiming:
            if self._reading:
                raise LoopMisuse("This stream has been read already, or is being read.", hint=_READ_ONCE)
            self._reading, self._reader = True, threading.current_thread()
        return run

    @property
    def _read_elsewhere(self) -> bool:
        """Whether another thread reads it, and may continue at any moment."""
        return self._reader not in (None, threading.current_thread()) and self._reader.is_alive()

    def _loop(self) -> KeptLoop:
        if self._kept is None:
            self._kept = kept_loop()
        return self._kept

    def _plain(self, run: Run, project: Callable[[Run], Callable[[Event], T | None]]) -> Iterator[T]:
        kept = self._loop()
        reader = read_plainly(run, kept, project)
        kept.readers.add(cast("GeneratorType[Any, None, None]", reader))
        return reader


class View(_Readable[T_co]):
    """A stream read in another shape; like the stream itself, in async or sync code."""

    def __init__(self, stream: AgentStream[Any, Any], project: Callable[[Run], Callable[[Event], T_co | None]]) -> None:
        super().__init__()
        self._stream = stream
        self._project = project

    def _open(self) -> AsyncReading[T_co]:
        return Reader(self._stream.claim(), self._project)

    def _open_plainly(self) -> Iterator[T_co]:
        return self._stream._plain(self._stream.claim(), self._project)

    def _is_over(self) -> bool:
        return self._stream._is_over()


class Chosen(View[T_co]):
    """A part of a stream: one event may have several items, or none."""

    def __init__(
        self, stream: AgentStream[Any, Any], project: Callable[[Run], Callable[[Event], Sequence[T_co] | None]]
    ) -> None:
        _Readable.__init__(self)
        self._stream = stream
        self._several = project

    def _open(self) -> AsyncReading[T_co]:
        return OneByOne(Reader(self._stream.claim(), self._several))

    def _open_plainly(self) -> Iterator[T_co]:
        return chain.from_iterable(self._stream._plain(self._stream.claim(), self._several))
