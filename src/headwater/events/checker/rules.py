"""The rules of the log by name, and the error for a violation.

Owns the names and the sentences; the modules beside this one have the exact definitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from headwater.events.messages import Usage
from headwater.events.types import Event

__all__ = ("NEW_IN_GRAMMAR_2", "RULES", "LogError", "check_usage")

RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "seq": "numbers count from 0 without gaps; in a trimmed log they increase from 0",
        "time": "time never decreases",
        "begin": "run.started is the first event of each run, and occurs once",
        "end": "each run has exactly one end, and none of its events follows; a parked log may stop where nothing "
        "is running",
        "path": "an event has the path of its run, and a run's path extends that of its parent",
        "child": "a child run lies between child.started and child.finished, which report its outcome",
        "role": "a child is a tool exactly if it answers a call, a handoff after one, a member in a workflow, or a "
        "helper",
        "after": "the answers in a child's task come from finished members of the same run",
        "handoff": "a run hands the conversation over once and has no further step; one run follows, which has not "
        "failed if this one finishes",
        "answer": "run.finished names, once each, the children whose text is its own: the successor, or members that "
        "are in no other task and were not ruled out; at least one if there are any",
        "step": "steps are numbered from 1 without gaps, one at a time, and each is finished before its run ends",
        "attempt": "attempts are numbered from 1 in their step; another follows only if one failed and announced it; "
        "since grammar 2 no step follows a final one, unless it fails, its calls are invalid or a message is added",
        "accepted": "attempt.accepted occurs at most once in its attempt, before any output of the model",
        "place": "a model's output belongs to the open step and attempt",
        "part": "each part is started once, and ended once before its attempt ends",
        "delta": "deltas belong to open parts and calls of their kind, and are never empty",
        "call": "each call has a unique key in its run, and is ready or rejected once before its attempt ends",
        "retracted": "what a failed attempt had shown is retracted before the next one, and only that; since grammar 2 "
        "only if the attempt announced that it might be, or failed with resume or guard",
        "resumed": "run.resumed occurs in the outermost run; then an open attempt fails with resume, and a tool that "
        "had started starts again, is asked about, or finishes with an error",
        "text": "the transcript is all the text shown, less what was retracted, with leads between steps",
        "message": "step.finished has the message that the step's events add up to",
        "usage": "the usage of a step, of a child and of a run is what was reported for it",
        "tool": "a tool runs once for a ready call, after its step; each started tool is finished once",
        "idempotency": "tool.started has the key of its call: run/call",
        "settled": "a step's tools have ended before anything is added to the conversation and before the run ends; "
        "since grammar 2 each agent's call in a complete answer was run or denied by then, unless the run fails or "
        "is cancelled, or its only step is finished and nothing was run",
        "approval": "approval is requested once for a call that waits for its tool, and answered at most once; an "
        "approved call starts, a denied one never does",
        "input": "a person is asked while the tool that asks is running, and answers at most once, before it finishes",
        "waiting": "a run waits while nothing in it is running, and names everything that it waits for, or until when",
        "heard": "a message is received once, under a key, and added once at most: there, or in a run that was handed "
        "to",
        "compact": "a message that stands for earlier ones is added by a compaction, and stands for no more than there "
        "are",
        "guard": "guard.tripped names only an existing step and call; an attempt fails with guard only if a guard "
        "asked for another one in it",
        "outcome": "run.finished has the finish reason of the last step, or that of the successor",
    }
)
"""Every rule by name, with its sentence."""

NEW_IN_GRAMMAR_2: Final = frozenset(
    {
        "role",
        "after",
        "handoff",
        "answer",
        "accepted",
        "resumed",
        "idempotency",
        "input",
        "waiting",
        "heard",
        "compact",
        "guard",
    }
)
"""The rules that do not apply to a run of grammar 1."""


class LogError(AssertionError):
    """A log violates a rule of the grammar: a bug in the program that wrote it, never a mistake in a user's input.

    `rule` is a name in RULES; `seq` is the number of the event that violates it, None if the log ended too soon.
    """

    def __init__(self, rule: str, detail: str, event: Event | None = None) -> None:
        where = f"seq {event.seq}, {event.type}" if event is not None else "at the end of the log"
        super().__init__(f"{where}: {detail}. Rule {rule!r}: {RULES[rule]}.")
        self.rule = rule
        self.seq: int | None = event.seq if event is not None else None


def check_usage(event: Event, said: Usage, due: Usage) -> None:
    """Checks an event's usage against what was reported."""
    # A provider's own reports (`raw`) are not added up; counts and dollars are.
    if msgspec.structs.replace(said, raw=None) != msgspec.structs.replace(due, raw=None):
        raise LogError("usage", f"it has {said.to_dict()}, but {due.to_dict()} was reported", event)
