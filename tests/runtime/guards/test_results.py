from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headwater import Agent, Block, GuardContext, Replace, Retry, Text, guard
from headwater.backends.offline import Call, ScriptedModel
from headwater.errors import GuardBlocked
from headwater.events import Event, GuardTripped, ToolFinished, codec
from headwater.runtime.guards.guard import Guard
from headwater.testing import check_log
from tests.support.virtual import run_virtual

SECRET = "k3y-41c0b2a7"


def leaks(log: list[Event]) -> list[str]:
    return [event.type for event in log if SECRET in codec.encode(event).decode()]


async def look() -> str:
    """Look."""
    return f"It is {SECRET}."


async def fail() -> str:
    """Fail."""
    raise ValueError(SECRET)


async def picture() -> list[Any]:
    """Show."""
    return [Text(text=SECRET), "and more"]


async def report() -> AsyncIterator[str]:
    """Report."""
    yield f"found {SECRET}"
    yield f"done {SECRET}"


async def ended(tool: Any, guarded: Guard) -> tuple[list[Event], BaseException | None, str]:
    model = ScriptedModel([[Call(tool.__name__, {})], "Done."])
    stream, log = Agent(model=model, tools=[tool], guards=[guarded]).run_stream("Go."), list[Event]()
    error: BaseException | None = None
    try:
        async for event in stream.events():
            log.append(event)
    except GuardBlocked as raised:
        error = raised
    check_log(log)
    last = model.requests[-1].messages[-1] if len(model.requests) > 1 else None
    return log, error, str(last)


@pytest.mark.parametrize("tool", [look, fail, picture, report])
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("verdict", ["block", "replace", "retry", "fails"])
def test_a_result_that_does_not_pass(
    tool: Any, waits: bool, verdict: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def judge(text: str, ctx: GuardContext) -> Any:
        assert (ctx.on, ctx.tool, ctx.arguments, ctx.step) == ("result", tool.__name__, {}, 1)
        if SECRET not in text:
            return None
        if verdict == "fails":
            raise RuntimeError(SECRET)
        if verdict == "replace":
            return Replace(text.replace(SECRET, "[key]"))
        return Block("A key.") if verdict == "block" else Retry("It cannot be shown.")

    async def later(text: str, ctx: GuardContext) -> Any:
        await asyncio.sleep(1)
        return judge(text, ctx)

    with caplog.at_level(logging.DEBUG):
        log, error, told = run_virtual(ended(tool, guard(on="result", name="g")(later if waits else judge)))[0]
    assert leaks(log) == []
    assert SECRET not in caplog.text + "".join(capsys.readouterr())
    tripped = next(event for event in log if isinstance(event, GuardTripped))
    finished = next(event for event in log if isinstance(event, ToolFinished))
    assert tripped.call == finished.call
    if verdict in ("block", "fails"):
        assert isinstance(error, GuardBlocked)
        assert error.on == "result"
        assert "Withheld by the guard g" in str(finished.result)
        return
    assert error is None
    assert (tripped.action, SECRET in told) == (verdict, False)
    assert ("[key]" if verdict == "replace" else "It cannot be shown.") in told


def test_results_that_pass_are_unchanged() -> None:
    passes = guard(on="result")(lambda text: None)
    _, error, told = run_virtual(ended(look, passes))[0]
    assert error is None
    assert SECRET in told
