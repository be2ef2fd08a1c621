"""All that an agent's run needs to know, as values and protocols, fixed when it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headwater.backends.retry import Retries
from headwater.backends.timeouts import Timeouts
from headwater.events.messages import Message
from headwater.providers.request import OutputSpec, ProviderTool, Settings, ToolSpec
from headwater.runtime.agent_loop import Limits
from headwater.runtime.run import Run
from headwater.tools.work import Offered, ToolErrors

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
        """The answer as a value. Raises ValueError, saying what is wrong in words that a model can mend."""

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
    thread: Thread | None = None
    instructions: str | Callable[..., Any] | None = None
    tools: Mapping[str, Offered] = {}
    run_tools: bool = True
    offers: tuple[ToolSpec, ...] = ()
    """Tools that the model is told of beside `tools`, and that nobody here runs."""
    provider_tools: tuple[ProviderTool, ...] = ()
    output: Output | None = None
    settings: Settings = Settings()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    connect: float | msgspec.UnsetType | None = msgspec.UNSET
    """See `Request`: set where the run or its agent says so, and not each model for itself."""
    retries: Retries = Retries()
    tool_errors: ToolErrors = "tell"
    """What becomes of a run whose tool raises, where the tool does not say so itself."""
    context: Any = None

    @property
    def answer_tool(self) -> str:
        """The name of the tool by which the answer may be given; empty where that is always text."""
        return self.output.spec.tool if self.output is not None else ""

    quiet: bool = False
    """Nothing may be written to standard output or error on this run's behalf."""
