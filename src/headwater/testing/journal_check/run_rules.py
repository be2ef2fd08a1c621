"""Rules for creating and finding runs, for threads, and for what is due."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from headwater.errors import ConfigurationError, HeadwaterError, ThreadBusy, UnknownRun
from headwater.journal.run_log import Created, Request, RunInfo, Worker
from headwater.testing.journal_check.stores import Rule, Stores, batch

__all__ = ("RULES",)

UNSTORABLE: Final = ("", "a\0b", "\ud800")
"""No id, key or name can be one of these."""


async def what_a_run_is_created_with_comes_back(s: Stores) -> None:
    """`info` tells the request, the key and the state; the times are the store's."""
    before = await s.a.now()
    request = Request(
        agent=f"agent_{s.mark}",
        body=msgspec.Raw('{"input":"Où? \\u0000 🌊"}'.encode()),
        queue="slow",
        priority=-3,
        labels={"team": "böö", "empty": ""},
        keep=86400.5,
        deltas=False,
    )
    run, key = s.name(), s.name("key")
    s.same("create", await s.a.create(run, request, key=key), Created(run, new=True))
    info = await s.b.info(run)
    s.same("the body", bytes(info.request.body), bytes(request.body))
    s.same("the request", msgspec.structs.replace(info.request, body=request.body), request)
    s.same("key, state, end", (info.key, info.state, info.end), (key, "queued", 0))
    s.same("owner, drives, ahead", (info.owner, info.drives, info.ahead), (None, 0, None))
    after = await s.b.now()
    s.hold(before - 0.01 <= info.created_at <= after + 0.01, f"created_at {info.created_at} is no time of its clock")
    s.same("the times", (info.wake_at, info.ended_at, info.expires_at), (None, None, None))


async def an_id_is_created_once(s: Stores) -> None:
    """A known id creates nothing and changes nothing."""
    run = await s.new()
    again = await s.b.create(run, Request(agent="another"))
    s.same("the second create", again, Created(run, new=False))
    s.same("the agent", (await s.b.info(run)).request.agent, f"agent_{s.mark}")


async def of_many_callers_with_one_key_one_creates(s: Stores) -> None:
    """Of three callers at once with one key, one creates the run and all are told its id."""
    for _ in range(10):
        key, request = s.name("key"), Request(agent="a")
        made = await asyncio.gather(
            *(log.create(s.name(), request, key=key) for log in (s.a, s.b, s.a)), s.b.create(s.name(), request, key=key)
        )
        s.same("how many created it", sum(one.new for one in made), 1)
        s.same("how many runs they were told", len({one.run for one in made}), 1)


async def a_key_names_one_run_of_its_agent(s: Stores) -> None:
    """Two agents may have runs of one key, and a second create under a key changes nothing of the run that stands."""
    key, mine, other = s.name("key"), f"agent_{s.mark}", f"other_{s.mark}"
    run, theirs = await s.new(key=key), s.name()
    s.same("another agent's", await s.b.create(theirs, Request(agent=other), key=key), Created(theirs, new=True))
    before = await s.b.info(run)
    more = Request(agent=mine, not_before=before.created_at + 60.0, priority=7, labels={"a": "b"}, keep=1.0)
    s.same("a second create", await s.b.create(s.name(), more, key=key), Created(run, new=False))
    s.same("what it changed", await s.b.info(run), before)
    for agent, its in ((mine, run), (other, theirs)):
        again = await s.a.create(s.name(), Request(agent=agent), key=key)
        s.same(f"the run of {agent}", again, Created(its, new=False))
    await s.a.delete(run)
    again = await s.a.create(s.name(), Request(agent=other), key=key)
    s.same("the other's, once one is deleted", again, Created(theirs, new=False))


