"""Events of a run's beginning, its waiting, and its end."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

from headwater.events.error_info import ErrorInfo
from headwater.events.event import Event
from headwater.events.messages import Message, Usage

__all__ = (
    "End",
    "ForkedFrom",
    "RunCancelled",
    "RunFailed",
    "RunFinished",
    "RunResumed",
    "RunStarted",
    "RunWaiting",
    "WorkflowShape",
)


class WorkflowShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a workflow combines its members' answers, for a reader that has only the log.

    `kind` is an open set (sequential, concurrent, graph), `members` their names in the order of declaration, `collect`
    whether a member's error is kept in its Response.
    """

    kind: str = ""
    members: tuple[str, ...] = ()
    collect: bool = False
    edges: tuple[tuple[str, str], ...] = ()
    """The declared edges from one member to another: who may wait for whom. A route, which may lead anywhere, appears
    as edges to the members that no other edge leads to."""


class ForkedFrom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The run that this one was forked from, and the number of the last event that was copied."""

    run: str
    seq: int


# --- the run


class RunStarted(Event, frozen=True, gc=False, tag="run.started"):
    """The first event of every run."""

    type: ClassVar[Literal["run.started"]]
    agent_name: str = msgspec.field(name="agent", default="")
    """The agent's or workflow's own name; inside a larger run it may have another one, which is in `path`."""
    input: tuple[Message, ...] = ()
    """The task."""
    history: tuple[Message, ...] = ()
    """The conversation before the task."""
    model: str = ""
    """The model that it calls first; empty for a workflow."""
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    context: Any = None
    """The context that the program passed to tools and instructions, if it can be written as JSON."""
    parent: str | None = None
    """The id of the run that this one is part of."""
    call: str | None = None
    """The parent's call that this run answers."""
    definition_hash: str = ""
    """A hash of the agent's or workflow's declaration; empty if unknown."""
    grammar: int = 1
    """The grammar that the run's events follow: 1 is that of headwater 0.1, 2 that of 0.2; see `checker`."""
    workflow: WorkflowShape | None = None
    """Set if the run is a workflow's; null for an agent's."""
    forked_from: ForkedFrom | None = None
    """Set if its first events were copied from another run."""
    thread: str = ""
    """The id of its conversation, if it has one."""
    answer_tool: str = ""
    """The tool that a model may call to give the answer: the call's arguments are the text of the run once it has
    finished. Empty if the answer is always text."""


class RunResumed(Event, frozen=True, gc=False, tag="run.resumed"):
    """The outermost run is resumed, by `by`: whatever was running in any run below was interrupted."""

    type: ClassVar[Literal["run.resumed"]]
    by: str = ""
    definition_hash: str = ""


class RunWaiting(Event, frozen=True, gc=False, tag="run.waiting"):
    """Nothing in the run is active until someone answers, or until `until` (Unix seconds); this is not its end."""

    type: ClassVar[Literal["run.waiting"]]
    on: Literal["approval", "input", "children", "time"] = "input"
    """The first thing that it waits for."""
    ids: tuple[str, ...] = ()
    """The ids of all approvals, inputs and child runs that it waits for."""
    until: float | None = None


class RunFinished(Event, frozen=True, gc=False, tag="run.finished"):
    """The end: the run completed with an answer."""

    type: ClassVar[Literal["run.finished"]]
    finish_reason: str | None = None
    output: Any = msgspec.UNSET
    """The answer as the output type, in JSON; it may be null. Absent if the output type is text."""
    usage: Usage = Usage()
    answer: tuple[str, ...] = ()
    """The children whose text is the run's answer, by id and in order; empty if the text is its own."""


class RunFailed(Event, frozen=True, gc=False, tag="run.failed"):
    """The end: an error that could not be recovered from."""

    type: ClassVar[Literal["run.failed"]]
    error: ErrorInfo
    usage: Usage = Usage()


class RunCancelled(Event, frozen=True, gc=False, tag="run.cancelled"):
    """The end: the run was cancelled."""

    type: ClassVar[Literal["run.cancelled"]]
    by: Literal["caller", "left", "deadline", "parent", "shutdown"] = "caller"
    usage: Usage = Usage()


End: TypeAlias = RunFinished | RunFailed | RunCancelled
"""The events that end a run: exactly one per run."""
