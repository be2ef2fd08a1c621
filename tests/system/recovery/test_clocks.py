"""The six clocks: what each counts, what it says, what ends with it, and who is told of its deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from headwater import Agent, ToolContext
from headwater.agents.model import Model
from headwater.backends.offline import Call, Fail, Say, ScriptedModel, Wait
from headwater.backends.timeouts import Timeouts
from headwater.errors import (
    ConnectTimeout,
    FirstTokenTimeout,
    IdleTimeout,
    RunTimeout,
    StepTimeout,
    TimedOut,
    ToolTimeout,
)
from headwater.events import AttemptFailed, AttemptStarted, ChildFinished, Event, Retracted, ToolFinished
from headwater.events.response import Response
from headwater.testing import check_log
from headwater.workflows import ConcurrentWorkflow, SequentialWorkflow
from tests.support.logs import check_history
from tests.support.streams import always, scripted
from tests.support.virtual import run_virtual
from tests.system.recovery.wired import APIS, opening, saying, wired

LONG = 100.0
"""Seconds that no clock here allows."""


# --- each with its own error and message


def _connect() -> Agent[Any, Any]:
    return Agent(model=wired("openai-chat", *[saying("openai-chat", "So.")] * 3, connecting=LONG))


def _first_token() -> Agent[Any, Any]:
    return Agent(model=wired("openai-chat", [opening("openai-chat"), LONG]))


def _idle() -> Agent[Any, Any]:
    return Agent(model=wired("openai-chat", saying("openai-chat", "So ", 2.0, "far", LONG)))


def _step() -> Agent[Any, Any]:
    return Agent(model=wired("openai-chat", saying("openai-chat", *["So ", 2.0] * 9)))


def _run() -> Agent[Any, Any]:
    return Agent(model=wired("openai-chat", *[saying("openai-chat", "So ", 2.0)] * 9), max_loops=9)


CLOCKS: list[tuple[str, Callable[[], Agent[Any, Any]], type[TimedOut], str, str]] = [
    ("connect", _connect, ConnectTimeout, "", ""),
    ("first_token", _first_token, FirstTokenTimeout, "openai said nothing for 5 s.", ""),
    ("idle", _idle, IdleTimeout, "openai stalled for 5 s.", "So far"),
    ("step", _step, StepTimeout, "openai took longer than 5 s.", "So So So "),
    ("run", _run, RunTimeout, "The run took longer than 5 s.", "So "),
]


@pytest.mark.parametrize("where", ["run", "agent", "model"])
@pytest.mark.parametrize(("clock", "make", "kind", "said", "text"), CLOCKS, ids=[clock for clock, *_ in CLOCKS])
def test_each_timeout_can_be_set_anywhere_and_has_its_own_error(
    clock: str, make: Callable[[], Agent[Any, Any]], kind: type[TimedOut], said: str, text: str, where: str
) -> None:
    async def main() -> None:
        agent, clocks = make(), Timeouts(**{clock: 5.0})
        agent.retries = 0
        if where == "agent":
            agent.timeouts = clocks
        elif where == "model":
            source: Any = agent.llm.backend
            source.connect = clocks.connect  # as a Model that looks its source up by name would make it
            agent.model = Model(source, timeouts=clocks)
        with pytest.raises(kind) as caught:
            await agent.run("Go.", timeouts=clocks if where == "run" else None)
        error = caught.value
        assert type(error) is kind
        assert (error.clock, error.seconds) == (clock, 5.0)
        assert error.retryable == (clock != "run")
        if said:
            assert error.message == said
            assert f"timeouts.{clock}" in error.hint
        assert error.response.text == text
        assert error.response.partial
        check_history(error.response.messages)
        source = agent.llm.backend
        assert all(reply.closed for reply in source.replies)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(6.0 if clock == "step" else 7.0 if clock == "idle" else 5.0, abs=2.1)


def test_the_connect_timeout_of_the_run_precedes_the_agents_and_the_models() -> None:
    async def main() -> None:
        source = wired("openai-chat", *[saying("openai-chat", "So.")] * 4)
        agent = Agent(model=source)
        await agent.run("Go.")
        agent.timeouts = Timeouts(connect=3.0)
        await agent.run("Go.")
        await agent.run("Go.", timeouts=Timeouts(connect=None))
        await Model(source).stream("Go.", timeouts=Timeouts(connect=1.0))
        assert source.connects == [10.0, 3.0, None, 1.0]

    run_virtual(main())


def test_a_tools_timeout_is_a_result_for_the_model() -> None:
    async def slow() -> None:
        """Take long."""
        await asyncio.sleep(LONG)

    async def main() -> None:
        log: list[Event] = []
        agent = scripted(Call("slow"), "So.", tools=[slow], timeouts=Timeouts(tool=5.0))
        assert await agent.run("Go.", on_event=log.append) == "So."
        check_log(log)
        (finished,) = (event for event in log if isinstance(event, ToolFinished))
        assert finished.error == f"{ToolTimeout.__name__}: slow took longer than 5 seconds."

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(5.0)


# --- what feeds the clock of an answer that stands still


PINGS = {
    "openai-chat": b": OPENROUTER PROCESSING\n\n",
    "openai-responses": b'event: keepalive\ndata: {"type":"keepalive","sequence_number":9}\n\n',
    "anthropic": b'event: ping\ndata: {"type": "ping"}\n\n',
    "gemini": b": ping\n\n",
    "ollama": b"\n",
}
SIGNS = {
    "openai-responses": b"event: response.web_search_call.searching\n"
    b'data: {"type":"response.web_search_call.searching","output_index":1,"item_id":"ws_1","sequence_number":9}\n\n',
    "anthropic": b'event: content_block_start\ndata: {"type":"content_block_start","index":7,"content_block":'
    b'{"type":"web_search_tool_result","tool_use_id":"x","content":[]}}\n\n',
}


@pytest.mark.parametrize("api", APIS)
def test_pings_and_comments_reset_no_timeout(api: str) -> None:
    async def main() -> None:
        body = saying(api, "So ", *[2.0, PINGS[api]] * 9, "far")
        agent = Agent(model=wired(api, body), retries=0, timeouts=Timeouts(idle=5.0))
        with pytest.raises(IdleTimeout) as caught:
            await agent.run("Go.")
        assert caught.value.response.text == "So "
        body = [opening(api), *[2.0, PINGS[api]] * 9]
        agent = Agent(model=wired(api, body), retries=0, timeouts=Timeouts(first_token=5.0))
        with pytest.raises(FirstTokenTimeout):
            await agent.run("Go.")

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(10.0)


@pytest.mark.parametrize("api", SIGNS)
def test_progress_events_of_an_api_reset_the_timeout(api: str) -> None:
    async def main() -> None:
        body = saying(api, "So ", *[4.0, SIGNS[api], 4.0], "far")
        agent = Agent(model=wired(api, body), retries=0, timeouts=Timeouts(idle=5.0))
        assert await agent.run("Go.") == "So far"

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(8.0, abs=0.2)


def test_a_progress_event_extends_the_timeout_once() -> None:
    async def main() -> None:
        body = saying("openai-responses", "So ", 4.0, SIGNS["openai-responses"], LONG)
        agent = Agent(model=wired("openai-responses", body), retries=0, timeouts=Timeouts(idle=5.0))
        with pytest.raises(IdleTimeout):
            await agent.run("Go.")

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(9.0)


@pytest.mark.parametrize("clock", ["idle", "step", "first_token"])
def test_a_complete_answer_is_not_timed_out(clock: str) -> None:
    """What may still follow the end of an answer (usage, the body's end) is waited for; a clock then ends only that."""

    async def main() -> None:
        finished = saying("openai-chat", "So ", "far")
        last = finished.pop()
        end, done = last[: last.index(b"data: [DONE]")], last[last.index(b"data: [DONE]") :]
        agent = Agent(
            model=wired("openai-chat", [*finished, end, LONG, done]), retries=0, timeouts=Timeouts(**{clock: 0.3})
        )
        response = await agent.run("Go.")
        assert (response.text, response.finish_reason) == ("So far", "stop")

    run_virtual(main())


# --- whose time it is


PROVIDER = Timeouts(first_token=3.0, idle=3.0, step=5.0)


def _paced() -> ScriptedModel:
    return always(*[item for _ in range(4) for item in (Say(["a "]), Wait(1.0))])


SLOW: dict[str, Callable[[], Any]] = {
    "agent": lambda: Agent(model=_paced(), timeouts=PROVIDER, retries=0),
    "wired": lambda: Agent(
        model=wired("openai-chat", saying("openai-chat", *["a ", 1.0] * 4)), timeouts=PROVIDER, retries=0
    ),
    "tool": lambda: scripted(
        Call("low", {"task": "x"}),
        "So.",
        tools=[Agent(name="low", model=_paced(), timeouts=PROVIDER, retries=0)],
        timeouts=Timeouts(first_token=3.0, idle=3.0, step=5.0, tool=None),
    ),
    "sequential": lambda: SequentialWorkflow(
        [Agent(name=name, model=_paced(), timeouts=PROVIDER, retries=0) for name in "ab"]
    ),
    "concurrent": lambda: ConcurrentWorkflow(
        [Agent(name=name, model=_paced(), timeouts=PROVIDER, retries=0) for name in "ab"]
    ),
}


@pytest.mark.parametrize("slow", ["reader", "callback", "text"])
@pytest.mark.parametrize("shape", SLOW)
def test_a_slow_reader_triggers_no_provider_timeout(shape: str, slow: str) -> None:
    async def hold(*_: object) -> None:
        await asyncio.sleep(LONG)

    async def main() -> None:
        runnable = SLOW[shape]()
        if slow == "callback":
            await runnable.run("Go.", on_event=hold)
        else:
            stream = runnable.run_stream("Go.")
            async for _ in stream.text() if slow == "text" else stream:
                await hold()

    _, seconds = run_virtual(main())
    assert seconds > 4 * LONG or (shape == "tool" and slow != "callback")


def test_the_wait_before_a_retry_does_not_count_as_provider_time() -> None:
    async def main() -> None:
        clocks = Timeouts(first_token=3.0, step=3.0)
        agent = scripted(Fail(429, retry_after=20), [Wait(2.0), "So."], timeouts=clocks)
        assert await agent.run("Go.") == "So."

    _, seconds = run_virtual(main())
    assert seconds >= 22


# --- a clock that runs out is a reason to try again


@pytest.mark.parametrize("clock", ["first_token", "idle", "step"])
def test_each_provider_timeout_is_a_reason_to_restart(clock: str) -> None:
    stuck: list[Any] = [Wait(LONG)] if clock == "first_token" else [Say(["So "]), Wait(2.0), Say(["far"]), Wait(LONG)]

    async def main() -> None:
        log: list[Event] = []
        agent = scripted(stuck, stuck, "Done.", on_interrupted="restart", timeouts=Timeouts(**{clock: 5.0}))
        response = await agent.run("Go.", on_event=log.append)
        check_log(log)
        assert response.transcript == "Done."
        cause = "retry" if clock == "first_token" else "restart"
        assert [event.cause for event in log if isinstance(event, AttemptStarted)] == ["first", cause, cause]
        assert [event.chars for event in log if isinstance(event, Retracted)] == ([] if cause == "retry" else [6, 6])
        assert response.usage_origin == ("unknown" if clock == "first_token" else "estimated")

    run_virtual(main())


def test_a_connect_timeout_is_retried_then_falls_back() -> None:
    async def main() -> None:
        log: list[Event] = []
        slow = wired("openai-chat", *[saying("openai-chat", "Late.")] * 3, connecting=LONG)
        agent = Agent(model=slow, fallback=[scripted("Here.").llm], timeouts=Timeouts(connect=5.0), retries=1)
        assert await agent.run("Go.", on_event=log.append) == "Here."
        failed = [(event.error.type, event.then) for event in log if isinstance(event, AttemptFailed)]
        assert failed == [("ConnectTimeout", "retry"), ("ConnectTimeout", "fallback")]

    run_virtual(main())


# --- deadlines are handed down


class Asked:
    """What tools were told of their deadlines, in seconds that were left, by who asked."""

    def __init__(self) -> None:
        self.left: dict[str, float | None] = {}

    def tool(self, name: str) -> Callable[..., Any]:
        async def look(ctx: ToolContext[Any]) -> str:
            self.left[name] = ctx.remaining()
            return "seen"

        look.__doc__ = "Look."
        return look


NEVER = Timeouts(tool=None)
TASK = {"task": "x"}


def test_a_runs_deadline_applies_to_every_nested_tool() -> None:
    asked = Asked()

    def agent(name: str, *below: Agent[Any, Any], clocks: Timeouts = NEVER) -> Agent[Any, Any]:
        calls = [Call("look"), *(Call(one.name, TASK) for one in below)]
        return scripted(calls, "So.", name=name, tools=[asked.tool(name), *below], timeouts=clocks)

    async def main() -> None:
        low = agent("low")
        shorter = agent("shorter", clocks=Timeouts(run=20.0, tool=None))
        longer = agent("longer", clocks=Timeouts(run=500.0, tool=2.0))
        middle = agent("middle", low, shorter, longer)
        flow = SequentialWorkflow([agent("member", middle)], name="flow", timeouts=Timeouts(run=50.0))
        heir = agent("heir")
        top = scripted([Call("flow", TASK)], Call("transfer_to_heir"), tools=[flow], handoffs=[heir])
        top.timeouts = Timeouts(run=100.0, tool=None)
        await top.run("Go.")

    run_virtual(main())
    due = {"member": 50.0, "middle": 50.0, "low": 50.0, "shorter": 20.0, "longer": 2.0, "heir": 100.0}
    assert asked.left == pytest.approx(due, abs=1.0)


@pytest.mark.parametrize("plain", [False, True])
def test_a_deadline_applies_to_a_run_that_a_tool_starts_itself(plain: bool) -> None:
    asked = Asked()
    low = scripted(Call("look"), "So.", name="low", tools=[asked.tool("low")], timeouts=NEVER)
    lower = scripted(Call("look"), "So.", name="lower", tools=[asked.tool("lower")], timeouts=NEVER)

    def ask_plainly() -> str:
        """Ask, in a thread."""
        return str(low.run("x")) + str(lower.run("x", timeouts=Timeouts(run=3.0, tool=None)))

    async def ask() -> str:
        """Ask."""
        return str(await low.run("x")) + str(await lower.run("x", timeouts=Timeouts(run=3.0, tool=None)))

    tool = ask_plainly if plain else ask

    async def main() -> None:
        await scripted(Call(tool.__name__), "So.", tools=[tool], timeouts=Timeouts(run=100.0, tool=7.0)).run("Go.")
        assert asked.left == pytest.approx({"low": 7.0, "lower": 3.0}, abs=1.0)
        asked.left.clear()
        again = scripted(Call("look"), "So.", name="low", tools=[asked.tool("low")], timeouts=NEVER)
        await again.run("x")
        assert asked.left == {"low": None}

    asyncio.run(main())


@pytest.mark.parametrize("plain", [False, True])
def test_a_run_started_by_a_tool_ends_with_the_tools_timeout(plain: bool) -> None:
    """A tool that timed out is waited for by nobody; nor is the run that it waits for."""
    ended = threading.Event()
    partial: list[Response[Any]] = []
    low = Agent(name="low", model=always(Say(["Hm. "]), Wait(LONG), "Late."))

    def ask_plainly() -> str:
        """Ask, in a thread, and once more when nobody waits any longer."""
        partial.extend(low.run("x") for _ in range(2))
        ended.set()
        return "late"

    async def ask() -> str:
        """Ask."""
        try:
            return str(await low.run("x"))
        finally:
            ended.set()

    tool = ask_plainly if plain else ask

    async def main() -> None:
        log: list[Event] = []
        going_on = [item for _ in range(2000) for item in (Say(["x "]), Wait(0.005))]
        agent = scripted(Call(tool.__name__), going_on, tools=[tool], timeouts=Timeouts(tool=0.2))
        stream = agent.run_stream("Go.", on_event=log.append)
        async for _ in stream.events():
            if ended.is_set():
                break
        (finished,) = (event for event in log if isinstance(event, ToolFinished))
        assert finished.error is not None
        assert finished.error.startswith("ToolTimeout: ")
        assert ended.is_set()
        assert [response.finish_reason for response in partial] == (["cancelled"] * 2 if plain else [])

    begun = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - begun < LONG / 2


def test_a_run_started_by_a_tool_after_its_run_was_left_ends_at_once() -> None:
    ended = threading.Event()
    partial: list[Response[Any]] = []
    low = Agent(name="low", model=always(Wait(LONG), "Late."))

    def late(ctx: ToolContext[Any]) -> None:
        """Go on where nobody waits any more."""
        ctx.emit("begun")
        assert ctx.wait(LONG)
        partial.append(low.run("x"))
        ended.set()

    async def main() -> None:
        async for event in scripted(Call("late"), tools=[late]).run_stream("Go.").events():
            if event.type == "tool.progress":
                break
        assert await asyncio.to_thread(ended.wait, 10)
        assert [response.finish_reason for response in partial] == ["cancelled"]

    asyncio.run(main())


def test_the_outer_runs_timeout_ends_all_child_runs() -> None:
    async def main() -> None:
        log: list[Event] = []
        low = Agent(name="low", model=always("Hm. ", Wait(LONG)))
        flow = ConcurrentWorkflow([low, Agent(name="other", model=always(Wait(LONG)))], name="flow")
        top = scripted(Call("flow", TASK), tools=[flow], timeouts=Timeouts(run=5.0))
        with pytest.raises(RunTimeout) as caught:
            await top.run("Go.", on_event=log.append)
        check_log(log)
        check_history(caught.value.response.messages)
        assert [event.outcome for event in log if isinstance(event, ChildFinished)] == ["cancelled"] * 3
        await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(5.0, abs=0.1)


# --- plain code, whose loop stands still where something blocks in it


@pytest.mark.parametrize("clock", ["tool", "run"])
@pytest.mark.parametrize("begun", ["run", "arun", "several"])
def test_timeouts_continue_while_an_async_tool_runs_an_agent(clock: str, begun: str) -> None:
    low = Agent(name="low", model=always(Wait(LONG), "Late."))

    async def ask() -> str:
        """Ask."""
        if begun == "arun":
            return str(await low.arun("x"))
        if begun == "several":
            return str(await asyncio.gather(*[low.run("x") for _ in range(2)]))
        return str(await low.run("x"))

    agent = scripted(Call("ask"), "So.", tools=[ask], timeouts=Timeouts(**{clock: 0.2}))
    since = time.monotonic()
    if clock == "run":
        with pytest.raises(RunTimeout):
            agent.run("Go.")
    else:
        assert agent.run("Go.") == "So."
    assert time.monotonic() - since < LONG / 2


def test_a_deeply_nested_sync_callback_is_cancelled_with_the_outer_run() -> None:
    """It blocks the loop on a run of its own, so that only another thread can end it."""
    waiting = threading.Event()
    low = Agent(name="low", model=always("Hm. ", Wait(LONG)))
    answers: list[Response[Any]] = []

    def ask(token: str) -> None:
        waiting.set()
        answers.append(low.run("x"))

    deep = scripted("Deep.", name="deep", streaming_callback=ask)
    flow = SequentialWorkflow([scripted(Call("deep", TASK), "So.", name="member", tools=[deep])])
    stream = flow.run_stream("Go.")

    def stop() -> None:
        waiting.wait(LONG)
        stream.cancel()

    stopper = threading.Thread(target=stop)
    stopper.start()
    since = time.monotonic()
    assert [chunk.finish_reason for chunk in stream][-1] == "cancelled"
    stopper.join()
    assert time.monotonic() - since < LONG / 2
    assert {answer.finish_reason for answer in answers} == {"cancelled"}
