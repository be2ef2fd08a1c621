"""`headwater runs` and `headwater attach` for the runs of a journal: list, read, follow, drive, export, delete.

Owns what these commands do with a journal; `said_to_runs` has what people say to its runs, `runs` the runs in files.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from headwater.cli.named_journal import add_journal, ask_journal, cancel_stored, journal_of, named_journal, stored_id
from headwater.errors import UsageError

if TYPE_CHECKING:
    from headwater.events import Event
    from headwater.journal.run_log import RunInfo, RunLog
    from headwater.readers.run_file import RunFile

__all__ = ("add_stored_actions", "described", "execute", "follow", "list_stored", "open_stored", "resume_stored")

PAGE: Final = 50
"""Runs that `list` shows by default."""


def add_stored_actions(actions: Any) -> None:
    """Adds the actions that only a journal has to the subparsers of `headwater runs`."""
    follow = actions.add_parser("follow", help="show a run of a journal while it goes on, from its start")
    follow.add_argument("run", metavar="RUN", help="the run's id")
    follow.add_argument("--json", action="store_true", help="write the run's events, one JSON object per line")
    follow.add_argument("--cancel", action="store_true", help="let Ctrl-C stop the run")
    add_journal(follow)
    export = actions.add_parser("export", help="write the log of a run of a journal, as --save does")
    export.add_argument("run", metavar="RUN", help="the run's id")
    export.add_argument("--out", metavar="FILE", default="-", help="where to write it (default: standard output)")
    export.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_journal(export)
    delete = actions.add_parser("delete", help="delete runs of a journal, with all that is stored of them")
    delete.add_argument("runs", nargs="+", metavar="RUN", help="the ids of the runs")
    delete.add_argument("--force", action="store_true", help="delete runs that have not ended, too")
    add_journal(delete)


def execute(asked: argparse.Namespace) -> int:
    """Follows, exports or deletes runs. See `Command`."""
    if asked.action == "follow":
        return follow(asked, asked.run)
    return _export(asked) if asked.action == "export" else _delete(asked)


# --- one run


async def _read(log: RunLog, run: str) -> tuple[RunInfo, list[Event]]:
    from headwater.durable.drive import whole_log

    run = await stored_id(log, run)
    return await log.info(run), await whole_log(log, run)


def open_stored(asked: argparse.Namespace, run: str) -> tuple[RunInfo, RunFile] | None:
    """Returns the run of the named journal; None if no journal is named. Raises UnknownRun, UsageError."""
    from headwater.readers.run_file import RunFile

    url = named_journal(asked)
    if url is None:
        return None
    info, events = ask_journal(url, lambda log: _read(log, run))
    if not events:
        hint = f"Wait for it: headwater runs follow {info.run}. A process must know the agent {info.request.agent!r}."
        raise UsageError(f"The run {info.run} has not begun: it is {info.state}.", hint=hint)
    return info, RunFile.of_log(events)


def described(info: RunInfo) -> str:
    """Describes where a stored run is driven, and what is known of it besides its log."""
    said: list[str] = [info.state]
    if info.state == "running" and info.owner:
        said.append(f"driven by {info.owner}")
    if info.drives > 1:
        said.append("taken up once" if info.drives == 2 else f"taken up {info.drives - 1} times")
    if info.request.thread is not None:
        said.append(f"thread {info.request.thread}")
    said += [f"{name}={value}" for name, value in info.request.labels.items()]
    if info.trimmed:
        said.append("its deltas were dropped")
    return " · ".join(said)


def follow(asked: argparse.Namespace, name: str) -> int:
    """Shows the run of the journal from its start, until it ends, and asks at the terminal what it asks.

    Ctrl-C leaves it, or cancels it with --cancel.
    """
    from headwater.agents.terminal_asking import TerminalAsker, can_ask
    from headwater.cli.following import Following
    from headwater.cli.options import look_of
    from headwater.cli.output import JSONLines, Outlet, tell
    from headwater.cli.people import tell_what_is_asked
    from headwater.cli.run import conduct
    from headwater.durable.run_ref import attached

    url = journal_of(asked)
    name = ask_journal(url, lambda log: stored_id(log, name))  # an unknown one is reported before anything is shown
    out = Outlet()
    watching: Any = JSONLines(out) if asked.json else Following(out, **look_of(asked))
    asker = TerminalAsker() if can_ask() else None
    stream = attached(name, url, approver=asker)
    run = stream.claim()
    if asker is None:
        run.watch(lambda event: tell_what_is_asked(event, name))
    try:
        conduct(stream, out, watching, asker, run=run, leave=run.abort)
    except KeyboardInterrupt:
        if asked.cancel:
            cancel_stored(url, name)
            tell("the run is being stopped.")
        else:
            tell("left; the run goes on (--cancel stops it).")
        raise
    return 0


def resume_stored(asked: argparse.Namespace, info: RunInfo, file: RunFile) -> int:
    """Answers what the run asks, as the options say, and drives it in this process until it ends or waits again.

    Raises UsageError if it cannot be continued, or the agent is another one.
    """
    from headwater.cli.following import Following
    from headwater.cli.options import look_of, make_agent
    from headwater.cli.output import JSONLines, Outlet, tell
    from headwater.cli.people import tell_who_is_waited_for
    from headwater.cli.resume import answers_of
    from headwater.cli.run import WAITS, conduct
    from headwater.durable.home import home_of
    from headwater.durable.inbox import answer_body
    from headwater.durable.members import declaration_hash
    from headwater.durable.run_ref import attached
    from headwater.events import RunWaiting
    from headwater.events.questions import Answer
    from headwater.journal.run_log import answer

    name, url = info.run, journal_of(asked)
    if info.over:
        raise UsageError(f"The run {name} is {info.state}.", hint=f"See it: headwater runs show {name}")
    if asked.agent is None and asked.name is None:
        asked.name = info.request.agent
    notes: list[str] = []
    agent: Any = make_agent(asked, notes.append)
    if agent.name != info.request.agent:
        raise UsageError(
            f"The run {name} is one of {info.request.agent!r}, and the agent here is {agent.name!r}.",
            hint="Name the agent that it was started with: --agent module:name.",
        )
    if asked.agent is None and declaration_hash(agent) != file.started.definition_hash:
        # A named agent may have changed, as in a deploy. One made up from options would end the run without its tools.
        raise UsageError(
            f"The run {name} is one of {info.request.agent!r}.",
            hint="Name it: --agent module:name. Without one, repeat the options that it was started with.",
        )
    for note in notes:
        tell(note)
    approvals, inputs = answers_of(asked, file)
    given = {
        question: value if isinstance(value, Answer) else Answer(content=value) for question, value in inputs.items()
    }

    async def say(log: RunLog) -> bool:
        for question, one in approvals.items():
            await answer(log, name, question, answer_body(one, "approval"))
        for question, one in given.items():
            await answer(log, name, question, answer_body(one, "input"))
        answered = {letter.key for letter in await log.inbox(name)}
        return info.state != "waiting" or any(one.id in answered for one in file.pending)

    if not ask_journal(url, say):
        tell_who_is_waited_for(file.pending, name)
        return WAITS
    home = home_of(url)
    home.members.add(agent)
    out = Outlet()
    watching: Any = JSONLines(out) if asked.json else Following(out, **look_of(asked))
    stream = attached(name, url)
    run = stream.claim()
    waits = False

    def watch(event: Event) -> None:
        nonlocal waits
        if isinstance(event, RunWaiting) and event.run == name and event.seq >= info.end:
            waits = True
            run.abort()

    run.watch(watch)
    home.submit(name, agent.name)
    conduct(stream, out, watching, run=run, leave=run.abort)
    if waits:
        stored = open_stored(asked, name)
        assert stored is not None
        tell_who_is_waited_for(stored[1].pending, name)
        return WAITS
    return 0


# --- several runs


def list_stored(asked: argparse.Namespace, url: str) -> int:
    """Lists the runs of the journal, the newest first."""
    import msgspec

    from headwater.cli.output import Outlet, columns, tell

    states: Any = ("waiting",) if asked.parked else () if asked.state is None else (asked.state,)
    labels = dict(_label(one) for one in asked.label)

    async def ask(log: RunLog) -> list[RunInfo]:
        return await log.runs(
            states=states, agent=asked.of, thread=asked.thread, labels=labels or None, limit=asked.limit
        )

    found = ask_journal(url, ask)
    out = Outlet()
    if asked.json:
        for info in found:
            out.write(msgspec.json.encode(info).decode() + "\n")
    elif not found:
        tell("no run of this journal matches." if states or labels or asked.of or asked.thread else "no runs here.")
    else:
        head = ("RUN", "CREATED", "STATE", "AGENT", "EVENTS", "DRIVES", "TASK")
        for line in columns([head, *map(_row, found)]):
            out.write(line + "\n")
        if len(found) == asked.limit:
            tell(f"these are the newest {asked.limit}: --limit shows more.")
    out.flush()
    out.check()
    return 0


def _label(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name:
        raise UsageError(f"--label {given} is not a label.", hint="Write --label name=value.")
    return name, value


def _row(info: RunInfo) -> tuple[str, ...]:
    return (
        info.run,
        time.strftime("%Y-%m-%d %H:%M", time.localtime(info.created_at)),
        info.state,
        info.request.agent,
        str(info.end),
        str(info.drives),
        _task(info),
    )


def _task(info: RunInfo) -> str:
    from headwater.durable.asked import Asked
    from headwater.errors import InvalidRecord

    try:
        task = Asked.decode(bytes(info.request.body)).task
    except InvalidRecord:
        return "?"
    line = " ".join(task[-1].text.split()) if task else ""
    return line if len(line) <= 40 else f"{line[:39]}…"


def _export(asked: argparse.Namespace) -> int:
    from headwater.cli.output import tell

    async def read(log: RunLog) -> bytes:
        from headwater.journal.export import export

        asked.run = await stored_id(log, asked.run)
        return b"".join([piece async for piece in export(log, asked.run)])

    data = ask_journal(journal_of(asked), read)
    if asked.out == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return 0
    _write(asked.out, data, overwrite=asked.overwrite)
    tell(f"{asked.out}: the log of {asked.run}.")
    return 0


def _write(name: str, data: bytes, *, overwrite: bool) -> None:
    import gzip

    from headwater.backends.private_file import write_private
    from headwater.events.saved import SUFFIXES

    if not name.endswith(SUFFIXES):
        raise UsageError(f"{name} is not the name of a saved run.", hint="It ends with .jsonl or .jsonl.gz.")
    if os.path.exists(name) and not overwrite:
        raise UsageError(f"{name} exists.", hint="Name another file, or add --overwrite.")
    try:
        write_private(name, gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    except OSError as error:
        raise UsageError(f"{name} cannot be written: {error.strerror}.", hint="Name another: --out FILE.") from None


def _delete(asked: argparse.Namespace) -> int:
    from headwater.cli.output import tell

    async def delete(log: RunLog) -> None:
        asked.runs = [*dict.fromkeys([await stored_id(log, run) for run in asked.runs])]
        infos = [await log.info(run) for run in asked.runs]
        if (open_ := [info for info in infos if not info.over]) and not asked.force:
            raise UsageError(
                f"The run {open_[0].run} is {open_[0].state}.",
                hint=f"Cancel it first: headwater runs cancel {open_[0].run}. With --force it is deleted as it is.",
            )
        for run in asked.runs:
            await log.delete(run)

    ask_journal(journal_of(asked), delete)
    tell(f"deleted {', '.join(asked.runs)}.")
    return 0
