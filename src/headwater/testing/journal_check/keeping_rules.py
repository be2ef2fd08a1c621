"""Rules for packing, trimming, retention and deletion."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Final

import msgspec

from headwater.errors import UnknownRun
from headwater.events.checker import check_log
from headwater.events.codec import decode
from headwater.journal.run_log import Batch, Closed, Conflict, Created, Page, Request
from headwater.testing.journal_check.stores import Rule, Stores, batch, numbered, sample

__all__ = ("RULES",)


async def packed(s: Stores, *runs: str) -> None:
    """Pack until these are packed; other runs may be there."""
    for _ in range(100):
        if all([(await s.a.info(run)).packed for run in runs]):
            return
        s.hold(await s.a.pack(after=0.0) > 0, "pack packs nothing, and there are runs that have ended")
    s.hold(False, "after a hundred times pack, a run is not packed")


async def a_packed_log_reads_as_before(s: Stores) -> None:
    """Packing changes nothing that a reader sees, from whatever number; open runs and new ends are left alone."""
    run, opened = await s.written(2, 3, 1, end="finished"), await s.written(2)
    due = {after: await s.b.read(run, after) for after in range(-1, 9)}
    info = await s.b.info(run)
    s.hold(not info.packed, "a run is packed before anyone packs")
    await s.a.pack(after=3600.0)
    s.hold(not (await s.b.info(run)).packed, "a run is packed before its time")
    await packed(s, run)
    for after, page in due.items():
        now = await s.b.read(run, after)
        s.same(f"after {after}", ([*now.lines()], now.reset, now.done), ([*page.lines()], page.reset, page.done))
        s.same(f"the end after {after}", (now.end, now.state, now.after), (page.end, page.state, page.after))
    now_info = await s.b.info(run)
    s.same("info", (now_info.end, now_info.state, now_info.trimmed), (info.end, info.state, False))
    s.same("the open run", (await s.b.info(opened)).packed, False)
    await s.refuses(Closed, s.b.append(batch(run, 6)), "an append to a packed log")
    s.same("a tail", await s.followed(s.b.tail(run, 2)), numbered(run, 6)[3:])


async def a_reader_goes_on_while_its_log_is_packed(s: Stores) -> None:
    """A reader that has read a part goes on where it was, whether or not the log is packed meanwhile."""
    run = await s.written(*[2] * 10, end="failed")
    tail = s.b.tail(run, 1)
    page = await s.b.read(run, 1, limit=2)
    async with aclosing(tail):
        first: Page = await s.soon(anext(tail), "the first page")
        await packed(s, run)
        rest = await s.followed(tail)
    s.same("a tail", [*first.lines(), *rest], numbered(run, 20)[2:])
    s.same("pages", [*page.lines(), *await s.all_of(s.b, run, page.after)], numbered(run, 20)[2:])


async def a_trimmed_log_keeps_its_numbers(s: Stores) -> None:
    """With `deltas=False` packing drops deltas alone: numbers stay, and a reader inside the gap starts again."""
    run = await s.new(deltas=False)
    log = sample(run, ["one ", "two ", "three ", "four"])
    await s.a.append(Batch(run=run, first=0, lines=log[:6], by="w#1"))
    await s.a.append(Batch(run=run, first=6, lines=log[6:], by="w#1", state="finished"))
    s.same("trimmed before packing", (await s.b.info(run)).trimmed, False)
    await packed(s, run)
    info = await s.b.info(run)
    s.same("end, trimmed", (info.end, info.trimmed), (11, True))
    kept = {number: line for number, line in enumerate(log) if number not in (4, 5, 6, 7)}
    page = await s.b.read(run)
    s.same("what is kept", dict(page.lines()), kept)
    check_log([decode(line) for _, line in page.lines()], trimmed=True)
    for after in range(-1, 13):
        page = await s.b.read(run, after)
        reset = after in (4, 5, 6) or after >= 11
        rest = {number: line for number, line in kept.items() if reset or number > after}
        s.same(f"after {after}", (page.reset, dict(page.lines()), page.done), (reset, rest, True))


async def a_tail_inside_a_gap_begins_anew(s: Stores) -> None:
    """A reader that follows a log, and whose place trimming drops meanwhile, is given what is left from its start."""
    run = await s.new(deltas=False)
    log = sample(run, ["one ", "two ", "three ", "four"])
    await s.a.append(Batch(run=run, first=0, lines=log[:6], by="w#1"))
    tail = s.b.tail(run)
    async with aclosing(tail):
        page: Page = await s.soon(anext(tail), "the first page")
        s.same("the first page", [line for _, line in page.lines()], list(log[:6]))
        await s.a.append(Batch(run=run, first=6, lines=log[6:], by="w#1", state="finished"))
        await packed(s, run)
        page = await s.soon(anext(tail), "the trimmed log")
        s.same("whether it starts again, and is all", (page.reset, page.done), (True, True))
        check_log([decode(line) for _, line in page.lines()], trimmed=True)
        s.same("the end", await s.soon(anext(tail, None), "the end of the tail"), None)


async def a_deleted_run_is_gone(s: Stores) -> None:
    """`delete` takes the log, the inbox, what was said in the thread, and the key; a new run may have all of them."""
    thread, key = s.name("thread"), s.name("key")
    run = await s.new(thread=thread, key=key)
    await s.a.append(msgspec.structs.replace(batch(run, 0), said=(b"{}",)))
    await s.a.post(run, "steer", "s", b"{}")
    s.same("delete", [await s.b.delete(run), await s.b.delete(run)], [True, False])
    await s.refuses(UnknownRun, s.a.info(run), "info of a deleted run")
    await s.refuses(UnknownRun, s.a.append(batch(run, 1)), "an append to a deleted run")
    s.same("the thread", await s.a.thread(thread), [])
    again = Request(agent=f"agent_{s.mark}", thread=thread)
    s.same("create", await s.a.create(run, again, key=key), Created(run, new=True))
    s.same("the new one", ((await s.a.info(run)).end, await s.a.inbox(run)), (0, []))
    await s.refuses(Conflict, s.a.append(batch(run, 1)), "an append where the deleted log ended")
    s.same("the end", await s.a.append(batch(run, 0)), 1)
    s.same("the end, told by the other", await s.b.append(batch(run, 1)), 2)
    over = await s.written(3, end="finished")
    await packed(s, over)
    s.same("delete, packed", await s.b.delete(over), True)
    await s.refuses(UnknownRun, s.a.read(over), "a read of a deleted run")


async def what_was_kept_for_long_enough_goes(s: Stores) -> None:
    """`expire` deletes ended runs whose time has passed, a thread only as a whole, and nothing else."""
    old, kept = await s.written(1, end="finished", keep=0.0), await s.written(1, end="finished", keep=3600.0)
    ever, opened = await s.written(1, end="failed"), await s.written(1, keep=0.0)
    thread, whole = s.name("thread"), s.name("thread")
    part = [await s.written(1, end="finished", keep=keep, thread=thread) for keep in (0.0, 3600.0)]
    gone = [await s.written(1, end="finished", keep=0.0, thread=whole) for _ in range(2)]
    packed_one = await s.written(1, end="finished", keep=0.0)
    await packed(s, packed_one)
    ends = (await s.b.info(kept)).ended_at, (await s.b.info(kept)).expires_at
    s.hold(
        ends[0] is not None and ends[1] is not None and abs(ends[1] - ends[0] - 3600) < 0.01, f"it expires at {ends}"
    )
    while await s.a.expire():
        pass
    for run in (old, *gone, packed_one):
        await s.refuses(UnknownRun, s.b.info(run), "info of an expired run")
    for run in (kept, ever, opened, *part):
        s.same("what is kept", (await s.b.info(run)).end, 1)


async def two_may_pack_and_expire_at_once(s: Stores) -> None:
    """Two processes pack and expire at the same time: nothing is lost or doubled."""
    runs = [await s.written(2, 2, end="finished") for _ in range(10)]
    old = [await s.written(1, end="finished", keep=0.0) for _ in range(10)]
    await s.soon(asyncio.gather(*(log.pack(after=0.0) for log in (s.a, s.b, s.a, s.b))), "packing four times at once")
    await s.soon(asyncio.gather(*(log.expire() for log in (s.a, s.b, s.a, s.b))), "expiring four times at once")
    await packed(s, *runs)
    for run in runs:
        s.same("the log", await s.all_of(s.b, run), numbered(run, 4))
    while await s.a.expire():
        pass
    for run in old:
        await s.refuses(UnknownRun, s.b.info(run), "info of an expired run")


RULES: Final[tuple[Rule, ...]] = (
    a_packed_log_reads_as_before,
    a_reader_goes_on_while_its_log_is_packed,
    a_trimmed_log_keeps_its_numbers,
    a_tail_inside_a_gap_begins_anew,
    a_deleted_run_is_gone,
    what_was_kept_for_long_enough_goes,
    two_may_pack_and_expire_at_once,
)
