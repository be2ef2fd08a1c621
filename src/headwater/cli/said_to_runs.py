"""`headwater runs approve`, `deny`, `answer` and `cancel`: what people say to a run of a journal, from any machine.

The agent is not needed: the answer goes into the run's inbox, and the process that drives the run reads it there.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from headwater.cli.named_journal import add_journal, ask_journal, cancel_stored, journal_of, named_journal, stored_id

if TYPE_CHECKING:
    from headwater.journal.run_log import RunLog

__all__ = ("add_actions", "answer_run", "cancel_run")


def add_actions(actions: Any) -> None:
    """Adds the actions to the subparsers of `headwater runs`."""
    for name in ("approve", "deny"):
        say = actions.add_parser(name, help=f"{name} a call of a run in a journal")
        say.add_argument("run", metavar="RUN", help="the run's id")
        say.add_argument("question", metavar="QUESTION", nargs="?", help="the question's id, if several are open")
        say.add_argument("--note", metavar="TEXT", default="", help="a note for the model")
        say.add_argument("--by", metavar="NAME", help="who decides (default: the user)")
        add_journal(say)
    reply = actions.add_parser("answer", help="answer a tool's question of a run in a journal")
    reply.add_argument("run", metavar="RUN", help="the run's id")
    reply.add_argument("value", metavar="TEXT|JSON", help="the answer")
    reply.add_argument("question", metavar="QUESTION", nargs="?", help="the question's id, if several are open")
    reply.add_argument("--by", metavar="NAME", help="who answers (default: the user)")
    add_journal(reply)
    cancel = actions.add_parser("cancel", help="cancel a run in a journal")
    cancel.add_argument("run", metavar="RUN", help="the run's id")
    add_journal(cancel)


def answer_run(asked: argparse.Namespace) -> int:
    """Answers the open approval or question of the run. Raises UsageError if it is not clear which."""
    import getpass

    from headwater.cli.output import tell
    from headwater.cli.resume import value_of
    from headwater.durable.drive import whole_log
    from headwater.durable.inbox import answer_body, asked_in
    from headwater.errors import RunEnded, UsageError
    from headwater.events.questions import Answer, Question
    from headwater.journal.run_log import answer

    _refuse_file(asked)
    url = journal_of(asked)
    kind: Literal["approval", "input"] = "input" if asked.action == "answer" else "approval"
    by = asked.by or getpass.getuser()
    if kind == "input":
        given = Answer(content=value_of(asked.value), by=by)
    else:
        given = Answer(allowed=asked.action == "approve", note=asked.note, by=by)

    async def say(log: RunLog) -> str:
        asked.run = await stored_id(log, asked.run)
        info = await log.info(asked.run)
        if info.over:
            raise RunEnded(f"The run {asked.run} is {info.state}.", hint="Nothing waits for an answer.")
        open_ = [Question.of(one) for one in asked_in(await whole_log(log, asked.run)).values()]
        wanted = [one for one in open_ if one.kind == kind and asked.question in (None, one.id)]
        if len(wanted) != 1:
            raise UsageError(_which(asked, [one.id for one in open_ if one.kind == kind]))
        await answer(log, asked.run, wanted[0].id, answer_body(given, kind))
        return wanted[0].id

    question = ask_journal(url, say)
    done = {"approve": "approved", "deny": "denied", "answer": "answered"}[asked.action]
    tell(f"{done} {question} of {asked.run}.")
    return 0


def _refuse_file(asked: argparse.Namespace) -> None:
    """Raises UsageError for a run in a file: nothing waits for the answer, so it comes with `resume`."""
    from headwater.cli.people import parked_beginning, parked_under
    from headwater.errors import UsageError

    in_file = Path(asked.run).is_file() or parked_under(asked.run) is not None
    if in_file or (named_journal(asked) is None and parked_beginning(asked.run) is not None):
        if asked.action == "answer":
            how = f"--answer {shlex.quote(asked.value)}"
        else:
            how = "--yes" if asked.action == "approve" else "--no"
        raise UsageError(
            f"The run {asked.run} is in a file, not in a journal: it is answered when it is resumed.",
            hint=f"headwater runs resume {shlex.quote(asked.run)} {how}, with the options it was started with.",
        )


def _which(asked: argparse.Namespace, open_: list[str]) -> str:
    what, waits = ("question", "an answer") if asked.action == "answer" else ("approval", "approval")
    if not open_:
        return f"No call of {asked.run} waits for {waits}."
    if asked.question is not None:
        return f"No open {what} of {asked.run} has the id {asked.question}. Open: {', '.join(open_)}."
    return f"Several calls of {asked.run} wait for {waits}. Name one: {', '.join(open_)}."


def cancel_run(asked: argparse.Namespace) -> int:
    """Cancels the run. Raises UnknownRun, RunEnded."""
    from headwater.cli.output import tell

    tell(f"cancelled {cancel_stored(journal_of(asked), asked.run)}.")
    return 0
