from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headwater import SequentialWorkflow, ToolContext, tool
from headwater.backends.offline import Call, Say
from headwater.web.ag_ui.threads import Answer, Threads
from headwater.web.ag_ui.wire import ag_ui_wire
from headwater.web.http.site import Site
from headwater.web.limits import Limits
from headwater.web.problems import Problem
from headwater.web.runs.latest import GRACE
from headwater.web.runs.live_run import LiveRun
from tests.support.members import paced, speaker
from tests.support.streams import scripted
from tests.support.virtual import run_virtual


def said(thread: str, *resume: Any, **more: Any) -> dict[str, Any]:
    message = {"id": "u1", "role": "user", "content": "Hi"}
    asked = {"threadId": thread, "runId": "r", "messages": [message], **more}
    return {**asked, "resume": [*resume]} if resume else asked


def yes(number: str, **payload: Any) -> dict[str, Any]:
    return {"interruptId": number, "status": "resolved", "payload": {"approved": True, **payload}}


def part_of(answer: Answer) -> tuple[int, int]:
    return answer.exchange.skip, answer.exchange.stop


def on(make: Callable[[], Any], **options: Any) -> Callable[[Callable[[Threads], Awaitable[None]]], Callable[[], None]]:
    def decorate(test: Callable[[Threads], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            site = Site([make()], **options)
            await test(Threads(site))
            for live in site.manager.runs():
                live.cancel()
            await site.manager.shutdown()

        def run() -> None:
            run_virtual(main())

        return run

    return decorate


def state_of(live: LiveRun) -> str:
    return live.state  # a checker would take it for what it was before


async def refused(threads: Threads, body: Any, caller: str | None = None) -> Problem:
    with pytest.raises(Problem) as problem:
        await threads.answer(None, body, caller)
    return problem.value


@tool(approval=True)
async def send(to: str) -> str:
    """Send."""
    return f"sent to {to}"


@on(lambda: paced("a", 60))
async def test_a_run_without_readers_is_replaced_by_the_next_message(threads: Threads) -> None:
    first = (await threads.answer(None, said("t"), None)).live
    assert first.on_disconnect == GRACE
    second = await threads.answer(None, said("t"), None)
    await asyncio.wait([first.task])
    assert (state_of(first), state_of(second.live)) == ("cancelled", "running")
    assert part_of(second) == (0, 1)
    other = (await threads.answer(None, said("t"), "ann")).live
    assert state_of(second.live) != "cancelled"
    assert state_of(other) != "cancelled"


@on(lambda: paced("a", 60))
async def test_a_run_that_is_read_keeps_its_thread(threads: Threads) -> None:
    answer = await threads.answer(None, said("t"), None)
    reading = answer.live.read(ag_ui_wire(answer.exchange, 0))
    assert (await refused(threads, said("t"))).code == "thread_busy"
    asyncio.get_running_loop().call_later(0.5, reading.close)  # leaves just after the next message was sent
    again = await threads.answer(None, said("t"), None)
    await asyncio.wait([answer.live.task])
    assert (state_of(answer.live), again.live is answer.live) == ("cancelled", False)


@on(lambda: paced("a", 60))
async def test_two_concurrent_messages_start_one_run(threads: Threads) -> None:
    first = (await threads.answer(None, said("t"), None)).live
    reading = first.read(ag_ui_wire((await threads.answer(None, said("u"), None)).exchange, 0))
    asyncio.get_running_loop().call_later(0.5, reading.close)
    both = await asyncio.gather(*(threads.answer(None, said("t"), None) for _ in range(2)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in both) == ["Answer", "Problem"]


@on(lambda: paced("a", 60), on_disconnect="continue")
async def test_a_run_that_is_to_continue_without_readers_does(threads: Threads) -> None:
    first = (await threads.answer(None, said("t"), None)).live
    second = (await threads.answer(None, said("t"), None)).live
    await asyncio.sleep(3)
    assert (state_of(first), state_of(second)) == ("running", "running")


@on(lambda: paced("a", 60), limits=Limits(threads=1))
async def test_the_thread_used_least_recently_is_forgotten(threads: Threads) -> None:
    first = (await threads.answer(None, said("t"), None)).live
    await threads.answer(None, said("u"), None)
    await threads.answer(None, said("t"), None)
    assert state_of(first) != "cancelled"


@on(lambda: scripted(Call("send", {"to": "ann"}), Call("send", {"to": "bob"}), [Say("Done.")], tools=[send]))
async def test_it_continues_where_people_have_answered(threads: Threads) -> None:
    live = (await threads.answer(None, said("t"), None)).live
    await asyncio.sleep(1)
    (first,) = live.pending
    assert part_of(await threads.answer(None, said("t"), None)) == (1, 1)  # asked anew, and told what it waits for
    answer = await threads.answer(None, said("t", yes(first.id)), None)
    assert (part_of(answer), answer.exchange.warnings) == ((1, 2), ())
    await asyncio.sleep(1)
    (second,) = live.pending
    assert second.id != first.id
    assert part_of(await threads.answer(None, said("t", yes(first.id)), None)) == (1, 2)  # sent again: told again
    strange = await threads.answer(None, said("t", yes("nobody")), None)
    assert (part_of(strange), strange.exchange.warnings) == ((2, 2), ("No open interrupt has the id nobody.",))
    edited = yes(second.id, editedArgs={"to": "eve"}, reason="Not Bob.", forRun=True)
    both = await threads.answer(None, said("t", edited, yes("nobody")), None)
    assert (part_of(both), both.exchange.warnings) == ((2, 3), ("No open interrupt has the id nobody.",))
    await live.task
    answers = [event for event in live.log if event.type == "approval.answered"]
    assert [(one.arguments, one.note, one.for_run) for one in answers] == [  # type: ignore[attr-defined]
        (None, "", False),
        ({"to": "eve"}, "Not Bob.", True),
    ]
    assert state_of(live) == "finished"
    assert part_of(await threads.answer(None, said("t", yes(second.id)), None)) == (2, 3)  # its answer was lost
    assert (await refused(threads, said("t", yes("nobody")))).code == "run_ended"
    assert (await refused(threads, said("elsewhere", yes(second.id)))).code == "run_ended"


@on(lambda: scripted([Call("send", {"to": "ann"}), Call("send", {"to": "bob"})], [Say("Done.")], tools=[send]))
async def test_answers_in_two_requests_are_streamed_from_the_first_on(threads: Threads) -> None:
    live = (await threads.answer(None, said("t"), None)).live
    await asyncio.sleep(1)
    ann, bob = live.pending
    part = await threads.answer(None, said("t", yes(ann.id)), None)
    assert part_of(part) == (1, 2)
    await asyncio.sleep(1)
    assert state_of(live) == "waiting"
    rest = await threads.answer(None, said("t", yes(ann.id), yes(bob.id)), None)
    assert part_of(rest) == (1, 3)
    await live.task


@pytest.mark.parametrize(
    ("answer", "allowed", "note"),
    [
        ({"status": "resolved", "payload": True}, True, ""),
        ({"status": "resolved", "payload": {"approved": False, "reason": "No."}}, False, "No."),
        ({"status": "cancelled"}, False, "Nobody decided."),
    ],
)
def test_an_approval_is_answered_with_a_decision(answer: dict[str, Any], allowed: bool, note: str) -> None:
    async def one(threads: Threads) -> None:
        live = (await threads.answer(None, said("t"), None)).live
        await asyncio.sleep(1)
        (question,) = live.pending
        wrong = {"interruptId": question.id, "status": "resolved"}
        for payload in (None, "yes", {"approved": "yes"}, {"approved": True, "editedArgs": 7}):
            assert (await refused(threads, said("t", {**wrong, "payload": payload}))).code == "bad_request"
        await threads.answer(None, said("t", {"interruptId": question.id, **answer}), None)
        await live.task
        (given,) = [event for event in live.log if event.type == "approval.answered"]
        assert (given.allowed, given.note) == (allowed, note)  # type: ignore[attr-defined]

    on(lambda: scripted(Call("send", {"to": "ann"}), [Say("Done.")], tools=[send]))(one)()


@tool
async def choose(ctx: ToolContext[Any]) -> str:
    """Ask."""
    return str(await ctx.ask("Which?", int))


@on(lambda: scripted(Call("choose"), Call("choose"), [Say("Done.")], tools=[choose]))
async def test_a_question_is_answered_with_what_it_asks_for(threads: Threads) -> None:
    live = (await threads.answer(None, said("t"), None)).live
    await asyncio.sleep(1)
    (question,) = live.pending
    wrong = {"interruptId": question.id, "status": "resolved", "payload": "seven"}
    assert (await refused(threads, said("t", wrong))).code == "bad_request"
    await threads.answer(None, said("t", {**wrong, "payload": 7}), None)
    await asyncio.sleep(1)
    (question,) = live.pending
    await threads.answer(None, said("t", {"interruptId": question.id, "status": "cancelled"}), None)
    await live.task
    answers = [event for event in live.log if event.type == "input.answered"]
    assert [(one.action, one.content) for one in answers] == [("accept", 7), ("cancel", None)]  # type: ignore[attr-defined]


TOOL = {"name": "pick", "description": "Pick.", "parameters": {"type": "object"}}


@on(lambda: speaker("a"))
async def test_the_pages_tools_are_offered_to_an_agent(threads: Threads) -> None:
    answer = await threads.answer(None, said("t", tools=[TOOL]), None)
    assert answer.exchange.warnings == ()
    twice = await refused(threads, said("u", tools=[TOOL, TOOL]))
    assert twice.code == "bad_request"


@on(lambda: SequentialWorkflow([speaker("a"), speaker("b")], name="team"))
async def test_a_workflow_is_not_offered_the_pages_tools_and_says_so(threads: Threads) -> None:
    (warning,) = (await threads.answer("team", said("t", tools=[TOOL]), None)).exchange.warnings
    assert "not offered" in warning
