"""The keyword arguments of agents and runs that are not in their signatures.

Owns their names, as TypedDicts for editors and type checkers, and the second names of arguments. Their meaning is
defined by the agent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias

from msgspec import UNSET
from typing_extensions import TypeVar

from headwater.agents import validation
from headwater.agents.client_tools import ClientTool
from headwater.agents.instructions import Instructions
from headwater.agents.model import ModelLike, SettingsOptions
from headwater.agents.output import OutputMode
from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError
from headwater.events.messages import Message
from headwater.providers.pricing import Prices
from headwater.providers.request import Settings
from headwater.readers.callbacks import Callback
from headwater.runtime.people import Approver
from headwater.runtime.thread import Thread
from headwater.runtime.view import View
from headwater.tools.work import Approval, ToolErrors

if TYPE_CHECKING:
    from headwater.journal.retention import Duration, Retention
    from headwater.runtime.budget import Budget
    from headwater.runtime.compaction import Compaction

__all__ = (
    "NO_TASK",
    "OTHER_SPELLINGS",
    "RUN_ARGUMENTS",
    "Arguments",
    "ContextFrom",
    "Keep",
    "OnWaiting",
    "Options",
    "ResumeOptions",
    "RunOptions",
    "refuse_said_before",
    "respell",
    "task_of",
)

ContextT = TypeVar("ContextT", default=Any)


ContextFrom: TypeAlias = Callable[[Any], Any]
"""Builds the context of a run under a journal, plain or async, in each process that drives it."""

Keep: TypeAlias = "Duration | Retention"
"""How long the runs of an agent are kept in its journal after their end; see `journal.retention`."""

OnWaiting: TypeAlias = Callable[[Any], Any] | str
"""Told of each question for which a parked run waits: a function, or the URL of a webhook."""


class Options(SettingsOptions, total=False):
    """Second names of an agent's arguments, and its settings as keyword arguments."""

    agent_name: str
    agent_description: str
    model_name: str
    system_prompt: Instructions
    llm_base_url: str
    llm_api_key: str
    fallback_models: Iterable[ModelLike] | None


OTHER_SPELLINGS: Final = frozenset(Options.__annotations__) - frozenset(SettingsOptions.__annotations__)
"""The second names only."""


class Arguments(Options, Generic[ContextT], total=False):
    """An agent's arguments except its output type, for the overload in which that is not a class."""

    name: str
    model: ModelLike | None
    instructions: Instructions[ContextT]
    tools: Iterable[Any] | None
    handoffs: Iterable[Any] | None
    sticky: bool
    output_mode: OutputMode
    context_type: type[ContextT] | None
    description: str
    max_loops: int
    max_steps: int
    streaming_on: bool
    stream: bool
    print_on: bool | None
    verbose: bool
    interactive: bool
    markdown: bool
    show_reasoning: bool
    footer: bool
    streaming_callback: Callback | None
    on_event: Callback | None
    on_retract: Callback | None
    settings: Settings | Mapping[str, Any] | None
    base_url: str | None
    api_key: str | None
    timeouts: Timeouts | None
    retries: int | None
    fallback: Iterable[ModelLike] | None
    on_interrupted: Literal["raise", "restart"] | None
    tool_errors: ToolErrors
    approval: Approval
    approver: Approver | None
    keep_log: bool
    client_tools: Iterable[ClientTool] | None
    view: View | None
    compact: int | Compaction | None
    journal: str | None
    context_from: ContextFrom | None
    on_waiting: OnWaiting | None
    keep: Keep
    budget: Budget | None
    prices: Prices | None
    guards: Iterable[Any] | None


class ResumeOptions(SettingsOptions, total=False):
    """The options of a resumed run: what replaces the agent's own, callbacks, timeouts and settings."""

    model: ModelLike | None
    instructions: Instructions
    tools: Iterable[Any] | None
    output_mode: OutputMode | None
    settings: Settings | Mapping[str, Any] | None
    streaming_callback: Callback | None
    on_event: Callback | None
    on_retract: Callback | None
    timeouts: Timeouts | None
    approver: Approver | None
    keep_log: bool
    client_tools: Iterable[ClientTool] | None
    save: str | os.PathLike[str] | None
    budget: Budget | None
    prices: Prices | None


class RunOptions(ResumeOptions, total=False):
    """The options of a run: the same, and the conversation to continue."""

    history: Sequence[Message] | None
    thread: Thread | str | None


RUN_ARGUMENTS: Final = (
    "context",
    "output_type",
    *(RunOptions.__annotations__.keys() - SettingsOptions.__annotations__),
)
"""The options of a run except its task and the settings."""


_DEFAULTS: Final = {
    "name": "agent",
    "description": "",
    "model": None,
    "instructions": None,
    "api_key": None,
    "base_url": None,
    "fallback": (),
}
"""The defaults of the arguments that have a second name."""


def respell(given: dict[str, Any], others: dict[str, Any]) -> None:
    """Move arguments given by their second name from `others` to `given`.

    Raises TypeError if both names of an argument were given.
    """
    for other in OTHER_SPELLINGS & others.keys():
        from headwater.agents.spellings import ACCEPTED

        ours = ACCEPTED[other]
        if given[ours] is not None and given[ours] != _DEFAULTS[ours]:
            raise TypeError(f"{other}= and {ours}= are the same argument: pass one of them.")
        given[ours] = others.pop(other)


def refuse_said_before(options: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for options that a resumed run cannot take."""
    for name in ("task", "message", "history", "thread"):
        if options.get(name) is not None:
            instead = {
                "history": "To continue from messages, start a new run: agent.run(task, history=…).",
                "thread": "Afterwards, Thread(response.messages) continues the conversation.",
            }
            raise ConfigurationError(
                f"{name}= cannot be passed to resume: the log already has the conversation.",
                hint=instead.get(name, "Send another message with stream.steer(…)."),
            )


NO_TASK: Any = UNSET
"""Stands for a task that was not given by this name."""


def task_of(task: Any, options: Any) -> Any:
    """The task, which may be in `options` as message=. Raises TypeError or UnsupportedSetting if there is none."""
    if task is not NO_TASK:
        if "message" in options:
            raise TypeError("task= and message= are the same argument: pass one of them.")
        return task
    if "message" in options:
        return options.pop("message")
    from headwater.agents.spellings import argument_hint

    for name in options:
        if argument_hint(name):
            raise validation.unknown(name)
    raise TypeError("The task is missing: write agent.run(task).")
