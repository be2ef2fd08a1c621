"""Seven questions to a streaming agent library, each asked over a real socket, as `peers` asks other libraries.

Each probe gives what was seen, in words for the table of docs/reliability.md, and whether it is as promised there.
`python scripts/reliability.py` asks them all; so does the suite.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from headwater import Agent, Timeouts, tool
from headwater.errors import HeadwaterError, IdleTimeout, IncompleteStream
from headwater.events import Event, RunCancelled, ToolFinished, ToolStarted
from headwater.testing import Call, Cut, Fail, Faulty, Item, ProviderSimulator, Say, Stall, Wait, check_log

__all__ = ("PROBES", "Found", "Probe", "ask")

TOKENS: Final = tuple(f"P{number} " for number in range(200))
RATE: Final = 50.0
"""Tokens a second, which is one each 20 ms."""


class Found(msgspec.Struct, frozen=True):
    """What was seen, and whether it is as promised."""

    said: str
    holds: bool


class Probe(msgspec.Struct, frozen=True):
    """A question; `peers` asks other libraries those of the same name."""

    question: str
    ask: Callable[[], Coroutine[Any, Any, Found]]


def ask(probe: Probe) -> Found:
    """The answer, from an event loop of its own."""
    return asyncio.run(probe.ask())


async def clean_end() -> Found:
    """The server closes cleanly, without a finish reason and without [DONE]."""
    with ProviderSimulator([[Say(TOKENS[:2]), Cut()]]) as provider:
        shown = ""
        try:
            async for chunk in Agent(model=provider.model()).run_stream("Go"):
                shown += chunk.content
        except IncompleteStream as error:
            partial = error.response
            kept = partial is not None and partial.partial and str(partial) == shown == "P0 P1 "
            return Found(f"**detected**: `IncompleteStream`, retryable, with the partial {str(partial)!r}", kept)
    return Found("silently complete", False)


async def leaving() -> Found:
    """`break` out of the loop: how many tokens the server still sends."""
    with ProviderSimulator([Say(TOKENS)], rate=RATE) as provider:
        stream = Agent(model=provider.model()).run_stream("Go")
        read = 0
        async for _ in stream:
            read += 1
            if read == 4:
                break
        told = time.monotonic()
        gone = provider.requests[0].wait_gone()  # blocks the loop: nothing but `break` has told the server
        took = (provider.requests[0].ended or told) - told
        sent = provider.requests[0].pieces - 1  # the first names the role
        return Found(f"**{sent}** (4 read, the socket closed {max(took, 0) * 1000:.0f} ms later)", gone and sent <= 7)


async def cancelling() -> Found:
    """The documented cancel, and what is in the history after it."""
    with ProviderSimulator([Say(TOKENS), "Indeed."], rate=RATE) as provider:
        agent = Agent(model=provider.model())
        stream = agent.run_stream("Go")
        events: list[Event] = []
        async for event in stream.events():
            events.append(event)
            if sum(one.type == "text.delta" for one in events) == 5:
                stream.cancel()
        check_log(events)
        response = await stream.result()
        gone = provider.requests[0].wait_gone()
        sent = provider.requests[0].pieces - 1
        ends = [event for event in events if event.type.startswith("run.") and event.type != "run.started"]
        reported = [event.origin for event in events if event.type == "usage.reported"]  # type: ignore[attr-defined]
        went_on = await agent.arun("Go on", history=response.messages)
        asked = provider.requests[1].json["messages"]
        kept = [message.text for message in response.messages] == ["Go", str(response)] and str(response) != ""
        holds = kept and gone and len(ends) == 1 and isinstance(ends[0], RunCancelled) and str(went_on) == "Indeed."
        holds = holds and sent <= 9 and [message["role"] for message in asked] == ["user", "assistant", "user"]
        usage = f"usage {reported[-1]}" if reported else "no usage"
        return Found(f"**partial text kept**, upstream closed after {sent} chunks, one end, {usage}; continues", holds)


async def fast_tool() -> Found:
    """Two parallel tools of 1.0 s and 0.1 s: when the fast one's result is seen."""

    @tool
    async def slow() -> str:
        """Take a second."""
        await asyncio.sleep(1.0)
        return "slow"

    @tool
    async def fast() -> str:
        """Take a tenth of one."""
        await asyncio.sleep(0.1)
        return "fast"

    with ProviderSimulator([[Call("slow"), Call("fast")], "Done."]) as provider:
        begun = 0.0
        async for event in Agent(model=provider.model(), tools=[slow, fast]).run_stream("Go").events():
            if isinstance(event, ToolStarted) and not begun:
                begun = time.monotonic()
            if isinstance(event, ToolFinished):
                seen = time.monotonic() - begun
                return Found(f"**{seen:.2f} s**", event.result == "fast" and seen < 0.5)
    return Found("never", False)


