"""All that an agent's run needs to know, as values and protocols, fixed when it starts."""

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
from headwater.tools.work import Approval, Offered, ToolErrors

if TYPE_CHECKING:
    from headwater.backends.base import Backend
    from headwater.runtime.thread import Thread

__all__ = (
    "HandoffTool",
    "Job",
    "Output",
)


class Output(Protocol):
    """The type that an answer must have."""

    @property
    def spec(self) -> OutputSpec:
        """How a provider is told of it."""

    @property
    def parse(self) -> Callable[[str], Any]:
        """The answer as a value. Raises ValueError, saying what is wrong in words that a model can repair."""

    @property
    def tool(self) -> Offered | None:
        """What takes the answer where it is given by a call."""


class HandoffTool(Offered, Protocol):
    """A tool by which an agent gives the conversation to another one."""

    @property
    def to(self) -> str:
        """The other agent's name."""

    def take_over(self, messages: tuple[Message, ...], context: Any) -> Run:
        """The other agent's run on this conversation, not yet begun."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """All that an agent's run needs to know, fixed when it starts."""

    name: str
    backends: tuple[Backend, ...]
    input: tuple[Message, ...]
    history: tuple[Message, ...] = ()
    replaced: bool = False
    """Whether what was asked held text that no log can, and is as it is told now."""
    thread: Thread | None = None
    instructions: str | Callable[..., Any] | None = None
    tools: Mapping[str, Offered] = {}
    run_tools: bool = True
    offers: tuple[ToolSpec, ...] = ()
    """Tools that the model is told of beside `tools`: the program runs them that reads the answer."""
    provider_tools: tuple[ProviderTool, ...] = ()
    view: View | None = None
    """What the model is sent in place of the whole conversation."""
    output: Output | None = None
    shape: OutputSpec | None = None
    """The shape that the model is asked for where there is no `output`: nobody checks what comes."""
    settings: Settings = Settings()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    connect: float | msgspec.UnsetType | None = msgspec.UNSET
    """See `Request`: set where the run or its agent says so, and not each model for itself."""
    retries: Retries = Retries()
    tool_errors: ToolErrors = "tell"
    """What becomes of a run whose tool raises, where the tool does not say so itself."""
    approval: Approval = False
    """Whether a person is asked before a call runs: of every call, beside what its tool says."""
    approver: Approver | None = None
    """Who answers what this run and its tools ask."""
    wants_log: bool = False
    """Whether the log is kept, so that the run can be left and gone on with."""
    context: Any = None

    @property
    def answer_tool(self) -> str:
        """The name of the tool by which the answer may be given; empty where that is always text."""
        return self.output.spec.tool if self.output is not None else ""

    quiet: bool = False
    """Nothing may be written to standard output or error on this run's behalf."""

    def started(
        self, history: tuple[Message, ...], definition_hash: str, context: Any, *, parent: str | None, call: str | None
    ) -> RunStarted:
        """The first event of a run that is given this; `context` is what of it the log tells."""
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
        """The instructions, where they are a function what that returns for this run's context."""
        if not callable(self.instructions):
            return self.instructions
        said: Any = self.instructions(self.context)
        told: str | None = await said if inspect.isawaitable(said) else said
        return told

    @property
    def client(self) -> frozenset[str]:
        """The names of the tools that the program runs which reads the answer."""
        return frozenset(spec.name for spec in self.offers)

    def request(self, messages: tuple[Message, ...]) -> Request:
        """What a model is asked, whichever it is."""
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
        """Whether the step's text is the answer: without tools and a type to meet, each loop is one step."""
        return self.output is None and not (self.run_tools and self.tools) and step >= self.limits.max_loops

    def heir(self, name: str) -> HandoffTool:
        """The tool by which the conversation is given to the agent of that name. Raises ConfigurationError."""
        for tool in self.tools.values():
            if getattr(tool, "to", None) == name:
                return cast("HandoffTool", tool)
        raise ConfigurationError(
            f"The log gives the conversation to {name!r}, and {self.name!r} hands over to no agent of that name.",
            hint="Go on with the agents that the log was written by.",
        )
