"""The people of one tree of runs: the open questions, and the answers, which may come from any thread.

Owns the waiting for answers, and the rule that the first answer counts. A question's run appends the events; nothing
here writes to the log, runs a tool or knows an agent.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from msgspec import structs

from headwater.errors import AlreadyAnswered, AnswerInvalid, RunEnded, UnknownQuestion
from headwater.events import ApprovalAnswered, Event, InputAnswered
from headwater.events.questions import Answer, Question
from headwater.schema.well_formed import all_well_formed
from headwater.tools import pool

__all__ = (
    "Answered",
    "Approver",
    "Check",
    "People",
    "Post",
    "Waiting",
    "answer_of",
    "answered",
    "decided",
    "question_id",
    "refuse_other_kind",
    "unfit",
    "unknown_question",
)

Approver: TypeAlias = Callable[[Question], Any]
"""Answers questions: returns a bool or an Answer, or an awaitable of one. A sync function runs in a thread."""

Answered: TypeAlias = ApprovalAnswered | InputAnswered
"""The event of an answer."""

Check: TypeAlias = Callable[[Answer], Answer]
"""Validates an answer, and returns it for the log. Raises AnswerInvalid."""


Post: TypeAlias = Callable[[Question, Answer], Awaitable[Answer]]
"""Stores an answer, and returns the valid one: this one, or an earlier one."""


class Waiting:
    """A question, and the future of its answer."""

    __slots__ = ("approver", "check", "future", "given", "question")

    def __init__(
        self, question: Question, check: Check, future: asyncio.Future[Answer], approver: Approver | None
    ) -> None:
        self.question: Question = question
        self.check: Check = check
        self.future: asyncio.Future[Answer] = future
        self.approver: Approver | None = approver
        self.given: Answer | None = None
        """The answer from before it was asked again."""


class People:
    """The questions of one tree of runs."""

    __slots__ = ("_accepted", "_answered", "_given", "_lock", "_open", "_telling", "_void", "ahead", "post", "posted")

    def __init__(self) -> None:
        self.ahead: float = 0.0
        """Seconds by which the log's clock is ahead of this machine's; see `Log.ahead`."""
        self.post: Post | None = None
        """Stores an approver's answer or an expiry; returns the valid answer."""
        self.posted: Callable[[Question, Answer], None] | None = None
        """Stores an answer and delivers it, from any thread. Raises AlreadyAnswered in plain code; in async code it is
        stored meanwhile."""
        self._lock = threading.Lock()
        self._open: dict[str, Waiting] = {}
        self._answered: dict[str, str] = {}
        """Descriptions of the answers, by id."""
        self._accepted: dict[str, tuple[Question, Answer]] = {}
        """Answers that have not been delivered yet."""
        self._telling: dict[str, str] = {}
        """Delivered answers that are not in the log yet: the runs, by id."""
        self._void: set[str] = set()
        self._given: dict[str, Answer] = {}

    # --- answering

    @property
    def pending(self) -> tuple[Question, ...]:
        """The open questions, in the order in which they were asked."""
        with self._lock:
            return tuple(waiting.question for waiting in self._open.values())

    @property
    def unattended(self) -> tuple[Question, ...]:
        """The same, if none has an approver or an answer under way: only the reader can answer."""
        with self._lock:
            if any(waiting.approver is not None or waiting.given is not None for waiting in self._open.values()):
                return ()
            return tuple(waiting.question for waiting in self._open.values())

    def answer(self, id: str, answer: Answer, kind: str) -> None:
        """Answers the question of that id and kind, from any thread.

        Raises UnknownQuestion, AlreadyAnswered, RunEnded and AnswerInvalid; then nothing was recorded.
        """
        if self.posted is not None:
            waiting, answer = self._checked(id, answer, kind)
            self.posted(waiting.question, answer)
            return
        self.deliver(id, answer, kind)

    def _checked(self, id: str, answer: Answer, kind: str) -> tuple[Waiting, Answer]:
        with self._lock:
            waiting = self._open.get(id)
            if waiting is None:
                raise self._refused(id)
        refuse_other_kind(waiting.question, kind)
        return waiting, waiting.check(answer)

    def deliver(self, id: str, answer: Answer, kind: str) -> None:
        """`answer` for an answer that is stored already, or not stored at all. Raises the same errors."""
        waiting, answer = self._checked(id, answer, kind)
        with self._lock:
            if self._open.pop(id, None) is None:
                raise self._refused(id)
            self._answered[id] = _in_words(kind, answer)
            self._accepted[id] = waiting.question, answer
        try:
            waiting.future.get_loop().call_soon_threadsafe(_settle, waiting.future, answer)
        except RuntimeError:
            raise RunEnded(f"The run that asked {id} is over.", hint="Its event loop was closed.") from None

    def now(self) -> float:
        """The log's time, in Unix seconds."""
        return time.time() + self.ahead

    def untold(self, run: str) -> tuple[Answered, ...]:
        """Returns the undelivered answers to the run of that id, as events."""
        with self._lock:
            there_are = [one for one in self._accepted.values() if one[0].run == run]
        return tuple(answered(question.id, answer, question.kind) for question, answer in there_are)

    def settled(self, run: str = "") -> bool:
        """Whether every answer to the run of that id, or to any run, was delivered and logged."""
        if not run:
            return not (self._accepted or self._telling)
        return not self.untold(run) and run not in self._telling.values()

    def told(self, run: str) -> None:
        """Marks all delivered answers to the run of that id as logged."""
        for name in [name for name, its in self._telling.items() if its == run]:
            del self._telling[name]

    def _refused(self, id: str) -> UnknownQuestion | AlreadyAnswered | RunEnded:
        if id in self._answered:
            how = self._answered[id]
            by = how.partition(" by ")[2]
            return AlreadyAnswered(f"{id} was {how} already.", hint="The first answer counts.", by=by)
        if id in self._void:
            return RunEnded(f"The run that asked {id} is over.", hint="The answer is not needed any more.")
        return unknown_question(id, self._open)

    def void(self, run: str) -> None:
        """Voids the questions of the run of that id, which is over or was left."""
        with self._lock:
            for name in [name for name, waiting in self._open.items() if waiting.question.run == run]:
                del self._open[name]
                self._void.add(name)
            for name in [name for name, (question, _) in self._accepted.items() if question.run == run]:
                del self._accepted[name]
        self.told(run)

    def give(self, answers: Mapping[str, Answer]) -> None:
        """Answers questions of a resumed log before they are asked again."""
        self._given.update(answers)

    def know(self, events: Iterable[Event]) -> None:
        """The answers in the resumed log."""
        for event in events:
            if isinstance(event, ApprovalAnswered):
                answer = Answer(allowed=event.allowed, by=event.by)
                self._answered[event.approval] = _in_words("approval", answer)
            elif isinstance(event, InputAnswered):
                answer = Answer(action=event.action, by=event.by)
                self._answered[event.input] = _in_words("input", answer)

    # --- asking

    def open(self, question: Question, check: Check, approver: Approver | None = None) -> Waiting:
        """Opens the question: it may be answered from now on, even before `wait` is awaited, which asks `approver`."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting = Waiting(question, lambda answer: check(all_well_formed(answer)), future, approver)
        with self._lock:
            given = self._given.pop(question.id, None)
        if given is not None:
            try:
                answer = waiting.check(given)
            except AnswerInvalid as problem:
                answer = unfit(question, given, problem)
                if self.post is None:
                    waiting.given = given  # wakes the waiting tool
            if waiting.given is None:
                with self._lock:
                    self._answered[question.id] = _in_words(question.kind, answer)
                    self._accepted[question.id] = question, answer
                future.set_result(answer)
                return waiting
        with self._lock:
            self._open[question.id] = waiting
        return waiting

    async def wait(self, waiting: Waiting) -> Answer:
        """Waits until the question is answered, by anyone or by its approver, or expires.

        Raises the approver's exceptions, and AnswerInvalid if its answer, or a given one, does not fit.
        """
        question, check, asked = waiting.question, waiting.check, waiting.approver
        if waiting.given is not None:
            check(waiting.given)
        if waiting.future.done():
            return self._heard(waiting)
        helper = asyncio.ensure_future(answer_of(asked, question)) if asked is not None else None
        try:
            waits: set[asyncio.Future[Any]] = {waiting.future} if helper is None else {waiting.future, helper}
            seconds = None if question.until is None else max(0.0, question.until - self.now())
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if waiting.future.done():
                return self._heard(waiting)
            if helper is not None and helper.done():
                answer = check(helper.result())
            else:
                answer = Answer(allowed=False, action="cancel", by="timeout")
            if self.post is not None:
                answer = await self.post(question, answer)
                try:
                    answer = check(answer)
                except AnswerInvalid as problem:
                    answer = unfit(question, answer, problem)
            with self._lock:
                mine = self._open.pop(question.id, None) is not None
            if mine:
                return self._note(question, answer)
            await waiting.future
            return self._heard(waiting)
        finally:
            if helper is not None and not helper.cancel() and not helper.cancelled():
                helper.exception()  # it came too late, so it is ignored
            with self._lock:
                if self._open.pop(question.id, None) is not None:
                    self._void.add(question.id)

    def _heard(self, waiting: Waiting) -> Answer:
        with self._lock:
            self._accepted.pop(waiting.question.id, None)
        self._telling[waiting.question.id] = waiting.question.run
        return waiting.future.result()

    def _note(self, question: Question, answer: Answer) -> Answer:
        self._answered[question.id] = _in_words(question.kind, answer)
        self._telling[question.id] = question.run
        return answer


def refuse_other_kind(question: Question, kind: str) -> None:
    """Raises AnswerInvalid if an answer of that kind does not belong to the question."""
    if question.kind != kind:
        wants = "approve or deny" if question.kind == "approval" else "answer or decline"
        raise AnswerInvalid(f"{question.id} is another kind of question.", hint=f"Use {wants}.")


def unknown_question(id: str, open_ids: Iterable[str]) -> UnknownQuestion:
    """Returns the error for an id that no question has."""
    there_are = ", ".join(open_ids) or "none"
    return UnknownQuestion(f"There is no question with the id {id!r}.", hint=f"The open questions are: {there_are}.")


def question_id(id: Any) -> str:
    """Returns the id of a question. Raises UnknownQuestion if it is not text."""
    if not isinstance(id, str):
        raise UnknownQuestion(
            f"The id of a question is text, not {type(id).__name__}.", hint="Pass the id of one in stream.pending."
        )
    return id


def unfit(question: Question, answer: Answer, problem: AnswerInvalid) -> Answer:
    """Converts a valid answer that does not fit its question: nothing runs, and the model is told why."""
    if question.kind == "input":
        return Answer(action="cancel", by=answer.by)
    return Answer(allowed=False, note=f"The answer did not fit the question: {problem.message}", by=answer.by)


def decided(answer: Answer) -> Answer:
    """Returns the answer to an approval: one that declines or cancels does not allow."""
    return answer if answer.action == "accept" else structs.replace(answer, allowed=False)


def answered(id: str, answer: Answer, kind: Literal["approval", "input"]) -> Answered:
    """Returns the event of an answer."""
    if kind == "input":
        return InputAnswered(input=id, action=answer.action, content=answer.content, by=answer.by)
    changed = dict(answer.arguments) if answer.allowed and answer.arguments is not None else None
    return ApprovalAnswered(
        approval=id,
        allowed=answer.allowed,
        by=answer.by,
        note=answer.note,
        arguments=changed,
        for_run=answer.for_run,
    )


async def answer_of(approver: Approver, question: Question) -> Answer:
    """Calls the approver; a sync function runs in a thread, where it may wait for a person."""
    if _is_async(approver):
        said = await approver(question)
    else:
        said = await pool.call(lambda: approver(question))
        if inspect.isawaitable(said):
            said = await said
    if isinstance(said, Answer):
        return said if question.kind == "input" else decided(said)
    if question.kind == "input":
        return Answer(content=said, by="approver")
    if not isinstance(said, bool):
        raise AnswerInvalid(
            f"The approver returned {type(said).__name__} for {question.tool}.", hint="Return True, False or an Answer."
        )
    return Answer(allowed=said, by="approver")


def _is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it returns a coroutine, so that it runs in the event loop."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _in_words(kind: str, answer: Answer) -> str:
    by = f" by {answer.by}" if answer.by else ""
    if kind == "approval":
        return f"{'approved' if answer.allowed else 'denied'}{by}"
    return f"{ {'accept': 'answered', 'decline': 'declined', 'cancel': 'dismissed'}[answer.action] }{by}"


def _settle(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)
