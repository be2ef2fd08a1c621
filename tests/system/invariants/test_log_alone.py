"""The law of the log, tried on made-up runs and in another process; and what it has brought to light."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater import Agent, AgentStream
from headwater.backends.offline import Call, Say, ScriptedModel, Wait
from headwater.events import Event, RunFailed, ToolFinished
from headwater.events.answers import tree_response
from headwater.events.checker import check_log
from headwater.events.codec import encode
from headwater.workflows import ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from tests.support.effort import tries
from tests.support.paths import ROOT
from tests.support.virtual import run_virtual
from tests.system.invariants import late_reader
from tests.system.invariants.late_reader import known
from tests.system.invariants.log_alone import Report, live, played

PLAYS = tries(50, 750)
PARTS = 10


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_the_log_alone_shows_what_the_live_run_showed(part: int) -> None:
    report = Report()
    each = PLAYS // PARTS
    for number in range(part * each, (part + 1) * each):
        assert report.add(number) == [], f"python -m tests.system.invariants.log_alone 1 --first {number}"


def test_another_process_sees_the_same_in_the_file(tmp_path: Path) -> None:
    plays = [play for play in map(played, range(30)) if play.whole]
    asked: list[str] = []
    for play in plays:
        file = tmp_path / f"{play.number}.jsonl"
        file.write_bytes(b"".join(encode(event) + b"\n" for event in play.log))
        asked += [str(file), msgspec.json.encode(play.asked).decode()]
    command = [sys.executable, "-m", late_reader.__name__, *asked]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    for play, late in zip(plays, done.stdout.splitlines(), strict=True):
        assert repr(live(play)) == late, f"play {play.number}"


def test_deeply_nested_workflows_cost_the_sum_of_their_members() -> None:
    inner: Any = _speaker("a")
    for level in range(50):  # at three times the cost a level this would never end
        inner = SequentialWorkflow([inner], name=f"level{level}")
    log: list[Event] = []
    response = inner.run("Go.", on_event=log.append)
    assert response.text == "Hi there."
    assert known(response) == known(tree_response(log))


# --- what the law has brought to light


def _speaker(name: str, *turn: Any, **options: Any) -> Agent[Any, Any]:
    return Agent(name=name, model=ScriptedModel(lambda request: [Say(["Hi ", "there."]), *turn]), **options)


def _nested(inner: Any) -> ConcurrentWorkflow:
    return ConcurrentWorkflow([SequentialWorkflow([inner, _speaker("b")], name="left"), _speaker("c")], name="top")


def test_a_run_that_is_stopped_before_its_first_event_took_no_time() -> None:
    async def wait(context: Any) -> str:
        await asyncio.sleep(5)
        return "Go."

    async def main() -> None:
        log: list[Event] = []
        stream = _nested(_speaker("a", instructions=wait)).run_stream("Go.", on_event=log.append)
        asyncio.get_running_loop().call_later(0.5, stream.cancel)
        response = await stream.result()
        assert response.members["left"].members["a"].duration == 0.0
        assert known(response) == known(tree_response(log))

    run_virtual(main())


def test_a_run_that_ended_while_it_started_logs_nothing_more() -> None:
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


def test_waiting_for_a_run_waits_for_its_children() -> None:
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


@pytest.mark.parametrize("whole", [_speaker("top"), _nested(_speaker("a"))], ids=["agent", "workflow"])
def test_watchers_receive_events_in_order_even_if_a_callback_closes_the_run(whole: Any) -> None:
    async def main() -> None:
        for tokens in range(1, 4):
            log: list[Event] = []
            told: list[str] = []

            def close(token: str) -> None:
                told.append(token)  # noqa: B023  # it is called within this turn of the loop
                if len(told) == tokens:  # noqa: B023
                    stream.close()  # noqa: B023

            stream = whole.run_stream("Go.", streaming_callback=close, on_event=log.append)
            await stream.result()
            check_log(log)
            assert known(stream.response) == known(tree_response(log))

    run_virtual(main())


@pytest.mark.parametrize("kind", [ConcurrentWorkflow, GraphWorkflow])
@pytest.mark.parametrize("leave", [AgentStream.close, AgentStream.cancel])
def test_no_member_starts_after_the_run_was_left(kind: Any, leave: Callable[[AgentStream[Any]], None]) -> None:
    async def main() -> None:
        models = [ScriptedModel([["Hi", Wait(1)]] * 9) for _ in range(3)]
        members = [Agent(name=f"m{at}", model=model) for at, model in enumerate(models)]
        log: list[Event] = []
        stream = kind(members, max_concurrency=2).run_stream("Go.", on_event=log.append)
        async for _ in stream.events():
            leave(stream)
        await asyncio.sleep(10)
        assert [len(model.requests) for model in models] == [0, 0, 0]
        check_log(log)
        assert known(stream.response) == known(tree_response(log))

    run_virtual(main())


@pytest.mark.filterwarnings("error")
def test_leaving_a_run_leaves_no_callback_unawaited() -> None:
    async def hear(told: Any) -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        inner = _speaker("a", streaming_callback=hear, on_event=hear)
        stream = ConcurrentWorkflow([inner]).run_stream("Go.", streaming_callback=hear, on_event=hear)
        async for chunk in stream:
            if chunk.content:
                break
        await stream.aclose()

    run_virtual(main())


@pytest.mark.filterwarnings("error")
def test_a_reader_that_is_cancelled_in_a_callback_leaves_no_other_unawaited() -> None:
    async def hear(told: Any) -> None:
        await asyncio.sleep(1)

    async def main() -> None:
        for seconds in range(10):
            stream = _speaker("a").run_stream("Go.", streaming_callback=hear, on_event=hear)
            task = asyncio.ensure_future(stream.result())
            asyncio.get_running_loop().call_later(seconds + 0.5, task.cancel)
            with pytest.raises(asyncio.CancelledError):
                await task

    run_virtual(main())


class _Stopping:
    """A member of a user's own that stops what it began."""

    def __init__(self, inner: Any, stop: Callable[[AgentStream[Any]], Any]) -> None:
        self.name = inner.name
        self._inner = inner
        self._stop = stop

    def run_stream(self, message: Any, /, *, context: Any = None) -> AgentStream[Any]:
        stream: AgentStream[Any] = self._inner.run_stream(message, context=context)
        asyncio.get_running_loop().call_later(0.5, self._stop, stream)
        return stream


