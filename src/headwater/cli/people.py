"""Who answers a run's questions, and where a run is kept that waits for an absent person.

At a terminal, the user is asked. Otherwise the run is parked: its log is kept in a file, and the command to resume it
is printed. Owns that choice and the folder of parked runs.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headwater.backends.state_folder import state_folder, state_path
from headwater.cli.output import tell
from headwater.cli.state import SWITCH, keeps

if TYPE_CHECKING:
    from headwater.agents.terminal_asking import TerminalAsker
    from headwater.errors import Parked
    from headwater.events import Event
    from headwater.events.questions import Answer, Question

__all__ = (
    "FOLDER",
    "asker_for",
    "has_approver",
    "nobody_here",
    "parked_beginning",
    "parked_runs",
    "parked_under",
    "tell_of_parked",
    "tell_what_is_asked",
    "tell_who_is_waited_for",
    "waited_for",
)

FOLDER: Final = "parked"

MAX_PARKED: Final = 200
"""Maximum number of parked runs; the oldest are removed first."""


def asker_for(runnable: Any, *, parks: bool = False) -> TerminalAsker | None:
    """Returns the function that asks at the terminal; None without a terminal, or if the agent asks someone else.

    `parks`: whether the user may decide later.
    """
    from headwater.agents.terminal_asking import TerminalAsker, can_ask

    return TerminalAsker(parks=parks) if can_ask() and not has_approver(runnable) else None


def has_approver(runnable: Any) -> bool:
    """Whether it answers its own questions, or accepts no asker: only our agents and workflows do."""
    return getattr(runnable, "approver", ...) is not None


def nobody_here(question: Question) -> Answer:
    """Declines every question, so that a conversation without a terminal continues."""
    from headwater.events.questions import Answer

    return Answer(
        allowed=False,
        action="decline",
        note="There is no terminal to answer at." if question.kind == "approval" else "",
    )


def waited_for(question: Question) -> str:
    """Returns what the run waits for, in words."""
    from headwater.terminal.notes import call_phrase

    if question.kind == "approval":
        return f"approval to run {call_phrase(question.tool, question.arguments)}"
    return f"an answer to {question.tool}: {question.message}"


def tell_who_is_waited_for(pending: Iterable[Question], run: str | None = None) -> None:
    """Reports what the run asks people; with `run`, the id of one of a journal, also the command that answers."""
    for one in pending:
        if one.kind == "approval":
            how = "." if run is None else f": headwater runs approve {run} {one.id}"
        else:
            how = "" if run is None else f": headwater runs answer {run} VALUE"
        tell(f"the run waits for {waited_for(one)}{how}")


def tell_what_is_asked(event: Event, run: str | None = None) -> None:
    """Reports the question of an event, for readers without a terminal: others may answer. See the function above."""
    from headwater.events import ApprovalAsked, InputAsked
    from headwater.events.questions import Question

    if isinstance(event, (ApprovalAsked, InputAsked)):
        tell_who_is_waited_for([Question.of(event)], run)


def tell_of_parked(parked: Parked, asked: argparse.Namespace, saved: str | None) -> None:
    """Saves a parked run, unless it is in a file already, and prints how to continue it."""
    tell_who_is_waited_for(parked.pending)
    try:
        place = _kept(parked, saved)
    except OSError as error:
        tell(f"the run could not be saved: {error.strerror}. Save it with --save FILE.")
        return
    if place is None:
        tell(f"the run is not saved: {SWITCH} is off. Save it with --save FILE.")
        return
    named = Path(place)
    name = named.name.partition(".")[0]
    line = ["headwater", "runs", "resume", name if parked_under(name) == named else place, *_options(asked)]
    tell(f"to continue (with --yes or --no to decide without a terminal): {shlex.join(line)}")


def parked_runs() -> list[Path]:
    """Returns the files of all parked runs, oldest first."""
    try:
        found = [*(state_folder() / FOLDER).glob("*.jsonl.gz")]
    except OSError:
        return []
    return sorted(found, key=lambda one: one.stat().st_mtime)


def parked_under(name: str) -> Path | None:
    """Returns the file of the parked run with this id."""
    return next((path for path in parked_runs() if path.name == f"{name}.jsonl.gz"), None)


def parked_beginning(name: str) -> Path | None:
    """Returns the file of the only parked run whose id begins so. Raises UsageError if several do."""
    from headwater.cli.named_journal import several

    if not name.startswith("run_"):  # a file that does not exist
        return None
    found = [path for path in parked_runs() if path.name.startswith(name)]
    if len(found) > 1:
        raise several(name, [path.name.partition(".")[0] for path in found])
    return found[0] if found else None


def _kept(parked: Parked, saved: str | None) -> str | None:
    """Returns the file of the run."""
    from headwater.readers.run_file import RunWriter

    run = parked.log[0].run
    if saved is not None:
        return str(Path(saved) / f"{run}.jsonl.gz") if Path(saved).is_dir() else saved
    if not keeps():
        return None
    path = state_path(f"{FOLDER}/{run}.jsonl.gz")
    others = parked_runs()
    for old in others[: max(0, len(others) - MAX_PARKED + 1)]:
        old.unlink(missing_ok=True)
    RunWriter(path, run, parked.log).close()
    return str(path)


def _options(asked: argparse.Namespace) -> list[str]:
    """Returns the options that select the agent, for the command that continues the run with the same agent."""
    from headwater.cli.options import AGENT_OPTIONS

    line: list[str] = []
    for name in AGENT_OPTIONS:
        given = getattr(asked, name, None)
        for value in given if isinstance(given, list) else [] if given is None else [given]:
            said = ("on" if value else "off") if isinstance(value, bool) else str(value)
            line += [f"--{name.replace('_', '-')}", said]
    return line
