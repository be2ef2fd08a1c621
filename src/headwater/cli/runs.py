"""`headwater runs`: lists, shows, replays, compares, forks, resumes and exports runs in files and in a journal.

Reads files of `save=`, and the logs of a journal as if they were files (`stored_runs`); calls a model only to fork and
to resume. `terminal` owns the output of a replay.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from decimal import Decimal

    from headwater.events.steps import Difference, StepSummary
    from headwater.journal.run_log import RunInfo
    from headwater.readers.run_file import RunFile

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute")

SUMMARY = "runs in files and journals: list, show, follow, play, compare, fork, resume"
USAGE = "runs ACTION [...]"
DESCRIPTION = """\
Work with saved runs, written by `headwater run --save FILE` or by `save=` in a
program, and with the runs of a journal (--journal URL, or HEADWATER_JOURNAL).
FILE may be the id of a run of the journal, wherever that is driven. Without
files, `list` lists the journal's runs. A folder means all runs in it."""
EXAMPLES = """\
examples:
  headwater run "Explain tides" --save tides.jsonl.gz
  headwater runs list .
  headwater runs show tides.jsonl.gz
  headwater runs play tides.jsonl.gz --speed 2
  headwater runs html tides.jsonl.gz       a page that plays it, in one file
  headwater runs otel tides.jsonl.gz       send it to an OpenTelemetry collector
  headwater runs diff tides.jsonl.gz other.jsonl.gz
  headwater runs fork tides.jsonl.gz --step 1 --model openai/gpt-5.4 \\
      --message "In one sentence." --save shorter.jsonl.gz
  headwater runs resume tides.jsonl.gz     continue a run that waits for people
  headwater runs list --parked             list parked runs
  headwater runs list --journal postgresql://headwater@db/runs --state waiting
  export HEADWATER_JOURNAL=postgresql://headwater@db/runs
  headwater runs show run_2f6c
  headwater runs follow run_2f6c           show it while it goes on
  headwater runs approve run_2f6c
  headwater runs resume run_2f6c --agent harbour:pilot    drive it here
  headwater runs export run_2f6c > tides.jsonl
  headwater runs delete run_2f6c"""

WIDTH: Final = 100
"""Maximum length of a line in a listing, in characters."""

