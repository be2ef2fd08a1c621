from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headwater import tool
from headwater.backends.offline import Call, Say
from headwater.web.ai_sdk.chats import Answer, Chats
from headwater.web.http.site import Site
from headwater.web.limits import Limits
from headwater.web.problems import Problem
from headwater.web.runs.latest import GRACE, PATIENCE, told_to_the_end
from headwater.web.runs.live_run import LiveRun
from tests.support.members import paced
from tests.support.streams import scripted
from tests.support.virtual import run_virtual


def said(chat: str, *more: Any) -> dict[str, Any]:
    return {"id": chat, "messages": [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}, *more]}


def grace_of(live: LiveRun) -> Any:
    return live.on_disconnect  # a checker would take it for what it was before


def on(make: Callable[[], Any], **options: Any) -> Callable[[Callable[[Chats], Awaitable[None]]], Callable[[], None]]:
    def decorate(test: Callable[[Chats], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            site = Site([make()], **options)
            await test(Chats(site))
            for live in site.manager.runs():
                live.cancel()
            await site.manager.shutdown()

        def run() -> None:
            run_virtual(main())

        return run

    return decorate


@tool(approval=True)
async def send() -> str:
    """Send."""
    return "sent"


@on(lambda: paced("a", 3), limits=Limits(threads=2))
async def test_a_chat_has_one_answer_at_a_time_and_is_its_callers(chats: Chats) -> None:
    answer = await chats.answer(None, said("c"), None)
    assert answer == Answer(answer.live, 0, 1)
    assert grace_of(answer.live) == GRACE
    with pytest.raises(Problem) as busy:
        await chats.answer(None, said("c"), None)
    assert busy.value.code == "thread_busy"
    assert await chats.going("c", "ann") is None
    assert await chats.going("c", None) == answer
    await chats.stop("c", "ann")
    await answer.live.task
    assert answer.live.state == "finished"
    assert await chats.going("c", None) is None
    assert (await chats.answer(None, said("c"), None)).live is not answer.live


@on(lambda: paced("a", 30), limits=Limits(threads=2))
async def test_the_chat_used_least_recently_is_forgotten(chats: Chats) -> None:
    for chat in ("x", "y", "z"):
        await chats.answer(None, said(chat), None)
    assert [chat for chat in "xyz" if await chats.going(chat, None)] == ["y", "z"]
    await chats.stop("z", None)
    await asyncio.sleep(1)
    assert await chats.going("z", None) is None


@on(lambda: paced("a", 2), limits=Limits(ended_runs=0))
async def test_a_chat_keeps_no_log_of_a_run_that_has_ended(chats: Chats) -> None:
    live = (await chats.answer(None, said("c"), None)).live
    known = weakref.ref(live)
    await live.task
    del live
    gc.collect()
    assert known() is None
    assert await chats.going("c", None) is None
    assert (await chats.answer(None, said("c"), None)).live.state == "queued"


@on(lambda: scripted(Call("send"), [Say("Done.")], tools=[send]))
async def test_it_continues_where_people_have_approved(chats: Chats) -> None:
    live = (await chats.answer(None, said("c"), None)).live
    await asyncio.sleep(1)
    told_to_the_end(live)
    assert grace_of(live) == PATIENCE
    assert await chats.going("c", None) == Answer(live, 0, 1)
    (question,) = live.pending
    part = {"type": "tool-send", "toolCallId": "x", "state": "approval-responded"}
    answered = said("c", {"role": "assistant", "parts": [{**part, "approval": {"id": question.id, "approved": True}}]})
    assert await chats.answer(None, answered, None) == Answer(live, 1, 2)
    assert grace_of(live) == GRACE
    assert await chats.answer(None, answered, None) == Answer(live, 1, 2)  # sent twice: the first answer stands
    await live.task
    told_to_the_end(live)
    assert grace_of(live) == GRACE
    with pytest.raises(Problem) as over:
        await chats.answer(None, answered, None)
    assert over.value.code == "run_ended"
