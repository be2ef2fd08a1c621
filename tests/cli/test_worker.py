"""`headwater worker`: what it says, and what it does when it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from headwater.cli import main
from headwater.journal.postgres.store import upgrade_postgres
from tests.cli.commands import started
from tests.support.paths import ROOT
from tests.support.postgres import running_postgres


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["crew:sleeper"], "No journal was named. Add --journal postgresql://user@host/database, or set"),
        (["crew:sleeper", "--journal", "sqlite:///runs.db"], "has no queue: that needs PostgreSQL."),
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
