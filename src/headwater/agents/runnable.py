"""What anything that can be run has in common: the protocol, its awaitable, and itself as a tool.

An agent and a workflow stand inside each other through this alone: a name, and a stream that can be begun.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Coroutine, Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import TypeVar

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
    """Anything with a name that can be asked and streams its answer: an agent, a workflow, your own."""

    @property
    def name(self) -> str:
        """Who speaks."""

    def run_stream(self, task: Any, /, *, context: Any = None) -> AgentStream[Any, Any]:
        """The answer as a stream, not begun before it is read."""


class UnawaitedRun(Coroutine[Any, Any, ResultT]):
    """What `agent.run(…)` returns inside a running event loop: await it for the Response.

    Good for `await`, `asyncio.gather` and `asyncio.create_task`. Used in any other way (as text, in a format, by
    attribute) it raises LoopMisuse, which says what to write instead; its repr alone is harmless.
    """

    __slots__ = ("_coroutine", "_started")

    def __init__(self, coroutine: Coroutine[Any, Any, ResultT]) -> None:
        self._coroutine = coroutine
        self._started = False

    def __await__(self) -> Generator[Any, None, ResultT]:
        if self._started:
            raise LoopMisuse(
                "This run was awaited before.", hint="Keep what it gave: response = await agent.run(…), or run again."
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
            return getattr(self._coroutine, name)  # asyncio's debug mode tells of tasks by what they run
        if name.startswith(("__", "gi_", "ag_")):
            raise AttributeError(name)
        raise LoopMisuse(f"This run was not awaited, so it has no {name!r} yet.", hint=_HINT)

    def _text_too_soon(self, *_: Any) -> Any:
        raise LoopMisuse("This run was not awaited, so there is no text yet.", hint=_HINT)

    # What people do with a text. Left to Python each would be a TypeError that names this class and no way out.
    __str__ = __format__ = __add__ = __radd__ = __len__ = __iter__ = __getitem__ = __contains__ = _text_too_soon

    def __bool__(self) -> bool:
        return True  # what passes awaitables around may ask; only what is said of a text is too soon

    def __aiter__(self) -> Any:
        raise LoopMisuse(
            "run gives the whole answer at once, so there is nothing to go through.",
            hint="For the stream write `async for chunk in agent.run_stream(…)`.",
        )

    def __del__(self) -> None:
        if not self._started:
            self._coroutine.close()
            if not sys.is_finalizing():
                warnings.warn(f"A run was never awaited, so nothing happened. {_HINT}", RuntimeWarning, stacklevel=2)


_INSTEAD = "inside async code write `await agent.run(…)`"
_HINT = "Inside async code write `await agent.run(…)`."


class RunnableTool(DeepCopied, Plain):
    """A runnable as an agent's tool: what it is asked goes in, its text comes out; see `tools.work.Offered`."""

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
        self.approval: Approval = approval
        self.name = name or tool_name(runnable.name)
        self.spec = ToolSpec(
            name=self.name,
            description=description or f"Ask {runnable.name}, and get the answer.",
            parameters={
                "type": "object",
                "properties": {"task": {"type": "string", "description": "What is to be done, in full."}},
                "required": ["task"],
                "additionalProperties": False,
            },
        )

    def as_tool(self) -> RunnableTool:
        """Itself: what may stand among an agent's tools, under the name that it was given here."""
        return self

    goes_on = True
    """The run that answers a call is gone on with where it stood: nothing of it is done twice."""

    def wants_log(self, seen: set[int]) -> bool:
        """See `tools.work.Offered`."""
        asks: Callable[[set[int]], bool] | None = getattr(self.runnable, "wants_log", None)
        return bool(self.approval) or (asks is not None and asks(seen))

    def validate(self, arguments: Mapping[str, Any] | str) -> Mapping[str, Any]:
        """See `tools.work.Offered`."""
        from headwater.schema import ValidationFailed

        if not isinstance(arguments, Mapping):
            raise ValidationFailed("The arguments do not fit:", ["they are no JSON object"])
        task = arguments.get("task")
        if not isinstance(task, str) or not task.strip():
            raise ValidationFailed("The arguments do not fit:", ["task: a non-empty string is expected"])
        return arguments

    async def call(self, work: Work) -> ToolOutcome:
        """See `tools.work.Offered`."""
        from headwater.schema import ValidationFailed
        from headwater.tools.outcome import ToolOutcome

        try:
            task = self.validate(work.arguments)["task"]
        except ValidationFailed as problem:
            return ToolOutcome.failed(str(problem), invalid=True)
        return await work.conduct(self._begin(task, shown=False, context=work.context))


def tool_name(name: str) -> str:
    """A runnable's name as providers take a tool's: letters, digits, _ and -, 64 at most."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in name)[:64]
