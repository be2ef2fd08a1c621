"""Protocols of tool calls, shared by functions, agents and handoffs.

Owns only the protocols. `runtime.tool_calls` runs a step's calls.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from headwater.events.questions import Answer
from headwater.providers.request import ToolSpec

if TYPE_CHECKING:
    from headwater.events import InputAsked
    from headwater.events.messages import Message
    from headwater.tools.outcome import ToolOutcome

__all__ = ("Approval", "Asked", "Offered", "OnUnknown", "Plain", "ToolErrors", "Toolbox", "Work", "is_approval")

ToolErrors: TypeAlias = Literal["tell", "raise"]
"""What happens after an exception in a tool: the model is told and continues, or the run ends with it."""

OnUnknown: TypeAlias = Literal["retry", "tell", "ask", "fail"]
"""What happens to a call whose tool had started when its process ended: it runs again, the model is told that the
outcome is unknown, a person is asked, or the run fails."""

Approval: TypeAlias = bool | str | Callable[..., Any]
"""Whether a tool needs approval: True, the reason, or a function of the validated arguments and, if it has two
parameters, the run's context, which returns one of these or an awaitable of one."""


def is_approval(value: object) -> bool:
    """Whether `approval=` may be this value."""
    return isinstance(value, (bool, str)) or callable(value)


class Asked(NamedTuple):
    """A running tool's question to a person: a message, and the schema of the answer or a URL to open."""

    message: str
    schema: dict[str, Any]
    check: Callable[[Answer], Answer]
    """Validates the answer. Raises AnswerInvalid."""
    seconds: float | None = None
    """How long to wait for an answer."""
    url: str = ""
    state: str = ""


class Work(Protocol):
    """A running call."""

    @property
    def arguments(self) -> Mapping[str, Any] | str:
        """The model's arguments: an object, or the text of a custom tool's input."""

    @property
    def context(self) -> Any:
        """The run's context."""

    @property
    def call_id(self) -> str:
        """The call's key in its run."""

    @property
    def run_id(self) -> str:
        """The id of the calling run."""

    @property
    def timeout(self) -> float | None:
        """The timeout of the call in seconds, if the tool has none of its own."""

    @property
    def deadline(self) -> float | None:
        """When the run must be done, in seconds of `time.monotonic`."""

    @property
    def idempotency_key(self) -> str:
        """The same for every try of the call: the run's id and the call's key, separated by a slash."""

    def emit(self, data: Any) -> None:
        """Reports progress: plain JSON data."""

    async def ask(self, asked: Asked) -> Answer:
        """Asks a person and returns the answer; on a retry of the call, the earlier answer."""

    def asked_before(self) -> Sequence[InputAsked]:
        """The questions of earlier tries of the call, in order."""

    async def conduct(self, run: Any) -> ToolOutcome:
        """Runs another run that answers the call: its events go into the same log, its text is the result."""

    def hand_over(self, to: Any, note: str) -> ToolOutcome:
        """Hands the conversation to another agent once the step's calls are done."""

    def answer(self, value: Any) -> ToolOutcome:
        """Sets `value` as the run's answer; the run ends once the step's calls are done."""


class Plain:
    """Base of tools that are not functions and neither ask people nor start work of their own."""

    retries: int | None = None
    on_error: ToolErrors | None = None
    approval: Approval = False
    on_unknown: OnUnknown = "retry"
    goes_on = False

    def wants_log(self, seen: set[int]) -> bool:
        """See `Offered`."""
        return False

    def validate(self, arguments: Mapping[str, Any] | str) -> Mapping[str, Any]:
        """See `Offered`."""
        return arguments if isinstance(arguments, Mapping) else {}


class Offered(Protocol):
    """Anything that a model can call as a tool: a function, an agent, a workflow, a handoff."""

    @property
    def name(self) -> str:
        """The tool's name."""

    @property
    def spec(self) -> ToolSpec:
        """Its description for a model."""

    @property
    def retries(self) -> int | None:
        """How often in a row it may be called with invalid arguments; None: the agent's limit applies."""

    @property
    def on_error(self) -> ToolErrors | None:
        """What happens after an exception in it; None: the agent's setting applies."""

    @property
    def approval(self) -> Approval:
        """Whether it needs approval."""

    @property
    def on_unknown(self) -> OnUnknown:
        """What happens to a call that had started when its process ended."""

    @property
    def goes_on(self) -> bool:
        """Whether an interrupted call is resumed instead of repeated, because a run answers it."""

    def wants_log(self, seen: set[int]) -> bool:
        """Whether it may ask people or need approval. `seen` has the ids of agents that were checked already."""

    def validate(self, arguments: Mapping[str, Any] | str) -> Mapping[str, Any]:
        """Returns the validated arguments. Raises ValueError with the reason."""

    async def call(self, work: Work) -> ToolOutcome:
        """Executes one call. Errors go into the outcome's `error`, for the model.

        Raises errors that end the run.
        """


class Toolbox:
    """A source of tools that are known only during a run, such as a server; accepted in `tools=`.

    `name` is shown in errors and used as a prefix, `required` says whether a run fails without it.
    """

    name: str
    required: bool

    @property
    def definition(self) -> Any:
        """What is declared of it, as plain values without keys: it counts in a run's definition hash."""
        raise NotImplementedError

    async def listing(self) -> Sequence[Any]:
        """Returns its tools as it knows them, connected if need be. Raises MCPUnavailable."""
        raise NotImplementedError

    def offered(
        self, listing: Sequence[Any], taken: Collection[str], said: Sequence[Message]
    ) -> tuple[Mapping[str, Offered], Collection[str]]:
        """Returns the tools to offer by name, and the names of all of them, none of which is in `taken`.

        `said` is the conversation, which may say what has been searched for.
        """
        raise NotImplementedError
