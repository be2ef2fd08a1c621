from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from headwater import Agent, GuardContext, guard, tool
from headwater.errors import MCPUnavailable
from headwater.events import Event, RunFailed, StepStarted, ToolFinished, Warned
from headwater.events.messages import Message
from headwater.testing import Call, ScriptedModel, check_log
from headwater.tools.declaration import Tool
from headwater.tools.work import Offered, Toolbox


class Box(Toolbox):
    """Offers these tools, one list a step; an error instead of a list is raised."""

    def __init__(self, *lists: Sequence[Tool[..., Any]] | Exception, name: str = "box", required: bool = True) -> None:
        self.name = name
        self.required = required
        self.heard: list[int] = []
        self._lists = iter(lists)

    @property
    def definition(self) -> Any:
        return self.name

    async def listing(self) -> Sequence[Any]:
        await asyncio.sleep(0)
        match next(self._lists):
            case Exception() as error:
                raise error
            case tools:
                return tools

    def offered(
        self, listing: Sequence[Any], taken: Collection[str], said: Sequence[Message]
    ) -> tuple[Mapping[str, Offered], Collection[str]]:
        self.heard.append(len(said))
        tools = {name: named(name) for one in listing if (name := self._free(one.name, taken))}
        return {**tools, **{one.name: one for one in listing if one.name in tools}}, tools

    def _free(self, name: str, taken: Collection[str]) -> str:
        return f"{self.name}_{name}" if name in taken else name


def named(name: str, description: str = "It.") -> Tool[..., Any]:
    return tool(lambda: name, name=name, description=description)


def down() -> MCPUnavailable:
    return MCPUnavailable("It is down.", server="box")


def log_of(*tools: Any, turns: Sequence[Any], guards: Sequence[Any] = ()) -> list[Event]:
    async def main() -> list[Event]:
        stream = Agent(model=ScriptedModel([*turns]), tools=tools, guards=guards).run_stream("go")
        log: list[Event] = []
        with contextlib.suppress(MCPUnavailable):
            async for event in stream.events():
                log += [event]
        return log

    log = asyncio.run(main())
    check_log(log)
    return log


def told(log: Sequence[Event]) -> list[str]:
    return [event.message for event in log if isinstance(event, Warned)]


def test_tools_are_listed_before_each_step_and_hear_the_conversation() -> None:
    box = Box([named("a")], [named("a"), named("b")], [named("b")])
    log = log_of(box, turns=[[Call("a", {})], [Call("b", {})], "done"])
    assert [event.result for event in log if isinstance(event, ToolFinished)] == ["a", "b"]
    assert box.heard == sorted(box.heard)
    assert box.heard[0] < box.heard[-1]


def test_changed_and_missing_tools_are_warnings_and_new_ones_are_not() -> None:
    box = Box([named("a"), named("b")], [named("a", "Another."), named("c")])
    log = log_of(box, turns=[[Call("a", {})], "done"])
    assert told(log) == ["Tools of box have changed: a.", "Tools are gone: b."]


def test_own_tools_keep_their_names_and_servers_come_in_order() -> None:
    offered: list[str] = []

    def answer(request: Any) -> list[str]:
        offered.extend(one.name for one in request.tools)
        return ["done"]

    boxes = [Box([named("a"), named("x")], name="one"), Box([named("a"), named("x")], name="two")]
    asyncio.run(_run(Agent(model=ScriptedModel(answer), tools=[*boxes, named("a")])))
    assert offered == ["a", "one_a", "x", "two_a", "two_x"]


async def _run(agent: Agent[Any, Any]) -> None:
    await agent.run("go")


def test_a_required_one_fails_the_run_before_its_first_step() -> None:
    log = log_of(Box(down()), turns=["done"])
    assert isinstance(log[-1], RunFailed)
    assert not any(isinstance(event, StepStarted) for event in log)


def test_another_one_is_given_up_for_the_run_with_one_warning() -> None:
    box, other = Box(down(), required=False), Box([named("a")], [named("a")], name="other")
    log = log_of(box, other, turns=[[Call("a", {})], "done"])
    assert told(log) == ["It is down."]


def test_one_that_is_lost_later_keeps_its_last_list() -> None:
    log = log_of(Box([named("a")], down(), down()), turns=[[Call("a", {})], [Call("a", {})], "done"])
    assert [event.error for event in log if isinstance(event, ToolFinished)] == [None, None]
    assert told(log) == []


def test_another_error_is_a_bug_and_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        log_of(Box(ZeroDivisionError()), turns=["done"])


def test_a_guard_of_arguments_knows_the_tools_of_servers() -> None:
    """Their names are not the model's words: only the arguments are checked."""
    checked: list[tuple[str, str]] = []

    @guard(on="arguments")
    def records(text: str, ctx: GuardContext) -> None:
        checked.append((ctx.tool, text))

    log = log_of(Box([named("a")], [named("a")]), turns=[[Call("a", {})], "done"], guards=[records])
    assert [event.result for event in log if isinstance(event, ToolFinished)] == ["a"]
    assert checked == [("a", "{}")]
