"""Texts in several parts: what guards are asked, and what the model gets of a result or a message in parts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from headwater import Agent, Block, Image, Message, Replace, Retry, Text, ToolCall, ToolResult, guard
from headwater.backends.offline import Call, ScriptedModel
from headwater.errors import GuardBlocked
from headwater.events import Event, codec
from headwater.runtime.guards.guard import Guard
from headwater.testing import check_log
from tests.support.virtual import run_virtual

KEY = re.compile(r"\bk3y-\w{8}\b")
SECRET = "k3y-41c0b2a7"
SEA = Image(url="https://example.com/sea.png")


def masked(text: str) -> Replace | None:
    changed = KEY.sub("[key]", text)
    return Replace(changed) if changed != text else None


def texts(*parts: str | Image) -> tuple[Any, ...]:
    return tuple(Text(text=part) if isinstance(part, str) else part for part in parts)


async def result(parts: Any, guarded: Guard) -> tuple[Any, list[Event]]:
    """What the model gets of a tool that returns the parts, and the log."""

    async def look() -> Any:
        """Look."""
        return list(parts)

    model, log = ScriptedModel([[Call("look", {})], "Done."]), list[Event]()
    stream = Agent(model=model, tools=[look], guards=[guarded]).run_stream("Go.")
    try:
        async for event in stream.events():
            log.append(event)
    finally:
        check_log(log)
        assert not any(SECRET in codec.encode(event).decode() for event in log)
    (found,) = model.requests[1].messages[-1].content
    assert isinstance(found, ToolResult)
    return found.content, log


@pytest.mark.parametrize(
    ("given", "gets"),
    [
        (("It is k3y-41", "c0b2a7."), ("It is [key]", ".")),
        (("It is k3y-41", SEA, "c0", "b2a7."), ("It is [key]", SEA, ".")),
        (("id", SECRET, "end"), ("id", "[key]", "end")),
        (("one", SEA, f"two {SECRET}"), ("one", SEA, "two [key]")),
        (("k3y-41c", "0b2a7"), ("[key]",)),
        (("one\n", "", "two"), ("one\n", "", "two")),
    ],
)
def test_a_secret_in_or_over_parts_is_replaced_in_its_place(given: Any, gets: Any) -> None:
    got, _ = run_virtual(result(texts(*given), guard(on="result")(masked)))[0]
    assert got == texts(*gets)


@pytest.mark.parametrize("given", [("It is k3y-41", "c0b2a7."), ("id", SECRET, "end"), ("a ", "k3y-", SEA, "41c0b2a7")])
@pytest.mark.parametrize("verdict", [Block("A key."), Retry("A key.")])
def test_a_secret_in_or_over_parts_is_kept_back(given: Any, verdict: Any) -> None:
    check = guard(on="result")(lambda text: verdict if KEY.search(text) else None)
    if isinstance(verdict, Block):
        with pytest.raises(GuardBlocked):
            run_virtual(result(texts(*given), check))
    else:
        assert run_virtual(result(texts(*given), check))[0][0] == "A key."


def test_one_text_is_checked_once_and_several_twice() -> None:
    asked: list[str] = []
    check = guard(on="result")(lambda text: asked.append(text))
    run_virtual(result(texts("one"), check))
    assert asked == ["one"]
    asked.clear()
    got, _ = run_virtual(result(texts("one", SEA, "two"), check))[0]
    assert asked == ["onetwo", "one\ntwo"]
    assert got == texts("one", SEA, "two")


def test_what_a_guard_empties_is_left_out() -> None:
    got, _ = run_virtual(result(texts("one", SEA), guard(on="result")(lambda text: Replace(""))))[0]
    assert got == (SEA,)
    got, _ = run_virtual(result(texts("one", "two"), guard(on="result")(lambda text: Replace("") if text else None)))[0]
    assert got == texts("")


def test_parts_of_a_task_and_of_a_clients_result() -> None:
    model = ScriptedModel(["Done."])
    agent = Agent(model=model, guards=[guard(on=("input", "result"))(masked)])
    call = Message.assistant(ToolCall(id="1", name="look", arguments={}))
    answer = Message.tool(ToolResult(id="1", name="look", content=texts("k3y-41", SEA, "c0b2a7 it is")))
    task = Message.user("id", Text(text=SECRET, refusal=True), SEA, "and k3y-41", "c0b2a7 too")
    agent.run([answer, task], history=[Message.user("Go."), call])
    sent = model.requests[0].messages
    found = sent[-2].content[0]
    assert isinstance(found, ToolResult)
    assert found.content == texts("[key]", SEA, " it is")
    assert sent[-1].content == (Text(text="id"), Text(text="[key]", refusal=True), SEA, *texts("and [key]", " too"))
