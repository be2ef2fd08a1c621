"""Rules for the one write: the conditional append."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import msgspec

from headwater.errors import RunEnded, UnknownRun
from headwater.events.codec import decode, encode
from headwater.events.types import TextDelta
from headwater.journal.run_log import ENDED, Appended, Batch, Closed, Conflict
from headwater.testing.journal_check.stores import Rule, Stores, batch, lines, numbered

__all__ = ("RULES",)


async def an_append_takes_place_only_at_the_end(s: Stores) -> None:
    """A batch before, after or across the log's end is refused, and the refusal tells the end and who stands there."""
    run = await s.new()
    s.same("the end", await s.a.append(batch(run, 0, 3)), 3)
    s.same("the end", await s.b.append(batch(run, 3, 2, by="w#2")), 5)
    for first, by in ((6, ""), (100, ""), (0, "w#1"), (1, "w#1"), (2, "w#1"), (3, "w#2"), (4, "w#2")):
        refused = await s.refuses(Conflict, s.b.append(batch(run, first, 4, by="w#3")), f"an append at {first} of 5")
        s.same(f"the end told at {first}", (refused.run, refused.end), (run, 5))
        s.same(f"who stands at {first}", refused.by, by)
    s.same("the log", await s.all_of(s.a, run), numbered(run, 5))


async def of_two_drivers_one_wins_each_place(s: Stores) -> None:
    """Two writers append at the same place at once, fifty times: one is stored, the other is refused."""
    run, first, said = await s.new(), 0, list[bytes]()
    for at in range(50):
        one = batch(run, first, 1 + at % 3, by="w#1", said="one")
        two = batch(run, first, 1 + (at + 1) % 3, by="w#2", said="two")
        pair = (s.a.append_many([one]), s.b.append_many([two]))
        done: list[Appended] = [each[0] for each in await asyncio.gather(*pair)]
        won = [each for each, is_ in zip((one, two), done, strict=True) if isinstance(is_, int)]
        s.same("how many of two were stored", len(won), 1)
        loser = next(each for each in done if isinstance(each, Conflict))
        s.same("what the loser is told", (loser.end, loser.by), (won[0].end, won[0].by))
        said.extend(won[0].lines)
        first = won[0].end
    s.same("the log", [line for _, line in await s.all_of(s.b, run)], said)


async def a_repeated_append_is_the_same_append(s: Stores) -> None:
    """Whoever does not know whether an append was stored appends again: by the same writer it is stored once."""
    run = await s.new()
    mine, more = batch(run, 0, 2), batch(run, 2, 2)
    s.same("the end", await s.a.append(mine), 2)
    s.same("the end again", await s.b.append(mine), 2)
    await s.a.append(more)
    s.same("the end of an earlier one", await s.b.append(mine), 2)
    await s.refuses(Conflict, s.b.append(msgspec.structs.replace(mine, by="w#9")), "the same events by another")
    await s.refuses(Conflict, s.b.append(batch(run, 0, 3)), "another batch by the same")
    await s.refuses(Conflict, s.b.append(batch(run, 0, 2, said="other")), "other events by the same")
    last = batch(run, 4, 1, state="finished", outcome="done")
    s.same("the end", await s.a.append(last), 5)
    s.same("the end again, of the last", await s.b.append(last), 5)
    many = [batch(run, 4, 1, state="finished", outcome="done")] * 3
    s.same("the same at once", await asyncio.gather(*(s.a.append(one) for one in many)), [5, 5, 5])
    s.same("the log", await s.all_of(s.a, run), numbered(run, 5))


async def a_claim_that_is_repeated_counts_once(s: Stores) -> None:
    """What a batch says of the run (owner, state, messages) takes effect once, with its events or not at all."""
    thread = s.name("thread")
    run = await s.new(thread=thread)
    claim = msgspec.structs.replace(batch(run, 0, owner="w"), said=(b"{}",))
    await s.a.append(claim)
    await s.b.append(claim)
    s.same("drives and messages", ((await s.a.info(run)).drives, await s.a.thread(thread)), (1, [b"{}"]))
    refused = msgspec.structs.replace(batch(run, 0, by="w#2", owner="v", state="failed"), said=(b"[]",))
    await s.refuses(Conflict, s.b.append(refused), "a claim at a taken place")
    info = await s.a.info(run)
    s.same("after a refused one", (info.owner, info.drives, info.state), ("w", 1, "running"))
    s.same("messages after a refused one", await s.a.thread(thread), [b"{}"])


async def batches_are_stored_each_on_its_own(s: Stores) -> None:
    """Of many batches at once, what is refused does not touch the others, also where a run is not there."""
    runs = [await s.new() for _ in range(60)]
    for run in runs[::3]:
        await s.a.append(batch(run, 0, by="other"))
    done = await s.b.append_many([batch(run, 0, 2) for run in runs])
    for at, (run, one) in enumerate(zip(runs, done, strict=True)):
        if at % 3:
            s.same("stored", one, 2)
        else:
            s.hold(isinstance(one, Conflict) and (one.run, one.by) == (run, "other"), f"{one!r} is no Conflict")
    s.same("none", await s.b.append_many([]), [])
    with_unknown = [batch(runs[1], 2), batch(s.name(), 0), batch(runs[2], 2)]
    await s.refuses(UnknownRun, s.a.append_many(with_unknown), "an append to a run that is not there")
    s.same("the others", [(await s.b.info(run)).end for run in runs[:3]], [1, 3, 3])


