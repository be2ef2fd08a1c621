"""Builds the tree of runs from a log: which run is inside which, whose text counts, and what may be the answer.

Theory of operation. A `Tree` reads a log and keeps a Node for each run: its place (`parent`, `role`), whose answers led
to it, and the state of its text. Each reader of a stream feeds a Tree of its own, so a late reader, in another process,
from a file, sees what a live one saw. A live run keeps its Node too, and the Response of a whole tree is composed from
nodes (`answers`), live or read from a log.

It must never ask a live run, read a clock, or process tokens: those cost it nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Any, Final, Literal, Protocol, TypeAlias

from msgspec import UNSET

from headwater.events.fold import Fold
from headwater.events.types import (
    AttemptStarted,
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Event,
    Handoff,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepStarted,
    ToolFinished,
    WorkflowShape,
)

__all__ = ("Node", "Role", "Tree")

Role: TypeAlias = Literal["outermost", "member", "handoff", "tool", "helper"]
Outcome: TypeAlias = Literal["finished", "failed", "cancelled"]


class _Counted(Protocol):
    @property
    def count(self) -> int: ...


class Node:
    """One run of a tree.

    A live run passes what its log cannot hold: the `output` as a value (UNSET if unknown), the `error` as an exception,
    and the number of its `callback_errors`.
    """

    __slots__ = (
        "after",
        "answer_tool",
        "attempt",
        "call",
        "callback_errors",
        "children",
        "error",
        "final",
        "fold",
        "gave",
        "handed_over",
        "id",
        "led_on",
        "may_retract",
        "name",
        "outcome",
        "output",
        "parent",
        "role",
        "shape",
        "sure",
        "unbegun",
    )

    def __init__(
        self,
        run: str,
        name: str = "",
        *,
        parent: str = "",
        role: Role = "outermost",
        call: str | None = None,
        after: tuple[str, ...] = (),
        final: bool | None = True,
        fold: Fold | None = None,
    ) -> None:
        self.id: str = run
        self.name: str = name
        self.parent: str = parent
        """The id of its parent run."""
        self.role: Role = role
        self.call = call
        self.after: tuple[str, ...] = after
        """The runs whose answers are part of its task."""
        self.final = final
        """Whether its last text is its workflow's answer; None while unknown."""
        self.fold: Fold | None = fold
        self.shape: WorkflowShape | None = None
        """How it combines its members; None for an agent."""
        self.children: dict[str, Node] = {}
        """Its child runs by id, in the order in which they started."""
        self.handed_over: bool = False
        """Whether it has handed the conversation to another agent."""
        self.answer_tool: str = ""
        """The tool that its model may call to give the answer."""
        self.gave: bool = False
        """Whether a call gave its answer, so that none of its text is the answer once it has finished."""
        self.led_on: bool = False
        """Whether its answer is part of another run's task."""
        self.attempt: int = 0
        """The open attempt of its step."""
        self.may_retract: bool = False
        """Whether the text of the open attempt may be retracted."""
        self.sure: bool = False
        """Whether the text of the open attempt is known to be its answer."""
        self.unbegun: ErrorInfo | None = None
        """The error that prevented its start."""
        self.outcome: Outcome | None = None
        """How it ended; None while it is open."""
        self.output: Any = UNSET
        self.error: BaseException | None = None
        self.callback_errors: _Counted | None = None

    def join(
        self, parent: str, name: str, *, role: Role, call: str | None, after: tuple[str, ...], final: bool | None
    ) -> None:
        """Places it in the run `parent` under the name `name`."""
        self.parent, self.name, self.role = parent, name, role
        self.call, self.after, self.final = call, after, final

    def begin(self, child: Node) -> None:
        """Adds a child that starts, or failed to start: the answers in its task no longer count as the workflow's."""
        self.children[child.id] = child
        for run in child.after:
            if (other := self.children.get(run)) is not None:
                other.led_on, other.final = True, False

    @property
    def members(self) -> Iterator[Node]:
        """The runs of a workflow's members in the order in which they started, without helpers."""
        return (child for child in self.children.values() if child.role == "member")

    @property
    def latest(self) -> dict[str, Node]:
        """The last run of each member by name, in the order of those last runs."""
        latest: dict[str, Node] = {}
        for child in self.members:
            latest.pop(child.name, None)
            latest[child.name] = child
        return latest

    def answering(self, failed: Container[str]) -> list[Node]:
        """The runs whose text is the workflow's, in order, derived from its kind if its end does not say.

        `failed` holds the names of members whose error is collected: in a graph they answer only if all have failed.
        """
        latest, shape = self.latest, self.shape
        declared = [latest[name] for name in (shape.members if shape is not None else ()) if name in latest]
        if shape is not None and shape.kind == "concurrent":
            return declared
        if shape is not None and shape.kind == "graph":
            ends = [child for child in declared if not child.led_on]
            return [child for child in ends if child.name not in failed] or ends
        return [*latest.values()][-1:]


