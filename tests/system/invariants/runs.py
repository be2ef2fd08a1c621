"""Runs made up at random, carried out by the real runtime on scripted models, under a virtual clock.

    play = carried_out(data.draw(plays()))

A `Play` says what models say, what tools do, and how the run is read and left; `carried_out` gives what came of it.
"""

from __future__ import annotations

import asyncio
import string
from collections.abc import AsyncGenerator
from typing import Any, Literal, TypeAlias

import msgspec
from hypothesis import strategies as st

from headwater import Agent
from headwater.backends.offline import Call, Cut, Fail, Finish, Say, ScriptedModel, Think, Wait
from headwater.backends.timeouts import Timeouts
from headwater.errors import HeadwaterError, RateLimited, ToolFailed
from headwater.events import Event
from headwater.events.messages import File, Image, ProviderItem, Source, Usage
from headwater.readers.chunks import StreamChunk
from headwater.readers.stream import AgentStream
from headwater.workflows import ConcurrentWorkflow, SequentialWorkflow
from tests.support.virtual import run_virtual

__all__ = ("Leave", "Outcome", "Part", "Play", "carried_out", "plays")

Way: TypeAlias = Literal["events", "chunks", "text", "result"]
Shape: TypeAlias = Literal["agent", "sequential", "concurrent"]
Leave: TypeAlias = Literal["never", "break", "raise", "cancel", "cancel later", "cancel task"]


class Part(msgspec.Struct, frozen=True):
    """One agent of a play: what its model says, turn by turn, and how far it goes."""

    turns: tuple[tuple[Any, ...], ...]
    fallback: tuple[tuple[Any, ...], ...] | None = None
    max_loops: int = 1
    max_steps: int = 4
    retries: int = 1
    restart: bool = False
    clocks: Timeouts = Timeouts()
    typed: Literal["", "native", "tool"] = ""
    """How it is asked for an answer that is a number or null; not at all where empty."""
    below: Part | None = None
    """The agent that stands among its tools."""
    heir: Part | None = None
    """The agent to whom it may give the conversation."""


class Play(msgspec.Struct, frozen=True):
    """A run, and how it is read and left: after `items` items, or after `seconds` of virtual time."""

    part: Part
    others: tuple[Part, ...] = ()
    """Further members, where the run is a workflow's."""
    shape: Shape = "agent"
    collect: bool = False
    """Whether a workflow goes on where a member fails."""
    slow_reader: Literal["wait", "coalesce", "drop_progress"] = "wait"
    """What a workflow does for a reader that cannot keep up."""
    pause: float = 0.0
    """Seconds that the reader takes over each item."""
    way: Way = "events"
    leave: Leave = "never"
    items: int = 0
    seconds: float = 0.0


class Outcome(msgspec.Struct):
    """What came of a play.

    `log` holds every event appended, `read` what its reader got, `tokens` what a callback was told.
    """

    log: list[Event]
    read: list[Any]
    tokens: list[str]
    response: Any
    """A Response, or what a concurrent workflow gives."""
    error: BaseException | None
    whole: bool
    """Whether the reader read to the end, and did not leave."""


# --- what the tools do


async def quick(n: int) -> str:
    """Answer at once."""
    return f"{n} is a number"


async def slow(n: int) -> str:
    """Take two seconds."""
    await asyncio.sleep(2)
    return "at last"


async def wrong(n: int) -> str:
    """Raise."""
    raise ValueError(f"{n} will not do")


async def fatal(n: int) -> str:
    """End the run."""
    raise ToolFailed("that is all")


async def telling(n: int) -> AsyncGenerator[str, None]:
    """Say how far it is."""
    for i in range(3):
        yield f"{i} of {n}"
        await asyncio.sleep(0.3)


TOOLS = (quick, slow, wrong, fatal, telling)


# --- what the models say

