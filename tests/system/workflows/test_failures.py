"""One member fails: before its first word, in the middle of one, in a tool, in its callback; under both policies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from headwater import Agent, AgentStream, ConcurrentWorkflow, GraphWorkflow, Response, SequentialWorkflow
from headwater.backends.offline import Call, Cut, Fail, Say, ScriptedModel, Wait
from headwater.errors import (
    AuthenticationFailed,
    HeadwaterError,
    IncompleteStream,
    MaxStepsReached,
    Overloaded,
    RateLimited,
    ServerError,
    ToolFailed,
    UnknownModel,
)
from headwater.events import ChildFinished, Event, RunFailed, Warned
from tests.support.members import checked, ends, log_of, paced, speaker, texts
from tests.support.virtual import run_virtual

Make = Callable[[], tuple[Agent[Any, Any], type[Exception], str]]


async def fatal() -> str:
    """End it all."""
    raise ToolFailed("That is all.")


def before_the_first_word() -> tuple[Agent[Any, Any], type[Exception], str]:
    return speaker("b", [Wait(2), Fail(401)]), AuthenticationFailed, ""


def after_retries() -> tuple[Agent[Any, Any], type[Exception], str]:
    return speaker("b", *[[Wait(1), Fail(429)]] * 3, retries=2), RateLimited, ""


def in_the_middle() -> tuple[Agent[Any, Any], type[Exception], str]:
    return speaker("b", [Wait(1), Say("Half "), Wait(1), Fail("overloaded_error")]), Overloaded, "Half "


def by_breaking_off() -> tuple[Agent[Any, Any], type[Exception], str]:
    return speaker("b", [Wait(1), Say("Half "), Wait(1), Cut()]), IncompleteStream, "Half "


def in_a_tool() -> tuple[Agent[Any, Any], type[Exception], str]:
    return speaker("b", [Wait(2), "I end it. ", Call("fatal")], tools=[fatal]), ToolFailed, "I end it. "


def in_circles() -> tuple[Agent[Any, Any], type[Exception], str]:
    return speaker("b", [Wait(2), "Again. ", Call("nothing")], tools=[fatal], max_steps=1), MaxStepsReached, "Again. "


def in_an_heir() -> tuple[Agent[Any, Any], type[Exception], str]:
    heir = speaker("heir", [Wait(1), Say("Half "), Wait(1), Fail(500)], retries=0)
    return speaker("b", ["To you. ", Call("transfer_to_heir")], handoffs=[heir]), ServerError, "Half "


WAYS: list[Make] = [
    before_the_first_word,
    after_retries,
    in_the_middle,
    by_breaking_off,
    in_a_tool,
    in_circles,
    in_an_heir,
]
each_way = pytest.mark.parametrize("fail", WAYS, ids=lambda way: way.__name__)


async def read(stream: AgentStream[Any, Any]) -> tuple[list[Event], BaseException | None]:
    """The whole log, and what came out of the reading."""
    events: list[Event] = []
    error: BaseException | None = None
    try:
        events.extend([event async for event in stream.events()])
    except Exception as raised:
        error = raised
    return events, error


@each_way
@pytest.mark.parametrize("deep", [False, True], ids=["beside", "deeper"])
def test_raise_cancels_the_others_and_the_error_has_every_partial(fail: Make, deep: bool) -> None:
    async def main() -> None:
        agent, kind, partial = fail()
        member: Any = SequentialWorkflow([speaker("first"), agent], name="b") if deep else agent
        log: list[Event] = []
        stream = ConcurrentWorkflow([paced("a", 100), member, paced("c", 100)], name="w").run_stream(
            "Go.", on_event=log.append
        )
        _, error = await read(stream)
        assert type(error) is kind
        assert isinstance(error, HeadwaterError)
        checked(log)
        assert error.response["b"].text == partial
        assert error.response["a"].text.startswith("a0 ")
        assert error.response["a"].finish_reason == "cancelled"
        assert error.response.partial
        assert stream.response.to_dict() == error.response.to_dict()
        with pytest.raises(kind) as again:
            await stream.result()
        assert again.value is error
        assert error.__notes__[-1] == "'b' was running in 'w'."
        if deep:
            assert error.__notes__ == ["'b' was running in 'b'.", "'b' was running in 'w'."]
        outcomes = {event.name: event.outcome for event in log if isinstance(event, ChildFinished)}
        assert (outcomes["a"], outcomes["b"], outcomes["c"]) == ("cancelled", "failed", "cancelled")
        end = log[-1]
        assert isinstance(end, RunFailed)
        assert end.error.type == kind.__name__
        assert asyncio.all_tasks() == {asyncio.current_task()}

    _, seconds = run_virtual(main())
    assert seconds < 20


@each_way
@pytest.mark.parametrize("deep", [False, True], ids=["beside", "deeper"])
def test_collect_keeps_its_slot_and_the_others_continue(fail: Make, deep: bool) -> None:
    async def main() -> None:
        agent, kind, partial = fail()
        member: Any = SequentialWorkflow([speaker("first"), agent], name="b") if deep else agent
        stream = ConcurrentWorkflow([paced("a", 30), member, paced("c", 30)], on_error="collect").run_stream("Go.")
        events = await log_of(stream)
        results: Any = await stream.result()
        assert list(results.errors) == ["b"]
        assert type(results.errors["b"]) is kind
        assert results["b"].text == partial
        assert results["b"].partial
        assert not results["a"].partial
        assert not results.partial
        assert len(results["a"].split()) == len(results["c"].split()) == 30
        assert results["a"].error is None
        assert ends(events)["concurrent-workflow/b"].type == "run.failed"
        assert events[-1].type == "run.finished"

    run_virtual(main())


@each_way
def test_in_a_sequence(fail: Make) -> None:
    async def main() -> None:
        agent, kind, partial = fail()
        stream = SequentialWorkflow([speaker("a"), agent, speaker("c")]).run_stream("Go.")
        _, error = await read(stream)
        assert type(error) is kind
        response = stream.response
        assert texts(response) == {"a": "a says hi there.", "b": partial}
        assert response.text == partial
        assert response.partial
        assert isinstance(error, HeadwaterError)
        assert error.response.text == partial

        agent, kind, partial = fail()
        response = await SequentialWorkflow([speaker("a"), agent, speaker("c")], on_error="collect").arun("Go.")
        assert texts(response) == {"a": "a says hi there.", "b": partial, "c": "c says hi there."}
        assert type(response.members["b"].error) is kind
        assert not response.partial

    run_virtual(main())


@each_way
def test_sync_code_gets_the_same_error(fail: Make) -> None:
    agent, kind, _ = fail()
    hurried: Any = agent.model
    assert isinstance(hurried, ScriptedModel)
    agent.retries = 0
    workflow = ConcurrentWorkflow([speaker("a"), agent])

    async def main() -> None:
        with pytest.raises(kind):
            await workflow.arun("Go.")

    run_virtual(main())


@pytest.mark.parametrize("policy", ["raise", "collect"])
def test_all_fail_at_once(policy: Any) -> None:
    async def main() -> None:
        agents = [speaker(f"a{number}", [Wait(1), Fail(401)]) for number in range(20)]
        log: list[Event] = []
        stream = ConcurrentWorkflow(agents, on_error=policy).run_stream("Go.", on_event=log.append)
        _, error = await read(stream)
        checked(log)
        if policy == "raise":
            assert isinstance(error, AuthenticationFailed)
        else:
            assert error is None
            results: Any = stream.response
            assert len(results.errors) == 20
            assert str(results) == ""

    run_virtual(main())


@pytest.mark.parametrize("policy", ["raise", "collect"])
def test_a_members_callback_that_raises_ends_nothing(policy: Any, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("mine")

    agents = [speaker("a", streaming_callback=fail, on_event=fail), speaker("b")]
    with caplog.at_level(logging.ERROR, logger="headwater"):
        results = ConcurrentWorkflow(agents, on_error=policy).run("Go.")
    assert texts(results) == {"a": "a says hi there.", "b": "b says hi there."}
    assert results["a"].callback_errors > 0
    assert results["b"].callback_errors == 0
    assert len(caplog.records) == 1  # told once, counted often


def test_a_failure_of_two_members_in_one_moment_is_one_failure() -> None:
    async def main() -> None:
        agents = [speaker("a", [Wait(1), Fail(401)]), speaker("b", [Wait(1), Fail(403)])]
        log: list[Event] = []
        _, error = await read(ConcurrentWorkflow(agents).run_stream("Go.", on_event=log.append))
        checked(log)
        assert isinstance(error, HeadwaterError)
        assert sum(isinstance(event, RunFailed) and len(event.path) == 1 for event in log) == 1

    run_virtual(main())


def test_the_failure_of_an_agent_as_a_tool_is_reported_to_the_model() -> None:
    async def main() -> None:
        team = ConcurrentWorkflow([paced("p", 50), speaker("q", [Wait(1), Fail(401)])], name="team")
        boss = speaker("boss", [Call("team", {"task": "x"})], "Then without.", tools=[team])
        stream = boss.run_stream("Go.")
        events = await log_of(stream)
        assert (await stream.result()).text == "Then without."
        assert ends(events)["boss/team"].type == "run.failed"
        assert ends(events)["boss/team/p"].type == "run.cancelled"

    _, seconds = run_virtual(main())
    assert seconds == 1


def test_an_error_before_the_first_request_is_raised_in_the_same_way() -> None:
    """A model that cannot be asked at all is a failure of its member, not of the whole machinery."""

    async def main() -> None:
        agents = [speaker("a"), Agent(name="b", model="nobody/knows-this")]
        stream = ConcurrentWorkflow(agents, on_error="collect").run_stream("Go.")
        events = await log_of(stream)
        results: Any = await stream.result()
        assert isinstance(results.errors["b"], UnknownModel)
        assert texts(results) == {"a": "a says hi there.", "b": ""}
        assert [event.message for event in events if isinstance(event, Warned)] == [
            f"b could not start: UnknownModel: {results.errors['b']}"
        ]
        assert texts(await SequentialWorkflow(agents, on_error="collect").arun("Go."))["b"] == ""
        last = await GraphWorkflow(agents, edges=[("a", "b")], on_error="collect").arun("Go.")
        assert isinstance(last.error, UnknownModel)
        for kind in (SequentialWorkflow, ConcurrentWorkflow, GraphWorkflow):
            with pytest.raises(UnknownModel) as raised:
                await kind(agents, name="w").arun("Go.")
            assert raised.value.__notes__ == ["'b' could not start in 'w'."]
            assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


@pytest.mark.parametrize("shape", [SequentialWorkflow, ConcurrentWorkflow, GraphWorkflow])
def test_a_failed_workflow_can_be_run_again(shape: Any) -> None:
    failing = iter([True, False])

    def turn(request: Any) -> Any:
        return [Fail(401)] if next(failing) else "Well."

    workflow = shape([Agent(name="a", model=ScriptedModel(turn))])
    with pytest.raises(AuthenticationFailed):
        workflow.run("Go.")
    assert str(workflow.run("Go.")) == "Well."


def test_errors_do_not_accumulate_notes() -> None:
    shared = ServerError("down", provider="x", status=500)
    workflow = SequentialWorkflow([speaker("a", [Fail(shared)], [Fail(shared)], retries=0)])
    for _ in range(2):
        with pytest.raises(ServerError) as raised:
            workflow.run("Go.")
    assert raised.value.__notes__ == ["'a' was running in 'sequential-workflow'."]
    assert isinstance(raised.value.response, Response)
