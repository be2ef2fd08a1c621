"""`tool`, and the `Tool` it creates: a function with its description for a model.

A Tool holds no state of a run, so a thousand runs can share it. All errors in a function's declaration are found here,
when the tool is created, and never in the middle of a run.
"""

from __future__ import annotations

import copy
import functools
import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from types import FrameType, MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from headwater.backends.timeouts import is_seconds
from headwater.errors import InvalidTool
from headwater.providers.request import ToolSpec
from headwater.schema.docstrings import read_docstring
from headwater.schema.parameters import BadSignature, Parameters, parameters, written
from headwater.schema.raw import RawParameters
from headwater.tools.context import ToolContext
from headwater.tools.context_type import held_by, is_context
from headwater.tools.execution import run_work
from headwater.tools.outcome import MAX_RESULT_CHARS, ToolOutcome
from headwater.tools.work import Approval, OnUnknown, ToolErrors, Work, is_approval

__all__ = ("Tool", "ToolLike", "as_tool", "as_tools", "tool")

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Tool(Generic[P, R_co]):
    """A function that a model may call; calling the Tool calls the function.

    `timeout` is in seconds (None: the agent's), `retries` how often invalid arguments are sent back to the model (None:
    the agent's), `strict` whether the provider is asked to enforce the schema (None: the provider's default),
    `max_result_chars` the length at which a result is truncated, `on_error` what happens after an exception ("tell":
    the model is told, and the run continues; "raise": the run ends with it; None: the agent's `tool_errors`).

    `approval` says whether a person must approve a call: True, the reason, or a function of the validated arguments
    (and the run's context, if it has two parameters) that returns one of these. `on_unknown` decides about a call that
    had started when its process ended, once the run is resumed: run it again ("retry"), tell the model that the outcome
    is unknown ("tell"), ask a person ("ask"), or fail the run ("fail").

    `spec` is the description for a provider, `is_async` says whether it runs in the event loop, `context_type` is the
    required type of the run's context (Any: anything or nothing), `unbound` says whether it is a method without its
    object. `schema` describes its arguments instead of the signature, see `from_schema`.
    Raises: InvalidTool.
    """

    def __init__(
        self,
        function: Callable[P, R_co],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        retries: int | None = None,
        strict: bool | None = None,
        max_result_chars: int = MAX_RESULT_CHARS,
        on_error: ToolErrors | None = None,
        approval: Approval = False,
        on_unknown: OnUnknown = "retry",
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        _check_function(function)
        self.function: Callable[P, R_co] = function
        self.name: str = _checked_name(name, function)
        self.timeout = timeout
        self.retries = retries
        self.strict = strict
        self.max_result_chars = max_result_chars
        self.on_error: ToolErrors | None = on_error
        self.approval: Approval = approval
        self.on_unknown: OnUnknown = on_unknown
        _check_settings(self)
        self.unbound: bool = _takes_self(function)
        self.is_async: bool = _is_async(function)
        origin = written(function)
        self.parameters: Parameters | RawParameters
        contexts = _Contexts()
        if schema is not None:
            self.parameters = _by_schema(self.name, function, schema, contexts)
        else:
            try:
                self.parameters = parameters(
                    function, injected=contexts, namespace=_enclosing_names(origin), unbound=self.unbound
                )
            except BadSignature as error:
                raise InvalidTool(f"{self.name} cannot be a tool. {error.message}", hint=error.hint) from None
        self.context_type: Any = contexts.held
        self.description: str = self.parameters.description if description is None else inspect.cleandoc(description)
        self.spec: ToolSpec = ToolSpec(
            name=self.name, description=self.description, parameters=self._shape(), strict=self.strict
        )
        # For help(), inspect.signature and documentation tools, which find the original function.
        self.__wrapped__ = function
        self.__name__: str = getattr(origin, "__name__", self.name)
        self.__qualname__ = getattr(origin, "__qualname__", self.name)
        self.__module__ = getattr(origin, "__module__", __name__)
        self.__doc__ = inspect.getdoc(origin)

    @classmethod
    def from_schema(
        cls,
        name: str,
        schema: Mapping[str, Any],
        function: Callable[..., Any],
        *,
        description: str | None = None,
        timeout: float | None = None,
        retries: int | None = None,
        strict: bool | None = None,
        max_result_chars: int = MAX_RESULT_CHARS,
        on_error: ToolErrors | None = None,
        approval: Approval = False,
        on_unknown: OnUnknown = "retry",
    ) -> Tool[..., Any]:
        """Creates a tool whose arguments are described by a JSON Schema of type object, such as one from another
        system.

        The function is called with the model's arguments by name, checked for types, names and enums; its own hints are
        not read, but a parameter of type ToolContext is filled in. Raises: InvalidTool.
        """
        return Tool(
            function,
            name=name,
            description=description,
            timeout=timeout,
            retries=retries,
            strict=strict,
            max_result_chars=max_result_chars,
            on_error=on_error,
            approval=approval,
            on_unknown=on_unknown,
            schema=schema,
        )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Calls the function directly."""
        return self.function(*args, **kwargs)

    def __copy__(self) -> Tool[P, R_co]:
        twin: Tool[P, R_co] = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Tool[P, R_co]:
        return self  # it is immutable, and the object that its function is bound to must not be copied

    def __reduce__(self) -> Any:
        # A tool that replaced its function under the function's name is pickled by that name; any other one is
        # created again from its function.
        if _under_its_name(self.__module__, self.__qualname__) is self:
            return self.__qualname__
        if isinstance(self.function, MethodType) and not inspect.isroutine(
            getattr(type(self.function.__self__), self.__name__, None)
        ):
            return getattr, (self.function.__self__, self.__name__)
        settings: dict[str, Any] = {name: getattr(self, name) for name in _SETTINGS}
        if isinstance(self.parameters, RawParameters):
            settings["schema"] = self.parameters.schema
        return functools.partial(Tool, **settings), (self.function,)

    def __repr__(self) -> str:
        return f"Tool({self.name}({', '.join(self.parameters.names)}))"

    @overload
    def __get__(self, instance: None, owner: type) -> Tool[P, R_co]: ...
    @overload
    def __get__(self: Tool[Concatenate[Any, Q], R], instance: object, owner: type | None = None) -> Tool[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Tool[..., Any]:
        """Returns the tool of a method, bound to its object."""
        if instance is None or not self.unbound:
            return self
        bound: Tool[..., Any] = copy.copy(self)
        bound.function = bound.__wrapped__ = MethodType(self.function, instance)
        bound.unbound = False
        return bound

    goes_on = False

    def wants_log(self, seen: set[int]) -> bool:
        """See `work.Offered`: it may need approval, or ask through its context."""
        return bool(self.approval or self.parameters.injected)

    def validate(self, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
        """Returns the keyword arguments for a model's `arguments`, without those that the run injects.

        Raises: schema.ValidationFailed, whose text says what to fix.
        """
        return self.parameters.validate(arguments)

    async def call(self, work: Work) -> ToolOutcome:
        """See `work.Offered`."""
        return await run_work(self, work)

    def invoke(self, arguments: Mapping[str, Any], context: ToolContext[Any]) -> Any:
        """Calls the function with validated arguments and, if it has a parameter for it, the context; nothing is
        awaited."""
        function: Callable[..., Any] = self.function
        return function(**arguments, **dict.fromkeys(self.parameters.injected, context))

    def _shape(self) -> dict[str, Any]:
        if not self.strict:
            return self.parameters.schema
        shape = self.parameters.strict_schema()
        if shape is None:
            raise InvalidTool(
                f"{self.name} cannot be strict: a parameter accepts free keys, a tuple, anything, or has a pattern or "
                "an enum that strict schemas do not support.",
                hint="Use a simpler, closed type, or leave strict= out.",
            )
        return shape


_SETTINGS = (
    "name",
    "description",
    "timeout",
    "retries",
    "strict",
    "max_result_chars",
    "on_error",
    "approval",
    "on_unknown",
)


def _under_its_name(module: str, name: str) -> Any:
    """Returns the object in a module under a dotted name; None if there is none."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


class SupportsAsTool(Protocol):
    """An object that can become a tool, such as an agent."""

    def as_tool(self) -> Tool[..., Any]:
        """Returns itself as a tool."""


ToolLike: TypeAlias = Tool[..., Any] | SupportsAsTool | Callable[..., Any]
"""Accepted items of an agent's `tools`."""


class ToolDecorator(Protocol):
    """`tool` with its settings, waiting for the function."""

    def __call__(self, function: Callable[P, R], /) -> Tool[P, R]:
        """Returns the function as a tool."""


@overload
def tool(
    function: Callable[P, R],
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    retries: int | None = None,
    strict: bool | None = None,
    max_result_chars: int = MAX_RESULT_CHARS,
    on_error: ToolErrors | None = None,
    approval: Approval = False,
    on_unknown: OnUnknown = "retry",
) -> Tool[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    retries: int | None = None,
    strict: bool | None = None,
    max_result_chars: int = MAX_RESULT_CHARS,
    on_error: ToolErrors | None = None,
    approval: Approval = False,
    on_unknown: OnUnknown = "retry",
) -> ToolDecorator: ...
def tool(function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Turns a function into a tool: `@tool`, `@tool(name=…, timeout=…)`, or `tool(function)`.

    The function may be sync or async, return or yield (yielded values are progress; the result is a sync generator's
    return value, or an async generator's last yield). Its type hints and its docstring become the schema. See `Tool`
    for the settings.

    Raises: InvalidTool, if it cannot be described to a model.
    """
    for name in settings.keys() - {*_SETTINGS, "schema"}:
        raise _unknown(name)
    if function is None:
        return functools.partial(tool, **settings)
    if isinstance(function, Tool):
        raise InvalidTool(
            f"{function.name} is a tool already.", hint="To change it, create another one: tool(it.function, …)."
        )
    return Tool(function, **settings)


def _unknown(name: str) -> InvalidTool:
    import difflib

    near = difflib.get_close_matches(name, sorted(_SETTINGS), 1)
    hint = f"Did you mean {near[0]}=?" if near else f"The arguments are {', '.join(sorted(_SETTINGS))}."
    return InvalidTool(f"A tool has no argument {name}=.", hint=hint)


def as_tool(item: ToolLike) -> Tool[..., Any]:
    """Returns `item` as a tool for an agent: a Tool unchanged, an agent through its `as_tool`, a function with the
    defaults.

    Raises: InvalidTool.
    """
    if isinstance(item, MethodType) and isinstance(item.__func__, Tool):
        item = item.__func__.__get__(item.__self__)  # the result of @classmethod on a tool
    if isinstance(item, Tool):
        if item.unbound:
            raise InvalidTool(
                f"{item.__qualname__} is an unbound method.",
                hint=f"Create the object and pass its bound tool: obj.{item.__name__}.",
            )
        return item
    if not isinstance(item, type) and callable(make := getattr(item, "as_tool", None)):
        made: Tool[..., Any] = make()
        return made
    return Tool(typing.cast("Callable[..., Any]", item))


def as_tools(items: Iterable[ToolLike]) -> tuple[Tool[..., Any], ...]:
    """Returns each of `items` as a tool. Raises InvalidTool, also if two have the same name."""
    if callable(items):
        raise InvalidTool(f"tools must be a list, not {items!r}.", hint="Pass a list of tools: tools=[…].")
    made = tuple(map(as_tool, items))
    seen: set[str] = set()
    for one in made:
        if one.name in seen:
            raise InvalidTool(f"Two tools have the name {one.name!r}.", hint="Rename one: @tool(name=…).")
        seen.add(one.name)
    return made


def _check_function(function: Any) -> None:
    if isinstance(function, classmethod):
        raise InvalidTool("@tool is above @classmethod.", hint="Put @classmethod above @tool.")
    if isinstance(function, type):
        raise InvalidTool(f"{function.__name__} is a class.", hint="Pass a function or a callable object.")
    if not callable(function):
        server = " A command or a URL of an MCP server is written MCP(…)." if isinstance(function, str) else ""
        raise InvalidTool(
            f"{function!r} is not callable.",
            hint=f"A tool is a function (its name, without parentheses), a Tool, or an agent.{server}",
        )


def _checked_name(name: str | None, function: Any) -> str:
    if name is None:
        origin = written(function)
        name = getattr(origin, "__name__", "")
        if name == "__call__":  # a callable object has the name of its class
            name = getattr(origin, "__qualname__", name).split(".")[-2]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidTool(
            f"{name!r} is not a valid tool name: providers accept up to 64 ASCII letters, digits, _ and -.",
            hint="Set a name: @tool(name=…) or tool(function, name=…).",
        )
    return name


class _Contexts:
    """Checks whether type hints are for the context, and records its required type."""

    def __init__(self) -> None:
        self.held: Any = Any

    def __call__(self, hint: Any) -> bool:
        if not is_context(hint):
            return False
        if self.held is Any:
            self.held = held_by(hint)
        return True


def _by_schema(name: str, function: Any, schema: Mapping[str, Any], contexts: _Contexts) -> RawParameters:
    try:
        hints = typing.get_type_hints(written(function))
    except Exception:  # names that only type checkers know: only the context's hint is needed
        hints = {}
    injected = tuple(one for one, hint in hints.items() if one != "return" and contexts(hint))
    said = read_docstring(inspect.getdoc(written(function)))
    try:
        return RawParameters(schema, injected=injected, description=said.description)
    except ValueError as error:
        raise InvalidTool(
            f"{name} cannot be a tool: {error}.", hint='Pass a JSON Schema: {"type": "object", "properties": {…}}.'
        ) from None


def _check_settings(made: Tool[..., Any]) -> None:
    if made.timeout is not None and not is_seconds(made.timeout):
        raise InvalidTool(
            f"{made.name}: timeout is {made.timeout!r}.", hint="Use a number of seconds above 0, or None."
        )
    if made.retries is not None and not (_is_number(made.retries) and made.retries >= 0):
        raise InvalidTool(f"{made.name}: retries is {made.retries!r}.", hint="Use 0 or more, or None.")
    if not (_is_number(made.max_result_chars) and made.max_result_chars >= 1):
        raise InvalidTool(f"{made.name}: max_result_chars is {made.max_result_chars!r}.", hint="Use 1 or more.")
    if made.on_unknown not in ("retry", "tell", "ask", "fail"):
        hint = 'Use "retry", "tell", "ask" or "fail".'
        raise InvalidTool(f"{made.name}: on_unknown is {made.on_unknown!r}.", hint=hint)
    if not is_approval(made.approval):
        hint = "Use True, a reason, or a function of the arguments."
        raise InvalidTool(f"{made.name}: approval is {made.approval!r}.", hint=hint)
    if made.on_error not in (None, "tell", "raise"):
        raise InvalidTool(f"{made.name}: on_error is {made.on_error!r}.", hint='Use "tell" or "raise", or None.')


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_async(function: Any) -> bool:
    """Whether it runs in the event loop; a sync function runs in a thread."""
    if not inspect.isroutine(function) and not isinstance(function, functools.partial):
        function = type(function).__call__
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _takes_self(function: Any) -> bool:
    """Whether this is a method whose class is still being defined: the decorator sees only a function."""
    if not inspect.isfunction(function):
        return False
    outer = function.__qualname__.rpartition(".")[0]
    first = next(iter(inspect.signature(function).parameters.values()), None)
    inside_class = bool(outer) and not outer.endswith("<locals>")
    return inside_class and first is not None and first.name in ("self", "cls") and first.annotation is first.empty


def _enclosing_names(origin: Any) -> Mapping[str, Any]:
    """Returns the local names of the functions around `origin`, while they run: a hint may use a local class."""
    outer: str = getattr(origin, "__qualname__", "").rpartition(".<locals>")[0]
    scope = getattr(origin, "__globals__", None)
    names: dict[str, Any] = {}
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and outer:
        if frame.f_globals is scope and f"{outer}.".startswith(f"{frame.f_code.co_qualname}."):
            names = {**frame.f_locals, **names}
        frame = frame.f_back
    return names