async def names_are_data(s: Stores) -> None:
    """Quotes, wildcards and any script are fine in a name; NUL and unpaired surrogates are refused."""
    for name in ("a'b\"c", "%s %(x)s", "$1 ?1 :x", "船 🚢", "x" * 480, "a\\b\n\t"):
        run = s.name(name)
        await s.a.create(run, Request(agent=name, labels={name: name}, queue=name[:40]), key=run)
        await s.a.append(batch(run, 0, by=name))
        await s.b.post(run, "steer", name, b"{}")
        info = await s.b.info(run)
        s.same("the name", (info.run, info.request.agent, info.key, info.end), (run, name, run, 1))
        s.same("runs by label", [one.run for one in await s.b.runs(labels={name: name}, agent=name)], [run])
        s.same("the letter", [letter.key for letter in await s.b.inbox(run)], [name])
    for wrong in UNSTORABLE:
        await s.refuses(ConfigurationError, s.a.create(wrong, Request(agent="a")), f"a run named {wrong!r}")
        await s.refuses(ConfigurationError, s.a.create(s.name(), Request(agent="a"), key=wrong), f"a key {wrong!r}")


async def an_unknown_run_is_said_to_be_unknown(s: Stores) -> None:
    """Every method that is given a run raises UnknownRun where it is not there; nothing is created by it.

    So does an id that no run can have, as it comes from an address, and a name that nothing can have finds nothing.
    """
    await s.refuses(UnknownRun, s.a.append(batch(s.name(), 0)), "append")
    for run in (s.name(), *UNSTORABLE, "x" * 501):
        await s.refuses(UnknownRun, s.a.read(run), f"read of {run!r}")
        await s.refuses(UnknownRun, s.a.info(run), f"info of {run!r}")
        await s.refuses(UnknownRun, s.a.standing(run), f"standing of {run!r}")
        await s.refuses(UnknownRun, s.a.history(run), f"history of {run!r}")
        await s.refuses(UnknownRun, s.a.post(run, "steer", "k", b"{}"), f"post to {run!r}")
        await s.refuses(UnknownRun, s.a.inbox(run), f"inbox of {run!r}")
        await s.refuses(UnknownRun, anext(s.a.tail(run)), f"tail of {run!r}")
        await s.refuses(UnknownRun, anext(s.a.letters(run)), f"letters of {run!r}")
        await s.refuses(UnknownRun, s.a.runs(before=run), f"runs before {run!r}")
        s.same(f"delete of {run!r}", await s.a.delete(run), False)
        s.same(f"the thread {run!r}", await s.a.thread(run), [])
        s.same(f"delete of the thread {run!r}", await s.a.delete_thread(run), 0)
        s.same(f"runs of the agent {run!r}", await s.a.runs(agent=run), [])
        s.same(f"runs of the thread {run!r}", await s.a.runs(thread=run), [])
        s.same(f"runs of the owner {run!r}", await s.a.runs(owner=run), [])
        s.same(f"runs with the label {run!r}", await s.a.runs(labels={run: "a"}), [])
        s.same(f"runs with the value {run!r}", await s.a.runs(labels={s.name(): run}), [])


async def runs_are_found_by_what_they_are(s: Stores) -> None:
    """`runs` lists newest first, by state, agent, thread, owner, labels and id, a page at a time."""
    thread = s.name("thread")
    made = [await s.new(labels={"n": str(n % 2), "mark": s.mark}) for n in range(5)]
    made.append(await s.new(thread=thread, labels={"mark": s.mark}))
    await s.a.append(batch(made[1], 0, state="failed", outcome="boom"))
    await s.a.append(batch(made[2], 0, owner=f"w_{s.mark}"))
    await s.a.append(batch(made[3], 0, owner="other", state="waiting"))

    async def found(**filters: object) -> list[int]:
        listed: list[RunInfo] = await s.b.runs(**filters)  # type: ignore[arg-type]
        return [made.index(info.run) for info in listed]

    agent = f"agent_{s.mark}"
    s.same("all of the agent", await found(agent=agent), [5, 4, 3, 2, 1, 0])
    s.same("by label", await found(labels={"mark": s.mark, "n": "1"}), [3, 1])
    s.same("by state", await found(agent=agent, states=["failed", "waiting"]), [3, 1])
    s.same("by owner", await found(owner=f"w_{s.mark}"), [2])
    s.same("by thread", await found(thread=thread), [5])
    s.same("by the beginning of the id", await found(begins=made[3]), [3])
    s.same("by one that no id has", await found(begins=f"{made[3]}%"), [])
    s.same("by one that all have", await found(agent=agent, begins=made[3][:2]), [5, 4, 3, 2, 1, 0])
    s.same("a page", await found(agent=agent, limit=2), [5, 4])
    s.same("the page after", await found(agent=agent, limit=2, before=made[4]), [3, 2])
    failed = await s.b.info(made[1])
    s.same("the outcome", (failed.outcome, failed.ended_at is not None, failed.over), ("boom", True, True))


