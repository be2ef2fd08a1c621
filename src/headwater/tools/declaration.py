"""`tool`, and the `Tool` it makes: a function as a declaration that a model can be told of.

A Tool holds no state of a run, so that a thousand runs share it. Whatever is wrong with a function is found here,
when it is made a tool, and never in the middle of a run.
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

from headwater.errors import InvalidTool
from headwater.providers.request import ToolSpec
from headwater.schema import BadSignature, Parameters, RawParameters, read_docstring
from headwater.schema.parameters import parameters, written
from headwater.tools.context import ToolContext
from headwater.tools.context_type import held_by, is_context
from headwater.tools.execution import run_tool
from headwater.tools.outcome import MAX_RESULT_CHARS, ToolOutcome
from headwater.tools.work import Approval, OnUnknown, ToolErrors, Work

__all__ = ("Tool", "ToolLike", "as_tool", "as_tools", "tool")

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Tool(Generic[P, R_co]):
    """A function that a model may call; calling it calls the function, as it was.

    `timeout` is in seconds (None: the agent's), `retries` how often bad arguments are sent back to the model (None:
    the agent's), `strict` whether the provider is asked to hold the model to the schema (None: as it does by itself),
    `max_result_chars` where a result is cut, `on_error` what becomes of an exception ("tell": the model is told, and
    the run goes on; "raise": the run ends with it; None: the agent's `tool_errors`). `approval` says whether a person
    is asked before it runs: True, the reason, or a function of the validated arguments (and the run's context, where it
    takes two) that returns one of these. `on_unknown` is what becomes of a call that had begun when its process ended,
    where the run is gone on with: it runs again ("retry"), the model is told that nobody knows ("tell"), a person is
    asked ("ask"), or the run fails ("fail"). `spec` is what a provider is told, `is_async` whether it runs in the event
    loop, `context_type` what the run's context must be (Any: anything or nothing), `unbound` whether it is a method
    that still wants its object. `schema` tells its arguments in place of the signature, see `from_schema`.
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
        self.name = _checked_name(name, function)
        self.timeout = timeout
        self.retries = retries
        self.strict = strict
        self.max_result_chars = max_result_chars
        self.on_error: ToolErrors | None = on_error
        self.approval: Approval = approval
        self.on_unknown: OnUnknown = on_unknown
        _check_settings(self)
        self.unbound = _takes_self(function)
        self.is_async = _is_async(function)
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
        self.context_type = contexts.held
        self.description = self.parameters.description if description is None else inspect.cleandoc(description)
        self.spec = ToolSpec(name=self.name, description=self.description, parameters=self._shape(), strict=self.strict)
        # What reads functions (help, inspect.signature, documentation tools) finds the one that was written.
        self.__wrapped__ = function
        self.__name__ = getattr(origin, "__name__", self.name)
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
        """A tool whose arguments are told by a JSON Schema of type object, as another system may have it.

        The function is called with the arguments by name, as the model wrote them, checked for types, names and enums;
        its own hints are not read, but a parameter of type ToolContext is filled in. Raises: InvalidTool.
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
        """Call the function, as if it were no tool."""
        return self.function(*args, **kwargs)

    def __copy__(self) -> Tool[P, R_co]:
        twin: Tool[P, R_co] = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Tool[P, R_co]:
        return self  # it holds nothing that a run changes, and what its function is bound to is not ours to copy

    def __reduce__(self) -> Any:
        # What has replaced its function under the function's name goes by that name; what was made of a function is
        # made again.
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
        """The tool of a method, bound to its object."""
        if instance is None or not self.unbound:
            return self
        bound: Tool[..., Any] = copy.copy(self)
        bound.function = bound.__wrapped__ = MethodType(self.function, instance)
        bound.unbound = False
        return bound

    goes_on = False

    def wants_log(self, seen: set[int]) -> bool:
        """See `work.Offered`: it is asked about, or asks by its context."""
        return bool(self.approval or self.parameters.injected)

    def validate(self, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
        """The keyword arguments that a model's `arguments` stand for, without those that the run gives.

        Raises: schema.ValidationFailed, whose text says what to repair.
        """
        return self.parameters.validate(arguments)

    async def call(self, work: Work) -> ToolOutcome:
        """See `work.Offered`."""
        return await run_tool(
            self,
            work.arguments,
            work.context,
            emit=work.emit,
            timeout=work.timeout,
            deadline=work.deadline,
            call_id=work.call_id,
            run_id=work.run_id,
            ask=work.ask,
        )

    def invoke(self, arguments: Mapping[str, Any], context: ToolContext[Any]) -> Any:
        """Call the function with validated arguments and, where it asks for it, the context; nothing is awaited."""
        function: Callable[..., Any] = self.function
        return function(**arguments, **dict.fromkeys(self.parameters.injected, context))

    def _shape(self) -> dict[str, Any]:
        if not self.strict:
            return self.parameters.schema
        shape = self.parameters.strict_schema()
        if shape is None:
            raise InvalidTool(
                f"{self.name} cannot be strict: a parameter takes free keys, a tuple, anything, or has a pattern or "
                "an enum that strict schemas do not hold.",
                hint="Give it a closed, simpler type, or leave strict= out.",
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
    """What stands in a module under that name, with dots in it; None where nothing does."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


class SupportsAsTool(Protocol):
    """Something that makes a tool of itself, such as an agent."""

    def as_tool(self) -> Tool[..., Any]:
        """Itself as a tool."""


ToolLike: TypeAlias = Tool[..., Any] | SupportsAsTool | Callable[..., Any]
"""What may stand in an agent's `tools`."""


class ToolDecorator(Protocol):
    """`tool` with its settings, waiting for the function."""

    def __call__(self, function: Callable[P, R], /) -> Tool[P, R]:
        """The function as a tool."""


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
    """Make a function a tool: `@tool`, `@tool(name=…, timeout=…)`, or `tool(function)`.

    The function may be plain or async, return or yield (what it yields is progress; a plain generator's return value
    is the result, an async one's last yield). Its type hints and its docstring become the schema. See `Tool` for the
    settings.
    Raises: InvalidTool, where it cannot be told to a model.
    """
    if function is None:
        return functools.partial(tool, **settings)
    if isinstance(function, Tool):
        raise InvalidTool(
            f"{function.name} is a tool already.", hint="To change it, make another: tool(it.function, …)."
        )
    return Tool(function, **settings)


def as_tool(item: ToolLike) -> Tool[..., Any]:
    """`item` as a tool an agent can use: a Tool as it is, an agent by its `as_tool`, a function with its defaults.

    Raises: InvalidTool.
    """
    if isinstance(item, MethodType) and isinstance(item.__func__, Tool):
        item = item.__func__.__get__(item.__self__)  # what @classmethod makes of a tool
    if isinstance(item, Tool):
        if item.unbound:
            raise InvalidTool(
                f"{item.__qualname__} is a method without its object.",
                hint=f"Make the object and pass the tool from it: obj.{item.__name__}.",
            )
        return item
    if not isinstance(item, type) and callable(make := getattr(item, "as_tool", None)):
        made: Tool[..., Any] = make()
        return made
    return Tool(typing.cast("Callable[..., Any]", item))


def as_tools(items: Iterable[ToolLike]) -> tuple[Tool[..., Any], ...]:
    """Each of `items` as a tool. Raises InvalidTool, also where two have the same name."""
    if callable(items):
        raise InvalidTool(f"tools is {items!r}.", hint="Give a list of tools: tools=[…].")
    made = tuple(map(as_tool, items))
    seen: set[str] = set()
    for one in made:
        if one.name in seen:
            raise InvalidTool(f"Two tools have the name {one.name!r}.", hint="Give one another: @tool(name=…).")
        seen.add(one.name)
    return made


def _check_function(function: Any) -> None:
    if isinstance(function, classmethod):
        raise InvalidTool("@tool stands above @classmethod.", hint="Put @classmethod above @tool.")
    if isinstance(function, type):
        raise InvalidTool(f"{function.__name__} is a class.", hint="Pass a function, or an object that is callable.")
    if not callable(function):
        raise InvalidTool(
            f"{function!r} cannot be called.",
            hint="A tool is a function (its name, without parentheses behind it), a Tool, or an agent.",
        )


def _checked_name(name: str | None, function: Any) -> str:
    if name is None:
        origin = written(function)
        name = getattr(origin, "__name__", "")
        if name == "__call__":  # a callable object is known by its class
            name = getattr(origin, "__qualname__", name).split(".")[-2]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidTool(
            f"{name!r} is no name for a tool: every provider takes up to 64 ASCII letters, digits, _ and -.",
            hint="Name it: @tool(name=…) or tool(function, name=…).",
        )
    return name


class _Contexts:
    """Says of type hints whether they ask for the context, and remembers what it must be."""

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
    except Exception:  # names that only a checker knows: nothing of theirs is needed but the context
        hints = {}
    injected = tuple(one for one, hint in hints.items() if one != "return" and contexts(hint))
    said = read_docstring(inspect.getdoc(written(function)))
    try:
        return RawParameters(schema, injected=injected, description=said.description)
    except ValueError as error:
        raise InvalidTool(
            f"{name} cannot be a tool: {error}.", hint='Give a JSON Schema: {"type": "object", "properties": {…}}.'
        ) from None


def _check_settings(made: Tool[..., Any]) -> None:
    if made.timeout is not None and not (_is_number(made.timeout) and made.timeout > 0):
        raise InvalidTool(f"{made.name}: timeout is {made.timeout!r}.", hint="Give seconds above 0, or None.")
    if made.retries is not None and not (_is_number(made.retries) and made.retries >= 0):
        raise InvalidTool(f"{made.name}: retries is {made.retries!r}.", hint="Give 0 or more, or None.")
    if not (_is_number(made.max_result_chars) and made.max_result_chars >= 1):
        raise InvalidTool(f"{made.name}: max_result_chars is {made.max_result_chars!r}.", hint="Give 1 or more.")
    if made.on_unknown not in ("retry", "tell", "ask", "fail"):
        hint = 'Give "retry", "tell", "ask" or "fail".'
        raise InvalidTool(f"{made.name}: on_unknown is {made.on_unknown!r}.", hint=hint)
    approval: Any = made.approval
    if not isinstance(approval, (bool, str)) and not callable(approval):
        hint = "Give True, a reason, or a function of the arguments."
        raise InvalidTool(f"{made.name}: approval is {made.approval!r}.", hint=hint)
    if made.on_error not in (None, "tell", "raise"):
        raise InvalidTool(f"{made.name}: on_error is {made.on_error!r}.", hint='Give "tell" or "raise", or None.')


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_async(function: Any) -> bool:
    """Whether it belongs in the event loop; a plain function runs in a thread."""
    if not inspect.isroutine(function) and not isinstance(function, functools.partial):
        function = type(function).__call__
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _takes_self(function: Any) -> bool:
    """Whether this is a method that is still being written down in its class: the decorator sees a plain function."""
    if not inspect.isfunction(function):
        return False
    outer = function.__qualname__.rpartition(".")[0]
    first = next(iter(inspect.signature(function).parameters.values()), None)
    inside_class = bool(outer) and not outer.endswith("<locals>")
    return inside_class and first is not None and first.name in ("self", "cls") and first.annotation is first.empty


def _enclosing_names(origin: Any) -> Mapping[str, Any]:
    """The names of the functions around `origin`, while they run: a hint may be of a class that one of them made."""
    outer: str = getattr(origin, "__qualname__", "").rpartition(".<locals>")[0]
    scope = getattr(origin, "__globals__", None)
    names: dict[str, Any] = {}
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and outer:
        if frame.f_globals is scope and f"{outer}.".startswith(f"{frame.f_code.co_qualname}."):
            names = {**frame.f_locals, **names}
        frame = frame.f_back
    return names
