"""A run whose events come from an existing log, with their stamps: they are shown and folded, not created.

Owns the handling of such events, that leaving adds nothing to the log, and the local approver of a run that is driven
elsewhere. A subclass provides the events, and sends answers to the process that drives the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Literal

from headwater.backends.interrupt import running_loop
from headwater.errors import AlreadyAnswered, HeadwaterError, Parked, RunEnded, UsageError
from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    InputAnswered,
    InputAsked,
    RunFailed,
    RunStarted,
    RunWaiting,
    TextDelta,
)
from headwater.events.fold import Fold
from headwater.events.questions import Answer, Question
from headwater.events.tree import Node, Tree
from headwater.runtime.ending import CancelledBy
from headwater.runtime.pausing import wakes
from headwater.runtime.people import Approver, People, answer_of, refuse_other_kind, unknown_question
from headwater.runtime.place import Placed
from headwater.runtime.run import Run
from headwater.runtime.sending import Blocking, Sending

__all__ = ("DrivenElsewhere", "FromLog")

_logger = logging.getLogger("headwater.remote")


class FromLog(Run):
    """A run from a log. `known` is False until its first event identifies the run."""

    known: bool = False

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._tree = Tree()
        self._once_known: list[Callable[[], None]] = []
        self._met: Event | None = None

    def _meet(self, first: Event) -> None:
        """Handles the first event, which identifies the run."""
        self._met = first
        self._tree.add(first)
        assert self._tree.root is not None
        self.id: str = first.run
        self.path: tuple[str, ...] = first.path
        self.node: Node = self._tree.root
        self.name: str = first.agent or self.name
        self.node.fold, self.node.callback_errors = self.fold, self.callback_errors
        self.known = True
        begin, self._once_known = self._once_known, []
        for one in begin:
            one()

    def begin_anew(self) -> None:
        """Forgets all that was read: the log is another by now, and comes again from its beginning."""
        self._tree, self._met = Tree(), None
        self.fold: Fold = Fold()
        self.known = False
        self.resets += 1
        if self._log.kept is not None:
            self._log.kept.clear()

    def once_known(self, begin: Callable[[], None]) -> None:
        """Calls `begin` once the run is identified, before watchers get its first event."""
        if self.known:
            begin()
        else:
            self._once_known.append(begin)

    def join(self, parent: Placed, **place: Any) -> None:
        """Raises UsageError: its events have the numbers and the paths of their own log."""
        raise UsageError(
            f"{parent.name!r} cannot have a run from another log as a part: {self.name or self.id or 'a remote run'}.",
            hint="Ask it in a tool: async def ask(task: str) -> str: return (await remote.run(task)).text.",
        )

    def append(self, event: Event) -> Awaitable[Any] | None:
        """Folds the event unchanged, and notifies the watchers."""
        if not self.known:
            self._meet(event)
        elif event is not self._met:
            self._tree.add(event)
        node = self._tree.node(event)
        if node.fold is None:
            node.fold = Fold()
        if event.__class__ is TextDelta:
            node.fold.text_delta(event)
        else:
            node.fold.add(event)
        self._log.now = event.time
        return self.tell(event) if self._watchers else None

    def _ended(self) -> list[Event]:
        """Ends the run as its log does."""
        end = self.fold.end
        if isinstance(end, RunFailed):
            self.node.error = end.error.exception()
        elif end is None:
            self.node.error = Parked(
                "The log of this run stops here, without an end.",
                hint="Resume it: agent.resume(log).",
                log=tuple(self._log.kept or ()),
            )
        self.close()
        return []

    def _started(self) -> RunStarted:
        raise AssertionError("a log has its own beginning")

    def _end_events(self) -> Iterator[list[Event]]:
        """Does nothing: only the log has the run's end."""
        yield from ()

    # Leaving adds nothing to an existing log.

    def cancel(self, by: CancelledBy = "caller") -> None:
        """Stops reading, from any thread."""
        self.abort(by)

    def abort(self, by: CancelledBy = "left") -> None:
        """Stops reading: everything is closed when this returns, in the loop's own thread or in sync code."""
        loop = self._event_loop
        if loop is not None and loop.is_running() and running_loop() is not loop:
            # A finalizer runs in any thread: notify the server now, and do the rest in the loop.
            self.shut()
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(self.abort, by)
            return
        if self.ending.break_off():
            self.interrupt()
            self._let_go()
            self._finish()