_letters = st.text(string.ascii_letters + " é🌊\n", min_size=1, max_size=6)
_pieces = st.lists(_letters, min_size=1, max_size=4)
_names = st.sampled_from(
    ["quick", "slow", "wrong", "telling", "telling", "below", "below", "below", "transfer_to_heir", "fatal", "nobody"]
)
_arguments = st.one_of(
    st.just(['{"n": 1, ', '"task": "go"}']),
    st.sampled_from([{}, {"n": "many"}, ['{"n', '": 2, "task": "x"}'], "no json", '{"n": 1', "[1]", ""]),
)
_calls = st.builds(
    Call,
    _names,
    _arguments,
    id=st.sampled_from([None, "a", "a", "b"]),
    by=st.sampled_from(["agent", "agent", "agent", "provider", "client"]),
)
_said = st.one_of(
    st.builds(Say, _pieces),
    st.builds(Say, _pieces),
    st.builds(Say, _pieces, refusal=st.booleans(), signature=st.sampled_from([None, "sig"])),
    st.builds(Think, _pieces, kind=st.sampled_from(["full", "summary"]), signature=st.sampled_from([None, "sig"])),
    st.just(Think(signature="sig", redacted="…")),
    _calls,
    _calls,
    st.builds(Wait, st.sampled_from([0.1, 1.0, 3.0])),
    st.just(Source(url="https://example.org", title="Example")),
    st.just(Image(data=b"\x89PNG\r\n\x1a\n")),
    st.just(File(id="file_1", media_type="application/pdf")),
    st.just(ProviderItem(api="offline", item={"type": "odd"})),
    st.builds(Usage, input_tokens=st.integers(0, 9), output_tokens=st.integers(0, 9)),
)
_ended = st.one_of(
    st.none(),
    st.none(),
    st.builds(Finish, st.sampled_from(["stop", "length", "content_filter", "refusal", "tool_calls", None])),
    st.just(Cut()),
    st.sampled_from(
        [
            Fail(429),
            Fail(500),
            Fail(401),
            Fail("overloaded_error"),
            Fail(ConnectionResetError()),
        ]
    ),
    # An error bears the Response of the run that it ended, so each run is to have its own.
    st.builds(Fail, st.builds(RateLimited, st.just("in band")), in_band=st.just(True)),
)


_answers = st.builds(
    Call,
    st.just("final_answer"),
    st.sampled_from([{"result": 7}, {"result": None}, ['{"result"', ": 9}"], {"result": "x"}, "7", '{"result": ']),
)
_good_calls = st.builds(Call, _names, st.just(['{"n": 1, "task": "go"}']), id=st.sampled_from([None, "a"]))


@st.composite
def _turn(draw: st.DrawFn) -> tuple[Any, ...]:
    if draw(st.integers(0, 2)):
        # What is wholly at random seldom gets as far as a tool.
        return (
            *draw(st.lists(st.builds(Say, _pieces), max_size=1)),
            *draw(st.lists(_good_calls | _answers, min_size=1, max_size=3)),
        )
    said = draw(st.lists(_said, max_size=4))
    end = draw(_ended)
    return (*said, end) if end is not None else tuple(said) or ("Nothing.",)


_turns = st.lists(_turn(), max_size=4).map(tuple)
_clocks = st.builds(
    Timeouts,
    first_token=st.sampled_from([600.0, 2.0]),
    idle=st.sampled_from([300.0, 2.0]),
    step=st.sampled_from([None, None, 3.5]),
    run=st.sampled_from([None, None, 5.5]),
    tool=st.sampled_from([300.0, 1.0]),
)


def _parts(others: st.SearchStrategy[Part | None]) -> st.SearchStrategy[Part]:
    return st.builds(
        Part,
        turns=_turns,
        fallback=st.none() | _turns,
        max_loops=st.integers(1, 3),
        max_steps=st.integers(1, 4),
        retries=st.integers(0, 2),
        restart=st.booleans(),
        clocks=_clocks,
        typed=st.sampled_from(["", "", "", "", "native", "tool", "tool"]),
        below=others,
        heir=others,
    )


_alone: st.SearchStrategy[Part] = _parts(st.none())
_tree: st.SearchStrategy[Part] = _parts(st.none() | _alone | _parts(st.none() | _alone))


