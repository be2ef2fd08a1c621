"""Rules for what others say to a run."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Final

from headwater.errors import AlreadyAnswered
from headwater.journal.run_log import Letter, Posted, answer
from headwater.testing.journal_check.stores import Rule, Stores, batch

__all__ = ("RULES",)


async def the_first_letter_under_a_key_stands(s: Stores) -> None:
    """A second letter under a key is refused, and whoever posts it is given the first; the same one again is the same.

    Keys are the run's own: another run's letter may have the same.
    """
    run, other = await s.new(), await s.new()
    body = '{"by":"Änn","text":"\\u0000 🌊"}'.encode()
    first = await s.a.post(run, "answer", "q1", body)
    s.same(
        "the letter", (first.ours, first.letter.kind, first.letter.key, first.letter.body), (True, "answer", "q1", body)
    )
    s.same("the same again", await s.b.post(run, "answer", "q1", body), Posted(first.letter, ours=True))
    s.same("another", await s.b.post(run, "answer", "q1", b"{}"), Posted(first.letter, ours=False))
    s.same("of another kind", await s.b.post(run, "cancel", "q1", body), Posted(first.letter, ours=False))
    s.same("of another run", (await s.b.post(other, "answer", "q1", b"{}")).ours, True)
    second = await s.b.post(run, "steer", "s1", b"[]")
    s.hold(second.letter.id > first.letter.id, "a later letter has no higher id")
    s.same("the inbox", await s.a.inbox(run), [first.letter, second.letter])


async def of_two_answers_at_once_one_stands(s: Stores) -> None:
    """Two people answer at once, twenty times: one stands, and the other is told who it was."""
    run = await s.new()
    for number in range(20):
        tried = await asyncio.gather(
            answer(s.a, run, f"q{number}", {"by": "Ann", "approved": True}),
            answer(s.b, run, f"q{number}", {"by": "Bob", "approved": False}),
            return_exceptions=True,
        )
        stands = [one for one in tried if isinstance(one, Letter)]
        refused = [one for one in tried if isinstance(one, AlreadyAnswered)]
        s.same("how many stand and are refused", (len(stands), len(refused)), (1, 1))
        s.same("who is named", refused[0].by.encode() in stands[0].body, True)
    s.same("the inbox", sorted(one.key for one in await s.a.inbox(run)), sorted(f"q{n}" for n in range(20)))


async def letters_are_heard_while_they_come(s: Stores) -> None:
    """`letters` hands out the whole inbox at once and whenever it has grown, and ends with the run."""
    run = await s.new()
    heard = s.b.letters(run)
    async with aclosing(heard):
        s.same("an empty inbox", await s.soon(anext(heard), "the inbox"), [])
        for number in range(10):
            waiting = asyncio.ensure_future(anext(heard))
            await asyncio.sleep(0)
            await s.a.post(run, "steer", f"s{number}", b"{}")
            keys = [letter.key for letter in await s.soon(waiting, "a letter on its way")]
            s.same("the inbox", keys, [f"s{at}" for at in range(number + 1)])
        ends = asyncio.ensure_future(anext(heard, None))
        await asyncio.sleep(0)
        await s.a.append(batch(run, 0, state="finished"))
        s.same("the end", await s.soon(ends, "the end of letters"), None)
    over = s.b.letters(run)
    async with aclosing(over):
        s.same("a run that is over", len(await s.soon(anext(over), "the inbox of a run that is over")), 10)
        s.same("its end", await s.soon(anext(over, None), "the end of its letters"), None)


async def no_letter_is_missed(s: Stores) -> None:
    """Letters are posted through two stores at once, in any order of their ids: each is heard."""
    run, due = await s.new(), {f"s{number}" for number in range(120)}

    async def listen() -> set[str]:
        heard: set[str] = set()
        letters = s.b.letters(run)
        async with aclosing(letters):
            async for inbox in letters:
                s.hold(heard <= {letter.key for letter in inbox}, "a letter is gone from the inbox")
                heard = {letter.key for letter in inbox}
                if heard == due:
                    break
        return heard

    listening = asyncio.create_task(listen())
    await asyncio.gather(*((s.a, s.b)[at % 2].post(run, "steer", key, b"{}") for at, key in enumerate(sorted(due))))
    s.same("what was heard", await s.soon(listening, "hearing every letter"), due)
    s.same("the inbox", {letter.key for letter in await s.a.inbox(run)}, due)


RULES: Final[tuple[Rule, ...]] = (
    the_first_letter_under_a_key_stands,
    of_two_answers_at_once_one_stands,
    letters_are_heard_while_they_come,
    no_letter_is_missed,
)
