"""Trees of real runs made up at random: everything that can stand in one another, on scripted models.

    tree = RandomTree(random.Random(7))
    stream = tree.whole.run_stream("Go.")

Nothing depends on the wall clock, so a tree under a virtual one (`support.virtual`) says the same each time. `ears` are
the callbacks that runs inside the tree have of their own, and what those were told.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Literal, NoReturn, TypeAlias

import msgspec

from headwater import Agent, AgentStream
from headwater.agents.answer_tool import ANSWER_TOOL
from headwater.backends.offline import Call, Cut, Fail, Finish, Say, ScriptedModel, Think, Wait
from headwater.backends.timeouts import Timeouts
from headwater.errors import HeadwaterError, RateLimited
from headwater.events import Event
from headwater.events.messages import File, Image, ProviderItem, Source, Usage
from headwater.events.response import Response
from headwater.workflows import ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from headwater.workflows.base import Workflow
from tests.system.invariants.runs import TOOLS

__all__ = ("Ear", "Hearing", "RandomTree")

WORDS: Final = ("one ", "two", " three", "é🌊", "\n", "go ", "no", "yes ", "again ")
DEPTHS: Final = (0, 1, 2, 2, 3, 3)
MEMBERS: Final = (1, 2, 2, 3, 3, 4)

Chance: TypeAlias = Callable[[Response[Any]], Any]
Waits: TypeAlias = Literal["no", "after", "before"]


# --- who listens


class Hearing(msgspec.Struct, frozen=True):
    """How a callback is told: by how many parameters, in tokens or details, and how it learns of a retraction."""

    parameters: int = 1
    details: bool = False
    retract: int = 0
    """How many parameters `on_retract` has; 0: there is none."""
    waits: Waits = "no"
    """Whether it returns an awaitable: after it has heard, or an `async def` that hears only then."""
    raises: float = 0.0
    """How often it raises, having heard."""

    @classmethod
    def of(cls, dice: random.Random) -> Hearing:
        """Any way of listening. One that hears only when awaited does not hear what is said after its reader left."""
        return cls(
            parameters=dice.choice([1, 1, 2, 3]),
            details=dice.random() < 0.25,
            retract=dice.choice([0, 0, 1, 2]),
            waits=dice.choice(["no", "no", "no", "after"]),
            raises=dice.choice([0.0, 0.0, 0.0, 0.3]),
        )


class Ear:
    """A streaming_callback and an on_retract, and all that they were told: `then` is called after each."""

    def __init__(self, how: Hearing, seed: int = 0, then: Callable[[], None] = lambda: None) -> None:
        self.how = how
        self.heard: list[tuple[Any, ...]] = []
        self._dice = random.Random(seed)
        self.then = then
        callbacks: dict[int, Callable[..., Any]] = {
            1: lambda token: self._hear(token),
            2: lambda agent, token: self._hear(agent, token),
            3: lambda agent, token, is_final: self._hear(agent, token, is_final),
        }
        self.callback = callbacks[how.parameters]
        retracting: dict[int, Callable[..., Any] | None] = {
            0: None,
            1: lambda chars: self._hear("retract", chars),
            2: lambda agent, chars: self._hear("retract", agent, chars),
        }
        self.on_retract = retracting[how.retract]

    @property
    def options(self) -> dict[str, Any]:
        """As an agent or a workflow takes them."""
        return {"streaming_callback": self.callback, "on_retract": self.on_retract, "stream": self.how.details}

    def _hear(self, *told: Any) -> Awaitable[Any] | None:
        if self.how.waits == "before":
            return self._hear_later(told)
        self.heard.append(told)
        self.then()
        if self._dice.random() < self.how.raises:
            raise ValueError("a callback will not do")
        return asyncio.sleep(self._dice.choice([0, 0.1])) if self.how.waits == "after" else None

    async def _hear_later(self, told: tuple[Any, ...]) -> None:
        await asyncio.sleep(self._dice.choice([0, 0.1]))
        self.heard.append(told)


# --- members of a user's own


class Odd:
    """A member that cannot begin: never, or not again; or one that stops what it began."""

    def __init__(self, name: str, how: str, inner: Any = None, times: int = 0, seconds: float = 0.0) -> None:
        self.name = name
        self._how = how
        self._inner = inner
        self._times = times
        self._seconds = seconds
        self._stream: AgentStream[Any]

    def run_stream(self, message: Any, /, *, context: Any = None) -> AgentStream[Any]:
        """Its answer, while it has one."""
        self._times -= 1
        if self._times >= 0:
            self._stream = self._inner.run_stream(message, context=context)
            stops: dict[str, Callable[[], Any]] = {"cancel": self._stream.cancel, "close": self._stream.close}
            if self._how in stops:
                asyncio.get_running_loop().call_later(self._seconds, stops[self._how])
        if self._times >= 0 or self._how == "the same stream":
            return self._stream
        if self._how == "ours":
            raise HeadwaterError("There is no key.", hint="Set it.")
        if self._how == "cancelled":
            raise asyncio.CancelledError
        if self._how == "no stream":
            nothing: Any = ["no stream"]
            return nothing  # type: ignore[no-any-return]
        raise ValueError("I cannot begin")


async def _someone_elses_cancel() -> NoReturn:
    """Await what somebody has cancelled."""
    other: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    other.cancel()
    await other
    raise AssertionError("it was cancelled")


# --- the tree


class RandomTree:
    """One tree, wholly made up by `dice`. `own` says whether those inside have callbacks of their own."""

    def __init__(self, dice: random.Random, *, depth: int | None = None) -> None:
        self.dice = dice
        self.ears: dict[str, Ear] = {}
        """By the name of who has it, which nobody else bears."""
        self.events: dict[str, list[Event]] = {}
        """What the `on_event` of the same was told."""
        self.names: set[str] = {"top"}
        self.kinds: list[str] = []
        self._count = 0
        self.whole: Agent[Any, Any] | Workflow[Any] = self._runnable(
            "top", dice.choice(DEPTHS) if depth is None else depth
        )

    def agent(self, name: str, depth: int, giver: str = "") -> Agent[Any, Any]:
        """An agent with whatever an agent can have. `giver` may give it the conversation, and get it back."""
        dice = self.dice
        name, own = self._own(name)
        tools: list[Any] = [*TOOLS] if dice.random() < 0.5 else []
        names = [tool.__name__ for tool in tools if tool.__name__ != "fatal" or dice.random() < 0.3]
        if tools and dice.random() < 0.2:
            tools.append(beside)
            names += ["beside"]
        if depth > 0 and dice.random() < 0.5:
            below = self._runnable(f"below{depth}", depth - 1)
            tools.append(below)
            names += [below.name] * 5
        heirs: list[Agent[Any, Any]] = []
        if depth > 0 and dice.random() < 0.5:
            letters = "ab"[: dice.choice([1, 1, 2])]
            heirs = [self.agent(f"heir{depth}{letter}", depth - 1, name) for letter in letters]
            names += [f"transfer_to_{heir.name}" for heir in heirs] * 4
        if giver:
            names += [f"transfer_to_{giver}"] * 2
        recursive = depth > 0 and dice.random() < 0.1
        if recursive:
            names += [name] * 5
        if dice.random() < 0.1:
            names.append("nobody")
        typed: dict[str, Any] = {}
        if dice.random() < 0.25:
            typed = {"output_type": int | None, "output_mode": dice.choice(["native", "tool", "tool"])}
        if typed.get("output_mode") == "tool":
            names += [ANSWER_TOOL] * 8
        turns = [_turn(dice, names) for _ in range(dice.randint(0, 4))]
        if typed.get("output_mode") == "native" and dice.random() < 0.7:
            turns = [(Say([dice.choice(["1", "42", "no", "null"])]),) for _ in range(3)]
        fallback = []
        if dice.random() < 0.25:
            fallback = [_model(dice, [_turn(dice, names) for _ in range(2)], model="other")]
        self.kinds.append("agent")
        made = Agent(
            name=name,
            model=_model(dice, turns),
            fallback=fallback,
            tools=tools,
            handoffs=heirs,
            instructions=_instructions(dice),
            max_loops=dice.choice([1, 1, 1, 2, 3]),
            max_steps=dice.randint(1, 4),
            retries=dice.randint(0, 2),
            on_interrupted=dice.choice(["raise", "restart"]),
            timeouts=_clocks(dice),
            **typed,
            **own,
        )
        if recursive:
            made.tools = (*made.tools, made)
        for heir in heirs:
            if dice.random() < 0.5:
                heir.handoffs = (*heir.handoffs, made)
        return made

    def _own(self, name: str) -> tuple[str, dict[str, Any]]:
        """A name, and callbacks for whoever bears it: those have a name of their own."""
        dice = self.dice
        if name == "top" or dice.random() < 0.8:
            self.names.add(name)
            return name, {}
        self._count += 1
        name = f"own{self._count}"
        ear = self.ears[name] = Ear(Hearing.of(dice), dice.randrange(1000))
        self.events[name] = []
        return name, {**ear.options, "on_event": self.events[name].append}

    def _runnable(self, name: str, depth: int) -> Agent[Any, Any] | Workflow[Any]:
        if depth <= 0 or self.dice.random() < 0.45:
            return self.agent(name, depth)
        return self._workflow(name, depth)

    def _member(self, name: str, depth: int) -> Any:
        dice = self.dice
        chance = dice.random()
        if chance < 0.05:
            return Odd(name, dice.choice(["raise", "ours", "no stream", "raise", "ours", "cancelled"]))
        inner = self._runnable(name, depth)
        if chance < 0.12:
            how = dice.choice(["raise", "ours", "no stream", "the same stream"])
            return Odd(inner.name, how, inner, times=dice.choice([1, 1, 2]))
        if chance < 0.16:
            seconds = dice.choice([0.0, 0.1, 1.0, 2.0])
            return Odd(inner.name, dice.choice(["cancel", "close"]), inner, times=100, seconds=seconds)
        return inner

    def _workflow(self, name: str, depth: int) -> Workflow[Any]:
        dice = self.dice
        name, own = self._own(name)
        members = [self._member(f"{name[0]}{at}", depth - 1) for at in range(dice.choice(MEMBERS))]
        common: dict[str, Any] = {
            "name": name,
            "on_error": dice.choice(["raise", "collect", "collect"]),
            "max_concurrency": dice.choice([None, None, 1, 2]),
            "timeouts": dice.choice([None, None, Timeouts(run=6.0)]),
            **own,
        }
        kind = dice.choice(["sequential", "concurrent", "graph", "graph"])
        self.kinds.append(kind)
        if kind == "sequential":
            return SequentialWorkflow(members, max_loops=dice.choice([1, 1, 2, 3]), **common)
        if kind == "concurrent":
            return ConcurrentWorkflow(members, max_loops=dice.choice([1, 1, 2]), **common)
        return self._graph(members, common)

    def _graph(self, members: list[Any], common: dict[str, Any]) -> GraphWorkflow:
        dice = self.dice
        names = [member.name for member in members]
        edges: list[Any] = []
        for _ in range(dice.randint(0, 2 * len(names))):
            source, target = dice.choice(names), dice.choice(names)
            if source == target and dice.random() < 0.7:
                continue
            kind = dice.random()
            if kind < 0.5:
                edges.append((source, target))
            elif kind < 0.75:
                edges.append((source, target, _condition(dice)))
            else:
                edges.append((source, target, _says(dice.choice(WORDS))))
        routes = {dice.choice(names): _route(dice, names)} if dice.random() < 0.4 else {}
        start = dice.choice([names[0], [*dict.fromkeys(dice.choices(names, k=2))]])
        return GraphWorkflow(members, edges=edges, routes=routes, start=start, max_visits=dice.choice([2, 3]), **common)


# --- what models say


def _turn(dice: random.Random, names: list[str]) -> tuple[Any, ...]:
    said = [_item(dice) for _ in range(dice.randint(0, 3))]
    if names and dice.random() < 0.65:
        said += [_call(dice, names) for _ in range(dice.randint(1, 3))]
    chance = dice.random()
    if chance < 0.1:
        said.append(_break(dice))
    elif chance < 0.16:
        said.append(Finish(dice.choice(["stop", "length", "content_filter", "refusal", "tool_calls", None])))
    return tuple(said) or ("Nothing.",)


def _item(dice: random.Random) -> Any:
    pieces = [dice.choice(WORDS) for _ in range(dice.randint(1, 4))]
    chance = dice.random()
    if chance < 0.5:
        return Say(pieces, refusal=dice.random() < 0.1, signature="sig" if dice.random() < 0.05 else None)
    if chance < 0.62:
        return Think(pieces, kind=dice.choice(["full", "summary"]))
    if chance < 0.76:
        return Wait(dice.choice([0.1, 1.0, 3.0]))
    return dice.choice(
        [
            Think(signature="sig", redacted="…"),
            Source(url="https://example.org", title="Example"),
            Image(data=b"\x89PNG\r\n\x1a\n"),
            File(id="file_1", media_type="application/pdf"),
            ProviderItem(api="offline", item={"type": "odd"}),
            Usage(input_tokens=dice.randint(0, 9), output_tokens=dice.randint(0, 9)),
        ]
    )


def _call(dice: random.Random, names: list[str]) -> Call:
    good = dice.random() < 0.8
    arguments: Any = ['{"n": 1, ', '"task": "go"}'] if good else dice.choice([{}, "no json", '{"n', ["[1]"], ""])
    by: Any = dice.choice(["agent"] * 18 + ["client", "provider"])
    name = dice.choice(names)
    if name == ANSWER_TOOL and good:
        arguments = {"result": dice.choice([7, 7, None, "x"])}
    return Call(name, arguments, id=dice.choice([None, "a", "b"]), by=by)


def _break(dice: random.Random) -> Any:
    # An error bears the Response of the run that it ended, so each is to be made anew.
    made: list[Callable[[], Any]] = [
        Cut,
        lambda: Fail(RateLimited("in band"), in_band=True),
        lambda: Fail(ConnectionResetError()),
        *(lambda what=what: Fail(what) for what in (429, 500, 401, "overloaded_error")),
    ]
    return dice.choice(made)()


def _model(dice: random.Random, turns: list[Any], **more: Any) -> ScriptedModel:
    """The turns in the order of asking, over all runs; whoever asks more often is told that it is done."""
    left: Iterator[Any] = iter(turns)
    return ScriptedModel(lambda request: next(left, ("Done.",)), rate=dice.choice([None, None, 20.0]), **more)


def _instructions(dice: random.Random) -> Any:
    chance = dice.random()
    if chance < 0.9:
        return None
    seconds = dice.choice([0.0, 0.5])

    async def wait(context: Any) -> str:
        await asyncio.sleep(seconds)
        if chance > 0.99:
            await _someone_elses_cancel()
        if chance > 0.97:
            raise ValueError("there are no instructions")
        return "Be short."

    return wait


def _clocks(dice: random.Random) -> Timeouts:
    return Timeouts(
        first_token=dice.choice([600.0, 600.0, 2.0]),
        idle=dice.choice([300.0, 300.0, 2.0]),
        step=dice.choice([None, None, None, 3.5]),
        run=dice.choice([None] * 6 + [5.5, 2.0]),
        tool=dice.choice([300.0, 1.0]),
    )


# --- what a graph's users write


def _condition(dice: random.Random) -> Chance:
    """Yes or no, at once or after a while; now and then it raises, or awaits what somebody has cancelled."""
    own, seconds = random.Random(dice.random()), dice.choice([0.0, 0.0, 0.7])

    async def later(response: Response[Any]) -> bool:
        await asyncio.sleep(seconds)
        if own.random() < 0.06:
            raise KeyError("a condition failed")
        if own.random() < 0.02:
            await _someone_elses_cancel()
        return own.random() < 0.6

    return later if seconds else lambda response: own.random() < 0.6


def _says(word: str) -> Chance:
    return lambda response: word in response


def _route(dice: random.Random, names: list[str]) -> Chance:
    own, seconds = random.Random(dice.random()), dice.choice([0.0, 0.0, 0.5])

    async def route(response: Response[Any]) -> Any:
        await asyncio.sleep(seconds)
        chance = own.random()
        if chance < 0.03:
            raise KeyError("a route failed")
        if chance < 0.04:
            await _someone_elses_cancel()
        if chance < 0.4:
            return None
        return own.choice(names) if chance < 0.8 else own.sample(names, k=min(2, len(names)))

    return route


async def beside(n: int) -> str:
    """Run an agent that is no part of the tree."""
    return str(await Agent(name="beside", model=ScriptedModel([[Say(["By ", "myself."]), Wait(0.3)]])).run("Go."))
