"""The law of the log, tried on made-up runs and in another process; and what it has brought to light."""

from __future__ import annotations

import asyncio
from typing import Any

from headwater import Agent
from headwater.backends.offline import Say, ScriptedModel, Wait
from headwater.events import Event
from headwater.events.answers import tree_response
from headwater.events.checker import check_log
from headwater.workflows import ConcurrentWorkflow, SequentialWorkflow
from tests.support.virtual import run_virtual
from tests.system.invariants.late_reader import known

# --- what the law has brought to light


def _speaker(name: str, *turn: Any, **options: Any) -> Agent[Any, Any]:
    return Agent(name=name, model=ScriptedModel(lambda request: [Say(["Hi ", "there."]), *turn]), **options)


def _nested(inner: Any) -> ConcurrentWorkflow:
    return ConcurrentWorkflow([SequentialWorkflow([inner, _speaker("b")], name="left"), _speaker("c")], name="top")


def test_a_run_that_is_stopped_before_its_first_event_took_no_time() -> None:
    async def main() -> None:
        for stop in range(30):
            log: list[Event] = []
            stream = _nested(_speaker("a")).run_stream("Go.", on_event=log.append)
            async for event in stream.events():
                if event.seq == stop:
                    stream.cancel()
            check_log(log)
            assert known(stream.response) == known(tree_response(log))

    run_virtual(main())


def test_a_run_that_was_ended_while_it_began_says_nothing_more() -> None:
    async def stubborn(context: Any) -> str:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            return "Go on all the same."
        return "Go."

    async def main() -> None:
        log: list[Event] = []
        members = [_speaker("a", instructions=stubborn), _speaker("b", Wait(1))]
        stream = ConcurrentWorkflow(members).run_stream("Go.", on_event=log.append)
        asyncio.get_running_loop().call_later(0.5, stream.cancel)
        await stream.result()
        await stream.aclose()
        assert known(stream.response) == known(tree_response(log))

    run_virtual(main())


def test_whoever_waits_for_a_run_waits_for_all_that_is_below_it() -> None:
    async def main() -> None:
        for items in range(12):
            inner = ConcurrentWorkflow([_speaker(name, Wait(1)) for name in "ab"], name="inner")
            workflow = ConcurrentWorkflow([ConcurrentWorkflow([inner], name="middle"), _speaker("c", Wait(1))])
            stream = workflow.run_stream("Go.")
            async for event in stream.events():
                if event.seq >= items:
                    await stream.aclose()
            assert asyncio.all_tasks() == {asyncio.current_task()}, f"after {items} events"

    run_virtual(main())
