"""`headwater workers`: lists the processes that drive runs of a journal.

It shows what the journal has: each worker's last heartbeat, and the runs that it owns.
"""

from __future__ import annotations

import argparse

from headwater.cli.named_journal import add_journal, ask_journal, journal_of

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute")

SUMMARY = "list the processes that drive durable runs"
USAGE = "workers [OPTIONS]"
DESCRIPTION = """\
List the processes that drive runs of a journal, one per line: the workers, and
programs that drive runs themselves. A process is dead if it has sent no
heartbeat for 10 seconds; others have then continued its runs."""
EXAMPLES = """\
examples:
  headwater workers --journal postgresql://headwater@db/runs
  headwater workers --json | jq -r .id"""

MOST = 10_000
"""Runs that are counted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_journal(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from collections import Counter

    import msgspec

    from headwater.cli.output import Outlet, columns, tell
    from headwater.durable.drive import DEAD_AFTER
    from headwater.journal.run_log import RunInfo, RunLog, Worker

    async def ask(log: RunLog) -> tuple[list[Worker], list[RunInfo]]:
        return await log.workers(), await log.runs(states=("running",), limit=MOST)

    url = journal_of(asked)
    workers, running = ask_journal(url, ask)
    drives = Counter(run.owner for run in running)
    out = Outlet()
    if asked.json:
        for worker in workers:
            told = {**msgspec.to_builtins(worker), "runs": drives[worker.id], "alive": worker.age < DEAD_AFTER}
            out.write(msgspec.json.encode(told).decode() + "\n")
    elif not workers:
        tell(f"no process drives runs of this journal. {_started_by(url)}")
    else:
        rows = [("WORKER", "HOST", "PID", "STATE", "BEAT", "RUNS", "QUEUES", "AGENTS")]
        for worker in sorted(workers, key=lambda one: (one.age >= DEAD_AFTER, one.host, one.id)):
            state = "alive" if worker.age < DEAD_AFTER else "dead"
            about = worker.about
            beat, runs = f"{worker.age:.0f} s ago", str(drives[worker.id])
            rows.append(
                (
                    worker.id,
                    worker.host,
                    str(worker.pid),
                    state,
                    beat,
                    runs,
                    about.get("queues", "-"),
                    about.get("agents", "-"),
                )
            )
        for line in columns(rows):
            out.write(line + "\n")
    out.flush()
    out.check()
    return 0


def _started_by(journal: str) -> str:
    """Returns how a process that drives its runs is started."""
    from headwater.journal.opening import check_url

    if check_url(journal) == "postgresql":
        return "Start one: headwater worker MODULE:NAME."
    return (
        "The programs that start them do that: your own, or headwater serve MODULE:NAME."
        " For workers of a file name an engine: headwater worker MODULE:NAME --engine temporal://HOST."
    )
