"""A call at work, as whatever is called sees it: a function, another agent, a handoff. One protocol for all of them.

Owns the shapes alone. What runs a step's calls is `runtime.tool_calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from headwater.events.questions import Answer
from headwater.providers.request import ToolSpec

if TYPE_CHECKING:
    from headwater.tools.outcome import ToolOutcome

__all__ = ("Approval", "Asked", "Offered", "OnUnknown", "Plain", "ToolErrors", "Work")

ToolErrors: TypeAlias = Literal["tell", "raise"]
"""What becomes of an exception in a tool: the model is told and goes on, or the run ends with it."""

OnUnknown: TypeAlias = Literal["retry", "tell", "ask", "fail"]
"""What becomes of a call whose tool had begun when its process ended: it runs again, the model is told that nobody
knows, a person is asked, or the run fails."""

Approval: TypeAlias = bool | str | Callable[..., Any]
"""Whether a person is asked before a tool runs: True, the reason, or a function of the validated arguments and, where
it takes two, the run's context, which returns one of these or an awaitable of one."""


class Asked(NamedTuple):
    """What a tool at work asks a person: a message, and the schema of what is to be given or a URL to open."""

    message: str
    schema: dict[str, Any]
    check: Callable[[Answer], Answer]
    """Holds the answer to the schema. Raises AnswerInvalid."""
    seconds: float | None = None
    """How long an answer is waited for."""
    url: str = ""
    state: str = ""


class Work(Protocol):
    """One call while it is carried out."""

    @property
    def arguments(self) -> Mapping[str, Any] | str:
        """What the model wrote: an object, or the text of a custom tool's input."""

    @property
    def context(self) -> Any:
        """The run's context."""

    @property
    def call_id(self) -> str:
        """The call's key in its run."""

    @property
    def run_id(self) -> str:
        """The id of the run that calls."""

    @property
    def timeout(self) -> float | None:
        """How long the call may take, in seconds, where what is called has no limit of its own."""

    @property
    def deadline(self) -> float | None:
        """When the run must be done, in seconds of `time.monotonic`."""

    @property
    def idempotency_key(self) -> str:
        """The same on every try of the call: the run's id and the call's, with a slash between."""

    def emit(self, data: Any) -> None:
        """Say something while the call runs: plain JSON data."""

    async def ask(self, asked: Asked) -> Answer:
        """What a person answers; where the call is tried again, what was answered before."""

    async def conduct(self, run: Any) -> ToolOutcome:
        """Have a run that has not begun answer the call: its events stand in the same log, its text is the result."""

    def hand_over(self, to: Any, note: str) -> ToolOutcome:
        """The conversation goes to another agent once the step's calls are done."""

    def answer(self, value: Any) -> ToolOutcome:
        """`value` is the run's answer, which ends with it once the step's calls are done."""


class Plain:
    """What an offered tool is that asks nobody and begins nothing of its own; a base of those that are no functions."""

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
    """What a model may be offered as a tool: a function, an agent, a workflow, a handoff."""

    @property
    def name(self) -> str:
        """The tool's name."""

    @property
    def spec(self) -> ToolSpec:
        """How a model is told of it."""

    @property
    def retries(self) -> int | None:
        """How often in a row it may be called with arguments that do not fit; None: the agent's own limit holds."""

    @property
    def on_error(self) -> ToolErrors | None:
        """What becomes of an exception in it; None: as the agent says."""

    @property
    def approval(self) -> Approval:
        """Whether a person is asked before it runs."""

    @property
    def on_unknown(self) -> OnUnknown:
        """What becomes of a call that had begun when its process ended."""

    @property
    def goes_on(self) -> bool:
        """Whether a call that had begun is not done again but gone on with: a run answers it."""

    def wants_log(self, seen: set[int]) -> bool:
        """Whether people may be asked by it or because of it. `seen` are the ids of the agents looked at so far."""

    def validate(self, arguments: Mapping[str, Any] | str) -> Mapping[str, Any]:
        """The arguments as the tool takes them. Raises ValueError, saying what is wrong."""

    async def call(self, work: Work) -> ToolOutcome:
        """Carry out one call. What goes wrong is the outcome's `error`, for the model to read.

        Raises what ends the run.
        """
