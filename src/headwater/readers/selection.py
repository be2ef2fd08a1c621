"""Selects a part of a stream: by agent, by depth in the tree, and only the answer or all text.

Owns the choice, as a function from the next event to the events to pass on now. It derives from the log alone what is
an answer; undecided events are held until that is known, and dropped as soon as they are known not to be. Events are
passed on unchanged, except the length of a retraction: it covers what was passed on of the answer. It must never ask a
run.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headwater.errors import ConfigurationError
from headwater.events import (
    ChildFinished,
    ChildStarted,
    Event,
    Handoff,
    MessageAdded,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
)
from headwater.events.tree import Node, Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

_logger: Final = logging.getLogger("headwater")

__all__ = ("Choice", "Everyone", "Selection")


class Choice(msgspec.Struct, frozen=True):
    """A reader's choice. `tail` is the end of a path, empty for any; `depth` counts from the outermost run, 0."""

    final_only: bool = False
    tail: tuple[str, ...] = ()
    depth: int | None = None

    @classmethod
    def of(cls, final_only: bool, agent: str | Sequence[str] | None, depth: int | None) -> Choice | None:
        """Returns the choice, or None if there is nothing to choose. Raises ConfigurationError."""
        tail = () if agent is None else (agent,) if isinstance(agent, str) else tuple(agent)
        if agent is not None and not (tail and all(isinstance(name, str) and name for name in tail)):
            raise ConfigurationError(
                f"agent must be a name or names, not {agent!r}.",
                hint='Use a name, or the end of a path: agent=("team", "writer").',
            )
        if depth is not None and (not isinstance(depth, int) or isinstance(depth, bool) or depth < 0):
            raise ConfigurationError(
                f"depth must be 0 or more, not {depth!r}.", hint="Use 0 for the outermost run, 1 for its members, …."
            )
        return cls(bool(final_only), tail, depth) if final_only or tail or depth is not None else None

    @property
    def by_place(self) -> bool:
        """Whether it selects a place in the tree."""
        return bool(self.tail) or self.depth is not None

    def covers(self, path: tuple[str, ...]) -> bool:
        """Whether it includes the run at this path: one with the name, or inside one with the name."""
        if self.depth is not None and len(path) - 1 > self.depth:
            return False
        size = len(self.tail)
        return not size or any(path[end - size : end] == self.tail for end in range(size, len(path) + 1))


