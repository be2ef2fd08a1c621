"""A reader that is slower than the members: they wait, or what they say is joined; memory is bounded either way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Agent, AgentStream, ConcurrentWorkflow, SequentialWorkflow, ToolContext
from headwater.backends.offline import Call, ScriptedModel, Wait
from headwater.errors import ConfigurationError
from headwater.events import Event, TextDelta, ToolProgress
from headwater.runtime.backlog import MAX_CHARS_AHEAD, SlowReader
from headwater.runtime.merge import MAX_BATCHES_AHEAD
from tests.support.members import SHAPES, Shape, checked, nested, paced, speaker, spoken
from tests.support.virtual import run_virtual

POLICIES: tuple[SlowReader, ...] = ("wait", "coalesce", "drop_progress")


def inside(shape: Shape) -> Any:
    made = shape()
    return made if hasattr(made, "agents") else SequentialWorkflow([made], name="outer")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_the_log_follows_every_rule_and_the_text_is_the_same(shape: Shape, policy: SlowReader) -> None:
    async def main() -> None:
        calm = [event async for event in inside(shape).run_stream("Go.").events()]
        slow: list[Event] = []
        stream = inside(shape).run_stream("Go.", slow_reader=policy)
        async for event in stream.events():
            slow.append(event)
            await asyncio.sleep(0.3)
        checked(slow)
        assert spoken(slow) == spoken(calm)
        assert len(slow) <= len(calm)
        assert not (await stream.result()).partial

    run_virtual(main())


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_slow_reader_can_leave_at_any_event(shape: Shape, policy: SlowReader) -> None:
    async def main() -> None:
        whole = 0
        async for _ in inside(shape).run_stream("Go.", slow_reader=policy).events():
            whole += 1
        for at in range(0, whole, 3):
            log: list[Event] = []
            stream = inside(shape).run_stream("Go.", slow_reader=policy, on_event=log.append)
            async for event in stream.events():
                await asyncio.sleep(2)
                if event.seq == at:
                    break
            await stream.aclose()
            checked(log)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def _said(run: Any, name: str) -> str:
    """What the member has said so far, read or not."""
    fold = run.node.latest[name].fold
    assert fold is not None
    return str(fold.text)


def words_said(stream: AgentStream[Any, Any], name: str) -> int:
    """How far a member has got, read or not."""
    run: Any = stream._run
    return len(_said(run, name).split())


def test_with_wait_no_member_is_far_ahead() -> None:
    async def main() -> None:
        stream = ConcurrentWorkflow([paced("a", 60), paced("b", 60)]).run_stream("Go.")
        read = {"a": "", "b": ""}
        async for event in stream.events():
            if isinstance(event, TextDelta):
                read[event.agent] += event.text
                await asyncio.sleep(10)
                for name, text in read.items():
                    # What has been taken from the queue and is being read, and what has come to it since.
                    assert words_said(stream, name) <= len(text.split()) + 2 * MAX_BATCHES_AHEAD + 1
        assert {name: len(text.split()) for name, text in read.items()} == {"a": 60, "b": 60}

    _, seconds = run_virtual(main())
    assert seconds >= 2 * 2 * 60 * 10  # a word is two tokens: the reader paces all of it


@pytest.mark.parametrize("policy", POLICIES[1:])
def test_with_coalesce_members_continue(policy: SlowReader) -> None:
    async def main() -> None:
        stream = ConcurrentWorkflow([paced("a", 60), paced("b", 60)]).run_stream("Go.", slow_reader=policy)
        pieces: dict[str, list[str]] = {"a": [], "b": []}
        async for event in stream.events():
            if isinstance(event, TextDelta):
                pieces[event.agent].append(event.text)
                await asyncio.sleep(10)
        for name, one in pieces.items():
            assert "".join(one) == "".join(f"{name}{number} " for number in range(60))
            assert len(one) <= 10

    _, seconds = run_virtual(main())
    assert seconds <= 150


def test_coalesced_text_is_bounded() -> None:
    turn: list[Any] = [item for _ in range(400) for item in (Wait(0.01), "x" * 10_000)]

    async def main() -> None:
        agents = [Agent(name=name, model=ScriptedModel(lambda request: turn)) for name in "ab"]
        stream = ConcurrentWorkflow(agents).run_stream("Go.", slow_reader="coalesce")
        read = {"a": 0, "b": 0}
        async for event in stream.events():
            if isinstance(event, TextDelta):
                read[event.agent] += len(event.text)
                await asyncio.sleep(1000)
                run: Any = stream._run
                for name, chars in read.items():
                    ahead = len(_said(run, name)) - chars
                    assert ahead <= 2 * (MAX_CHARS_AHEAD + 20_000)
        assert read == {"a": 4_000_000, "b": 4_000_000}

    run_virtual(main())


@pytest.mark.parametrize(("policy", "kept"), [("wait", False), ("coalesce", False), ("drop_progress", True)])
def test_with_drop_progress_only_the_latest_of_each_call_is_kept(policy: SlowReader, kept: bool) -> None:
    async def main() -> None:
        async def work(ctx: ToolContext[Any], to: int) -> str:
            """Work."""
            for number in range(to):
                ctx.emit(number)
                await asyncio.sleep(1)
            return "done"

        turn = [Call("work", {"to": 100}), Call("work", {"to": 50})]
        agent = speaker("a", turn, "It is done.", tools=[work])
        stream = SequentialWorkflow([agent]).run_stream("Go.", slow_reader=policy)
        news: dict[str, list[int]] = {}
        async for event in stream.events():
            if isinstance(event, ToolProgress):
                if not news:
                    await asyncio.sleep(500)  # both tools are at work by now: none begins before the log says so
                news.setdefault(event.call, []).append(event.data)
        for told, last in zip(sorted(news.values(), key=max), (49, 99), strict=True):
            assert told[-1] == last
            assert len(told) <= 2 if kept else told == [*range(last + 1)]

    run_virtual(main())


@pytest.mark.parametrize("policy", POLICIES)
def test_a_slow_callback_is_a_slow_reader(policy: SlowReader) -> None:
    async def main() -> None:
        told: list[str] = []

        async def slowly(name: str, token: str) -> None:
            told.append(token)
            await asyncio.sleep(5)

        workflow = ConcurrentWorkflow([paced("a", 20), paced("b", 20)])
        stream = workflow.run_stream("Go.", streaming_callback=slowly, slow_reader=policy)
        results = await stream.result()
        assert sorted("".join(told)) == sorted(results[0] + results[1])
        assert (len(told) == 80) is (policy == "wait")

    run_virtual(main())


def test_no_other_policy() -> None:
    with pytest.raises(ConfigurationError, match="slow_reader is 'hurry'"):
        nested().run_stream("Go.", slow_reader="hurry")  # type: ignore[arg-type]
