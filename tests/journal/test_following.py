"""Readers that follow runs: who is looked at, when, and what each is handed."""

from __future__ import annotations

import asyncio

import pytest

from headwater.errors import JournalUnavailable, UnknownRun
from headwater.journal.following import Following, Looked, Wanted
from headwater.journal.run_log import Letter, Page, Span
from tests.support.virtual import run_virtual


class Log:
    """One log in memory, and how often it was looked at."""

    def __init__(self, *, changed: bool = False) -> None:
        self.lines: list[bytes] = []
        self.inbox: list[Letter] = []
        self.over = False
        self.looks: list[tuple[set[Wanted], set[Wanted]]] = []
        self.raises: list[Exception] = []
        self.following = Following(self.look, interval=lambda: 1.0, changed=lambda: changed)

    async def look(self, pages: set[Wanted], letters: set[Wanted]) -> Looked:
        self.looks.append((pages, letters))
        if self.raises:
            raise self.raises.pop(0)
        looked = Looked()
        looked.missing = {run for run, _ in pages | letters if run != "r"}
        for wanted in pages - {one for one in pages if one[0] != "r"}:
            after, end = wanted[1], len(self.lines)
            some = tuple(self.lines[after + 1 : after + 3])
            spans = (Span(after + 1, some),) if some else ()
            state = "finished" if self.over else "running"
            looked.add_page(wanted, Page("r", spans, end, state, after + len(some)))  # type: ignore[arg-type]
        for wanted in letters - {one for one in letters if one[0] != "r"}:
            if len(self.inbox) > wanted[1] or self.over:
                looked.letters[wanted] = list(self.inbox), self.over
        return looked


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_all_readers_share_a_look_and_one_that_is_up_to_date_takes_no_part() -> None:
    async def main() -> None:
        log = Log()
        readers = [asyncio.ensure_future(anext(log.following.tail_many({"r": -1}))) for _ in range(5)]
        await settled()
        assert len(log.looks) == 1
        log.lines.append(b"0")
        log.following.bump()
        pages = await asyncio.gather(*readers)
        assert len(log.looks) == 2
        assert {page.after for page in pages} == {0}
        log.following.bump()
        await settled()
        assert len(log.looks) == 2, "nobody waits, so nobody looks"

    run_virtual(main())


def test_further_pages_follow_without_another_change() -> None:
    async def main() -> None:
        log = Log()
        log.lines, log.over = [b"0", b"1", b"2", b"3", b"4"], True
        read = [number async for page in log.following.tail_many({"r": 0}) for number, _ in page.lines()]
        assert read == [1, 2, 3, 4]

    run_virtual(main())


def test_without_a_word_it_asks_again_at_its_interval() -> None:
    async def main() -> None:
        log = Log(changed=True)
        reader = asyncio.ensure_future(anext(log.following.tail_many({"r": -1})))
        await asyncio.sleep(3.5)
        assert len(log.looks) == 4
        log.lines.append(b"0")
        assert (await reader).after == 0

    _, seconds = run_virtual(main())
    assert seconds == 4.0


def test_a_store_that_does_not_answer_is_asked_again() -> None:
    async def main() -> None:
        log = Log()
        log.lines.append(b"0")
        log.raises = [JournalUnavailable("down"), JournalUnavailable("down")]
        assert (await anext(log.following.tail_many({"r": -1}))).after == 0

    _, seconds = run_virtual(main())
    assert seconds == 1.0


def test_any_other_error_reaches_every_reader() -> None:
    async def main() -> None:
        log = Log()
        log.raises = [KeyError("x")]
        readers = [log.following.tail_many({"r": -1}), log.following.tail_many({"r": 3})]
        done = await asyncio.gather(*(anext(reader) for reader in readers), return_exceptions=True)
        assert [type(one) for one in done] == [KeyError, KeyError]

    run_virtual(main())


def test_a_run_that_is_not_there_is_unknown() -> None:
    async def main() -> None:
        log = Log()
        for reader in (log.following.tail_many({"r": -1, "s": -1}), log.following.letters("s")):
            with pytest.raises(UnknownRun):
                await anext(reader)

    run_virtual(main())


def test_the_whole_inbox_is_delivered_each_time() -> None:
    async def main() -> None:
        log = Log()
        heard = log.following.letters("r")
        assert await anext(heard) == []
        waiting = asyncio.ensure_future(anext(heard))
        await settled()
        assert log.following.followed == {"r"}
        log.inbox = [Letter(2, "steer", "b", b"{}"), Letter(1, "steer", "a", b"{}")]
        log.following.bump()
        assert len(await waiting) == 2
        log.over = True
        log.following.bump()
        assert [one async for one in heard] == []

    run_virtual(main())


def test_closing_raises_in_waiting_readers_and_leaves_no_timer() -> None:
    async def main() -> None:
        log = Log(changed=True)
        reader = asyncio.ensure_future(anext(log.following.tail_many({"r": -1})))
        await settled()
        log.following.close()
        with pytest.raises(JournalUnavailable, match="closed"):
            await reader
        with pytest.raises(JournalUnavailable, match="closed"):
            await anext(log.following.letters("r"))
        looks = len(log.looks)
        await asyncio.sleep(5)
        assert len(log.looks) == looks

    run_virtual(main())


def test_an_append_here_concerns_the_readers_of_that_log_alone() -> None:
    """A hundred runs that wait for letters, and append: their inboxes are not queried after each append."""

    async def main() -> None:
        log = Log()
        inboxes = [log.following.letters("r") for _ in range(3)]
        assert [await anext(inbox) for inbox in inboxes] == [[], [], []]
        letters = [asyncio.ensure_future(anext(inbox)) for inbox in inboxes]
        await settled()
        looks = len(log.looks)
        log.following.bump(["r", "other"])
        await settled()
        assert len(log.looks) == looks, "nobody reads these logs"
        reader = log.following.tail_many({"r": -1})
        page = asyncio.ensure_future(anext(reader))
        await settled()
        log.lines.append(b"0")
        log.following.bump(["other"])
        await settled()
        assert not page.done()
        log.following.bump(["r"])
        assert (await page).after == 0
        assert log.looks[-1] == ({("r", -1)}, set()), "the inboxes are left out"
        log.following.bump(["r"])  # while the reader is busy
        log.lines.append(b"1")
        assert (await anext(reader)).after == 1
        await reader.aclose()
        looks = len(log.looks)
        log.following.bump(["r"])
        await settled()
        assert len(log.looks) == looks, "the reader has left"
        log.inbox.append(Letter(1, "steer", "k", b"{}"))
        log.following.bump()
        assert [len(found) for found in await asyncio.gather(*letters)] == [1, 1, 1]

    run_virtual(main())
