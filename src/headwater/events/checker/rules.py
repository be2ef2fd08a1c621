"""The rules of the log by their names, and the error that tells of a breach.

Owns the names and the sentences; what they mean exactly is in the modules beside this one.
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
        "seq": "numbers are dense from 0; in a trimmed log they rise from 0",
        "time": "time never falls",
        "begin": "run.started is the first event of each run, and there is one",
        "end": "each run has exactly one end, and nothing of it follows; a parked log may stop where nothing is at "
        "work",
        "path": "an event bears the path of its run, and a run's path extends that of the run it is part of",
        "child": "a run inside another stands between child.started and child.finished, and these say what it came to",
        "role": "a child is a tool exactly where it answers a call, a handoff after one, a member in a workflow, or a "
        "helper",
        "after": "the answers in a child's task are those of members of the same run that have finished",
        "handoff": "a run hands the conversation over once and has no further step; one run follows, which has not "
        "failed where this one finishes",
        "answer": "run.finished names once each whose text is its own: the run handed to, or members that are in no "
        "other's task and were not ruled out; and some where there are any",
        "step": "steps are numbered from 1 without gaps, one at a time, and each is finished before its run ends",
        "attempt": "attempts are numbered from 1 in their step; another follows only where one failed and said so; "
        "since grammar 2 no step follows one that is final, unless it fails, its calls go wrong or a message is heard",
        "accepted": "attempt.accepted stands at most once in its attempt, before anything that the model says",
        "place": "what a model says stands in the step and the attempt in which it says it",
        "part": "each part is started once, and ended once before its attempt is over",
        "delta": "deltas stand in open parts and calls of their kind, and are never empty",
        "call": "each call has a key of its own in its run, and is ready or rejected once before its attempt is over",
        "retracted": "what a failed attempt had shown is retracted before the next one, and only that; since grammar 2 "
        "only where the attempt said that it might, or failed with resume or guard",
        "resumed": "run.resumed stands in the outermost run; then an open attempt fails with resume, and a tool that "
        "had begun starts again, is asked about, or finishes with an error",
        "text": "the transcript is all the text shown, less what was retracted, steps parted by their leads",
        "message": "step.finished bears the message that the step's events come to",
        "usage": "the usage of a step, of a child and of a run is what was reported for it",
        "tool": "a tool runs once for a call that was ready, after its step; each one started is finished once",
        "idempotency": "tool.started bears the key of its call: run/call",
        "settled": "a step's tools have ended before anything is added to the conversation and before the run ends; "
        "since grammar 2 each call of ours in a whole answer has been run or refused by then, unless the run fails or "
        "is cancelled, or its only step is finished and nothing was run",
        "approval": "approval is asked for once for a call that waits for its tool, and answered once at most; what is "
        "allowed starts, what is refused never does",
        "input": "a person is asked while the tool that asks is at work, and answers once at most, before it finishes",
        "waiting": "a run waits where nothing of it is at work, and names all that it waits for, or until when",
        "heard": "a message is received once, under a key, and added once at most: there, or in a run that was handed "
        "to",
        "compact": "a message that stands for earlier ones is added by a compaction, and stands for no more than there "
        "are",
        "guard": "guard.tripped names only a step and a call that there are",
        "outcome": "run.finished says why the last step ended, or what the run says that has the last word",
    }
)
"""Every rule by its name: what it asks for."""

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
"""The rules that a run of grammar 1 does not know."""


class LogError(AssertionError):
    """A log breaks a rule of the grammar: a mistake in what wrote it, never in a user's input.

    `rule` is a name in RULES; `seq` is the number of the event that broke it, None where the log ended too soon.
    """

    def __init__(self, rule: str, detail: str, event: Event | None = None) -> None:
        where = f"seq {event.seq}, {event.type}" if event is not None else "at the end of the log"
        super().__init__(f"{where}: {detail}. Rule {rule!r}: {RULES[rule]}.")
        self.rule = rule
        self.seq = event.seq if event is not None else None


def check_usage(event: Event, said: Usage, due: Usage) -> None:
    """Hold the usage that an event tells of to what was reported."""
    # Reports of a provider's own (`raw`) are not added up; counts and dollars are.
    if msgspec.structs.replace(said, raw=None) != msgspec.structs.replace(due, raw=None):
        raise LogError("usage", f"it says {said.to_dict()}, and reported was {due.to_dict()}", event)
