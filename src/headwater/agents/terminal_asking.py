"""Approvals and questions in the terminal.

Owns the terminal while a question is open: other output of the run waits until it is answered, and input that was typed
before the question is discarded. It is an approver, and makes no decisions itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TextIO

from headwater.agents.question_form import Field, content_of, fields_of
from headwater.agents.typed_line import forget_what_was_typed, read_line
from headwater.errors import AnswerInvalid
from headwater.events import ApprovalAnswered, ApprovalAsked, Event, InputAnswered, InputAsked, RunWaiting
from headwater.events.controls import harmless, one_line
from headwater.events.questions import Answer, Question
from headwater.terminal.device import is_screen, takes_escape_codes, wants_color

if TYPE_CHECKING:
    from headwater.runtime.people import People

__all__ = ("TerminalAsker", "can_ask")

BY: Final = "the user"
"""Who answered, as recorded in the log and told to the model."""

_CHOICES: Final = "  Allow it? y(es), n(o), a(lways in this run), c(hange it)"
_HELP: Final = """\
  y  run it          a  run it, and ask no more about this tool in this run
  n  do not run it   c  change the arguments, and run it
  Text after y, n or a is sent to the model: n not before Monday
"""

Show = Callable[[Event], Any]


def can_ask() -> bool:
    """Whether this process has a terminal for input and output."""
    return is_screen(sys.stdin) and (is_screen(sys.stderr) or is_screen(sys.stdout))


class TerminalAsker:
    """Answers a run's questions by asking in the terminal, one at a time.

    `parks`: whether the person may decide later, which parks the run.
    """

    def __init__(self, *, parks: bool = False) -> None:
        self._parks = parks
        self._later: Callable[[], None] | None = None
        self._people: People | None = None
        self._turn = asyncio.Lock()
        self._shows: list[_Beside] = []

    def attend(self, people: People, park: Callable[[], None] | None = None) -> None:
        """Answer these questions; `people` validates the answers. `park` parks the run."""
        self._people = people
        self._later = park if self._parks else None

    def beside(self, show: Show, pause: Callable[[], None] | None = None, *, whole: bool = False) -> Show:
        """Wrap a printer so that it waits while a question is open. `pause` ends the line that `show` has begun.

        It does not receive the questions and the answers given here, unless it needs the `whole` log.
        """
        pause = pause or getattr(show, "pause", None) or getattr(show, "close", None) or _nothing
        beside = _Beside(show, pause, whole=whole)
        self._shows.append(beside)
        return beside

    async def __call__(self, question: Question) -> Answer:
        """Ask until there is a valid answer."""
        async with self._turn:
            for show in self._shows:
                show.pause()
            forget_what_was_typed()
            try:
                return await self._fitting(question)
            except asyncio.CancelledError:
                _write("\n")  # nothing waits for the answer any more
                raise
            finally:
                for show in self._shows:
                    show.go_on()

    async def _fitting(self, question: Question) -> Answer:
        form = self._approval if question.kind == "approval" else self._input
        _write(f"\n{_title(question)}\n")
        while True:
            answer = await form(question)
            try:
                if self._people is not None:
                    self._people.answer(question.id, answer, question.kind)
            except AnswerInvalid as problem:
                _write("".join(f"  {line}\n" for line in problem.message.splitlines()))
                continue
            return answer

    # --- approvals

    async def _approval(self, question: Question) -> Answer:
        for name, value in question.arguments.items():
            _write(f"  {one_line(name)}: {one_line(_told(value))}\n")
        while True:
            said = await self._line(f"{_CHOICES}{', l(ater)' if self._later else ''}: ")
            word, _, note = (said or "").strip().partition(" ")
            word, note = word.lower().rstrip(":,."), note.strip()
            if said is None or word in ("l", "later"):
                await self._decide_later()
                return Answer(allowed=False, by=BY, note="Nobody has decided.")
            if word in ("y", "yes"):
                return Answer(by=BY, note=note)
            if word in ("a", "always"):
                return Answer(by=BY, note=note, for_run=True)
            if word in ("n", "no"):
                note = note or (await self._line("  Why not? (told to the model; Enter for no reason): ") or "").strip()
                return Answer(allowed=False, by=BY, note=note)
            if word in ("c", "change"):
                return Answer(arguments=await self._changed(question.arguments), by=BY, note=note)
            _write(_HELP)

    async def _changed(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments, each unchanged or as typed."""
        changed: dict[str, Any] = {}
        for name, value in arguments.items():
            changed[name] = value
            typed = Field((name,), _like(value))
            while said := (
                await self._line(f"  {one_line(name)} (Enter for {one_line(_told(value))}): ") or ""
            ).strip():
                try:
                    changed[name] = typed.read(said)
                    break
                except ValueError as problem:
                    _write(f"  {problem}\n")
        return changed

    async def _decide_later(self) -> None:
        """Park the run if possible; this wait ends with it."""
        if self._later is not None:
            self._later()
            await asyncio.Event().wait()

    # --- questions

    async def _input(self, question: Question) -> Answer:
        if question.url:
            _write(f"  {one_line(question.url)}\n")
        fields = fields_of(question.schema) if question.schema.get("properties") or not question.url else []
        if not fields:
            said = await self._line("  Enter when that is done, n where it is not to be: ")
            return Answer(action="decline" if said is None or said.strip().lower() in ("n", "no") else "accept", by=BY)
        values: dict[tuple[str, ...], Any] = {}
        for field in fields:
            if not await self._field(field, values):
                return Answer(action="decline", by=BY)
        return Answer(content=content_of(values), by=BY)

    async def _field(self, field: Field, values: dict[tuple[str, ...], Any]) -> bool:
        """Fill in a field; False if the person declines."""
        words = [one_line(field.label), f"({one_line(field.hint)})" if field.hint else ""]
        told = " ".join(filter(None, words))
        prompt = f"  {told}: " if told else "  > "
        while True:
            said = await self._line(prompt)
            if said is None:
                return False
            if not said.strip() and field.may_be_empty:
                field.empty(values)
                return True
            try:
                values[field.path] = field.read(said)
                return True
            except ValueError as problem:
                _write(f"  {one_line(str(problem))}\n")

    async def _line(self, prompt: str) -> str | None:
        _write(prompt)
        said = await read_line()
        if said is None:
            _write("\n")
        return said


