"""A tree of runs as its log tells it: who stands in whom, who speaks for whom, and what may still be the answer.

Theory of operation. A `Tree` reads a log and keeps a Node for each run: its place (`parent`, `role`), whose answers led
to it, and what the events so far say of its text. Whoever reads a stream asks a Tree of its own, so a reader that comes
late, in another process, from a file, sees what a live one saw. A run that is at work keeps its Node too, and the
Response of a whole tree is composed from nodes (`answers`), live or read from a log.
It must never ask a live run, read a clock, or look at a token: those cost it nothing.
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

    A live run hands over what its log cannot hold as it is: the `output` as a value (UNSET where none is known), the
    `error` as an exception, how many of its `callback_errors` there were.
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
        self.id = run
        self.name = name
        self.parent = parent
        """The id of the run in which it stands."""
        self.role: Role = role
        self.call = call
        self.after = after
        """The runs whose answers are in its task."""
        self.final = final
        """Whether what it says last is its workflow's answer; None while nobody can know."""
        self.fold = fold
        self.shape: WorkflowShape | None = None
        """How it puts its members together; None for an agent."""
        self.children: dict[str, Node] = {}
        """The runs in it, by id, in the order in which they began."""
        self.handed_over = False
        """Whether it has given the conversation to another agent."""
        self.answer_tool = ""
        """The tool by whose call it may give its answer."""
        self.gave = False
        """Whether its answer was given by a call, so that no text of its is the answer once it has finished."""
        self.led_on = False
        """Whether its answer is in another's task."""
        self.attempt = 0
        """The attempt that is going on in its step."""
        self.may_retract = False
        """Whether the text of the attempt that is going on may be taken back."""
        self.sure = False
        """Whether the text of the attempt that is going on is known to be its answer."""
        self.unbegun: ErrorInfo | None = None
        """What kept it from beginning."""
        self.outcome: Outcome | None = None
        """How it ended; None while it goes on."""
        self.output: Any = UNSET
        self.error: BaseException | None = None
        self.callback_errors: _Counted | None = None

    def join(
        self, parent: str, name: str, *, role: Role, call: str | None, after: tuple[str, ...], final: bool | None
    ) -> None:
        """It is to stand in the run `parent`, where it goes by `name`."""
        self.parent, self.name, self.role = parent, name, role
        self.call, self.after, self.final = call, after, final

    def begin(self, child: Node) -> None:
        """A run in this one begins, or was to begin: the answers in its task are the workflow's no more."""
        self.children[child.id] = child
        for run in child.after:
            if (other := self.children.get(run)) is not None:
                other.led_on, other.final = True, False

    @property
    def members(self) -> Iterator[Node]:
        """The runs of a workflow's members, in the order in which they began; a helper's text is nobody's."""
        return (child for child in self.children.values() if child.role == "member")

    @property
    def latest(self) -> dict[str, Node]:
        """The last run of each member by its name, in the order in which the names were last asked."""
        latest: dict[str, Node] = {}
        for child in self.members:
            latest.pop(child.name, None)
            latest[child.name] = child
        return latest

    def answering(self, failed: Container[str]) -> list[Node]:
        """The runs in a workflow whose text is its own, in order, by its kind, where its end does not say.

        `failed` are the names of members whose error is collected: of a graph they answer only where all have failed.
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
    """Reads a log event by event; the first one is of the run that is looked at, which may stand in a larger tree."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.nodes: dict[str, Node] = {}
        self.speakers: set[str] = set()
        """The runs whose text is the outermost run's: itself, its members', its successors'; a workflow has none."""
        self._through: set[str] = set()
        """The same, and the workflows through which others speak."""

    def add(self, event: Event) -> None:
        """Take in the next event; most say nothing of the tree."""
        if self.root is None:
            self.root = self.nodes[event.run] = Node(event.run, event.agent)
            self._through.add(event.run)
        if handler := _HANDLERS.get(event.__class__):
            handler(self, self.node(event), event)

    def node(self, event: Event) -> Node:
        """The node of the event's run."""
        return self.nodes.get(event.run) or self._stranger(event)

    def _stranger(self, event: Event) -> Node:
        """A run whose beginning only a newer reader could read: it stands in the tree and speaks for nobody."""
        node = self.nodes[event.run] = Node(event.run, event.agent, role="helper", final=False)
        if isinstance(event, RunStarted) and (parent := self.nodes.get(event.parent or "")) is not None:
            node.parent = parent.id
            parent.begin(node)
        return node

    def between(self, run: str) -> Iterator[Node]:
        """The run and those in which it stands, from the inside to the outermost."""
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
    """What a child is to its parent. Logs of 0.1 do not say: there it shows by what stands beside it."""
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
