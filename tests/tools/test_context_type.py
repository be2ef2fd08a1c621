"""The type of the context in type hints."""

from __future__ import annotations

import typing
from typing import Annotated, Any, Generic, Optional, TypeVar, Union

import pytest

from headwater.tools.context import ToolContext
from headwater.tools.context_type import held_by, is_context, required, shown
from headwater.tools.declaration import Tool

T = TypeVar("T")


class Harbour:
    pass


class Special(ToolContext[Harbour]):
    pass


class Pair(Generic[T]):
    pass


@pytest.mark.parametrize(
    ("hint", "held"),
    [
        (ToolContext, Any),
        (ToolContext[Any], Any),
        (ToolContext[object], Any),
        (ToolContext[None], Any),
        (ToolContext[T], Any),  # type: ignore[valid-type]
        (ToolContext[Harbour], Harbour),
        (ToolContext[Harbour | None], Any),
        (ToolContext[Optional[Harbour]], Any),  # noqa: UP045
        (ToolContext[Harbour | str], Harbour | str),
        (ToolContext[dict[str, int]], dict[str, int]),
        (ToolContext[Harbour] | None, Harbour),
        (Union[None, ToolContext[Harbour]], Harbour),  # noqa: UP007
        (Annotated[ToolContext[Harbour], "the run"], Harbour),
        (ToolContext[Annotated[Harbour, "it"]], Annotated[Harbour, "it"]),
        (Special, Any),
    ],
    ids=str,
)
def test_a_hint_has_the_contexts_type(hint: Any, held: Any) -> None:
    assert is_context(hint)
    assert held_by(hint) == held


@pytest.mark.parametrize(
    "hint", [str, Harbour, list[ToolContext[Harbour]], Pair[Harbour], None, str | int, Any], ids=str
)
def test_other_hints_are_not_for_the_context(hint: Any) -> None:
    assert not is_context(hint)
    assert held_by(hint) is Any


def test_an_optional_context_is_not_required() -> None:
    assert [required(one) for one in (Any, object, None, type(None), T, Harbour | None, Annotated[Any, 1])] == [
        False
    ] * 7
    assert all(required(one) for one in (Harbour, dict[str, int], int | str, typing.ForwardRef("Harbour")))
    alias = typing.cast("Any", type("Alias", (), {}))()  # as created by `type X = …` since Python 3.12
    alias.__value__ = Harbour | None
    assert not required(alias)
    alias.__value__ = Harbour
    assert required(alias)


def test_a_type_is_shown_as_it_is_written() -> None:
    assert [shown(one) for one in (Harbour, dict[str, int], int | str, typing.ForwardRef("Dock"))] == [
        "Harbour",
        "dict[str, int]",
        "int | str",
        "Dock",
    ]


def test_a_tool_has_its_context_type() -> None:
    def one(port: str, ctx: ToolContext[Harbour]) -> str:
        """One."""
        return port

    def none(port: str) -> str:
        """None."""
        return port

    def several(ctx: ToolContext, port: str, harbour: ToolContext[Harbour]) -> str:
        """Several."""
        return port

    class Desk:
        def method(self, port: str, ctx: ToolContext[Harbour]) -> str:
            """A method."""
            return port

    assert [Tool(made).context_type for made in (one, none, several, Desk().method)] == [Harbour, Any, Harbour, Harbour]
    schema = {"type": "object", "properties": {"port": {"type": "string"}}}
    assert Tool.from_schema("one", schema, with_context).context_type is Harbour


def with_context(port: str, ctx: ToolContext[Harbour]) -> str:
    return port