class _Beside:
    """A printer that queues events while a question is open."""

    def __init__(self, show: Show, pause: Callable[[], None], *, whole: bool) -> None:
        self._show = show
        self._pause = pause
        self._whole = whole
        self._kept: list[Event] | None = None

    def __call__(self, event: Event) -> Awaitable[Any] | None:
        if not self._whole and _stands_here(event):
            return None
        if self._kept is not None:
            self._kept.append(event)
            return None
        shown: Awaitable[Any] | None = self._show(event)
        return shown

    def pause(self) -> None:
        self._kept = []
        self._pause()

    def go_on(self) -> None:
        kept, self._kept = self._kept or (), None
        for event in kept:
            self._show(event)


def _stands_here(event: Event) -> bool:
    """Whether the terminal already shows it, as a question or as typed input."""
    if isinstance(event, ApprovalAnswered | InputAnswered):
        return event.by == BY
    return isinstance(event, ApprovalAsked | InputAsked | RunWaiting)


def _nothing() -> None:
    """End no line."""


# --- the terminal


def _screen() -> TextIO:
    return sys.stderr if is_screen(sys.stderr) else sys.stdout


def _write(text: str) -> None:
    with contextlib.suppress(OSError):
        file = _screen()
        file.write(text if text.isascii() else text.encode(file.encoding, "replace").decode(file.encoding))
        file.flush()


def _title(question: Question) -> str:
    mark = "\x1b[36m?\x1b[0m" if takes_escape_codes() and wants_color() else "?"
    who = f"{one_line(question.agent)} " if question.agent else ""
    tool = one_line(question.tool)
    if question.kind == "approval":
        why = f": {one_line(question.reason)}" if question.reason else ""
        return f"{mark} {who}wants to run {tool}{why}"
    return f"{mark} {tool or who.strip()} asks: {harmless(question.message)}"


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _like(value: Any) -> dict[str, Any]:
    """The schema of a value that can replace this one."""
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return {"type": kinds.get(type(value))}