@pytest.mark.parametrize("stop", [AgentStream.close, AgentStream.cancel])
@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_a_member_whose_stream_its_wrapper_closes_ends_in_the_order_of_the_log(
    stop: Callable[[AgentStream[Any]], Any], pause: float
) -> None:
    async def main() -> None:
        log: list[Event] = []
        member = _Stopping(_speaker("a", Wait(1), Say(["Never ", "said."])), stop)
        stream = SequentialWorkflow([member, _speaker("b")]).run_stream("Go.", on_event=log.append)
        async for _ in stream.events():
            await asyncio.sleep(pause)
        check_log(log)
        assert known(stream.response) == known(tree_response(log))
        assert stream.response.members["a"].finish_reason == "cancelled"
        assert stream.response.text == "Hi there."

    run_virtual(main())


async def _await_what_another_cancels(*_: Any) -> Any:
    other: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    other.cancel()
    return await other


def test_a_cancellation_from_outside_fails_the_run_that_awaits_it() -> None:
    async def main() -> None:
        below = _speaker("below", instructions=_await_what_another_cancels)
        calls = [Call("below", {"task": "x"})]
        model = ScriptedModel([calls, "Done."])
        log: list[Event] = []
        response = await Agent(name="top", model=model, tools=[below]).run_stream("Go.", on_event=log.append).result()
        check_log(log)
        assert response.text == "Done."
        assert [event.error for event in log if isinstance(event, ToolFinished)] != [None]

        members = [_speaker("a"), _speaker("b")]
        graph = GraphWorkflow(members, edges=[("a", "b", _await_what_another_cancels)])
        log = []
        stream = graph.run_stream("Go.", on_event=log.append)
        with pytest.raises(Exception, match="cancelled by other code"):
            await stream.result()
        check_log(log)
        assert isinstance(log[-1], RunFailed)

    run_virtual(main())