def _look(tail: tuple[str, ...], tree: Tree) -> None:
    """Logs a warning if the run has ended and none in it had the name that was chosen: agents may come until then."""
    names = {node.name: None for node in tree.nodes.values()}
    for name in tail:
        if name not in names:
            import difflib

            near = difflib.get_close_matches(name, names, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There were {', '.join(map(repr, names))}."
            _logger.warning("No agent of this run is named %r, so nothing of it was selected. %s", name, hint)


class Everyone:
    """A set that contains everything: with a choice by place, the speakers do not matter."""

    def __contains__(self, run: object) -> bool:
        return True


class Selection:
    """Applies a choice to one log: call it with each event as it is appended."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._tree = Tree()
        self._covered: dict[tuple[str, ...], bool] = {}
        self._held: dict[str, _Held] = {}
        self._under: dict[str, dict[str, None]] = {}
        """By run: the runs whose held text depends on its outcome. So the cost of an end depends only on what it
        decides, not on all held text: each of thousands of members ends once."""
        self._changed: set[str] = set()
        """The runs whose state has changed since the last check."""

    def __call__(self, event: Event) -> list[Event]:
        """Returns the events to pass on now; the end of the outermost run always is."""
        tree = self._tree
        if event.__class__ is not TextDelta:
            tree.add(event)
        if tree.root is not None and event.run == tree.root.id and isinstance(event, _ENDS):
            if self._choice.tail:
                _look(self._choice.tail, tree)
            return [*self._settled(event), event] if self._choice.final_only else [event]
        if not self._choice.final_only:
            return [event] if self._covers(event.path) else []
        if isinstance(event, (TextDelta, TextStarted, TextEnded, Retracted)):
            return self._said(event) if self._covers(event.path) else []
        if isinstance(event, (MessageAdded, StepStarted)):
            return self._goes_on(event)
        if isinstance(event, (*_ENDS, ChildFinished, Handoff)):
            return self._settled(event)
        if isinstance(event, ChildStarted):
            self._changed.update(event.after)  # their answers are part of its task, and so not the final answer
        return []

    def _covers(self, path: tuple[str, ...]) -> bool:
        known = self._covered.get(path)
        if known is None:
            known = self._covered[path] = self._choice.covers(path)
        return known

    # --- the answer only

    def _said(self, event: Any) -> list[Event]:
        held = self._held.get(event.run)
        if held is None:
            *chain, outermost = self._chosen(event)
            held = self._held[event.run] = _Held(self._tree.node(event), tuple(chain), outermost)
            for node in held.hangs_on:
                self._under.setdefault(node, {})[event.run] = None
        return held.take(event)

    def _chosen(self, event: Event) -> list[Node]:
        """The run and those above it that are selected, from the inside to the outermost."""
        path = event.path
        return [node for up, node in enumerate(self._tree.between(event.run)) if self._covers(path[: len(path) - up])]

    def _goes_on(self, event: MessageAdded | StepStarted) -> list[Event]:
        """The run continues: the text passed on as its answer was not the last."""
        held = self._held.get(event.run)
        if held is None:
            return []
        back = held.taken_back(event)
        held.keep_last()
        return back

    def _settled(self, event: Event) -> list[Event]:
        """Returns the text that is known to be an answer now that a run has ended or handed over."""
        if isinstance(event, Handoff) and (held := self._held.get(event.run)) is not None:
            held.pass_on()
        self._changed.add(event.child if isinstance(event, ChildFinished) else event.run)
        known: list[Event] = []
        for run in self._affected():
            one = self._held[run]
            if one.given_up or one.broke_off:
                self._let_go(run, one)
            elif one.is_answer:
                known += one.events()
                self._let_go(run, one)
        return known

    def _affected(self) -> list[str]:
        """The runs whose held text may be decided now, in the order of their first text."""
        changed, self._changed = self._changed, set()
        if len(changed) == 1:
            return [*self._under.get(changed.pop(), ())]
        affected = {run for node in changed for run in self._under.get(node, ())}
        return [run for run in self._held if run in affected] if affected else []

    def _let_go(self, run: str, held: _Held) -> None:
        del self._held[run]
        for node in held.hangs_on:
            del self._under[node][run]


_ENDS = (RunFinished, RunFailed, RunCancelled)


class _Held:
    """The text of one run that may be the answer."""

    def __init__(self, run: Node, chain: tuple[Node, ...], outermost: Node) -> None:
        self._run = run
        self._chain = chain
        """The run and those above it, up to the outermost selected one, which is not included."""
        self._outermost = outermost
        self._steps: dict[int, list[Event]] = {}
        self._refusals: set[tuple[int, int]] = set()
        self._passed_on = False
        self._passed: list[Any] = []
        """The events of the open step that were passed on."""
        self.hangs_on = {run.id, outermost.id, *(node.id for node in chain)}
        """The runs whose outcome decides whether it is the answer."""

    @property
    def final(self) -> bool | None:
        """Whether the run's last text is the answer; None while unknown."""
        known = [run.final for run in self._chain]
        return False if False in known else None if None in known else True

    @property
    def given_up(self) -> bool:
        """Whether none of it can be the answer any more."""
        by_call = self._run.gave and self._run.outcome == "finished"
        return self._passed_on or by_call or self.final is False

    @property
    def broke_off(self) -> bool:
        """Whether the outermost selected run ended without an answer."""
        return self._outermost.outcome in ("failed", "cancelled")

    @property
    def is_answer(self) -> bool:
        """Whether the held text is the answer, or a part of it. Cut-off text counts if the runs above it finished."""
        if not self.final:
            return False
        between = (self._run, *self._chain)
        return self._outermost.outcome == "finished" or (
            self._run.outcome == "finished" and all(run.outcome in (None, "finished") for run in between)
        )

    def pass_on(self) -> None:
        """The run handed the conversation over; its successor gives the answer."""
        self._passed_on = True

    def take(self, event: Any) -> list[Event]:
        """Handles the next event of the run's text; returns it if it is known to be part of the answer."""
        if self.given_up:
            self._steps.clear()
            return []
        if isinstance(event, TextStarted) and event.kind == "refusal":
            self._refusals.add((event.step, event.part))
        if self.final and self._run.sure:
            if isinstance(event, Retracted):
                return [self._less(event)]
            self._passed.append(event)
            return [event]
        if isinstance(event, Retracted):
            self._steps.pop(event.step, None)
        else:
            self._steps.setdefault(event.step, []).append(event)
        return []

    def taken_back(self, event: MessageAdded | StepStarted) -> list[Event]:
        """Returns a retraction of the text passed on as the answer, because the run continues; it has the stamps of
        `event`.

        The text is held again: if nothing more follows, it was the answer.
        """
        passed, self._passed = self._passed, []
        if not passed:
            return []
        chars = sum(map(self._chars, passed))
        step = passed[-1].step
        self._steps[step] = passed
        if not chars:
            return []
        cause = event.cause if isinstance(event, MessageAdded) else "step"
        seq, time, run, path = event.seq, event.time, event.run, event.path
        return [
            Retracted(
                step=step,
                attempt=self._run.attempt,
                chars=chars,
                cause=cause,
                seq=seq,
                time=time,
                run=run,
                path=path,
            )
        ]

    def _less(self, event: Retracted) -> Retracted:
        """Returns a retraction of the text that was passed on, which does not include the lead."""
        chars = sum(map(self._chars, self._passed))
        self._passed.clear()
        return event if event.chars == chars else msgspec.structs.replace(event, chars=chars)

    def keep_last(self) -> None:
        """Drops what is not the answer: the answer is the last step with text, and what follows it."""
        steps = [*self._steps]
        last = next((step for step in reversed(steps) if any(map(self._chars, self._steps[step]))), None)
        for step in steps[: steps.index(last)] if last is not None else ():
            del self._steps[step]

    def _chars(self, event: Any) -> int:
        """The number of characters of answer text in the event."""
        says = isinstance(event, TextDelta) and (event.step, event.part) not in self._refusals
        return len(event.text) if says else 0

    def events(self) -> list[Event]:
        """Returns the held part of the answer: nothing if it was passed on immediately."""
        if any(map(self._chars, self._passed)):
            return []
        self.keep_last()
        return [event for step in self._steps.values() for event in step]
