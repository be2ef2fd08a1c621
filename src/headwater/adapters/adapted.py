"""What all adapters have in common: a name, and the methods with which an agent is run.

Owns the options of a run. A subclass reads its framework's stream in `_tell`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, cast

from typing_extensions import Unpack

from headwater.adapters.adapted_run import AdaptedRun
from headwater.adapters.conversation import PARTS, Said, Turn, turns
from headwater.agents import validation
from headwater.agents.runnable import RunnableTool, UnawaitedRun
from headwater.agents.task import Task, as_messages
from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError
from headwater.events.messages import Message
from headwater.events.response import Response
from headwater.readers.callbacks import Callback, watch
from headwater.readers.kept_loop import blocks_here, kept_loop, refuse_inside_loop
from headwater.readers.reading import drain_blocking
from headwater.readers.stream import AgentStream
from headwater.schema.well_formed import well_formed
from headwater.tools.work import Approval, Offered

if TYPE_CHECKING:
    from headwater.providers.pricing import Prices
    from headwater.runtime.budget import Budget

__all__ = ("Adapted", "AdaptedOptions", "named")


class AdaptedOptions(TypedDict, total=False):
    """The options of one run of an adapted agent."""

    streaming_callback: Callback | None
    on_event: Callback | None
    on_retract: Callback | None
    stream: bool
    keep_log: bool
    save: str | os.PathLike[str] | None
    budget: Budget | None
    prices: Prices | None
    timeouts: Timeouts | None


class Adapted:
    """Another framework's agent with the methods of an agent: alone, in a workflow, as a tool, behind HTTP.

    `name` is its name in paths and events, `description` what a model is told of it if it is a tool.
    """

    framework: ClassVar[str] = ""
    """What it belongs to, in error messages."""
    kinds: ClassVar[tuple[type[Said], ...] | None] = None
    """The parts that the framework takes in a user's message; None: `_tell` takes any message as it is."""

    def __init__(self, name: str, *, description: str = "") -> None:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"name= is {name!r}.", hint="Give the agent a name: name=….")
        self.name: str = well_formed(name)
        self.description = description

    async def _tell(self, run: AdaptedRun) -> None:
        """Reads the framework's stream, and tells the run."""
        raise NotImplementedError

    def _turns(self, messages: Sequence[Message]) -> tuple[Turn, ...]:
        """Returns the messages as the framework takes them. Raises ConfigurationError if it cannot be given them."""
        return turns(messages, self.framework, kinds=PARTS if self.kinds is None else self.kinds)

    # --- running

    def run(self, task: Task, *, context: Any = None, **options: Unpack[AdaptedOptions]) -> Response[Any]:
        """Run to the end: blocks in sync code; inside a running event loop returns an awaitable.

        `context` is what the framework gives to its tools. Raises what the framework raises, with the partial Response
        as `response`; ConfigurationError.
        """
        if blocks_here():
            return self.run_sync(task, context=context, **options)
        return cast("Response[Any]", UnawaitedRun(self.arun(task, context=context, **options)))

    async def arun(self, task: Task, *, context: Any = None, **options: Unpack[AdaptedOptions]) -> Response[Any]:
        """`run` as a coroutine."""
        run = self._begin(task, shown=True, context=context, **options)
        await run.drain(alone=True)
        return run.response()

    def run_sync(self, task: Task, *, context: Any = None, **options: Unpack[AdaptedOptions]) -> Response[Any]:
        """`run` that always blocks. Raises LoopMisuse inside a running event loop."""
        refuse_inside_loop("`await agent.run(…)`")
        run = self._begin(task, shown=True, context=context, **options)
        drain_blocking(run, kept_loop(), alone=True)
        return run.response()

    def run_stream(
        self, task: Task, *, context: Any = None, **options: Unpack[AdaptedOptions]
    ) -> AgentStream[Any, Any]:
        """The run as a stream, which starts when it is first read. Leaving the loop cancels the framework's run.

        Raises ConfigurationError; out of the reading, what the framework raises.
        """
        return AgentStream(partial(self._begin, task, shown=False, context=context, **options))

    def as_tool(
        self, *, name: str | None = None, description: str | None = None, approval: Approval = False
    ) -> Offered:
        """The agent as a tool of a headwater agent: it receives a task and returns its text. For `approval` see
        `tool`.
        """
        return RunnableTool(
            self, self._begin, approval=approval, name=name, description=description or self.description
        )

    def _begin(
        self,
        task: Task,
        *,
        shown: bool,
        context: Any = None,
        streaming_callback: Callback | None = None,
        on_event: Callback | None = None,
        on_retract: Callback | None = None,
        stream: bool = False,
        keep_log: bool = False,
        save: str | os.PathLike[str] | None = None,
        budget: Budget | None = None,
        prices: Prices | None = None,
        timeouts: Timeouts | None = None,
        **more: Any,
    ) -> AdaptedRun:
        for unknown in more:
            raise validation.unknown(unknown, _OPTIONS, hint=f"It belongs to {self.framework or 'the framework'}.")
        messages = as_messages(task)
        if self.kinds is not None:
            self._turns(messages)
        limits = validation.timeouts(timeouts)
        run = AdaptedRun(self.name, self._tell, messages, context=context, timeout=limits.run if limits else None)
        run.wants_log = keep_log
        run.budgets = validation.budgets(None, budget)
        run.prices = validation.prices(None, prices)
        if save is not None:
            from headwater.readers.run_file import RunWriter

            RunWriter.attach(save, run)
        callback = validation.callback("streaming_callback", streaming_callback)
        take_back = None if callback is None else validation.callback("on_retract", on_retract)
        watch(run, callback, validation.callback("on_event", on_event), details=stream, on_retract=take_back)
        return run

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


_OPTIONS = ("context", *AdaptedOptions.__annotations__)


def named(name: str | None, own: Any, otherwise: str) -> str:
    """Returns the name that was given, else the framework's own, else `otherwise`."""
    return name or (own if isinstance(own, str) and own else otherwise)
