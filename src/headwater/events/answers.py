"""Composes the Response of a whole tree from the runs' nodes: of an agent, its successors, a workflow.

Owns the one rule by which many answers become one, for a live run and for a log that another process reads tomorrow.
Each node is composed only once, so the cost is linear in the tree.

It must never read a clock: `now` is used as the end of an open run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import UNSET

from headwater.events.fold import Fold
from headwater.events.messages import Message, Usage
from headwater.events.response import Response
from headwater.events.results import Results, sections
from headwater.events.tree import Node, Tree
from headwater.events.types import Event, RunFailed, RunFinished

__all__ = ("answering", "composed", "member_response", "tree_response")


def tree_response(events: Iterable[Event]) -> Response[Any] | Results:
    """Returns the result of a log or of any prefix: the outermost run's Response, or a concurrent workflow's Results.

    Raises ValueError if there is no event.
    """
    tree = Tree()
    now = 0.0
    for event in events:
        tree.add(event)
        node = tree.node(event)
        if node.fold is None:
            node.fold = Fold()
        node.fold.add(event)
        now = event.time
    if tree.root is None:
        raise ValueError("There are no events to make a Response from.")
    return composed(tree.root, now=now)


def composed(node: Node, *, now: float | None = None) -> Response[Any] | Results:
    """Returns the result so far of the run and all runs in it; `now` (Unix seconds) is the end of an open run."""
    composer = _Composer(now)
    return composer.whole(node) if node.children or node.shape is not None else composer.own(node)


def member_response(node: Node, name: str, *, last: Node | None = None, now: float | None = None) -> Response[Any]:
    """Returns the result so far of the workflow's member of that name, over all its runs, or over those up to `last`.

    Raises KeyError if the member has not run.
    """
    runs = [child for child in node.members if child.name == name]
    if not runs:
        raise KeyError(name)
    if last in runs:
        runs = runs[: runs.index(last) + 1]
    return _Composer(now).member(name, runs, node.shape is not None and node.shape.collect)


def answering(node: Node, failed: Iterable[str] = ()) -> list[Node]:
    """Returns the runs whose text is the workflow's, in order: from its end event, or from its kind before that.

    `failed` holds the names of members whose error is collected: in a graph they answer only if all have failed.
    """
    end = node.fold.end if node.fold is not None else None
    members = {child.id: child for child in node.members}
    if isinstance(end, RunFinished) and (named := [members[run] for run in end.answer if run in members]):
        return named
    return node.answering(frozenset(failed))


class _Composer:
    """Composes one tree's Responses, each once."""

    def __init__(self, now: float | None) -> None:
        self._now = now
        self._known: dict[str, Response[Any]] = {}
        self._errors: dict[str, int] = {}

    def whole(self, node: Node) -> Response[Any] | Results:
        """Returns a run's Response; Results for a concurrent workflow."""
        if _is_workflow(node):
            return self._workflow(node)
        return self._agent(node)

    def _as_response(self, node: Node) -> Response[Any]:
        """The same as one Response: Results become sections."""
        known = self._known.get(node.id)
        if known is None:
            whole = self.whole(node)
            if isinstance(whole, Results):
                told = {"finish_reason": "stop", **self._told(node)}
                whole = Response(whole.text, members=whole.members, **told)
            known = self._known[node.id] = whole
        return known

    # --- an agent

    def own(self, node: Node) -> Response[Any]:
        """Returns the result of the run itself, without those in it."""
        fold = node.fold
        if fold is None or fold.started is None:
            return Response("", agent=node.name, partial=True)
        return fold.response(output=_output_of(node), callback_errors=self._callback_errors(node), now=self._now)

    def _agent(self, node: Node) -> Response[Any]:
        own = self.own(node)
        successors = [child for child in node.children.values() if child.role == "handoff" and _has_begun(child)]
        if not successors:
            return own
        other = self._as_response(successors[-1])
        text = other.text or own.text
        output = _output_of(successors[-1])
        return own.replaced(
            text,
            agent=other.agent,
            members={own.agent: self._giver(node, own), **(other.members or {other.agent: other})},
            transcript=own.transcript + other.transcript,  # which begins with its lead
            output=text if output is UNSET else output,
            reasoning="\n\n".join(filter(None, (own.reasoning, other.reasoning))),
            finish_reason=other.finish_reason,
            provider_finish_reason=other.provider_finish_reason,
            tool_calls=(*own.tool_calls, *other.tool_calls),
            tool_errors=(*own.tool_errors, *other.tool_errors),
            unheard=(*_unheard(node, successors[-1]), *other.unheard),
            sources=(*own.sources, *other.sources),
            files=(*own.files, *other.files),
            refusal=other.refusal,
            model=other.model,
            provider=other.provider,
            tokens_per_second=other.tokens_per_second,
            messages=other.messages or own.messages,
        )

    def _callback_errors(self, node: Node) -> int:
        """How many callbacks have raised, including those of child runs."""
        known = self._errors.get(node.id)
        if known is None:
            own = node.callback_errors.count if node.callback_errors is not None else 0
            known = self._errors[node.id] = own + sum(map(self._callback_errors, node.children.values()))
        return known

    def _giver(self, node: Node, own: Response[Any]) -> Response[Any]:
        """Returns the Response of an agent that has handed over: its own text and its usage."""
        assert node.fold is not None
        others = [child for child in node.children.values() if child.role != "handoff" and _has_begun(child)]
        usage = sum((self._as_response(child).usage for child in others), node.fold.spent().own)
        return own.replaced(own.text, usage=usage)

    # --- a workflow

    def _workflow(self, node: Node) -> Response[Any] | Results:
        members = self._members(node)
        told = self._told(node)
        shape = node.shape
        if shape is not None and shape.kind == "concurrent":
            empty = {name: Response("", agent=name, partial=True) for name in shape.members if name not in members}
            every = [(members | empty)[name] for name in shape.members]
            kept = {name: told[name] for name in ("usage", "duration", "run_id", "partial", "callback_errors")}
            return Results(shape.members, every, **kept)
        failed = [name for name, member in members.items() if member.error is not None]
        said = {child.name: members[child.name] for child in answering(node, failed)}
        last = [*said.values()][-1] if said else Response("")
        text = last.text if len(said) <= 1 else sections(said)
        output = {} if len(said) == 1 else {"output": text}  # several answers have only their text in common
        return last.replaced(text, **told, members=members, **output)

    def _members(self, node: Node) -> dict[str, Response[Any]]:
        runs: dict[str, list[Node]] = {}
        for child in node.members:
            runs.setdefault(child.name, []).append(child)
        declared = node.shape.members if node.shape is not None else ()
        names = [name for name in declared if name in runs] or [*runs]
        collects = node.shape is not None and node.shape.collect
        return {name: self.member(name, runs[name], collects) for name in names}

    def member(self, name: str, runs: list[Node], collects: bool) -> Response[Any]:
        """A member's last answer, with the usage of all its runs."""
        told: dict[str, Any] = {"agent": name}
        if collects:
            told["error"] = _error_of(runs[-1])
        begun = [run for run in runs if run.unbegun is None]
        if not begun:
            return Response("", partial=True, **told)
        *earlier, last = [self._as_response(run) for run in begun]
        if earlier:
            told["usage"] = sum((one.usage for one in earlier), Usage()) + last.usage
            told["duration"] = sum(one.duration for one in earlier) + last.duration
        return last.replaced(last.text, **told)

    def _told(self, node: Node) -> dict[str, Any]:
        """The fields of the whole tree's Response, whoever's text it has."""
        own = self.own(node)
        begun = [child for child in node.members if child.unbegun is None]
        return {
            "transcript": "".join(self._as_response(run).transcript for run in begun),
            "usage": own.usage,
            "usage_origin": own.usage_origin,
            "duration": own.duration,
            "run_id": node.id,
            "agent": node.name,
            "partial": own.partial,
            "callback_errors": own.callback_errors,
            **({"finish_reason": own.finish_reason} if own.partial and _ended(node) else {}),
        }


