"""A store by its URL: which URLs there are, and what is said of any other."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigurationError
from headwater.journal.memory import MemoryLog
from headwater.journal.opening import check_url, journal_id, open_journal, upgrade
from headwater.journal.run_log import Request
from tests.support.postgres import running_postgres


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "not a URL"),
        ("runs.db", "not a URL"),
        ("C:\\runs.db", "not a URL"),
        (None, "not a URL"),
        ("redis://u:secret@h/0", "unknown scheme"),
        ("sqlite://runs.db", "names no file"),
        ("sqlite:runs.db", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///folder/", "names no file"),
        ("sqlite:///:memory:", "is a file"),
        ("memory://x", "something after"),
        ("postgresql:runs", "not a PostgreSQL URL"),
        ("postgresql://u:secret@h:port/x", "not a PostgreSQL URL"),
    ],
)
def test_any_other_url_is_refused_and_says_what_to_write(url: Any, said: str) -> None:
    for doing in (open_journal, upgrade):
        with pytest.raises(ConfigurationError, match=said) as raised:
            asyncio.run(doing(url))
        assert any(one in raised.value.hint for one in ("sqlite:///", "memory:", "postgresql://"))
        assert "secret" not in str(raised.value)


def test_a_file_is_opened_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a folder").mkdir()

    async def main() -> None:
        for url in ("sqlite:///runs.db", f"sqlite:///{tmp_path}/whole.db", "sqlite:///a%20folder/runs.db"):
            assert check_url(url) == "sqlite"
            assert [await upgrade(url), await upgrade(url)] == [0, 1]
            log = await open_journal(url)
            await log.create("r", Request(agent="a"))
            await log.close()

    asyncio.run(main())
    assert sorted(path.name for path in tmp_path.rglob("*.db")) == ["runs.db", "runs.db", "whole.db"]


def test_a_process_has_one_memory() -> None:
    async def main() -> None:
        log = await open_journal("memory:")
        assert isinstance(log, MemoryLog)
        assert await open_journal("memory:") is log
        assert await upgrade("memory:") == 0

    asyncio.run(main())


def test_a_database_is_opened(tmp_path: Path) -> None:
    url = running_postgres().database()

    async def main() -> None:
        assert [await upgrade(url), await upgrade(url.replace("postgresql:", "postgres:"))] == [0, 1]
        log = await open_journal(url)
        await log.create("r", Request(agent="a"))
        await log.close()

    asyncio.run(main())


@pytest.mark.xdist_group("postgres")
def test_a_journal_has_an_id_of_its_own_whoever_asks_first(tmp_path: Path) -> None:
    async def main() -> None:
        urls = [f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"]
        urls += [running_postgres().database() for _ in range(2)]
        ids = [await journal_id(url) for url in urls]
        assert len({*ids}) == len(ids)
        assert [await journal_id(url) for url in urls] == ids
        for url in urls:
            await (await open_journal(url)).close()
        assert await journal_id("memory:") == ""

    asyncio.run(main())


def test_a_missing_driver_says_what_to_install() -> None:
    program = (
        "import asyncio, sys; sys.modules['psycopg'] = None\n"
        "from headwater.journal.opening import open_journal\n"
        "try: asyncio.run(open_journal('postgresql://u:secret@h/x'))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("ConfigurationError The journal postgresql://u:***@h/x needs psycopg")
    assert 'pip install "headwater[postgres]"' in done.stdout


def test_a_store_is_imported_when_it_is_opened() -> None:
    program = "import sys, headwater.journal.opening; print({'sqlite3', 'psycopg'} & set(sys.modules))"
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}  # it uses sqlite3
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=env)
    assert done.stdout.strip() == "set()"