async def a_thread_runs_one_at_a_time(s: Stores) -> None:
    """A second run of a thread is refused, or queued behind the first; what runs said is the history of the next."""
    thread = s.name("thread")
    first = await s.new(thread=thread)
    busy = await s.refuses(ThreadBusy, s.b.create(s.name(), Request(agent="a", thread=thread)), "a second run")
    s.hold(isinstance(busy, HeadwaterError) and first in str(busy), f"ThreadBusy does not name {first}: {busy}")
    second = await s.new(thread=thread, queue_up=True)
    third = await s.new(thread=thread, queue_up=True)
    s.same("who is ahead", [(await s.b.info(run)).ahead for run in (first, second, third)], [None, first, first])
    s.same("what is due", await due(s, first, second, third), [first])
    await s.a.append(batch(first, 0))
    said = (b'{"role":"user","n":1}', b'{"role":"agent","n":2}')
    await s.a.append(msgspec.structs.replace(batch(first, 1, state="finished"), said=said))
    s.same("who is ahead then", [(await s.b.info(run)).ahead for run in (first, second, third)], [None, None, second])
    s.same("what is due then", await due(s, first, second, third), [second])
    s.same("the first one's history", await s.b.history(first), [])
    s.same("the second one's history", await s.b.history(second), list(said))
    await s.a.append(msgspec.structs.replace(batch(second, 0), said=said[:1]))
    await s.a.append(msgspec.structs.replace(batch(second, 1, state="failed"), said=said[1:]))
    s.same("the third one's history", await s.b.history(third), [*said, *said])
    s.same("the thread", await s.b.thread(thread), [*said, *said])
    s.same("delete_thread", await s.a.delete_thread(thread), 3)
    await s.refuses(UnknownRun, s.b.info(second), "a run of a deleted thread")
    s.same("the deleted thread", await s.b.thread(thread), [])


async def of_many_callers_on_one_thread_one_runs(s: Stores) -> None:
    """Of callers at once on a thread that is free, one creates a run and the others are told that it is busy."""
    for _ in range(10):
        thread = s.name("thread")
        tried = await asyncio.gather(
            *(log.create(s.name(), Request(agent="a", thread=thread)) for log in (s.a, s.b, s.a, s.b)),
            return_exceptions=True,
        )
        s.same("who created one", [one.new for one in tried if isinstance(one, Created)], [True])
        s.same("who was refused", sum(isinstance(one, ThreadBusy) for one in tried), 3)


async def due(s: Stores, *runs: str, dead_after: float = 0.0) -> list[str]:
    """Which of the runs are due."""
    return [one.run for one in await s.b.due(dead_after=dead_after, limit=100_000) if one.run in runs]