def _unheard(node: Node, successor: Node) -> Iterator[Message]:
    """Messages sent to a run that has handed over, which neither it nor its successors have seen."""
    heard: set[str] = set()
    after: Node | None = successor
    while after is not None:
        if after.fold is not None:
            heard |= after.fold.heard_for
        after = next((child for child in after.children.values() if child.role == "handoff"), None)
    said = node.fold.unheard if node.fold is not None else {}
    return (one.message for key, one in said.items() if key not in heard)


def _is_workflow(node: Node) -> bool:
    if node.shape is not None:
        return True
    # A log of 0.1 does not have this: there a workflow is a run that has members but no model of its own.
    fold = node.fold
    return any(node.members) and not (fold is not None and fold.model)


def _has_begun(node: Node) -> bool:
    return node.fold is not None and node.fold.started is not None


def _ended(node: Node) -> bool:
    return node.fold is not None and node.fold.end is not None


def _output_of(node: Node) -> Any:
    """Returns the run's output as a value, UNSET if that is text.

    If a run did not finish, it is unknown whether its last text is the answer.
    """
    end = node.fold.end if node.fold is not None else None
    if not isinstance(end, RunFinished):
        return UNSET
    return end.output if node.output is UNSET else node.output


def _error_of(node: Node) -> BaseException | None:
    if node.error is not None:
        return node.error
    if node.unbegun is not None:
        return node.unbegun.exception()
    end = node.fold.end if node.fold is not None else None
    return end.error.exception() if isinstance(end, RunFailed) else None