def plays(*ways: Way) -> st.SearchStrategy[Play]:
    """Any run of an agent with agents below it, or of a workflow of such, read in any of `ways`, left at any moment."""
    return st.builds(
        Play,
        part=_tree,
        others=st.lists(_alone, max_size=2).map(tuple),
        shape=st.sampled_from(["agent", "agent", "sequential", "concurrent"]),
        collect=st.booleans(),
        slow_reader=st.sampled_from(["wait", "coalesce", "drop_progress"]),
        pause=st.sampled_from([0.0, 0.0, 0.6]),
        way=st.sampled_from(ways or ("events", "chunks", "text", "result")),
        leave=st.sampled_from(["never", "never", "break", "raise", "cancel", "cancel later", "cancel task"]),
        items=st.integers(0, 60),
        seconds=st.sampled_from([0.0, 0.05, 0.5, 1.0, 1.5, 2.0, 2.5, 4.0]),
    )


# --- carrying it out


def _agent(part: Part, name: str) -> Agent[Any, Any]:
    below = [_agent(part.below, "below")] if part.below is not None else []
    heirs = [_agent(part.heir, "heir")] if part.heir is not None else []
    # Whoever is asked more often than the play says ends the matter.
    rest = (("Done.",),) * 40
    options: dict[str, Any] = {"output_type": int | None, "output_mode": part.typed} if part.typed else {}
    return Agent(
        name=name,
        model=ScriptedModel([*part.turns, *rest]),
        fallback=[ScriptedModel([*part.fallback, *rest], model="other")] if part.fallback is not None else [],
        tools=[*TOOLS, *below],
        handoffs=heirs,
        max_loops=part.max_loops,
        max_steps=part.max_steps,
        retries=part.retries,
        on_interrupted="restart" if part.restart else "raise",
        timeouts=part.clocks,
        **options,
    )


def carried_out(play: Play) -> Outcome:
    """What comes of a play."""
    outcome, _ = run_virtual(_carry_out(play))
    return outcome


def _whole(play: Play) -> Any:
    if play.shape == "agent":
        return _agent(play.part, "top")
    members = [_agent(part, f"member {at}") for at, part in enumerate((play.part, *play.others))]
    kind = SequentialWorkflow if play.shape == "sequential" else ConcurrentWorkflow
    return kind(members, name="top", on_error="collect" if play.collect else "raise")


class _Enough(Exception):
    """What a reader raises in the middle of its loop."""


async def _carry_out(play: Play) -> Outcome:
    log: list[Event] = []
    tokens: list[str] = []
    told: dict[str, Any] = {"on_event": log.append, "streaming_callback": tokens.append}
    if play.shape != "agent":
        told["slow_reader"] = play.slow_reader
    stream: AgentStream[Any] = _whole(play).run_stream("Go.", **told)
    read: list[Any] = []
    error: BaseException | None = None
    reader = asyncio.create_task(_read(play, stream, read))
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, complaint: complaints.append(complaint))
    if play.leave == "cancel later":
        loop.call_later(play.seconds, stream.cancel)
    if play.leave == "cancel task":
        loop.call_later(play.seconds, reader.cancel)
    whole = True
    try:
        whole = await reader
    except HeadwaterError as raised:
        error = raised
    except (_Enough, asyncio.CancelledError) as raised:
        error, whole = raised, False
    await stream.aclose()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks are left: {left}"
    run = stream._run
    assert run is not None
    assert not complaints, f"the event loop complains: {complaints}"
    return Outcome(log, read, tokens, run.response(), error, whole)


async def _read(play: Play, stream: AgentStream[Any], read: list[Any]) -> bool:
    if play.way == "result":
        await stream.result()
        return True
    items: Any = {"events": stream.events(), "chunks": stream, "text": stream.text()}[play.way]
    async for item in items:
        assert isinstance(item, (Event, StreamChunk, str))
        read.append(item)
        if len(read) > play.items:
            if play.leave == "break":
                return False
            if play.leave == "raise":
                raise _Enough
            if play.leave == "cancel":
                stream.cancel()
        if play.pause:
            await asyncio.sleep(play.pause)
    return True
