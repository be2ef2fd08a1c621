"""`headwater worker`: drives the runs that other processes start, until it is stopped.

Owns the process: its signals and exit code. `durable.worker` owns the work.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from headwater.cli.named_journal import add_engine, add_journal, journal_of

if TYPE_CHECKING:
    from headwater.durable.drive import Drivable

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute")

SUMMARY = "drive durable runs that other processes start"
USAGE = "worker [OPTIONS] MODULE:NAME [MODULE:NAME ...]"
DESCRIPTION = """\
Drive the runs of these agents and workflows that are started in other
processes, on this machine or another, under the same journal in PostgreSQL,
or any shared one with --engine.
Start as many workers as you need. If one dies, the others continue its runs.

SIGTERM or Ctrl-C stops it: it takes no more runs, gives the active ones time
to end (--grace), and passes the others on. No run is cancelled. A second
signal passes them on at once."""
EXAMPLES = """\
examples:
  headwater worker harbour:pilot --journal postgresql://headwater@db/runs
  headwater worker harbour:pilot tides:team --queue default --queue night
  headwater worker harbour:pilot --concurrency 20 --grace 60
  headwater worker harbour:pilot --engine temporal://temporal:7233/agents

A worker leaves the runs of agents that it was not given to others. Runs are put
into a queue with agent.start(task, queue="night")."""


GRACE_SECONDS: Final = 20.0
"""Seconds that active runs have after a stop: process managers kill after 30 (Kubernetes) or 90 (systemd)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("members", nargs="+", metavar="MODULE:NAME", help="an agent or workflow, or a function of one")
    add_journal(parser)
    add_engine(parser)
    parser.add_argument(
        "--queue",
        metavar="NAME",
        action="append",
        help="a queue to take runs from; may be repeated (default: default)",
    )
    parser.add_argument(
        "--concurrency", metavar="N", type=_many, default=100, help="how many runs it drives at once (default: 100)"
    )
    parser.add_argument(
        "--grace",
        metavar="SECONDS",
        type=_seconds,
        default=GRACE_SECONDS,
        help=f"how long active runs may continue after a stop (default: {GRACE_SECONDS:g})",
    )


def _many(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of runs")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if 0 <= seconds < float("inf"):
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    import asyncio

    from headwater.cli.listening import begin_logging
    from headwater.cli.named import load_agent
    from headwater.journal.engines.opening import check_engine

    url = journal_of(asked, "postgresql://user@host/database")
    check_engine(url, asked.engine)
    members: list[Any] = [load_agent(place, "worker") for place in asked.members]
    begin_logging("headwater.journal")
    asyncio.run(_work(url, members, asked))
    return 0


async def _work(url: str, members: Sequence[Drivable], asked: argparse.Namespace) -> None:
    import asyncio
    import signal

    from headwater.cli.output import tell
    from headwater.durable.worker import work
    from headwater.journal.addresses import shown

    queues = [*dict.fromkeys(asked.queue or ["default"])]
    stopping, hurry = asyncio.Event(), asyncio.Event()

    def stop(number: Any = None) -> None:
        if stopping.is_set():
            hurry.set()
            return
        stopping.set()
        tell(f"stopping: active runs have {asked.grace:g} s to end. Another signal passes them on at once.")

    def started(worker: str) -> None:
        names = ", ".join(member.name for member in members)
        tell(f"worker {worker} drives {names} from {shown(url)}, queue {', '.join(queues)} (Ctrl-C stops it)")

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
    left = await work(
        url,
        members,
        engine=asked.engine,
        queues=queues,
        concurrency=asked.concurrency,
        grace=asked.grace,
        stopping=stopping,
        hurry=hurry,
        started=started,
    )
    tell(f"stopped; {left} {'run was' if left == 1 else 'runs were'} passed on." if left else "stopped.")
