"""What agents and workflows have in common: the protocol, the awaitable of `run`, and the conversion to a tool.

Agents and workflows contain each other only through this protocol: a name and `run_stream`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Coroutine, Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import TypeVar

from headwater.agents import validation
from headwater.agents.deep_copy import DeepCopied
from headwater.errors import LoopMisuse
from headwater.providers.request import ToolSpec
from headwater.readers.stream import AgentStream
from headwater.runtime.run import Run
from headwater.tools.work import Approval, Plain, Work

if TYPE_CHECKING:
    from headwater.tools.outcome import ToolOutcome

__all__ = ("Runnable", "RunnableTool", "UnawaitedRun", "tool_name")

ResultT = TypeVar("ResultT", default=Any)


class Runnable(Protocol):
    """Anything with a name and a streamed answer: an agent, a workflow, or your own class."""

    @property
    def name(self) -> str:
        """The name in paths and events."""

    def run_stream(self, task: Any, /, *, context: Any = None) -> AgentStream[Any, Any]:
        """The answer as a stream, which starts when it is first read."""


class UnawaitedRun(Coroutine[Any, Any, ResultT]):
    """The return value of `agent.run(…)` inside a running event loop: await it for the Response.

    It works with `await`, `asyncio.gather` and `asyncio.create_task`. Any other use (as text, in a format string, an
    attribute) raises LoopMisuse, which says what to write instead. Only its repr is allowed.
    """

    __slots__ = ("_coroutine", "_started")

    def __init__(self, coroutine: Coroutine[Any, Any, ResultT]) -> None:
        self._coroutine = coroutine
        self._started = False

    def __await__(self) -> Generator[Any, None, ResultT]:
        if self._started:
            raise LoopMisuse(
                "This run was already awaited.", hint="Store the result: response = await agent.run(…), or run again."
            )
        self._started = True
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        """See `Coroutine`."""
        self._started = True
        return self._coroutine.send(value)

    def throw(self, kind: Any, value: Any = None, trace: TracebackType | None = None) -> Any:
        """See `Coroutine`."""
        self._started = True
        return self._coroutine.throw(kind if value is None else value)

    def close(self) -> None:
        """See `Coroutine`."""
        self._started = True
        self._coroutine.close()

    def __repr__(self) -> str:
        return f"<UnawaitedRun: {_INSTEAD}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("cr_"):
            return getattr(self._coroutine, name)  # asyncio's debug mode shows what a task runs
        if name.startswith(("__", "gi_", "ag_")):
            raise AttributeError(name)
        raise LoopMisuse(f"This run was not awaited, so it has no {name!r} yet.", hint=_HINT)

    def _text_too_soon(self, *_: Any) -> Any:
        raise LoopMisuse("This run was not awaited, so there is no text yet.", hint=_HINT)

    if not TYPE_CHECKING:  # type checkers would otherwise accept these
        # Operations on text. Without these, Python would raise a TypeError that does not say what to do.
        __str__ = __format__ = __add__ = __radd__ = __len__ = __iter__ = __getitem__ = __contains__ = _text_too_soon

    def __bool__(self) -> bool:
        return True  # code that passes awaitables around may test them

    def __aiter__(self) -> Any:
        raise LoopMisuse(
            "run returns the whole answer, so it cannot be iterated over.",
            hint="To iterate, write `async for chunk in agent.run_stream(…)`.",
        )

    def __del__(self) -> None:
        if not self._started:
            self._coroutine.close()
            if not sys.is_finalizing():
                warnings.warn(f"A run was never awaited, so nothing happened. {_HINT}", RuntimeWarning, stacklevel=2)


_INSTEAD = "inside async code write `await agent.run(…)`"
_HINT = "Inside async code write `await agent.run(…)`."


class RunnableTool(DeepCopied, Plain):
    """A runnable as a tool of an agent: it receives a task and returns its text; see `tools.work.Offered`."""

    def __init__(
        self,
        runnable: Runnable,
        begin: Callable[..., Run],
        *,
        name: str | None = None,
        description: str = "",
        approval: Approval = False,
    ) -> None:
        self._begin = begin
        self.runnable = runnable
        self.approval: Approval = validation.approval(approval)
        self.name: str = name or tool_name(runnable.name)
        self.spec: ToolSpec = ToolSpec(
            name=self.name,
            description=description or f"Ask {runnable.name}, and get the answer.",
            parameters={
                "type": "object",
                "properties": {"task": {"type": "string", "description": "The task, with all details."}},
                "required": ["task"],
                "additionalProperties": False,
            },
        )

    def as_tool(self) -> RunnableTool:
        """Itself, so that it can be passed in `tools=` with its own name and description."""
        return self

    goes_on = True
    """The run that answers a call is resumed where it was, so nothing is done twice."""

    def wants_log(self, seen: set[int]) -> bool:
        """See `tools.work.Offered`."""
        asks: Callable[[set[int]], bool] | None = getattr(self.runnable, "wants_log", None)
        return bool(self.approval) or (asks is not None and asks(seen))

    def validate(self, arguments: Mapping[str, Any] | str) -> Mapping[str, Any]:
        """See `tools.work.Offered`."""
        from headwater.schema.problems import ValidationFailed

        if not isinstance(arguments, Mapping):
            raise ValidationFailed("The arguments do not fit:", ["they are no JSON object"])
        task = arguments.get("task")
        if not isinstance(task, str) or not task.strip():
            raise ValidationFailed("The arguments do not fit:", ["task: a non-empty string is expected"])
        return arguments

    async def call(self, work: Work) -> ToolOutcome:
        """See `tools.work.Offered`."""
        from headwater.schema.problems import ValidationFailed
        from headwater.tools.outcome import ToolOutcome

        try:
            task = self.validate(work.arguments)["task"]
        except ValidationFailed as problem:
            return ToolOutcome.failed(str(problem), invalid=True)
        return await work.conduct(self._begin(task, shown=False, context=work.context))


def tool_name(name: str) -> str:
    """A runnable's name as a valid tool name: at most 64 letters, digits, _ and -."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in name)[:64]
