from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, Optional

import pytest

from headwater import Agent
from headwater.backends.offline import Call, ScriptedModel
from headwater.errors import InvalidTool
from headwater.providers.request import ToolSpec
from headwater.schema.problems import ValidationFailed
from headwater.tools import declaration
from headwater.tools.context import ToolContext
from headwater.tools.declaration import Tool, as_tool, as_tools, tool


@tool
def search(query: str, limit: int = 3) -> list[str]:
    """Look things up.

    Args:
        query: What to look for.
    """
    return [query] * limit


class Shelf:
    """Books."""

    def __init__(self, *books: str) -> None:
        self.books = books

    @tool
    def find(self, title: str) -> bool:
        """Find a book."""
        return title in self.books

    @tool(name="count_books")
    async def count(self) -> int:
        return len(self.books)

    @classmethod
    @tool
    def shelves(cls, number: int) -> str:
        return f"{cls.__name__}{number}"

    @staticmethod
    @tool
    def greet(name: str) -> str:
        return f"Hello {name}"

    def plain(self, title: str) -> str:
        """Not marked."""
        return title

    def __call__(self, title: str) -> str:
        """Ask the shelf."""
        return title


def test_a_functions_spec() -> None:
    assert search.spec == ToolSpec(
        name="search",
        description="Look things up.",
        parameters={
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "What to look for."},
                "limit": {"type": "integer", "default": 3},
            },
            "required": ["query"],
            "additionalProperties": False,
        },
    )


def test_it_still_behaves_like_the_function() -> None:
    assert search("x", limit=2) == ["x", "x"]
    assert search.__name__ == "search"
    assert search.__doc__ is not None
    assert search.__doc__.startswith("Look things up.")
    assert search.__module__ == __name__
    assert list(inspect.signature(search).parameters) == ["query", "limit"]
    assert repr(search) == "Tool(search(query, limit))"


def test_settings() -> None:
    @tool(name="look-up", description="  Look.\n  Well.", timeout=2, retries=1, strict=True, max_result_chars=10)
    def f(query: str, limit: int = 3) -> str:
        """Not this."""
        return query

    assert (f.name, f.description, f.timeout, f.retries, f.max_result_chars) == ("look-up", "Look.\nWell.", 2, 1, 10)
    assert f.spec.strict is True
    assert f.spec.parameters["required"] == ["query", "limit"]
    assert f("x") == "x"
    again = tool(f.function, name="other")
    assert (again.name, again.description, again.spec.strict) == ("other", "Not this.", None)


async def _async(x: int) -> int:
    return x


async def _async_generator(x: int) -> AsyncIterator[int]:
    yield x


def _generator(x: int) -> Iterator[int]:
    yield x


class _AsyncCallable:
    async def __call__(self, x: int) -> int:
        return x


@pytest.mark.parametrize(
    ("function", "name", "is_async"),
    [
        (_async, "_async", True),
        (_async_generator, "_async_generator", True),
        (_generator, "_generator", False),
        (functools.partial(_async, 3), "_async", True),
        (functools.partial(_generator, x=3), "_generator", False),
        (_AsyncCallable(), "_AsyncCallable", True),
        (Shelf(), "Shelf", False),
        (Shelf().plain, "plain", False),
    ],
)
def test_every_kind_of_callable(function: Callable[..., Any], name: str, is_async: bool) -> None:
    made = as_tool(function)
    assert (made.name, made.is_async) == (name, is_async)


def test_methods_are_bound_to_their_object() -> None:
    shelf = Shelf("Emma", "Ulysses")
    bound = as_tool(shelf.find)
    assert bound.name == "find"
    assert bound.parameters.names == ("title",)
    assert bound("Emma") is True
    assert shelf.find("Faust") is False
    assert as_tool(shelf.count).name == "count_books"
    assert as_tool(shelf.count).is_async
    assert as_tool(Shelf.shelves)(number=3) == "Shelf3"
    assert as_tool(Shelf.greet)("Ada") == "Hello Ada"
    assert as_tool(shelf.plain).description == "Not marked."
    assert as_tool(shelf).description == "Ask the shelf."


