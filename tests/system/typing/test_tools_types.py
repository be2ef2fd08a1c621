"""What type checkers make of tools: checked by mypy over this file, and true when it is run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from typing import Any, assert_type

import headwater
from headwater.schema.output import OutputType
from headwater.tools.context import ToolContext
from headwater.tools.declaration import Tool, ToolDecorator, as_tool, as_tools, tool


@tool
def bare(query: str, limit: int = 3) -> list[str]:
    return [query] * limit


@tool(name="other", timeout=3)
async def later(query: str) -> int:
    return len(query)


@tool(strict=True)
async def stream(ctx: ToolContext[dict[str, int]], key: str) -> AsyncIterator[int]:
    value = ctx.context[key]
    assert_type(value, int)
    yield value


class Shelf:
    @tool
    def find(self, title: str) -> bool:
        return bool(title)

    @tool(name="count")
    async def count_all(self) -> int:
        return 0


def plain(x: int) -> str:
    return str(x)


def test_decorated_functions_keep_their_types() -> None:
    assert_type(bare("x"), list[str])
    assert_type(bare("x", limit=1), list[str])
    waits: Coroutine[Any, Any, int] = later("x")
    waits.close()
    assert_type(stream(ToolContext({"a": 1}), "a"), AsyncIterator[int])
    assert_type(tool(plain)(3), str)
    assert_type(tool(plain, name="p")(3), str)
    assert_type(tool(timeout=3), ToolDecorator)
    assert_type(headwater.tool(plain)(3), str)


def test_wrong_calls_are_reported() -> None:
    # Each of these would be an unused ignore, and so an error, were it not seen.
    failures = 0
    for wrong in (
        lambda: bare(),  # type: ignore[call-arg]
        lambda: bare("x", "y", "z"),  # type: ignore[call-arg,arg-type]
        lambda: bare("x", limt=3),  # type: ignore[call-arg]
        lambda: Shelf().find(),  # type: ignore[call-arg]
    ):
        try:
            wrong()
        except TypeError:
            failures += 1
    assert failures == 4


def test_methods_lose_their_self() -> None:
    bound: Tool[[str], bool] = Shelf().find
    assert bound.parameters.names == ("title",)
    assert_type(Shelf().find("x"), bool)
    counting: Coroutine[Any, Any, int] = Shelf().count_all()
    counting.close()


def test_what_agents_take() -> None:
    assert_type(as_tool(plain), Tool[..., Any])
    assert_type(as_tools([bare, later, stream, plain, Shelf().find]), tuple[Tool[..., Any], ...])


def test_contexts_know_what_they_hold() -> None:
    assert_type(ToolContext(3).context, int)
    assert_type(ToolContext("x", call_id="c").remaining(), float | None)


def test_outputs_are_of_their_type() -> None:
    assert_type(OutputType(int).parse("3"), int)
    assert_type(OutputType(list[int]).parse("[3]"), list[int])
