"""What an agent and a run may be given by name, beside what their signatures say.

Owns how these are spelled: for editors and checkers as TypedDicts, and which of two spellings counts. What the names
mean is the agent's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Generic, Literal

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
from headwater.providers.request import Settings
from headwater.readers.callbacks import Callback
from headwater.runtime.people import Approver
from headwater.runtime.thread import Thread
from headwater.runtime.view import View
from headwater.tools.work import Approval, ToolErrors

__all__ = (
    "NO_TASK",
    "OTHER_SPELLINGS",
    "RUN_ARGUMENTS",
    "Arguments",
    "Options",
    "ResumeOptions",
    "RunOptions",
    "refuse_said_before",
    "respell",
    "task_of",
)

ContextT = TypeVar("ContextT", default=Any)


class Options(SettingsOptions, total=False):
    """Other spellings of an agent's arguments, and its settings by their usual names."""

    agent_name: str
    agent_description: str
    model_name: str
    system_prompt: Instructions
    llm_base_url: str
    llm_api_key: str
    fallback_models: Iterable[ModelLike] | None


OTHER_SPELLINGS: Final = frozenset(Options.__annotations__) - frozenset(SettingsOptions.__annotations__)
"""The other spellings alone."""


class Arguments(Options, Generic[ContextT], total=False):
    """An agent's arguments but for its output type, for the signature in which that is no class."""

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


class ResumeOptions(SettingsOptions, total=False):
    """What a run may be given that is gone on with: what it has in place of the agent's, who watches it, its clocks,
    its settings.
    """

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


class RunOptions(ResumeOptions, total=False):
    """What one run may be given beside its task: the same, and what it goes on from."""

    history: Sequence[Message] | None
    thread: Thread | None


RUN_ARGUMENTS: Final = (
    "context",
    "output_type",
    *(RunOptions.__annotations__.keys() - SettingsOptions.__annotations__),
)
"""What a run takes beside its task and the settings."""


_DEFAULTS: Final = {
    "name": "agent",
    "description": "",
    "model": None,
    "instructions": None,
    "api_key": None,
    "base_url": None,
    "fallback": (),
}
"""What the arguments that have another spelling are where they are not given."""


def respell(given: dict[str, Any], others: dict[str, Any]) -> None:
    """Move what was given in another spelling out of `others` to where it belongs in `given`.

    Raises TypeError where both spellings of an argument were given.
    """
    for other in OTHER_SPELLINGS & others.keys():
        from headwater.agents.spellings import ACCEPTED

        ours = ACCEPTED[other]
        if given[ours] is not None and given[ours] != _DEFAULTS[ours]:
            raise TypeError(f"{other}= and {ours}= are the same argument: give one of them.")
        given[ours] = others.pop(other)


def refuse_said_before(options: Mapping[str, Any]) -> None:
    """Raise ConfigurationError where a run that is gone on with is given what only one that begins can be given."""
    for name in ("task", "message", "history", "thread"):
        if options.get(name) is not None:
            instead = {
                "history": "To go on from messages run anew: agent.run(task, history=…).",
                "thread": "Afterwards Thread(response.messages) goes on from all that was said.",
            }
            raise ConfigurationError(
                f"{name}= cannot be given to a run that is gone on with: its log says what was said before.",
                hint=instead.get(name, "Say something more with stream.steer(…)."),
            )


NO_TASK: Any = UNSET
"""What stands for the task where none was given under that name."""


def task_of(task: Any, options: Any) -> Any:
    """The task, which may stand in `options` as message=. Raises TypeError, UnsupportedSetting where there is none."""
    if task is not NO_TASK:
        if "message" in options:
            raise TypeError("task= and message= are the same argument: give one of them.")
        return task
    if "message" in options:
        return options.pop("message")
    from headwater.agents.spellings import argument_hint

    for name in options:
        if argument_hint(name):
            raise validation.unknown(name)
    raise TypeError("There is no task: write agent.run(task).")