async def no_reader_sees_half_a_batch(s: Stores) -> None:
    """While large batches are stored, each read ends where a batch ends."""
    run, size, rounds = await s.new(), 200, 25
    ends = {size * (number + 1) for number in range(rounds)} | {0}

    async def read() -> None:
        end = 0
        while end < size * rounds:
            await asyncio.sleep(0)
            page = await s.b.read(run, limit=size * rounds)
            end = page.after + 1
            s.hold(end in ends and page.end == end, f"a read ended at {end} of {page.end}, inside a batch")

    reading = asyncio.create_task(read())
    for number in range(rounds):
        await s.a.append(batch(run, number * size, size))
    await s.soon(reading, "reading to the end")


async def a_run_that_is_over_takes_nothing(s: Stores) -> None:
    """After its end nothing is appended and nothing posted; the state and the log stay."""
    for state in ENDED:
        run = await s.written(2, 1, end=state)
        closed = await s.refuses(Closed, s.b.append(batch(run, 3)), "an append after the end")
        s.same("what it tells", (closed.run, closed.state), (run, state))
        await s.refuses(Closed, s.b.append(batch(run, 0, by="w#2")), "an append inside a closed log")
        await s.refuses(RunEnded, s.b.post(run, "answer", "q", b"{}"), "a letter after the end")
        info = await s.b.info(run)
        s.same("what stays", (info.state, info.end, info.wake_at), (state, 3, None))
        s.hold(info.ended_at is not None and info.ended_at >= info.created_at - 0.01, f"ended_at is {info.ended_at}")


async def any_event_comes_back_as_it_was(s: Stores) -> None:
    """NUL, every script, unpaired surrogates and a line of a megabyte: bytes in, the same bytes out."""
    said = [
        "\0",
        "a\u0000b",
        "\u2028\u2029",
        "\U0001d518🌊",
        "é" * 1000,
        "\ud83d",
        "\\n\\u0000",
        "\x7f\x1b[31m",
        "x" * 1_000_000,
    ]
    run = await s.new()
    events = [TextDelta(seq=seq, run=run, step=1, part=0, text=text) for seq, text in enumerate(said)]
    given = tuple(encode(event) for event in events)
    await s.a.append(Batch(run=run, first=0, lines=given, by="w#1"))
    page = await s.b.read(run)
    s.same("the lines", [line for _, line in page.lines()], list(given))
    s.same("the events", [event.seq for event in page.events()], list(range(len(said))))
    s.same("the first", decode(next(page.lines())[1]), events[0])


async def large_logs_are_stored(s: Stores) -> None:
    """A batch of twenty thousand events, and a thousand batches in a row, come back whole."""
    run = await s.new()
    await s.a.append(batch(run, 0, 20_000))
    for number in range(1000):
        await s.a.append(batch(run, 20_000 + number))
    read = await s.all_of(s.b, run)
    s.hold(read == numbered(run, 21_000), f"{len(read)} of 21000 events came back")


async def a_batch_is_whole_lines(s: Stores) -> None:
    """A batch without events, or with a line end inside an event, raises ValueError and stores nothing."""
    run = await s.new()
    for wrong in ((), (b"",), (b"{}\n{}",), (b"{}", b"")):
        bad = Batch(run=run, first=0, lines=wrong, by="w#1")
        await s.refuses(ValueError, s.a.append(bad), f"a batch {wrong!r}")
    s.same("the end", (await s.b.info(run)).end, 0)


async def leaving_an_append_leaves_the_store_usable(s: Stores) -> None:
    """An append whose caller is cancelled is stored or not; appending it again settles which."""
    run = await s.new()
    for number in range(20):
        mine = batch(run, number)
        task = asyncio.create_task(s.a.append(mine))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        s.same("the end, appended again", await s.soon(s.a.append(mine), "an append after a cancelled one"), number + 1)
    s.same("the log", await s.all_of(s.b, run), numbered(run, 20))


async def many_appends_at_once_are_all_stored(s: Stores) -> None:
    """Two hundred logs are written at once through two stores, and each is whole."""
    runs = [await s.new() for _ in range(200)]

    async def write(at: int, run: str) -> None:
        for number in range(5):
            await (s.a, s.b)[at % 2].append(batch(run, number))

    await s.soon(asyncio.gather(*(write(at, run) for at, run in enumerate(runs))), "a thousand appends")
    for run in runs:
        s.same("the log", [line for _, line in await s.all_of(s.a, run)], list(lines(run, 0, 5)))


RULES: Final[tuple[Rule, ...]] = (
    an_append_takes_place_only_at_the_end,
    of_two_drivers_one_wins_each_place,
    a_repeated_append_is_the_same_append,
    a_claim_that_is_repeated_counts_once,
    batches_are_stored_each_on_its_own,
    no_reader_sees_half_a_batch,
    a_run_that_is_over_takes_nothing,
    any_event_comes_back_as_it_was,
    large_logs_are_stored,
    a_batch_is_whole_lines,
    leaving_an_append_leaves_the_store_usable,
    many_appends_at_once_are_all_stored,
)
