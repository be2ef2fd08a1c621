"""What is read: pages that begin and end inside and outside of batches."""

from __future__ import annotations

import sqlite3

import pytest

from headwater.errors import UnknownRun
from headwater.journal.run_log import Batch, Request
from headwater.journal.sqlite.reading import end_of, look, number, page, unpacked
from headwater.journal.sqlite.schema import set_up
from headwater.journal.sqlite.writing import append_many, create


def with_a_run() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    set_up(db, "u")
    create(db, "r", Request(agent="a"), None, False, 1.0)
    for first, many in ((0, 3), (3, 2), (5, 4)):
        batch = Batch(run="r", first=first, lines=(b"1",) * many, by="w")
        append_many(db, [(batch, batch.data())], 2.0)
    return db


@pytest.mark.parametrize("after", range(-1, 9))
@pytest.mark.parametrize(("limit", "most"), [(1, 4), (4, 7), (100, 9)])
def test_a_page_starts_after_the_number_and_has_complete_batches(after: int, limit: int, most: int) -> None:
    db = with_a_run()
    read = page(db, "r", after, limit)
    assert read is not None
    numbers = [place for place, _ in read.lines()]
    assert numbers == list(range(after + 1, after + 1 + len(numbers)))
    assert len(numbers) <= most
    assert (read.after + 1) in (3, 5, 9)
    assert read.end == 9
    db.close()


def test_a_query_returns_only_new_events() -> None:
    db = with_a_run()
    looked = look(db, {("r", 8), ("r", 4), ("s", -1)}, {("r", 0), ("r", -1), ("t", 0)})
    assert {wanted: len(list(found.lines())) for wanted, found in looked.pages.items()} == {("r", 4): 4}
    assert looked.letters == {("r", -1): ([], False)}
    assert looked.missing == {"s", "t"}
    db.close()


def test_what_is_not_there_is_unknown() -> None:
    db = with_a_run()
    with pytest.raises(UnknownRun):
        number(db, "s")
    assert page(db, "s", -1, 10) is None
    assert end_of(db, 77) == 0
    assert unpacked(db, 1e12, 10) == []
    db.close()
