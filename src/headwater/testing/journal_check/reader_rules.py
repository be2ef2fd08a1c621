"""Rules for reading and following logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from headwater.errors import UnknownRun
from headwater.journal.run_log import Page, Request
from headwater.testing.journal_check.stores import Rule, Stores, batch, numbered

__all__ = ("RULES",)


async def a_log_is_read_in_pages(s: Stores) -> None:
    """A page has whole batches up to its limit, at least one, and says where to read on and whether it is the last."""
    run = await s.written(3, 1, 4, 2)
    for limit, sizes in ((1, [3, 1, 4, 2]), (3, [3, 5, 2]), (4, [4, 4, 2]), (100, [10])):
        after, seen = -1, list[int]()
        while (page := await s.b.read(run, after, limit=limit)).spans:
            seen.append(sum(len(span.lines) for span in page.spans))
            s.same("where the page begins", page.spans[0].first, after + 1)
            s.same("what it says", (page.run, page.end, page.state, page.reset), (run, 10, "queued", False))
            s.hold(not page.done, "a page of an open run says that it is the last")
            after = page.after
        s.same("the last number", after, 9)
        s.hold(seen == sizes, f"with limit={limit} the pages have {seen} events, not {sizes}")
        s.same("all", await s.all_of(s.b, run, limit=limit), numbered(run, 10))
    await s.a.append(batch(run, 10, state="failed"))
    page = await s.b.read(run, 9)
    s.same("the last page", (page.state, page.done, page.after), ("failed", True, 10))
    s.same("a page after the last", (await s.b.read(run, 10)).done, True)


async def a_log_is_read_from_every_number(s: Stores) -> None:
    """After each number come the events that follow it, also where it is inside a batch."""
    run = await s.written(1, 4, 2, 1)
    for after in range(-1, 8):
        page = await s.b.read(run, after)
        s.same(f"after {after}", ([*page.lines()], page.reset), (numbered(run, 8)[after + 1 :], False))


async def a_number_past_the_end_resets(s: Stores) -> None:
    """A reader that has seen more than there is (a restored backup) is told so, and is given the log from its start."""
    run, empty = await s.written(2, 3), await s.new()
    for after in (5, 6, 1_000_000):
        page = await s.b.read(run, after)
        s.same(f"after {after} of 5", (page.reset, [*page.lines()], page.after), (True, numbered(run, 5), 4))
        s.same("an empty log", ((lost := await s.b.read(empty, after)).reset, lost.spans, lost.after), (True, (), -1))
    s.same("an empty log from its start", (await s.b.read(empty)).reset, False)
    tail = s.b.tail(run, 77)
    async with aclosing(tail):
        page = await s.soon(anext(tail), "a tail from past the end")
        s.same("the tail's first page", (page.reset, [*page.lines()]), (True, numbered(run, 5)))
        await s.a.append(batch(run, 5))
        page = await s.soon(anext(tail), "a tail that goes on")
        s.same("what follows", (page.reset, [*page.lines()]), (False, numbered(run, 6)[5:]))


async def a_tail_goes_on_from_every_number_to_the_end(s: Stores) -> None:
    """Readers from every number, while the log is written, see each event once, in order, and end with the run."""
    run, total = await s.written(1, 3), 40
    readers = [asyncio.create_task(s.followed(log.tail(run, after))) for after in range(-1, 4) for log in (s.a, s.b)]
    first = 4
    while first < total:
        many = min(1 + first % 4, total - first)
        await s.a.append(batch(run, first, many, state="finished" if first + many == total else None))
        first += many
        await asyncio.sleep(0)
    for at, reader in enumerate(readers):
        after = at // 2 - 1
        s.same(f"what the reader after {after} saw", await reader, numbered(run, total)[after + 1 :])
    s.same("a tail of a run that is over", await s.followed(s.b.tail(run, total - 3)), numbered(run, total)[-2:])
    s.same("a tail from the end", await s.followed(s.b.tail(run, total - 1)), [])


async def a_tail_hears_of_each_batch_soon(s: Stores) -> None:
    """What one store appends, a tail of the other hands out before the next is appended."""
    run = await s.new()
    tail = s.b.tail(run)
    async with aclosing(tail):
        for number in range(20):
            heard = asyncio.ensure_future(anext(tail))
            await asyncio.sleep(0)
            await s.a.append(batch(run, number))
            page = await s.soon(heard, "a batch on its way to a tail")
            s.same("the page", [*page.lines()], numbered(run, number + 1)[number:])


async def many_logs_are_followed_at_once(s: Stores) -> None:
    """`tail_many` hands out each log in its order, and ends when the last run has."""
    runs = [await s.written(2) for _ in range(30)]
    after = {run: at % 3 - 1 for at, run in enumerate(runs)}

    async def follow() -> dict[str, list[tuple[int, bytes]]]:
        seen: dict[str, list[tuple[int, bytes]]] = {run: [] for run in runs}
        pages = s.b.tail_many(after)
        async with aclosing(pages):
            async for page in pages:
                seen[page.run].extend(page.lines())
        return seen

    following = asyncio.create_task(follow())
    for first in range(2, 8):
        await s.a.append_many([batch(run, first, state="finished" if first == 7 else None) for run in runs])
        await asyncio.sleep(0)
    seen = await s.soon(following, "a tail of many runs that end")
    for run in runs:
        s.same("what was seen", seen[run], numbered(run, 8)[after[run] + 1 :])
    s.same("a tail of none", [page async for page in s.b.tail_many({})], [])


async def a_slow_reader_holds_up_nobody(s: Stores) -> None:
    """While one reader stands still, the writer and another reader go on; it is then given what it has missed."""
    run = await s.written(1)
    slow = s.b.tail(run)
    async with aclosing(slow):
        first = await s.soon(anext(slow), "the first page")
        quick = asyncio.create_task(s.followed(s.b.tail(run)))
        for number in range(1, 300):
            await s.a.append(batch(run, number, state="finished" if number == 299 else None))
        s.same("what the quick one saw", len(await quick), 300)
        s.same("what the slow one saw", [*first.lines(), *await s.followed(slow)], numbered(run, 300))


async def a_tail_that_is_left_leaves_nothing(s: Stores) -> None:
    """A tail that is cancelled or closed stops: no task of it is left, and the store goes on."""
    run = await s.written(1)
    before = asyncio.all_tasks()

    async def read(pages: AsyncGenerator[Page, None]) -> None:
        async with aclosing(pages):
            async for _ in pages:
                pass

    tasks = [asyncio.create_task(read(s.b.tail(run, at % 2 - 1))) for at in range(10)]
    for _ in range(5):
        await s.b.info(run)
    for task in tasks:
        task.cancel()
    await s.soon(asyncio.wait(tasks), "ten cancelled tails")
    for _ in range(20):
        await s.b.info(run)
    left = {task for task in asyncio.all_tasks() - before - {*tasks} if run in repr(task)}
    s.hold(not left, f"tasks are left: {left!r:.300}")
    s.same("the end", await s.a.append(batch(run, 1)), 2)


async def a_tail_of_a_deleted_run_says_so(s: Stores) -> None:
    """A reader of a run that is deleted meanwhile is told UnknownRun."""
    run = await s.written(1)
    tail = s.b.tail(run)
    async with aclosing(tail):
        await s.soon(anext(tail), "the first page")
        waiting = asyncio.ensure_future(anext(tail))
        await asyncio.sleep(0)
        s.same("delete", await s.a.delete(run), True)
        await s.refuses(UnknownRun, waiting, "a tail of a deleted run")


async def a_tail_of_a_restored_log_begins_anew(s: Stores) -> None:
    """A reader whose log has become shorter meanwhile (a restored backup) is given it from its start, and goes on."""
    run = await s.written(2, 3)
    tail = s.b.tail(run)
    async with aclosing(tail):
        s.same("the first page", [*(await s.soon(anext(tail), "the first page")).lines()], numbered(run, 5))
        await s.a.delete(run)
        await s.a.create(run, Request(agent=f"agent_{s.mark}"))
        await s.a.append(batch(run, 0, 2, said="other "))
        page: Page = await s.soon(anext(tail), "a page of the restored log")
        s.same("the restored log", (page.reset, [*page.lines()]), (True, numbered(run, 2, "other ")))
        await s.a.append(batch(run, 2, said="other ", state="finished"))
        s.same("what follows", await s.followed(tail), numbered(run, 3, "other ")[2:])


RULES: Final[tuple[Rule, ...]] = (
    a_log_is_read_in_pages,
    a_log_is_read_from_every_number,
    a_number_past_the_end_resets,
    a_tail_goes_on_from_every_number_to_the_end,
    a_tail_hears_of_each_batch_soon,
    many_logs_are_followed_at_once,
    a_slow_reader_holds_up_nobody,
    a_tail_that_is_left_leaves_nothing,
    a_tail_of_a_deleted_run_says_so,
    a_tail_of_a_restored_log_begins_anew,
)
