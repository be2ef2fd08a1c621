"""`headwater runs resume`: continues a run that was parked or whose process died, from its file.

A run of a journal is continued by `stored_runs`, with the same answers.

Owns the answers that are given as options instead of at the terminal. New events are appended to the file.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from headwater.errors import Parked, UsageError

if TYPE_CHECKING:
    from headwater.readers.run_file import RunFile

__all__ = ("add_resume_arguments", "answers_of", "resume", "value_of")


def add_resume_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `resume` reads."""
    from headwater.cli.named_journal import add_journal
    from headwater.cli.options import add_agent_options, add_schema_option
    from headwater.cli.saving import add_save_options

    parser.add_argument("file", metavar="FILE|RUN")
    add_journal(parser)
    said = parser.add_mutually_exclusive_group()
    said.add_argument("--yes", action="store_true", help="run the tools that wait for approval")
    said.add_argument("--no", action="store_true", help="do not run them, and decline all questions")
    parser.add_argument("--note", default="", metavar="TEXT", help="a note for the model")
    parser.add_argument(
        "--answer",
        action="append",
        default=[],
        metavar="TEXT|JSON",
        help="the answer to a tool's question; may be repeated",
    )
    parser.add_argument("--anyway", action="store_true", help="continue although the agent has changed")
    add_save_options(parser, help="where to save the run (default: FILE itself)")
    parser.add_argument("--json", action="store_true", help="write the new events, one JSON object per line")
    add_schema_option(parser)
    add_agent_options(parser)


def resume(asked: argparse.Namespace, file: RunFile) -> int:
    """Continues the run and shows it. Returns the exit code. Raises like `run`."""
    from headwater.cli.last_conversation import keep
    from headwater.cli.options import look_of, make_agent
    from headwater.cli.output import Outlet
    from headwater.cli.people import asker_for, tell_of_parked
    from headwater.cli.run import WAITS, conduct
    from headwater.cli.saving import place_to_save
    from headwater.cli.watching import watching_for
    from headwater.runtime.thread import Thread

    if asked.agent is None and asked.name is None:
        asked.name = file.started.agent_name
    notes: list[str] = []
    agent: Any = make_agent(asked, notes.append)
    out = Outlet()
    approvals, answers = answers_of(asked, file)
    asker = asker_for(agent, parks=True)
    more = {} if asker is None else {"approver": asker}
    save = str(file.path) if asked.save in (None, str(file.path)) else place_to_save(asked)
    stream = agent.resume(
        file.events,
        approvals=approvals,
        answers=answers,
        on_changed="warn" if asked.anyway else "raise",
        save=save,
        **more,
    )
    for note in notes:  # only now: checked that the agent matches the log
        out.note(note)
    watching = watching_for(agent, out, json=asked.json, value=asked.schema is not None, **look_of(asked))
    if not asked.json:
        watching(file.started)  # the output starts with it
    try:
        response = conduct(stream, out, watching, asker)
    except Parked as parked:
        tell_of_parked(parked, asked, save)
        return WAITS
    if hasattr(response, "messages"):
        keep(Thread(response.messages, agent=response.agent), asked)
    if asked.save is None:
        _let_go(str(file.path))
    return 0


def answers_of(asked: argparse.Namespace, file: RunFile) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the answers of the options, by question id. Raises UsageError for surplus answers."""
    from headwater.agents.terminal_asking import BY
    from headwater.events import ApprovalAsked
    from headwater.events.questions import Answer
    from headwater.runtime.past import past_of

    record = past_of(file.events)
    if record.root.over:
        raise UsageError(f"The run of {file.path} has ended.", hint=f"See it: headwater runs show {file.path}")
    open_ = record.questions()
    approvals = [name for name, question in open_.items() if isinstance(question, ApprovalAsked)]
    inputs = [name for name in open_ if name not in approvals]
    if len(asked.answer) > len(inputs):
        raise UsageError(f"There are {len(asked.answer)} answers and {len(inputs)} questions.")
    given: dict[str, Any] = {name: value_of(text) for name, text in zip(inputs, asked.answer, strict=False)}
    if asked.no:
        given |= {name: Answer(action="decline", by=BY) for name in inputs if name not in given}
    if not (asked.yes or asked.no):
        return {}, given
    return {name: Answer(allowed=asked.yes, note=asked.note, by=BY) for name in approvals}, given


def value_of(text: str) -> Any:
    """Returns the JSON value that was typed, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _let_go(path: str) -> None:
    """Removes the file of an ended run that a command had parked, because the user did not name it."""
    from headwater.backends.state_folder import state_folder
    from headwater.cli.people import FOLDER

    try:
        if os.path.samefile(os.path.dirname(os.path.abspath(path)), state_folder() / FOLDER):
            os.unlink(path)
    except OSError:
        pass
