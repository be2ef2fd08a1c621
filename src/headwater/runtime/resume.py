"""Going on with a run that a log tells of: what is looked at before, and what people have answered meanwhile.

Owns the checks that come before anything is done. How a run stands where its log ends is `past`'s, `run`'s and
`agent_run`'s.
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
"""What becomes of a log whose agent is declared otherwise by now: DefinitionChanged, or a warning in the log."""


class Resumption:
    """A log that is to be gone on with, and what people have answered to the questions that stand open in it."""

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
        """Read the log. Raises InvalidRecord; UnknownQuestion and AnswerInvalid where an answer is to none of its
        questions, or to one of another kind.
        """
        record = past_of(log)
        if on_changed not in ("raise", "warn"):
            raise ConfigurationError(f"on_changed is {on_changed!r}.", hint='Give "raise" or "warn".')
        given: dict[str, Answer] = {}
        for name, allowed in (approvals or {}).items():
            if not isinstance(allowed, (bool, Answer)):
                raise ConfigurationError(f"approvals[{name!r}] is {allowed!r}.", hint="Give True, False or an Answer.")
            given[name] = allowed if isinstance(allowed, Answer) else Answer(allowed=allowed)
        for name, content in (answers or {}).items():
            given[name] = content if isinstance(content, Answer) else Answer(content=content)
        if given:
            _check_ids(record, approvals or {}, answers or {})
        return cls(record, given, on_changed, by)

    @property
    def task(self) -> list[Message]:
        """What the run was asked."""
        started = self.record.root.fold.started
        return list(started.input) if started is not None else []

    def apply(self, run: Run) -> None:
        """Make `run`, which has not begun, the one that the log tells of. Raises DefinitionChanged."""
        record = self.record
        first = record.root.fold.started
        assert first is not None
        if first.agent_name != run.name:
            raise DefinitionChanged(
                f"This log is of {first.agent_name!r}, and was to be gone on with by {run.name!r}.",
                hint="Give it to the agent or workflow that wrote it.",
            )
        changed = first.definition_hash not in ("", run.definition_hash) and not record.root.over
        if changed and self._on_changed == "raise":
            raise DefinitionChanged(
                f"{run.name!r} was declared otherwise when this log was written.",
                hint='Go on with the same declaration; with on_changed="warn" what is declared now counts from here.',
            )
        run.go_on(record, by=self._by, changed=changed)
        run.people.know(record.events)
        run.people.give(self._given)


def _check_ids(record: Record, approvals: Iterable[str], answers: Iterable[str]) -> None:
    """Raise UnknownQuestion and AnswerInvalid where one of these is no open question of its kind."""
    open_ = record.questions()
    there_are = ", ".join(sorted(open_)) or "none"
    for ids, kind in ((approvals, "approvals"), (answers, "answers")):
        for name in ids:
            if (asked := open_.get(name)) is None:
                raise UnknownQuestion(
                    f"No open question of this log has the id {name!r}.", hint=f"Open are: {there_are}."
                )
            wants = "approvals" if isinstance(asked, ApprovalAsked) else "answers"
            if wants != kind:
                raise AnswerInvalid(f"{name} is a question of another kind.", hint=f"Give it in {wants}=.")
