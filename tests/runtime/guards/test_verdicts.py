from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Awaitable
from typing import Any

import pytest

from headwater import Agent, Block, GuardContext, Replace, Retry, guard, tool
from headwater.backends.offline import Call, ScriptedModel
from headwater.errors import GuardBlocked
from headwater.events import Event, GuardTripped, RunFailed, codec
from headwater.runtime.agent_run import AgentRun
from headwater.runtime.guards.guard import Guard
from headwater.runtime.guards.verdicts import ask, blocked
from headwater.testing import check_log
from tests.support.virtual import run_virtual


def test_the_error_says_what_was_blocked_and_why() -> None:
    made = Guard(lambda text: None, name="keys")
    assert str(blocked(made, "input", "")) == "The guard 'keys' blocked the input."
    assert blocked(made, "output", "A key").message == "The guard 'keys' blocked the answer: A key."


class Deny(Block, frozen=True):
    """A program's own verdict."""


class Mask(Replace, frozen=True):
    """Another."""


@pytest.mark.parametrize("on", ["output", "input", "arguments", "result"])
@pytest.mark.parametrize(
    ("verdict", "action"),
    [
        (Replace(None), "block"),  # type: ignore[arg-type]
        (Block(5), "block"),  # type: ignore[arg-type]
        (Retry(None), "block"),  # type: ignore[arg-type]
        (Block("\ud800"), "block"),
        (Deny("no"), "block"),
        (Mask('{"a": "\ud800"}'), "replace"),
    ],
)
def test_any_verdict_is_one_or_blocks(on: Any, verdict: Any, action: str) -> None:
    """Whatever a guard returns, its run has a log that another process can read."""

    @tool
    async def look(a: str = "") -> str:
        """Look."""
        return "seen"

    async def main() -> None:
        log: list[Event] = []
        model = ScriptedModel([[Call("look", {})], "Done."])
        agent = Agent(model=model, tools=[look], guards=[guard(on=on)(lambda text: verdict)])
        with contextlib.suppress(GuardBlocked):
            await agent.run("Go.", on_event=log.append)
        check_log([codec.decode(codec.encode(event)) for event in log])
        assert {event.action for event in log if isinstance(event, GuardTripped)} == {action}
        assert isinstance(log[-1], RunFailed) == (action == "block")

    run_virtual(main())


@pytest.mark.parametrize("on", ["output", "input", "arguments", "result"])
@pytest.mark.parametrize("waits", [False, True])
def test_a_guard_that_is_cancelled_blocks(on: Any, waits: bool) -> None:
    """By other code; what it checks did not pass, and its run was not cancelled."""

    def stops(text: str) -> None:
        raise asyncio.CancelledError

    async def waits_for_others(text: str) -> None:
        others = asyncio.ensure_future(asyncio.sleep(5))
        asyncio.get_running_loop().call_later(1, others.cancel)
        await others

    @tool
    async def look() -> str:
        """Look."""
        return "seen"

    async def main() -> None:
        log: list[Event] = []
        model = ScriptedModel([[Call("look", {})], "Done."])
        agent = Agent(model=model, tools=[look], guards=[guard(on=on)(waits_for_others if waits else stops)])
        with pytest.raises(GuardBlocked, match="cancelled"):
            await agent.run("Go.", on_event=log.append)
        check_log(log)

    run_virtual(main())


@pytest.mark.parametrize("waits", [False, True])
def test_the_log_says_where_a_guard_raised_but_not_what(waits: bool, caplog: pytest.LogCaptureFixture) -> None:
    def looks_up(text: str) -> None:
        int(text)

    async def looks_up_later(text: str) -> None:
        looks_up(text)

    async def main() -> None:
        mine = guard(on="input")(looks_up_later if waits else looks_up)
        with pytest.raises(GuardBlocked, match="raised ValueError"):
            await Agent(model=ScriptedModel(["Done."]), guards=[mine]).run("A secret.")

    run_virtual(main())
    (record,) = (record for record in caplog.records if record.name == "headwater.guards")
    said = logging.Formatter().format(record)
    assert said.splitlines()[0] == f"The guard looks_up{'_later' * waits} raised ValueError; it blocks."
    assert "int(text)" in said
    assert "secret" not in said
    assert "/verdicts.py" not in said