class DrivenElsewhere(FromLog):
    """A run whose log grows while it is read: another process drives it, and its questions can be answered here.

    `approver` answers them, unless someone else is faster.
    """

    def __init__(self, blocking: Blocking, approver: Approver | None = None) -> None:
        super().__init__()
        self.approver = approver
        self.answered: dict[str, str] = {}
        """Who answered, by question id."""
        self._sending = Sending(blocking)
        self._people = PeopleElsewhere(self)
        self._to_ask: list[str] = []
        self._given: set[str] = set()
        """The questions that were answered here, by a call of `answer`."""
        self._asking: dict[str, asyncio.Task[None]] = {}

    @property
    def people(self) -> PeopleElsewhere:
        """The people of the run."""
        return self._people

    def answer(self, id: str, answer: Answer, kind: Literal["approval", "input"]) -> None:
        """Sends the answer to an open question to the process that drives the run; for errors see `_send`."""
        self._send(lambda: self.answer_and_wait(id, answer, kind))
        self._given.add(id)

    async def answer_and_wait(self, id: str, answer: Answer, kind: Literal["approval", "input"]) -> None:
        """The same, waiting until it is accepted. Raises AlreadyAnswered, RunEnded, and what is wrong with it."""
        raise NotImplementedError

    def begin_anew(self) -> None:
        """See FromLog."""
        super().begin_anew()
        self.answered.clear()
        self._to_ask.clear()
        self._given.clear()
        self.waiting = False

    def _send(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Says something to the run: in sync code it has arrived when this returns; in async code it is under way, and
        the reading raises what was refused.
        """
        self._sending.say(make, failed=self._unsaid, loop=self._event_loop, thread=self._thread)

    def _unsaid(self, error: HeadwaterError) -> None:
        if not self.begun:
            _logger.warning("%s", error.message)  # perhaps nobody will read it
        if not self.over:
            self.task_failed(error)

    @property
    def settled(self) -> bool:
        """Whether everything that was said has arrived, and no approver is running."""
        return not self._sending.under_way and all(task.done() for task in self._asking.values())

    async def settle(self) -> None:
        """Waits until that is the case."""
        while left := [*self._sending.under_way, *(task for task in self._asking.values() if not task.done())]:
            await asyncio.wait(left)

    def _release(self) -> None:
        for task in self._asking.values():
            task.cancel()

    def _finished(self) -> None:
        self._release()

    def append(self, event: Event) -> Awaitable[Any] | None:
        """See FromLog. Records who answered, whether the run waits for people, and what `ask` asks next."""
        wait = super().append(event)
        if isinstance(event, (ApprovalAsked, InputAsked)):
            self._to_ask.append(event.approval if isinstance(event, ApprovalAsked) else event.input)
        if event.__class__ is RunWaiting and event.run == self.id:
            self.waiting: bool = True
        elif self.waiting and wakes(event):
            self.waiting = False
        if isinstance(event, ApprovalAnswered):
            self.answered[event.approval] = event.by
        elif isinstance(event, InputAnswered):
            self.answered[event.input] = event.by
        return wait

    @property
    def open_questions(self) -> Iterator[Question]:
        """The open questions anywhere in the tree, as far as the log has been read."""
        found: list[ApprovalAsked | InputAsked] = []
        for node in tuple(self._tree.nodes.values()):
            if node.fold is not None:
                found += node.fold.asked.open.values()
        return (Question.of(event) for event in sorted(found, key=lambda event: event.seq))

    # --- the local approver

    def _ask(self) -> None:
        """Runs the approver for new questions, and stops it for those that are not open any more."""
        if not (self._to_ask or self._asking):
            return
        open_ = {question.id: question for question in self.open_questions}
        for name, task in tuple(self._asking.items()):
            if task.done():
                del self._asking[name]
            elif name not in open_:
                task.cancel()
        for name in self._to_ask:
            if self.approver is not None and name in open_:
                self._asking[name] = asyncio.ensure_future(self._answered_by(self.approver, open_[name]))
        self._to_ask.clear()

    async def _answered_by(self, approver: Approver, question: Question) -> None:
        try:
            answer = await answer_of(approver, question)
            if question.id in self._given:
                return  # the approver has answered
            await self.answer_and_wait(question.id, answer, question.kind)
        except (AlreadyAnswered, RunEnded) as late:
            _logger.info("%s", late.message)
        except Exception as error:
            if not self.over:
                self.task_failed(error)


class PeopleElsewhere(People):
    """The people of a run that another process drives: it gets the answers to the open questions of the log."""

    __slots__ = ("_run",)

    def __init__(self, run: DrivenElsewhere) -> None:
        super().__init__()
        self._run = weakref.ref(run)  # avoids a reference cycle

    @property
    def pending(self) -> tuple[Question, ...]:
        """The open questions, in the order in which they were asked."""
        run = self._run()
        return tuple(run.open_questions) if run is not None else ()

    @property
    def unattended(self) -> tuple[Question, ...]:
        """None: it is unknown who may answer, here or elsewhere."""
        return ()

    def answer(self, id: str, answer: Answer, kind: str) -> None:
        """Answers the question of that id and kind, from any thread.

        What a run asks that was not read here, is known where the answer is sent. Raises UnknownQuestion,
        AlreadyAnswered, RunEnded, AnswerInvalid if it is of another kind, and what the process that drives the run says
        against the answer.
        """
        run = self._reached(id)
        if run.begun or run.over or not run.id:
            self.check(id, kind)
        run.answer(id, answer, "approval" if kind == "approval" else "input")

    def _reached(self, id: str) -> DrivenElsewhere:
        run = self._run()
        if run is None:
            raise RunEnded(f"The run that asked {id} is not being read any more.", hint="Read it again to answer.")
        return run

    def check(self, id: str, kind: str) -> None:
        """Raises UnknownQuestion, AlreadyAnswered and AnswerInvalid unless such a question is open, as far as the log
        has been read."""
        run = self._reached(id)
        open_ = {question.id: question for question in run.open_questions}
        if (question := open_.get(id)) is not None:
            refuse_other_kind(question, kind)
        elif id in run.answered:
            raise AlreadyAnswered(f"{id} was answered already.", hint="The first answer counts.", by=run.answered[id])
        else:
            raise unknown_question(id, open_)
