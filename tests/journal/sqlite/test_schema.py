"""The tables: made once, by whoever comes first, and told apart by their version."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from headwater.journal.sqlite.schema import MIGRATIONS, check_version, set_up, transaction, version_of


def connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=10)


def test_it_is_set_up_once_also_by_many_at_once(tmp_path: Path) -> None:
    before: list[int] = []

    def one() -> None:
        db = connected(tmp_path / "r.db")
        before.append(set_up(db, "u"))
        db.close()

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(before) == [0, *[len(MIGRATIONS)] * 5]
    db = connected(tmp_path / "r.db")
    assert (version_of(db), check_version(db, "u")) == (len(MIGRATIONS), True)
    assert db.execute("select count(*) from meta").fetchone() == (1,)
    db.close()


def test_an_empty_file_has_no_version(tmp_path: Path) -> None:
    db = connected(tmp_path / "r.db")
    assert (version_of(db), check_version(db, "u")) == (0, False)
    db.close()


def test_a_set_up_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = connected(tmp_path / "r.db")
    monkeypatch.setattr("headwater.journal.sqlite.schema.MIGRATIONS", (*MIGRATIONS, ("no statement",)))
    with pytest.raises(sqlite3.OperationalError):
        set_up(db, "u")
    assert db.execute("select count(*) from sqlite_master").fetchone() == (0,)
    db.close()


def test_a_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    db = connected(tmp_path / "r.db")
    db.execute("create table t(x)")
    with pytest.raises(sqlite3.OperationalError), transaction(db):
        db.executemany("insert into t values (?)", [(1,)]).execute("no statement")
    with transaction(db):
        db.execute("insert into t values (2)")
    assert db.execute("select x from t").fetchall() == [(2,)]
    db.close()
