"""A call at work, as whatever is called sees it: a function, another agent, a handoff. One protocol for all of them.

Owns the shapes alone. What runs a step's calls is `runtime.tool_calls`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias

from headwater.providers.request import ToolSpec
from headwater.tools.outcome import ToolOutcome

__all__ = ("Offered", "ToolErrors", "Work")

ToolErrors: TypeAlias = Literal["tell", "raise"]
"""What becomes of an exception in a tool: the model is told and goes on, or the run ends with it."""


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

    def emit(self, data: Any) -> None:
        """Say something while the call runs: plain JSON data."""

    async def conduct(self, run: Any) -> ToolOutcome:
        """Have a run that has not begun answer the call: its events stand in the same log, its text is the result."""

    def hand_over(self, to: Any, note: str) -> ToolOutcome:
        """The conversation goes to another agent once the step's calls are done."""

    def answer(self, value: Any) -> ToolOutcome:
        """`value` is the run's answer, which ends with it once the step's calls are done."""


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

    async def call(self, work: Work) -> ToolOutcome:
        """Carry out one call. What goes wrong is the outcome's `error`, for the model to read.

        Raises what ends the run.
        """