class Tree:
    """Reads a log event by event; the first event is of the run in question, which may be part of a larger tree."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.nodes: dict[str, Node] = {}
        self.speakers: set[str] = set()
        """The runs whose text is the outermost run's: itself, its members, its successors; a workflow has no text."""
        self._through: set[str] = set()
        """The same, and the workflows between them and the outermost run."""

    def add(self, event: Event) -> None:
        """Reads the next event; most do not affect the tree."""
        if self.root is None:
            self.root = self.nodes[event.run] = Node(event.run, event.agent)
            self._through.add(event.run)
        if handler := _HANDLERS.get(event.__class__):
            handler(self, self.node(event), event)

    def node(self, event: Event) -> Node:
        """Returns the node of the event's run."""
        return self.nodes.get(event.run) or self._unknown_run(event)

    def _unknown_run(self, event: Event) -> Node:
        """A run whose start only a newer version could read: it is in the tree, but its text does not count."""
        node = self.nodes[event.run] = Node(event.run, event.agent, role="helper", final=False)
        if isinstance(event, RunStarted) and (parent := self.nodes.get(event.parent or "")) is not None:
            node.parent = parent.id
            parent.begin(node)
        return node

    def between(self, run: str) -> Iterator[Node]:
        """The run and those around it, from the inside to the outermost."""
        node = self.nodes.get(run)
        while node is not None:
            yield node
            node = self.nodes.get(node.parent)

    def _started(self, node: Node, event: RunStarted) -> None:
        node.shape, node.answer_tool = event.workflow, event.answer_tool
        if node is not self.root:
            if node.role in ("tool", "helper") or node.parent not in self._through:
                return
            self._through.add(node.id)
        if event.workflow is None:
            self.speakers.add(node.id)

    def _child_started(self, node: Node, event: ChildStarted) -> None:
        role = _role(event, node)
        final = event.final if role == "member" else role == "handoff"
        child = Node(
            event.child, event.name, parent=node.id, role=role, call=event.call, after=event.after, final=final
        )
        self.nodes[event.child] = child
        node.begin(child)

    def _child_finished(self, node: Node, event: ChildFinished) -> None:
        if (child := self.nodes.get(event.child)) is not None:
            child.unbegun, child.outcome = event.error, event.outcome

    def _attempt_started(self, node: Node, event: AttemptStarted) -> None:
        node.attempt, node.may_retract, node.sure = event.attempt, event.may_retract, event.final

    def _step_started(self, node: Node, event: StepStarted) -> None:
        node.gave = False

    def _tool_finished(self, node: Node, event: ToolFinished) -> None:
        node.gave = node.gave or (event.error is None and bool(event.name) and event.name == node.answer_tool)

    def _handed_over(self, node: Node, event: Handoff) -> None:
        node.handed_over = True

    def _finished(self, node: Node, event: RunFinished) -> None:
        node.outcome = "finished"
        answer = {*(event.answer or (child.id for child in [*node.latest.values()][-1:]))}  # 0.1 did not say
        for child in node.children.values():
            if child.role == "member":
                child.final = child.id in answer

    def _broke_off(self, node: Node, event: RunFailed | RunCancelled) -> None:
        node.outcome = "failed" if isinstance(event, RunFailed) else "cancelled"
        if node.shape is None:
            return
        failed = {name for name, child in node.latest.items() if node.shape.collect and child.outcome == "failed"}
        answering = {child.id for child in node.answering(failed)}
        for child in node.children.values():
            child.final = child.id in answering


def _role(event: ChildStarted, parent: Node) -> Role:
    """Returns a child's role. Logs of 0.1 do not have it: there it is derived from the surrounding events."""
    if event.role != "member" or parent.shape is not None:
        return event.role
    return "tool" if event.call is not None else "handoff" if parent.handed_over else "member"


_HANDLERS: Final[dict[type[Event], Callable[[Tree, Node, Any], None]]] = {
    RunStarted: Tree._started,
    ChildStarted: Tree._child_started,
    ChildFinished: Tree._child_finished,
    StepStarted: Tree._step_started,
    AttemptStarted: Tree._attempt_started,
    ToolFinished: Tree._tool_finished,
    Handoff: Tree._handed_over,
    RunFinished: Tree._finished,
    RunFailed: Tree._broke_off,
    RunCancelled: Tree._broke_off,
}