def test_an_unbound_method_is_not_a_tool() -> None:
    assert Shelf.find(Shelf("Emma"), "Emma") is True
    with pytest.raises(InvalidTool, match=r"Shelf.find is an unbound method. Create the object .*obj.find"):
        as_tool(Shelf.find)


def test_one_object_does_not_change_another() -> None:
    one, other = Shelf("a"), Shelf("b")
    assert (one.find("a"), other.find("a"), one.find("a")) == (True, False, True)


def test_the_context_is_found_under_any_name_and_spelling() -> None:
    def f(
        a: ToolContext,
        b: ToolContext[dict[str, int]],
        c: Optional[ToolContext],  # noqa: UP045
        d: Annotated[ToolContext, "words"] | None,
        x: int = 1,
    ) -> tuple[Any, ...]:
        return a, b, c, d, x

    made = tool(f)
    assert made.parameters.injected == ("a", "b", "c", "d")
    assert made.parameters.names == ("x",)
    context = ToolContext({"n": 1})
    assert made.invoke({"x": 2}, context) == (context, context, context, context, 2)


def test_local_types_of_an_enclosing_function() -> None:
    @dataclasses.dataclass
    class Local:
        x: int

    def around() -> Tool[[Local], int]:
        @tool
        def inner(local: Local) -> int:
            return local.x

        return inner

    assert around().validate({"local": {"x": "3"}}) == {"local": Local(3)}


def test_validation() -> None:
    assert search.validate({"query": "q", "limit": "3"}) == {"query": "q", "limit": 3}
    with pytest.raises(ValidationFailed, match="query: required, but missing"):
        search.validate({})


class _Agent:
    def as_tool(self) -> Tool[..., Any]:
        return search


def test_accepted_items_of_tools() -> None:
    def plain(x: int) -> int:
        """Plain."""
        return x

    made = as_tools([search, plain, Shelf().find])
    assert [one.name for one in made] == ["search", "plain", "find"]
    assert as_tool(search) is search
    assert as_tool(_Agent()) is search


def test_two_tools_with_one_name() -> None:
    with pytest.raises(InvalidTool, match="Two tools have the name 'search'"):
        as_tools([search, tool(search.function)])


def test_a_misspelled_argument_is_answered_with_the_right_one() -> None:
    wrong: dict[str, Any] = {"timeut": 3}
    with pytest.raises(InvalidTool, match=r"A tool has no argument timeut=\. Did you mean timeout=\?"):
        tool(search.function, **wrong)
    with pytest.raises(InvalidTool, match=r"Did you mean timeout=\?"):
        tool(**wrong)
    other: dict[str, Any] = {"zzz": 3}
    with pytest.raises(InvalidTool, match=r"The arguments are approval, description, .*timeout"):
        tool(search.function, **other)


def _no_lambda_name() -> Any:
    return tool(lambda x: x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_no_lambda_name, r"'<lambda>' is not a valid tool name.*tool\(function, name="),
        (lambda: tool(_async, name="no spaces"), "'no spaces' is not a valid tool name"),
        (lambda: tool(_async, name="x" * 65), "is not a valid tool name"),
        (lambda: tool(_async, name=""), "'' is not a valid tool name"),
        (lambda: tool(_async, timeout=0), r"_async: timeout is 0. Use a number of seconds above 0"),
        (lambda: tool(_async, timeout=float("nan")), "timeout is nan"),
        (lambda: tool(_async, retries=-1), "retries is -1"),
        (lambda: tool(_async, max_result_chars=0), "max_result_chars is 0"),
        (lambda: tool(search), "search is a tool already"),
        (lambda: as_tool(Shelf), "Shelf is a class"),
        (lambda: as_tool(3), "3 is not callable"),  # type: ignore[arg-type]
        (lambda: as_tool("python srv.py"), r"is written MCP\(…\)"),  # type: ignore[arg-type]
        (lambda: tool(classmethod(_async)), "Put @classmethod above @tool"),  # type: ignore[call-overload,arg-type]
        (lambda: as_tools(search), r"Pass a list of tools"),  # type: ignore[arg-type]
        (lambda: as_tools("search"), "'s' is not callable"),  # type: ignore[arg-type]
        (lambda: tool(print), "print cannot be a tool"),
        (lambda: tool(_loose, strict=True), "_loose cannot be strict"),
    ],
)
def test_invalid_tools_are_refused_with_a_reason(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidTool, match=message) as caught:
        make()
    assert caught.value.hint