async def a_run_is_due_when_somebody_should_drive_it(s: Stores) -> None:
    """Not begun in time, waiting and woken, or left by its owner: each is due, and nothing else is."""
    now = await s.a.now()
    fresh, later, over = await s.new(queue="q", priority=5), await s.new(not_before=now + 3600), await s.new()
    past = await s.new(not_before=now - 1)
    await s.a.append(batch(over, 0, state="finished"))
    s.same("due", await due(s, fresh, later, over, past), [fresh, past])
    s.same("due in an hour", await due(s, fresh, later, over, past, dead_after=3600), [])
    one = next(one for one in await s.b.due(dead_after=0.0, limit=100_000) if one.run == fresh)
    s.same("what it says", (one.queue, one.priority, one.why), ("q", 5, "unclaimed"))
    s.same("whose it is", one.agent, f"agent_{s.mark}")

    worker = Worker(id=s.name("worker"), host="h", boot="b", pid=1)
    await s.a.beat(worker)
    await s.a.append(batch(fresh, 0, owner=worker.id))
    info = await s.b.info(fresh)
    s.same("what is driven", (info.state, info.owner, info.drives), ("running", worker.id, 1))
    s.same("due while its owner beats", await due(s, fresh, dead_after=600), [])
    s.same("due once its owner is silent", await due(s, fresh, dead_after=0.0), [fresh])
    await s.b.forget(worker.id)
    s.same("due once its owner is gone", await due(s, fresh, dead_after=600), [fresh])
    await s.b.append(batch(fresh, 1, by="w#2", owner="nobody"))
    s.same("drives", (await s.a.info(fresh)).drives, 2)
    s.same("due with an owner that never beat", await due(s, fresh, dead_after=600), [fresh])


