"""`headwater journal`: what it does, twice and at once, and what it says where it cannot."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.cli import main
from headwater.journal import Batch, Request, open_journal
from tests.support.postgres import running_postgres


def test_upgrade_sets_up_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    assert [main(["journal", "upgrade", url]), main(["journal", "upgrade", url])] == [0, 0]
    assert capsys.readouterr().out == f"Set up {url} with schema version 1.\n{url} has schema version 1 already.\n"


def test_upgrade_of_a_database_at_once_from_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_JOURNAL", running_postgres().database())
    command = [sys.executable, "-m", "headwater", "journal", "upgrade"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert sorted(one.split()[0] for one in said)[0] == "Set"
    assert sum("already" in one for one in said) == 2


def test_a_required_upgrade_is_performed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from headwater.journal.sqlite import schema

    url = f"sqlite:///{tmp_path}/runs.db"
    main(["journal", "upgrade", url])
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("create table more(x)",)))
    assert main(["journal", "upgrade", url]) == 0
    assert capsys.readouterr().out.endswith(f"Upgraded {url} from schema version 1 to 2.\n")


def test_tidy_packs_and_deletes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"

    async def fill() -> None:
        log = await open_journal(url)
        for run, keep in (("old", 0.0), ("kept", None)):
            await log.create(run, Request(agent="a", keep=keep))
            await log.append(Batch(run=run, first=0, lines=(b"{}",), by="w", state="finished"))
        await log.close()

    asyncio.run(fill())
    assert [main(["journal", "tidy", url]), main(["journal", "tidy", url])] == [0, 0]
    assert capsys.readouterr().out == "Packed 0 runs, deleted 1 run.\nPacked 0 runs, deleted 0 runs.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["upgrade"], "No journal was named. Pass a URL such as sqlite:///runs.db, or set HEADWATER_JOURNAL."),
        (["upgrade", "redis://u:secret@h"], "unknown scheme"),
        (["tidy", "postgresql://u:secret@127.0.0.1:1/x"], "does not answer"),
        (["away", "memory:"], "See headwater journal --help"),
    ],
)
def test_what_it_cannot_do_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADWATER_JOURNAL", raising=False)
    try:
        code = main(["journal", *arguments])
    except SystemExit as left:
        code = int(str(left.code))
    assert code in (1, 2)
    errors = capsys.readouterr().err
    assert said in errors
    assert "secret" not in errors
    assert errors.count("\n") == 1