def _loose(anything: dict[str, int]) -> None:
    pass


def test_a_bad_signature_names_the_tool() -> None:
    def bad(*args: int) -> None:
        pass

    with pytest.raises(InvalidTool, match=r"bad cannot be a tool. \*args .* list\[…\]"):
        tool(bad)
    with pytest.raises(InvalidTool, match="bad cannot be a tool"):
        as_tools([bad])


def test_declaring_costs_no_heavy_import_before_a_tool_is_made() -> None:
    program = (
        "import sys, headwater.tools, headwater.schema\n"
        "print(sorted({'pydantic', 'pydantic_core', 'aiohttp', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- by a schema


def test_a_tool_from_a_schema() -> None:
    seen: list[Any] = []

    def run(port: str, ctx: ToolContext | None = None, **more: Any) -> str:
        """When the tide is highest."""
        seen.append((port, ctx is not None, more))
        return "06:12"

    schema = {
        "type": "object",
        "properties": {"port": {"type": "string"}, "in": {"type": "integer"}},
        "required": ["port"],
    }
    made = Tool.from_schema("high-water", schema, run, timeout=5)
    assert (made.spec.name, made.spec.parameters, made.timeout) == ("high-water", schema, 5)
    assert made.spec.description == "When the tide is highest."
    script: list[Any] = [
        [Call("high-water", {"port": 1})],
        [Call("high-water", {"port": "Brest", "in": 3})],
        ["At six."],
    ]
    response = Agent(model=ScriptedModel(script), tools=[made]).run("When?")
    assert response == "At six."
    assert seen == [("Brest", True, {"in": 3})]


def test_an_invalid_schema() -> None:
    with pytest.raises(InvalidTool, match="not of type object"):
        Tool.from_schema("f", {"type": "string"}, print)
    with pytest.raises(InvalidTool, match="is not a valid tool name"):
        Tool.from_schema("a b", {}, print)


# --- copies


def lookup(query: str, limit: int = 3) -> list[str]:
    """Look things up."""
    return [query] * limit


class Gauge:
    """A callable object."""

    def __call__(self, port: str) -> float:
        """Read the gauge."""
        return 4.2


SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}


def _again(made: Tool[..., Any]) -> Tool[..., Any]:
    read: Tool[..., Any] = pickle.loads(pickle.dumps(made))
    return read


def test_a_decorated_function_is_unpickled_as_itself() -> None:
    assert _again(search) is search
    assert _again(Shelf.find) is Shelf.find
    assert copy.deepcopy(search) is search


@pytest.mark.parametrize(
    "made",
    [
        Tool(lookup),
        tool(lookup, name="seek", description="Seek.", timeout=3, retries=1, max_result_chars=9, on_error="raise"),
        Tool(functools.partial(lookup, limit=2), name="two"),
        Tool(Gauge(), strict=True),
        Tool.from_schema("seek", SCHEMA, lookup),
    ],
    ids=repr,
)
def test_a_tool_made_from_a_function_is_unpickled(made: Tool[..., Any]) -> None:
    read = _again(made)
    assert read.spec == made.spec
    settings = ("name", "timeout", "retries", "strict", "max_result_chars", "on_error", "is_async")
    assert [getattr(read, name) for name in settings] == [getattr(made, name) for name in settings]
    arguments = {"query": "x"} if "query" in made.parameters.names else {"port": "x"}
    assert read(**arguments) == made(**arguments)
    assert read.validate(arguments) == made.validate(arguments)


def test_every_setting_of_a_tool_is_kept() -> None:
    assert {*declaration._SETTINGS} == inspect.signature(Tool).parameters.keys() - {"function", "schema"}


def test_a_method_is_unpickled_with_its_object() -> None:
    read = _again(Shelf("Emma").find)
    assert not read.unbound
    assert read("Emma")
    assert read.spec == Shelf.find.spec


def test_a_copy_of_a_tool_is_another_with_the_same_function() -> None:
    twin = copy.copy(search)
    assert twin is not search
    assert twin.__dict__ == search.__dict__


def test_a_function_without_an_importable_name_cannot_be_pickled() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(Tool(lambda: "x", name="x", description="x"))
