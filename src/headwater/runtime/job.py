"""The input of an agent's run, as values and protocols, fixed when it starts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec

from headwater.backends.retry import Retries
from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError
from headwater.events import RunStarted
from headwater.events.messages import Message
from headwater.providers.request import OutputSpec, ProviderTool, Request, Settings, ToolSpec
from headwater.runtime.agent_loop import Limits
from headwater.runtime.log import GRAMMAR
from headwater.runtime.people import Approver
from headwater.runtime.run import Run
from headwater.runtime.view import View
from headwater.tools.work import Approval, Offered, Toolbox, ToolErrors

if TYPE_CHECKING:
    from headwater.backends.base import Backend
    from headwater.providers.pricing import Prices
    from headwater.runtime.budget import Budget
    from headwater.runtime.compaction import Compaction
    from headwater.runtime.guards.guard import Guard, On
    from headwater.runtime.thread import Thread
    from headwater.schema.output import OutputType

__all__ = (
    "HandoffTool",
    "Job",
    "Output",
)


class Output(Protocol):
    """The output type."""

    @property
    def spec(self) -> OutputSpec:
        """Its description for a provider."""

    @property
    def type(self) -> OutputType[Any]:
        """The type itself."""

    @property
    def parse(self) -> Callable[[str], Any]:
        """Parses the answer. Raises ValueError, whose text tells a model what to fix."""

    @property
    def tool(self) -> Offered | None:
        """The tool that takes the answer, if it is given by a call."""


class HandoffTool(Offered, Protocol):
    """A tool that hands the conversation to another agent."""

    @property
    def to(self) -> str:
        """The other agent's name."""

    def take_over(self, messages: tuple[Message, ...], context: Any) -> Run:
        """Creates the other agent's run on this conversation, not yet started."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The input of an agent's run, fixed when it starts."""

    name: str
    backends: tuple[Backend, ...]
    input: tuple[Message, ...]
    history: tuple[Message, ...] = ()
    replaced: bool = False
    """Whether the input had text that a log cannot hold, and that was replaced."""
    thread: Thread | None = None
    instructions: str | Callable[..., Any] | None = None
    tools: Mapping[str, Offered] = {}
    toolboxes: tuple[Toolbox, ...] = ()
    """Sources of further tools, listed before each step; see `offering`."""
    run_tools: bool = True
    offers: tuple[ToolSpec, ...] = ()
    """Additional tools that the client runs."""
    provider_tools: tuple[ProviderTool, ...] = ()
    view: View | None = None
    """The messages that the model gets instead of the whole conversation."""
    compaction: Compaction | None = None
    """When the conversation is shortened."""
    output: Output | None = None
    shape: OutputSpec | None = None
    """The output format for the model without `output`: the answer is not validated."""
    settings: Settings = Settings()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    connect: float | msgspec.UnsetType | None = msgspec.UNSET
    """See `Request`: set if the run or its agent has a value, instead of each model."""
    retries: Retries = Retries()
    tool_errors: ToolErrors = "tell"
    """What happens to a run whose tool raises, unless the tool decides itself."""
    approval: Approval = False
    """Whether a call needs approval, in addition to its tool's own setting."""
    approver: Approver | None = None
    """The approver for the questions of this run and its tools."""
    wants_log: bool = False
    """Whether the log is kept, so that the run can be parked and resumed."""
    budgets: tuple[Budget, ...] = ()
    """The budgets that its requests and tool calls draw on."""
    prices: Prices | None = None
    """The program's own prices."""
    guards: tuple[Guard, ...] = ()
    """What the input, the answers and the results of tools have to pass."""
    context: Any = None

    @property
    def answer_tool(self) -> str:
        """The name of the tool that takes the answer; empty if it is always text."""
        return self.output.spec.tool if self.output is not None else ""

    quiet: bool = False
    """Whether this run must not write to standard output or error."""

    def started(
        self, history: tuple[Message, ...], definition_hash: str, context: Any, *, parent: str | None, call: str | None
    ) -> RunStarted:
        """Returns the first event of a run with this job; `context` is its outline for the log."""
        return RunStarted(
            agent_name=self.name,
            input=self.input,
            history=history,
            model=self.backends[0].model,
            settings=self.settings.shown(),
            context=context,
            parent=parent,
            call=call,
            definition_hash=definition_hash,
            grammar=GRAMMAR,
            answer_tool=self.answer_tool,
        )

    async def told(self) -> str | None:
        """Returns the instructions; if they are a function, its result for this run's context."""
        if not callable(self.instructions):
            return self.instructions
        said: Any = self.instructions(self.context)
        told: str | None = await said if inspect.isawaitable(said) else said
        return told

    def guards_of(self, *kinds: On) -> tuple[Guard, ...]:
        """Returns the guards that check one of these."""
        return tuple(guard for guard in self.guards if any(kind in guard.on for kind in kinds))

    @property
    def client(self) -> frozenset[str]:
        """The names of the tools that the client runs."""
        return frozenset(spec.name for spec in self.offers)

    def request(self, messages: tuple[Message, ...]) -> Request:
        """Returns the request for any model."""
        return Request(
            model="",
            messages=messages,
            tools=(*(tool.spec for tool in self.tools.values()), *self.offers),
            provider_tools=self.provider_tools,
            output=self.output.spec if self.output else self.shape,
            settings=self.settings,
            connect=self.connect,
        )

    def surely_answers(self, step: int) -> bool:
        """Whether the step's text is the answer: without tools and an output type, each loop is one step."""
        return (
            self.output is None
            and not (self.run_tools and (self.tools or self.toolboxes))
            and step >= self.limits.max_loops
        )

    def heir(self, name: str) -> HandoffTool:
        """Returns the tool that hands over to the agent of that name. Raises ConfigurationError."""
        for tool in self.tools.values():
            if getattr(tool, "to", None) == name:
                return cast("HandoffTool", tool)
        raise ConfigurationError(
            f"The log hands the conversation to {name!r}, but {self.name!r} has no handoff to an agent of that name.",
            hint="Resume with the agents that wrote the log.",
        )
