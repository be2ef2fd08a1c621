"""Which part of a stream a reader wants: whose words, from how deep in the tree, and only those of the answer or all.

Owns the choice, as a function from the next event to the events to be handed out now. What is an answer it works out
from the log alone; what is not yet known is held until it is, and let go of as soon as it is known not to be. An event
is handed out as it is, but for how much a retraction takes back: of an answer that is what was handed out of it. It
must never ask a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

__all__ = ("Choice", "Everyone", "Selection")


class Choice(msgspec.Struct, frozen=True):
    """What a reader asked for. `tail` is the end of a path, empty for any; `depth` counts from the outermost run, 0."""

    final_only: bool = False
    tail: tuple[str, ...] = ()
    depth: int | None = None

    @classmethod
    def of(cls, final_only: bool, agent: str | Sequence[str] | None, depth: int | None) -> Choice | None:
        """The choice, or None where there is none to make. Raises ConfigurationError."""
        tail = () if agent is None else (agent,) if isinstance(agent, str) else tuple(agent)
        if agent is not None and not (tail and all(isinstance(name, str) and name for name in tail)):
            raise ConfigurationError(
                f"agent is {agent!r}.", hint='Give a name, or the end of a path: agent=("team", "writer").'
            )
        if depth is not None and (not isinstance(depth, int) or isinstance(depth, bool) or depth < 0):
            raise ConfigurationError(f"depth is {depth!r}.", hint="Give 0 for the outermost run, 1 for its members, ….")
        return cls(bool(final_only), tail, depth) if final_only or tail or depth is not None else None

    @property
    def by_place(self) -> bool:
        """Whether it names a place in the tree."""
        return bool(self.tail) or self.depth is not None

    def covers(self, path: tuple[str, ...]) -> bool:
        """Whether it takes in the run at this path: one that bears the name, or that stands in one that does."""
        if self.depth is not None and len(path) - 1 > self.depth:
            return False
        size = len(self.tail)
        return not size or any(path[end - size : end] == self.tail for end in range(size, len(path) + 1))


class Everyone:
    """Holds whatever it is asked for: where a reader chooses by place, whom a run speaks for does not matter."""

    def __contains__(self, run: object) -> bool:
        return True


class Selection:
    """A choice at work on one log: call it with each event as it is appended."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._tree = Tree()
        self._covered: dict[tuple[str, ...], bool] = {}
        self._held: dict[str, _Held] = {}
        self._under: dict[str, dict[str, None]] = {}
        """By run: those whose held text hangs on what becomes of it. So an end costs what it settles, and not a look at
        all that is held: of thousands of members each ends once."""
        self._changed: set[str] = set()
        """The runs of which something has become known since that was looked at last."""

    def __call__(self, event: Event) -> list[Event]:
        """What is to be handed out now; the end of the outermost run always is."""
        tree = self._tree
        if event.__class__ is not TextDelta:
            tree.add(event)
        if tree.root is not None and event.run == tree.root.id and isinstance(event, _ENDS):
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
            self._changed.update(event.after)  # their answers are in its task, and so not the last word
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
        """The run and those above it that were chosen, from the inside to the outermost."""
        path = event.path
        return [node for up, node in enumerate(self._tree.between(event.run)) if self._covers(path[: len(path) - up])]

    def _goes_on(self, event: MessageAdded | StepStarted) -> list[Event]:
        """The run goes on: what was handed out as its answer was not the last of it."""
        held = self._held.get(event.run)
        if held is None:
            return []
        back = held.taken_back(event)
        held.keep_last()
        return back

    def _settled(self, event: Event) -> list[Event]:
        """What is known to be an answer now that a run has ended or handed over."""
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
        """The runs whose held text may be settled now, in the order in which they began to speak."""
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
        """The run and those above it, up to the outermost that was chosen, which is not among them."""
        self._outermost = outermost
        self._steps: dict[int, list[Event]] = {}
        self._refusals: set[tuple[int, int]] = set()
        self._passed_on = False
        self._passed: list[Any] = []
        """What was handed out of the step that is going on."""
        self.hangs_on = {run.id, outermost.id, *(node.id for node in chain)}
        """The runs whose fate says whether it is the answer."""

    @property
    def final(self) -> bool | None:
        """Whether what the run says last is the answer; None while that is not known."""
        known = [run.final for run in self._chain]
        return False if False in known else None if None in known else True

    @property
    def given_up(self) -> bool:
        """Whether nothing of it can be the answer any more."""
        by_call = self._run.gave and self._run.outcome == "finished"
        return self._passed_on or by_call or self.final is False

    @property
    def broke_off(self) -> bool:
        """Whether the outermost run that was chosen ended without an answer."""
        return self._outermost.outcome in ("failed", "cancelled")

    @property
    def is_answer(self) -> bool:
        """Whether what is held is the answer, or a part of it. What was cut is where those above came to their end."""
        if not self.final:
            return False
        between = (self._run, *self._chain)
        return self._outermost.outcome == "finished" or (
            self._run.outcome == "finished" and all(run.outcome in (None, "finished") for run in between)
        )

    def pass_on(self) -> None:
        """The run has given the conversation to another, who has the last word."""
        self._passed_on = True

    def take(self, event: Any) -> list[Event]:
        """The next event of the run's text: it comes back where it is known to be of the answer."""
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
        """What was handed out as the answer, taken back because the run goes on; it bears the stamps of `event`.

        It waits again: where nothing more is said it was the answer.
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
        """A retraction of what was handed out: the lead before it was not."""
        chars = sum(map(self._chars, self._passed))
        self._passed.clear()
        return event if event.chars == chars else msgspec.structs.replace(event, chars=chars)

    def keep_last(self) -> None:
        """Let go of what is not the answer: that is the last step that has any text, and what comes after it."""
        steps = [*self._steps]
        last = next((step for step in reversed(steps) if any(map(self._chars, self._steps[step]))), None)
        for step in steps[: steps.index(last)] if last is not None else ():
            del self._steps[step]

    def _chars(self, event: Any) -> int:
        """How many characters of an answer the event says."""
        says = isinstance(event, TextDelta) and (event.step, event.part) not in self._refusals
        return len(event.text) if says else 0

    def events(self) -> list[Event]:
        """What was held of the answer: nothing where it was handed out as it came."""
        if any(map(self._chars, self._passed)):
            return []
        self.keep_last()
        return [event for step in self._steps.values() for event in step]
