"""What is written: the statements that what is stored depends on, without a thread between."""

from __future__ import annotations

import sqlite3

from headwater.journal.run_log import Batch, Closed, Request
from headwater.journal.sqlite.reading import info, whole
from headwater.journal.sqlite.schema import set_up
from headwater.journal.sqlite.writing import OF_A_RUN, append_many, create, delete, post, put_pack


def with_a_run() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    set_up(db, "u")
    create(db, "r", Request(agent="a", thread="t", keep=5.0), "k", False, 1.0)
    return db


def append(db: sqlite3.Connection, first: int, **more: object) -> object:
    batch = Batch(run="r", first=first, lines=(b"1",), by="w", **more)  # type: ignore[arg-type]
    return append_many(db, [(batch, batch.data())], 2.0)[0]


def test_deleting_takes_every_row_of_a_run() -> None:
    db = with_a_run()
    append(db, 0, said=(b"{}",))
    post(db, "r", "steer", "s", b"{}", 3.0)
    append(db, 1, state="finished")
    assert put_pack(db, 1, (2, b"packed")) == 1
    assert put_pack(db, 1, (2, b"packed")) == 0
    append_row = db.execute("insert into events values (1, 9, 1, 'w', x'31')")
    assert append_row.rowcount == 1
    assert all(db.execute(f"select count(*) from {table}").fetchone() == (1,) for table in OF_A_RUN)
    tables = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
    assert tables == {*OF_A_RUN, "workers", "meta", "sqlite_sequence"}
    assert delete(db, "r")
    assert all(db.execute(f"select count(*) from {table}").fetchone() == (0,) for table in OF_A_RUN)
    db.close()


def test_a_number_is_never_used_again() -> None:
    db = with_a_run()
    delete(db, "r")
    create(db, "r", Request(agent="a"), None, False, 1.0)
    assert db.execute("select no from runs").fetchone() == (2,)
    db.close()


def test_an_end_counts_from_when_it_was_stored() -> None:
    db = with_a_run()
    assert append(db, 0, state="finished", outcome="a\0b") == 1
    known = info(db, "r")
    assert (known.ended_at, known.expires_at, known.outcome) == (2.0, 7.0, "a\ufffdb")
    assert isinstance(append(db, 1), Closed)
    assert whole(db, 1) == ([b"1"], True)
    db.close()