def test_without_logging_a_line_says_where_a_guard_raised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def looks_up(text: str) -> None:
        int(text)

    async def main(agent: Agent) -> None:
        with pytest.raises(GuardBlocked):
            await agent.run("A secret.")

    monkeypatch.setattr(logging.Logger, "hasHandlers", lambda _: False)
    for print_on in (True, False):
        run_virtual(
            main(Agent(model=ScriptedModel(["Done."]), guards=[guard(on="input")(looks_up)], print_on=print_on))
        )
        said = capsys.readouterr().err
        line = looks_up.__code__.co_firstlineno + 1
        expected = f"headwater: the guard looks_up raised ValueError in {__file__}:{line}; it blocks.\n"
        assert said == (expected if print_on else "")


def test_a_time_out_of_its_own_is_an_exception_like_others() -> None:
    """What a guard asks may give up long before the guard's `timeout` is over."""

    @guard(on="input", timeout=30)
    async def asks(text: str) -> None:
        async with asyncio.timeout(1):
            await asyncio.sleep(5)

    @guard(on="input", timeout=1)
    async def hangs(text: str) -> None:
        await asyncio.sleep(5)

    async def main() -> None:
        model = ScriptedModel(["Done."])
        with pytest.raises(GuardBlocked, match="raised TimeoutError"):
            await Agent(model=model, guards=[asks]).run("Go.")
        with pytest.raises(GuardBlocked, match="no verdict within 1 s"):
            await Agent(model=model, guards=[hangs]).run("Go.")

    run_virtual(main())


@pytest.mark.parametrize("on", ["output", "input", "arguments", "result"])
def test_a_guard_that_will_not_be_cancelled_does_not_outlast_its_timeout(on: Any) -> None:
    ended: list[str] = []

    @guard(on=on, timeout=1)
    async def stubborn(text: str) -> None:
        for _ in range(100):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)
        ended.append(text)
        raise LookupError  # nobody is told of it

    @tool
    async def look() -> str:
        """Look."""
        return "seen"

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        turns = [[Call("look", {})], "Done."]
        with pytest.raises(GuardBlocked, match="no verdict within 1 s"):
            await Agent(model=ScriptedModel(turns), tools=[look], guards=[stubborn]).run("Go.")
        assert clock() - begun < 2
        assert ended == []
        begun = clock()
        with contextlib.suppress(TimeoutError):  # nor does it keep a run that is left
            left = Agent(model=ScriptedModel(turns), tools=[look], guards=[stubborn])
            await asyncio.wait_for(left.arun("Go."), 0.5)
        assert clock() - begun < 1
        await asyncio.sleep(200)
        assert len(ended) == 2

    run_virtual(main())


def test_a_guard_that_nobody_awaits_is_closed() -> None:
    """A run may end before the task of a check has begun."""

    async def slow(text: str) -> None:
        raise AssertionError

    async def main() -> None:
        run = AgentRun(Agent(model=ScriptedModel(["Hi."])).job("Go."))
        said = ask(run, guard(slow), "x", GuardContext(on="output", agent="a", run="r"))
        assert isinstance(said, Awaitable)
        asyncio.ensure_future(said).cancel()
        del said
        await asyncio.sleep(0)
        gc.collect()

    run_virtual(main())


def test_a_guard_may_run_an_agent() -> None:
    """It is linked to the run, and ends with it."""

    async def main() -> None:
        judge = Agent(name="judge", model=ScriptedModel(lambda request: "no"))

        @guard
        async def asks(text: str) -> Block | None:
            return Block("The judge said no.") if (await judge.run(text)).text == "no" else None

        with pytest.raises(GuardBlocked, match="The judge said no"):
            await Agent(model=ScriptedModel(["Hello."]), guards=[asks]).run("Go.")

    run_virtual(main())