async def due_runs_are_those_of_the_agents_asked_for(s: Stores) -> None:
    """`due` of some agents lists their runs, however many older ones of others are due; of no agents, none."""
    names = [s.name("agent") for _ in range(3)]
    made = [s.name() for _ in range(9)]
    for at, run in enumerate(made):
        await s.a.create(run, Request(agent=names[at // 3]))

    async def of(*agents: str, limit: int = 100) -> list[str]:
        return [one.run for one in await s.b.due(agents=agents, dead_after=0.0, limit=limit)]

    s.same("due of the last agent", await of(names[2], limit=2), made[6:8])
    s.same("due of two agents", await of(names[0], names[2]), [*made[:3], *made[6:]])
    s.same("due of an agent without runs", await of(s.name("agent")), [])
    s.same("due of no agent", await of(), [])


async def a_waiting_run_wakes_at_its_time_or_for_a_letter(s: Stores) -> None:
    """`wake_at` and letters that wake make a waiting run due, also one that came while it began to wait."""
    now = await s.a.now()
    run = await s.new()
    await s.a.append(batch(run, 0, owner="w", state="waiting", wake_at=now + 3600))
    info = await s.b.info(run)
    s.same("the state", info.state, "waiting")
    s.hold(abs((info.wake_at or 0) - now - 3600) < 0.001, f"wake_at is {info.wake_at}, not {now + 3600}")
    s.same("due before its time", await due(s, run), [])
    await s.a.append(batch(run, 1, state="waiting", wake_at=now - 1))
    s.same("due after its time", await due(s, run), [run])
    await s.a.append(batch(run, 2, state="waiting"))
    s.same("due without a time", await due(s, run), [])
    await s.b.post(run, "steer", "s", b"{}")
    s.same("due for steering", await due(s, run), [])
    await s.b.post(run, "answer", "q1", b"{}")
    s.same("due for an answer", await due(s, run), [run])
    await s.a.append(batch(run, 3, owner="w"))
    s.same("wake_at while it is driven", (await s.b.info(run)).wake_at, None)
    await s.a.append(batch(run, 4, state="waiting", heard=1))
    s.same("due for an answer that was heard", await due(s, run), [])
    await s.a.append(batch(run, 5, owner="w"))
    await s.b.post(run, "cancel", "c", b"{}")
    await s.a.append(batch(run, 6, state="waiting", heard=1))
    s.same("due for a letter that came before it waited", await due(s, run), [run])


async def what_a_drive_needs_is_told_at_once(s: Stores) -> None:
    """`standing` tells what `info`, `read`, `inbox`, `history` and `now` tell; of a run that is over, less."""
    thread = s.name("thread")
    first, second = await s.new(thread=thread), s.name()
    last = batch(first, 0, 2, state="finished")
    await s.a.append(msgspec.structs.replace(last, said=(b'{"said":1}', b'{"said":2}')))
    await s.a.create(second, Request(agent="a", thread=thread))
    new = await s.b.standing(second)
    s.same("a new run", (new.info, new.lines, new.letters), (await s.a.info(second), (), ()))
    s.same("what was said before", list(new.said), await s.a.history(second))
    s.hold(abs(new.now - await s.b.now()) < 60, f"its time is {new.now}")
    await s.a.append(batch(second, 0, 3, owner="w"))
    await s.a.append(batch(second, 3))
    letters = [(await s.a.post(second, "steer", key, b"[]")).letter for key in ("one", "two")]
    begun = await s.b.standing(second)
    lines = tuple(line for _, line in (await s.a.read(second)).lines())
    s.same("a begun run", (begun.info, begun.lines), (await s.a.info(second), lines))
    s.same("its letters, and what is in its log", (list(begun.letters), begun.said), (letters, ()))
    s.same("one that is over", (await s.b.standing(first)).info, await s.a.info(first))
    long, many = await s.new(), 2500
    for at in range(0, many, 2):
        await s.a.append(batch(long, at, 2))
    s.same("a long log", len((await s.b.standing(long)).lines), many)
    await s.refuses(UnknownRun, s.a.standing(s.name()), "standing")


async def workers_tell_that_they_live(s: Stores) -> None:
    """`beat` is an upsert; `workers` tells what each said last, and how long ago."""
    first = Worker(id=s.name("worker"), host="höst", boot="b", pid=7, about={"version": "1"})
    second = msgspec.structs.replace(first, id=s.name("worker"), about={})
    before = await s.a.now()
    told = await s.a.beat(first)
    await s.b.beat(second)
    await s.b.beat(msgspec.structs.replace(first, about={"version": "2"}))
    s.hold(before - 0.01 <= told <= await s.a.now() + 0.01, f"beat returns {told}, which is no time of its clock")
    mine = [one for one in await s.b.workers() if s.mark in one.id]
    s.hold(all(0 <= one.age < 60 for one in mine), f"the ages are {[one.age for one in mine]}")
    known = {one.id: msgspec.structs.replace(one, age=0.0) for one in mine}
    s.same("the workers", known, {first.id: msgspec.structs.replace(first, about={"version": "2"}), second.id: second})
    await s.a.forget(first.id)
    await s.a.forget(first.id)
    s.same("after forget", [one.id for one in await s.b.workers() if s.mark in one.id], [second.id])
    await s.a.forget(second.id)


async def its_time_goes_forward(s: Stores) -> None:
    """`now` is in Unix seconds, the same clock in both stores, and does not fall."""
    times = [await log.now() for log in (s.a, s.b, s.a, s.b)]
    s.hold(times == sorted(times) or max(times) - min(times) < 0.05, f"the times are {times}")
    s.hold(1.6e9 < times[0] < 1e11, f"{times[0]} is not in Unix seconds")


RULES: Final[tuple[Rule, ...]] = (
    what_a_run_is_created_with_comes_back,
    an_id_is_created_once,
    of_many_callers_with_one_key_one_creates,
    a_key_names_one_run_of_its_agent,
    names_are_data,
    an_unknown_run_is_said_to_be_unknown,
    runs_are_found_by_what_they_are,
    a_thread_runs_one_at_a_time,
    of_many_callers_on_one_thread_one_runs,
    a_run_is_due_when_somebody_should_drive_it,
    due_runs_are_those_of_the_agents_asked_for,
    a_waiting_run_wakes_at_its_time_or_for_a_letter,
    what_a_drive_needs_is_told_at_once,
    workers_tell_that_they_live,
    its_time_goes_forward,
)
