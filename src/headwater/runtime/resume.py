"""Resuming a run from its log: the checks, and people's answers from meanwhile.

Owns the checks before anything is done. `past`, `run` and `agent_run` restore the state of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from headwater.errors import AnswerInvalid, ConfigurationError, DefinitionChanged, UnknownQuestion
from headwater.events import ApprovalAsked, Event
from headwater.events.messages import Message
from headwater.events.questions import Answer
from headwater.runtime.past import Record, past_of
from headwater.runtime.run import Run

__all__ = ("OnChanged", "Resumption")

OnChanged: TypeAlias = Literal["raise", "warn"]
"""What happens if the agent's declaration has changed: DefinitionChanged, or a warning in the log."""


class Resumption:
    """A log to resume, and people's answers to its open questions."""

    def __init__(self, record: Record, given: Mapping[str, Answer], on_changed: OnChanged, by: str) -> None:
        self.record = record
        self._given = given
        self._on_changed = on_changed
        self._by = by

    @classmethod
    def of(
        cls,
        log: Iterable[Event],
        *,
        approvals: Mapping[str, bool | Answer] | None = None,
        answers: Mapping[str, Any] | None = None,
        on_changed: OnChanged = "raise",
        by: str = "",
    ) -> Resumption:
        """Reads the log. Raises InvalidRecord; UnknownQuestion and AnswerInvalid if an answer belongs to none of its
        questions, or to one of another kind.
        """
        record = past_of(log)
        for what, value in (("approvals", approvals), ("answers", answers)):
            if value is not None and not isinstance(value, Mapping):
                raise ConfigurationError(
                    f"{what} is of type {type(value).__name__}.", hint=f"Map each question's id: {what}={{id: …}}."
                )
        if on_changed not in ("raise", "warn"):
            raise ConfigurationError(f"on_changed is {on_changed!r}.", hint='Use "raise" or "warn".')
        if not isinstance(by, str):
            raise ConfigurationError(f"by is {by!r}.", hint="Pass the name of who resumes the run as text.")
        given: dict[str, Answer] = {}
        for name, allowed in (approvals or {}).items():
            if not isinstance(allowed, (bool, Answer)):
                raise ConfigurationError(f"approvals[{name!r}] is {allowed!r}.", hint="Use True, False or an Answer.")
            given[name] = allowed if isinstance(allowed, Answer) else Answer(allowed=allowed)
        for name, content in (answers or {}).items():
            given[name] = content if isinstance(content, Answer) else Answer(content=content)
        if given:
            _check_ids(record, approvals or {}, answers or {})
        return cls(record, given, on_changed, by)

    @property
    def task(self) -> list[Message]:
        """The run's task."""
        started = self.record.root.fold.started
        return list(started.input) if started is not None else []

    def apply(self, run: Run) -> None:
        """Turns `run`, which has not started, into the run of the log. Raises DefinitionChanged."""
        record = self.record
        first = record.root.fold.started
        assert first is not None
        if first.agent_name != run.name:
            raise DefinitionChanged(
                f"This log is of {first.agent_name!r}, but {run.name!r} was asked to resume it.",
                hint="Resume it with the agent or workflow that wrote it.",
            )
        before, now = first.definition_hash, run.definition_hash  # empty: unknown, as of a run that cannot be made
        changed = "" not in (before, now) and before != now and not record.root.over
        if changed and self._on_changed == "raise":
            raise DefinitionChanged(
                f"{run.name!r} was declared differently when this log was written.",
                hint='Use the same declaration; with on_changed="warn" the current declaration applies from here on.',
            )
        run.go_on(record, by=self._by, changed=changed)
        run.people.know(record.events)
        run.people.give(self._given)


def _check_ids(record: Record, approvals: Iterable[str], answers: Iterable[str]) -> None:
    """Raises UnknownQuestion and AnswerInvalid if one of these is not an open question of its kind."""
    open_ = record.questions()
    there_are = ", ".join(sorted(open_)) or "none"
    for ids, kind in ((approvals, "approvals"), (answers, "answers")):
        for name in ids:
            if (asked := open_.get(name)) is None:
                raise UnknownQuestion(
                    f"No open question of this log has the id {name!r}.", hint=f"The open questions are: {there_are}."
                )
            wants = "approvals" if isinstance(asked, ApprovalAsked) else "answers"
            if wants != kind:
                raise AnswerInvalid(f"{name} is another kind of question.", hint=f"Pass it in {wants}=.")