async def fallback_after_tokens() -> Found:
    """An error inside the stream after two tokens, with a fallback model configured."""

    def failing() -> ProviderSimulator:
        broken: list[Item] = [Say(TOKENS[:2]), Fail(500)]
        return ProviderSimulator([broken, broken, broken, ["F0 ", "F1 "]])

    shown = ""
    with failing() as provider:
        model = provider.model(fallback=[provider.model()], retries=0)
        try:
            async for chunk in Agent(model=model).run_stream("Go"):
                shown += chunk.content
            raised = False
        except HeadwaterError as error:
            raised = str(error.response) == shown == "P0 P1 " and len(provider.requests) == 1
    screen = ""
    with failing() as provider:
        model = provider.model(fallback=[provider.model()], retries=2, on_interrupted="restart")
        stream = Agent(model=model).run_stream("Go")
        async for chunk in stream:
            screen = "" if chunk.finish_reason == "retracted" else screen + chunk.content
        restarted = screen == str(stream.response) == "F0 F1 "
    said = 'raises with the partial, no fallback (default); with `on_interrupted="restart"` **"P0 P1 " is retracted**, '
    return Found(f"{said}user sees {screen!r}", raised and restarted)


async def eager_tool() -> Found:
    """Call A is complete while the model continues to stream for 1.5 s: when A starts."""

    @tool
    def note() -> str:
        """Take a note."""
        return "noted"

    with ProviderSimulator([[Call("note"), Say("And "), Wait(1.5), Say("so on.")], "Done."]) as provider:
        begun = time.monotonic()
        async for event in Agent(model=provider.model(), tools=[note]).run_stream("Go").events():
            if isinstance(event, ToolStarted):
                seen = time.monotonic() - begun
                return Found(f"{seen:.2f} s: the model's output is logged before anything acts on it", seen >= 1.5)
    return Found("never", False)


async def stall() -> Found:
    """The server stops sending in the middle, forever."""
    clocks = Timeouts(idle=0.5)
    with ProviderSimulator([Faulty(Say(TOKENS[:9]), Stall(900))]) as provider:
        begun = time.monotonic()
        try:
            async for _ in Agent(model=provider.model(retries=0, timeouts=clocks)).run_stream("Go"):
                begun = time.monotonic()
        except IdleTimeout as error:
            took = time.monotonic() - begun
            kept = error.response is not None and str(error.response).startswith("P0 ")
            said = f"`IdleTimeout` after {took:.1f} s of silence with `idle=0.5`; default {Timeouts().idle:g} s"
            return Found(said, kept and 0.4 < took < 2.0 and provider.requests[0].wait_gone())
    return Found("nothing fired", False)


PROBES: Final = (
    Probe("server closes cleanly, no finish_reason, no [DONE]", clean_end),
    Probe("`break` out of the loop: tokens the server still sent (of 200, 20 ms apart)", leaving),
    Probe("the documented cancel: what is in the history after", cancelling),
    Probe("2 parallel tools, 1.0 s and 0.1 s: when the fast result is seen", fast_tool),
    Probe("error after 2 tokens, fallback model configured", fallback_after_tokens),
    Probe("call A is complete, the model continues to stream for 1.5 s: A starts at", eager_tool),
    Probe("server stalls forever in the middle", stall),
)
