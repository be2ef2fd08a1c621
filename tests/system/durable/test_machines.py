"""Two servers and two workers on one PostgreSQL: whichever process is killed, a reader sees the whole log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.events import ApprovalAnswered, ApprovalAsked, Event, TextDelta
from headwater.testing import check_log
from tests.cli.commands import headwater
from tests.journal.postgres.databases import through_pgbouncer
from tests.support.effort import LONG
from tests.support.postgres import running_postgres
from tests.support.temporal import running_temporal
from tests.system.durable.machines import Machines, Reader, owner_pid

pytestmark = pytest.mark.xdist_group("postgres")

TAKEOVER = 15.0
"""Seconds, from the times in the log."""


@pytest.fixture
def machines(request: pytest.FixtureRequest) -> Iterator[Machines]:
    url = running_postgres().database()
    assert headwater("journal", "upgrade", url).returncode == 0
    how = getattr(request, "param", "direct")
    found = Machines(
        through_pgbouncer(url) if how == "pgbouncer" else url, running_temporal() if how == "temporal" else None
    )
    yield found
    found.stop()


def longest_gap(events: list[Event]) -> float:
    """The longest time between two events before the run was resumed."""
    at = next(number for number, event in enumerate(events) if event.type == "run.resumed")
    return events[at].time - events[at - 1].time


@pytest.mark.long
@pytest.mark.parametrize("machines", ["direct", *["pgbouncer", "temporal"] * LONG], indirect=True)
def test_a_stream_goes_on_where_its_worker_and_its_server_are_killed(machines: Machines) -> None:
    (web, there), (_, other) = machines.web(), machines.web()
    workers = {one.pid: one for one in (machines.worker(), machines.worker())}
    reader = Reader.start(there, "talker", "100")
    for event in reader.read(there):
        if isinstance(event, TextDelta) and len(reader.events) > 10:
            break
    machines.kill(workers[owner_pid(machines.url, reader.run)])
    for event in reader.read(there):
        if event.type == "run.resumed":
            break
    machines.kill(web)
    events = reader.to_the_end(other)
    assert [event.seq for event in events] == [*range(len(events))]
    check_log(events)
    assert reader.resets == 0
    assert events[-1].type == "run.finished"
    assert longest_gap(events) <= TAKEOVER
    assert Reader(reader.run).to_the_end(other) == events


@pytest.mark.parametrize("machines", ["direct", *["temporal"] * LONG], indirect=True)
def test_an_approval_is_answered_from_another_machine(machines: Machines) -> None:
    (_, there), worker = machines.web(), machines.worker()
    reader = Reader.start(there, "cashier", "5 euros")
    for event in reader.read(there):
        if event.type == "run.waiting":
            break
    machines.kill(worker)
    question = next(event.approval for event in reader.events if isinstance(event, ApprovalAsked))
    done = headwater("runs", "approve", reader.run, question, "--journal", machines.url, "--by", "ann")
    assert (done.returncode, done.stderr) == (0, f"headwater: approved {question} of {reader.run}.\n")
    machines.worker()
    events = reader.to_the_end(there)
    check_log(events)
    assert [event.by for event in events if isinstance(event, ApprovalAnswered)] == ["ann"]
    assert events[-1].type == "run.finished"
    again = headwater("runs", "approve", reader.run, question, "--journal", machines.url)
    assert (again.returncode, again.stderr) == (
        2,
        f"headwater: The run {reader.run} is finished. Nothing waits for an answer.\n",
    )


@pytest.mark.long
def test_a_workflow_of_many_agents_survives_the_same(machines: Machines) -> None:
    """Five agents; with HEADWATER_LONG=1 fifty."""
    name, many = ("fleet", 50) if LONG else ("few", 5)
    (web, there), (_, other) = machines.web(), machines.web()
    workers = {one.pid: one for one in (machines.worker(), machines.worker())}
    reader = Reader.start(there, name, "3")
    for event in reader.read(there):
        if event.type == "tool.started" and len(reader.events) > 4 * many:
            break
    machines.kill(workers[owner_pid(machines.url, reader.run)])
    machines.kill(web)
    events = reader.to_the_end(other)
    check_log(events)
    assert [event.seq for event in events] == [*range(len(events))]
    assert events[-1].type == "run.finished"
    assert longest_gap(events) <= TAKEOVER
    assert len({event.path for event in events if event.type == "run.finished"}) == many + 1
