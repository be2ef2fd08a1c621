"""`headwater worker`: what it says, and what it does when it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from headwater.cli import main
from headwater.durable import home as homes
from headwater.journal.postgres.store import upgrade_postgres
from headwater.web.runs.manager import Manager
from tests.cli.commands import started
from tests.support.crew import talker
from tests.support.paths import ROOT
from tests.support.postgres import running_postgres
from tests.support.temporal import running_temporal


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["crew:sleeper"], "No journal was named. Add --journal postgresql://user@host/database, or set"),
        (
            ["crew:sleeper", "--journal", "sqlite:///runs.db"],
            "that needs PostgreSQL, or an engine. The process that starts",
        ),
        (["a:b", "--journal", "sqlite:///r.db", "--engine", "temporal://u:secret@h"], "is not the URL of one"),
        (["a:b", "--journal", "memory:", "--engine", "temporal://h"], "which cannot read the journal memory:"),
        (["crew:nobody", "--journal", "postgresql://u@h/x"], "worker: there is no module 'crew'."),
        (["a:b", "--concurrency", "0"], "'0' is not a number of runs"),
        (["a:b", "--grace", "-1"], "'-1' is not a number of seconds"),
        (["tests.support.crew:sleeper", "--journal", "postgresql://u:secret@127.0.0.1:1/x"], "does not answer"),
    ],
)
def test_what_it_cannot_do_is_one_line(
    line: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEADWATER_JOURNAL", raising=False)
    assert main(["worker", *line]) in (1, 2)
    told = capsys.readouterr().err
    assert said in told
    assert "secret" not in told
    assert told.count("\n") == 1


def test_a_signal_stops_it() -> None:
    url = running_postgres().database()
    asyncio.run(upgrade_postgres(url))
    worker = started("worker", "tests.support.crew:sleeper", env={"HEADWATER_JOURNAL": url}, cwd=ROOT)
    assert worker.stderr is not None
    first = worker.stderr.readline().decode()
    assert "drives sleeper from postgresql://tests@" in first
    assert "queue default (Ctrl-C stops it)" in first
    worker.send_signal(signal.SIGTERM)
    _, rest = worker.communicate(timeout=60)
    assert worker.returncode == 0
    assert rest.decode().splitlines() == [
        "headwater: stopping: active runs have 20 s to end. Another signal passes them on at once.",
        "headwater: stopped.",
    ]


def test_a_server_submits_to_a_temporal_server_and_a_worker_in_another_process_drives(tmp_path: Path) -> None:
    url, engine = f"sqlite:///{tmp_path}/runs.db", running_temporal()
    assert main(["journal", "upgrade", url]) == 0
    worker = started("worker", "tests.support.crew:talker", "--engine", engine, "--journal", url, env={}, cwd=ROOT)
    assert worker.stderr is not None
    name = worker.stderr.readline().decode().split()[2]

    async def serve() -> None:
        server = Manager([talker], journal=url, engine=engine)
        live = server.start("talker", "3")
        await server.stored(live)
        log = await homes.home_of(url).log()
        drivers: set[str | None] = set()
        async with asyncio.timeout(60):
            while not (info := await log.info(live.id)).over:
                drivers.add(info.owner)
                await asyncio.sleep(0.02)
        assert info.state == "finished"
        assert drivers - {None} <= {name}
        await server.shutdown()
        server.close()

    try:
        asyncio.run(serve())
    finally:
        homes._homes.pop(url).stop()
        worker.send_signal(signal.SIGTERM)
        out, told = worker.communicate(timeout=60)
    assert (worker.returncode, out) == (0, b"")
    assert told.decode().splitlines()[-1] == "headwater: stopped."