SHOWN: Final = 4
"""Maximum number of lines that `show` prints of an answer or a result without --all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    from headwater.cli.named_journal import add_journal
    from headwater.cli.options import add_agent_options
    from headwater.cli.resume import add_resume_arguments
    from headwater.cli.said_to_runs import add_actions
    from headwater.cli.saving import add_save_options
    from headwater.cli.stored_runs import PAGE, add_stored_actions

    actions = parser.add_subparsers(metavar="ACTION", title="actions", dest="action", required=True, prog=parser.prog)
    listing = actions.add_parser("list", help="list the runs of a journal, or in files and folders, one per line")
    listing.add_argument("places", nargs="*", metavar="PLACE", help="files and folders (default: the journal, else .)")
    listing.add_argument("--parked", action="store_true", help="list the runs that wait for people")
    add_journal(listing)
    states = ("queued", "running", "waiting", "finished", "failed", "cancelled")
    stored = listing.add_argument_group("runs of a journal")
    stored.add_argument("--state", choices=states, metavar="STATE", help=", ".join(states))
    stored.add_argument("--of", metavar="AGENT", help="only runs of this agent")
    stored.add_argument("--thread", metavar="NAME", help="only runs of this conversation")
    stored.add_argument("--label", metavar="NAME=VALUE", action="append", default=[], help="only runs with this label")
    stored.add_argument(
        "--limit", metavar="N", type=int, default=PAGE, help=f"how many of the newest (default: {PAGE})"
    )
    stored.add_argument("--json", action="store_true", help="one JSON object per line")
    show = actions.add_parser("show", help="show what happened in a run, step by step")
    show.add_argument("file", metavar="FILE|RUN")
    add_journal(show)
    show.add_argument("--all", action="store_true", help="do not shorten answers and results")
    show.add_argument("--json", action="store_true", help="the events, one JSON object per line")
    play = actions.add_parser("play", help="replay a run")
    play.add_argument("file", metavar="FILE|RUN")
    add_journal(play)
    play.add_argument(
        "--speed", type=float, default=1.0, metavar="N", help="N times as fast; 0 means without waiting (default: 1)"
    )
    page = actions.add_parser("html", help="write a run as a web page that plays it, in one file")
    page.add_argument("file", metavar="FILE|RUN")
    add_journal(page)
    page.add_argument(
        "--out", metavar="FILE", help="where to write it (default: next to the run; - is standard output)"
    )
    otel = actions.add_parser("otel", help="send the spans of a run to an OpenTelemetry collector, by OTLP over HTTP")
    otel.add_argument("file", metavar="FILE|RUN")
    add_journal(otel)
    otel.add_argument(
        "--endpoint", metavar="URL", help="the collector (default: OTEL_EXPORTER_OTLP_ENDPOINT, else localhost:4318)"
    )
    otel.add_argument("--content", action="store_true", help="send messages, arguments and results too")
    diff = actions.add_parser("diff", help="compare two runs, step by step")
    diff.add_argument("one", metavar="FILE|RUN")
    diff.add_argument("other", metavar="FILE|RUN")
    add_journal(diff)
    fork = actions.add_parser("fork", help="continue from the middle of a run")
    fork.add_argument("file", metavar="FILE|RUN")
    add_journal(fork)
    fork.add_argument("--step", type=int, metavar="N", help="the last step to copy (default: all)")
    fork.add_argument("--message", metavar="TEXT", help="the next message to the model")
    add_save_options(fork, help="where to save the fork")
    add_agent_options(fork)
    add_resume_arguments(actions.add_parser("resume", help="continue a run that waits or was interrupted"))
    add_actions(actions)
    add_stored_actions(actions)


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    return _ACTIONS[asked.action](asked)


def _open(asked: argparse.Namespace, path: str) -> RunFile:
    """Opens the file of that name, else the parked run with that id, else that run of the named journal."""
    return _found(asked, path)[0]


def _found(asked: argparse.Namespace, path: str) -> tuple[RunFile, RunInfo | None]:
    """The same, and what the journal knows of its run."""
    from headwater.cli.people import parked_beginning, parked_under
    from headwater.cli.stored_runs import open_stored
    from headwater.errors import UsageError
    from headwater.readers.run_file import RunFile

    try:
        return RunFile(path), None
    except OSError as error:
        if (parked := parked_under(path)) is not None:
            return RunFile(parked), None
        if (stored := open_stored(asked, path)) is not None:
            return stored[1], stored[0]
        if (parked := parked_beginning(path)) is not None:  # the journal's runs come first, if one is named
            return RunFile(parked), None
        hint = (
            "Name a file of a saved run, or the id of a parked one (headwater runs list --parked),"
            " or with --journal URL the id of a run of that journal."
        )
        raise UsageError(f"{path} cannot be read: {error.strerror}.", hint=hint) from None


def _print(text: str = "") -> None:
    from headwater.events.controls import harmless

    sys.stdout.write("\n".join(harmless(line).rstrip() for line in text.split("\n")) + "\n")


# --- list


def _list(asked: argparse.Namespace) -> int:
    from headwater.cli.named_journal import named_journal
    from headwater.cli.output import tell
    from headwater.cli.people import parked_runs
    from headwater.cli.stored_runs import list_stored
    from headwater.errors import HeadwaterError
    from headwater.readers.run_file import run_files

    if not asked.places and (url := named_journal(asked)) is not None:
        return list_stored(asked, url)
    rows: list[tuple[str, ...]] = []
    bad = 0
    parked = parked_runs()
    places = asked.places or ([] if asked.parked else ["."])
    for path in [*run_files(iter(places)), *(parked if asked.parked else ())]:
        try:
            file = _open(asked, str(path))
            rows.append((file.run_id if path in parked else str(path), *_row(file)))
        except HeadwaterError as error:
            bad += 1
            tell(str(error))
    if not rows:
        here = (
            "no run is waiting for people."
            if asked.parked
            else "no saved runs here: headwater run --save FILE writes one."
        )
        tell(here if asked.parked or not parked else f"{here} {len(parked)} parked: headwater runs list --parked.")
        return 1 if bad else 0
    rows.sort(key=lambda row: row[1])
    _table(("FILE", "BEGAN", "END", "AGENT", "STEPS", "TOKENS", "COST", "SECONDS", "TASK"), rows)
    return 1 if bad else 0


def _row(file: RunFile) -> tuple[str, ...]:
    from headwater.events.steps import steps_of

    started, last = file.started, file.events[-1]
    response: Any = file.response
    tokens = response.usage.total_tokens
    return (
        time.strftime("%Y-%m-%d %H:%M", time.localtime(started.time)),
        _end_of(file),
        started.agent_name,
        str(len(steps_of(file.events))),
        str(tokens) if tokens is not None else "?",
        _dollars(response.usage.cost),
        f"{last.time - started.time:.1f}",
        _one_line(started.input[-1].text if started.input else ""),
    )


def _end_of(file: RunFile) -> str:
    if (end := file.end) is not None:
        return end.type.removeprefix("run.")
    if file.cut:
        return "cut"
    return "waits" if _waited_for(file) else "open"


def _waited_for(file: RunFile) -> list[str]:
    """Describes the open questions at the end of the file; empty if the run cannot be continued."""
    from headwater.cli.people import waited_for
    from headwater.errors import InvalidRecord

    try:
        return [waited_for(asked) for asked in file.pending]
    except InvalidRecord:
        return []


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from headwater.cli.output import columns

    for line in columns([head, *rows]):
        _print(line[: WIDTH + 60])


def _one_line(text: str, width: int = 40) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


# --- show


def _show(asked: argparse.Namespace) -> int:
    from headwater.cli.stored_runs import described
    from headwater.events import RunFailed, encode
    from headwater.events.steps import steps_of

    file, stored = _found(asked, asked.file)
    if asked.json:
        for event in file.events:
            _print(encode(event, stamps=True).decode())
        return 0
    started, response = file.started, file.response
    _print(f"{started.agent_name} · {file.run_id} · {_end_of(file)}")
    if stored is not None:
        _print(described(stored))
    if started.forked_from is not None:
        _print(f"forked from {started.forked_from.run} at event {started.forked_from.seq}")
    for message in started.input:
        _print(f"> {_clip(message.text, asked.all)}")
    for step in steps_of(file.events):
        _print()
        for line in _step_lines(step, asked.all):
            _print(line)
    last = next((event for event in reversed(file.events) if event.run == file.run_id), None)
    _print()
    if isinstance(last, RunFailed):
        _print(f"failed: {last.error.type}: {last.error.message}")
    for wanted in _waited_for(file):
        _print(f"waits for {wanted}")
    usage = response.usage
    cost = f" · {_dollars(usage.cost)}" if usage.cost is not None else ""
    _print(f"{_count(usage.input_tokens)} in, {_count(usage.output_tokens)} out · {_seconds(file)} s{cost}")
    return 0


def _step_lines(step: StepSummary, whole: bool) -> Iterator[str]:
    who = "/".join(step.path)
    tries = f" · {step.attempts} attempts" if step.attempts > 1 else ""
    yield f"{who} · step {step.step} · {step.model or 'no model'} · {step.finish_reason}{tries} · {step.duration:.1f} s"
    if step.text:
        yield from (f"  {line}" for line in _clip(step.text, whole).split("\n"))
    for name, arguments in step.calls:
        yield f"  {name}({_one_line(_written(arguments), WIDTH)})"
    for name, times in step.tries.values():
        yield f"  {name} was started {times} times: its process ended in the middle of it"
    for name, result, failed in step.results:
        mark = "!" if failed else "→"
        yield from (f"  {mark} {name}: {line}" for line in _clip(result, whole).split("\n"))


def _written(arguments: Any) -> str:
    import msgspec

    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


def _clip(text: str, whole: bool) -> str:
    lines = text.strip("\n").split("\n")
    if whole or (len(lines) <= SHOWN and len(text) <= SHOWN * WIDTH):
        return "\n".join(lines)
    cut = "\n".join(lines[:SHOWN])[: SHOWN * WIDTH].rstrip()
    return f"{cut} … ({len(text):,} characters)"


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"


def _dollars(cost: Decimal | None) -> str:
    from headwater.terminal.summary import dollars

    return "?" if cost is None else dollars(cost)


def _seconds(file: RunFile) -> str:
    return f"{file.events[-1].time - file.started.time:.1f}"


# --- play


def _play(asked: argparse.Namespace) -> int:
    from headwater.cli.output import Outlet, tell
    from headwater.cli.watching import watching_for_log
    from headwater.errors import HeadwaterError, Parked

    file = _open(asked, asked.file)
    out = Outlet()
    stream = file.play(asked.speed)
    printer = watching_for_log(file.events, out)
    try:
        for event in stream.events():
            printer(event)
            out.check()
    except Parked:
        tell("the log stops here, without an end.")
    except HeadwaterError as error:
        tell(f"the run failed: {type(error).__name__}: {error}")
    finally:
        printer.close()
    printer.ended(file.response)
    out.check()
    return 0


# --- html


def _html(asked: argparse.Namespace) -> int:
    from headwater.backends.private_file import write_private
    from headwater.cli.output import tell
    from headwater.errors import UsageError
    from headwater.web.page.saved import saved_page

    file = _open(asked, asked.file)
    page = saved_page(file.events).encode()
    if asked.out == "-":
        sys.stdout.buffer.write(page)
        return 0
    out = Path(asked.out) if asked.out else file.path.with_name(file.path.name.split(".", 1)[0] + ".html")
    try:
        write_private(out, page)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}.", hint="Name another: --out FILE.") from None
    tell(f"{out}: {len(page) / 1000:,.0f} kB; open it in any browser, it needs no network.")
    return 0


# --- otel


def _otel(asked: argparse.Namespace) -> int:
    from headwater.cli.output import tell
    from headwater.errors import HeadwaterError, UsageError

    file = _open(asked, asked.file)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        from headwater.telemetry.saved import export
    except ModuleNotFoundError as error:
        raise UsageError(
            f"Exporting a run needs OpenTelemetry: {error}.", hint='Run: pip install "headwater[otel]"'
        ) from error
    endpoint = asked.endpoint and f"{asked.endpoint.rstrip('/').removesuffix('/v1/traces')}/v1/traces"
    try:
        count = export(file.events, OTLPSpanExporter(endpoint=endpoint), content=asked.content)
    except HeadwaterError as error:
        tell(str(error))
        return 1
    tell(f"{count} spans of {file.run_id} were sent.")
    return 0


# --- diff


def _diff(asked: argparse.Namespace) -> int:
    from headwater.events.steps import differences

    one, other = _open(asked, asked.one), _open(asked, asked.other)
    found = differences(one.events, other.events)
    for difference in found:
        for line in _difference_lines(difference):
            _print(line)
    a, b = one.response, other.response
    _print(f"{asked.one}: {_count(a.usage.output_tokens)} tokens out, {_seconds(one)} s, {_end_of(one)}")
    _print(f"{asked.other}: {_count(b.usage.output_tokens)} tokens out, {_seconds(other)} s, {_end_of(other)}")
    if not found:
        _print("no step differs")
    return 0


def _difference_lines(found: Difference) -> Iterator[str]:
    where = f"{'/'.join(found.path)} · step {found.step}"
    if found.one is None or found.other is None:
        side, step = ("+", found.other) if found.one is None else ("-", found.one)
        yield f"{where}: only in {'the second' if side == '+' else 'the first'}"
        if step is not None:
            yield from (f"{side} {line}" for line in _step_lines(step, whole=False))
        yield ""
        return
    yield f"{where}: {', '.join(found.fields)}"
    for name in found.fields:
        for side, step in (("-", found.one), ("+", found.other)):
            value = getattr(step, name)
            said = value if isinstance(value, str) else "; ".join(map(_said, value)) if value else "nothing"
            yield f"{side} {name}: {_clip(said, whole=False)}"
    yield ""


def _said(part: tuple[Any, ...]) -> str:
    return f"{part[0]}({_written(part[1])})" if len(part) == 2 else f"{part[0]}: {part[1]}"


# --- fork


def _fork(asked: argparse.Namespace) -> int:
    import msgspec

    from headwater.cli.options import look_of, make_agent
    from headwater.cli.output import Outlet
    from headwater.cli.people import asker_for, tell_of_parked
    from headwater.cli.run import WAITS, conduct
    from headwater.cli.saving import place_to_save
    from headwater.cli.watching import watching_for
    from headwater.errors import Parked

    file = _open(asked, asked.file)
    if asked.agent is None:
        asked.name = file.started.agent_name
    agent = make_agent(asked)
    out = Outlet()
    asker = asker_for(agent, parks=True)
    more: dict[str, Any] = {} if asker is None else {"approver": asker}
    save = place_to_save(asked)
    stream = file.fork(agent, step=asked.step, message=asked.message, save=save, **more)
    watching = watching_for(agent, out, **look_of(asked))
    watching(msgspec.structs.replace(file.started, run=stream.run_id))  # the output starts with it
    try:
        conduct(stream, out, watching, asker)
    except Parked as parked:
        tell_of_parked(parked, asked, save)
        return WAITS
    return 0


# --- resume


def _resume(asked: argparse.Namespace) -> int:
    from headwater.cli.resume import resume
    from headwater.cli.stored_runs import resume_stored

    file, stored = _found(asked, asked.file)
    return resume(asked, file) if stored is None else resume_stored(asked, stored, file)


# --- runs of a journal


def _stored(asked: argparse.Namespace) -> int:
    from headwater.cli.stored_runs import execute

    return execute(asked)


def _say(asked: argparse.Namespace) -> int:
    from headwater.cli.said_to_runs import answer_run, cancel_run

    return cancel_run(asked) if asked.action == "cancel" else answer_run(asked)


_ACTIONS = {
    "list": _list,
    "show": _show,
    "play": _play,
    "html": _html,
    "otel": _otel,
    "diff": _diff,
    "fork": _fork,
    "resume": _resume,
    "approve": _say,
    "deny": _say,
    "answer": _say,
    "cancel": _say,
    "follow": _stored,
    "export": _stored,
    "delete": _stored,
}
