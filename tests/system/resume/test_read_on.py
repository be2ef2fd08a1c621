"""Whoever reads a run that is gone on with is given what is new, and all of that, in whatever shape."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from typing import Any, Final

import pytest

from headwater import AgentStream, StreamChunk
from headwater.errors import HeadwaterError
from headwater.events import AttemptStarted, Event, Retracted, TextDelta
from headwater.events.tree import Tree
from tests.support.effort import tries
from tests.support.late import late_stream
from tests.support.virtual import run_virtual
from tests.system.resume.kills import saved, undisturbed
from tests.system.resume.scenarios import SCENARIOS, Scenario

CHOICES: Final[Sequence[dict[str, Any]]] = ({}, {"final_only": True}, {"depth": 1}, {"depth": 0, "final_only": True})


async def _resumed(scenario: Scenario, before: list[Event], choice: dict[str, Any], **watch: Any) -> tuple[Any, Any]:
    """The chunks that the rest of the run is read in, and the whole log."""
    log, people = [*before], scenario.people()
    declared = (scenario.later or scenario.make)()
    stream: AgentStream[Any] = declared.resume(before, on_changed="warn", **watch)

    def look(event: Event) -> None:
        log.append(event)
        people(stream, log)

    stream._begun().watch(look)
    chunks: list[StreamChunk] = []
    with contextlib.suppress(HeadwaterError):
        async for chunk in stream.select(**choice) if choice else stream:
            chunks.append(chunk)  # noqa: PERF401  # what came before an error counts
    return chunks, log


def _late(log: Sequence[Event], choice: dict[str, Any]) -> list[StreamChunk]:
    async def read() -> list[StreamChunk]:
        stream = late_stream(log)
        return [chunk async for chunk in (stream.select(**choice) if choice else stream)]

    return asyncio.run(read())


def _told(chunks: Sequence[StreamChunk], log: Sequence[Event], first: int) -> list[Any]:
    """What of these is new: nothing of what was said before event number `first`, and no taking back of that."""
    old = {(event.run, event.step, event.attempt) for event in log[:first] if isinstance(event, AttemptStarted)}
    told = []
    for chunk in chunks:
        event = chunk.event
        assert event is not None
        taken_back = isinstance(event, Retracted) and (event.run, event.step, event.attempt) in old
        if event.seq >= first and not taken_back:
            told.append((chunk.content, chunk.finish_reason, chunk.is_final, event.type, event.seq, chunk.agent))
    return told


def _stops(name: str, size: int, count: int) -> list[int]:
    return sorted(random.Random(name).sample(range(1, size), k=min(count, size - 1)))


@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
def test_chunks_are_those_of_the_whole_log_that_are_new(name: str) -> None:
    scenario = SCENARIOS[name]
    whole = undisturbed(scenario)
    for first in _stops(name, len(whole.log), tries(2, 30)):
        for choice in CHOICES:
            before = saved(whole.log[:first])
            (chunks, log), _ = run_virtual(_resumed(scenario, before, choice))
            late = _told(_late(log, choice), log, first)
            assert _told(chunks, log, 0) == late, f"{choice}, gone on with after {first}"


@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
def test_callbacks_receive_and_retract_only_new_text(name: str) -> None:
    scenario = SCENARIOS[name]
    whole = undisturbed(scenario)
    for first in _stops(name, len(whole.log), tries(2, 30)):
        tokens: dict[str, str] = {}
        held: dict[str, str] = {}
        events: list[Event] = []

        def say(agent: str, token: str, tokens: dict[str, str] = tokens) -> None:
            tokens[agent] = tokens.get(agent, "") + token

        def take_back(agent: str, chars: int, tokens: dict[str, str] = tokens) -> None:
            assert 0 < chars <= len(tokens.get(agent, ""))
            tokens[agent] = tokens[agent][:-chars]

        def say_late(agent: str, token: str, held: dict[str, str] = held) -> None:
            held[agent] = held.get(agent, "") + token

        before = saved(whole.log[:first])
        watch = {"streaming_callback": say, "on_retract": take_back, "on_event": events.append}
        (_, log), _ = run_virtual(_resumed(scenario, before, {}, **watch))
        assert events == log[first:]
        expected = _new_text(log, first)
        assert {agent: text for agent, text in tokens.items() if text} == expected
        again = saved(whole.log[:first])
        (_, log), _ = run_virtual(_resumed(scenario, again, {}, streaming_callback=say_late))
        assert {agent: text for agent, text in held.items() if text} == _new_text(log, first)


def _new_text(log: Sequence[Event], first: int) -> dict[str, str]:
    """What each speaker has said since, with its leads, less what of it was taken back."""
    tree, said, leads, refusals = Tree(), dict[str, str](), dict[str, str](), set[Any]()
    old = {(event.run, event.step, event.attempt) for event in log[:first] if isinstance(event, AttemptStarted)}
    for event in log:
        tree.add(event)
        if event.type == "text.started":
            if event.kind == "refusal":  # type: ignore[attr-defined]
                refusals.add((event.run, event.step, event.part))  # type: ignore[attr-defined]
            if event.lead:  # type: ignore[attr-defined]
                leads[event.run] = event.lead  # type: ignore[attr-defined]
        elif isinstance(event, TextDelta) and event.run in tree.speakers:
            if (event.run, event.step, event.part) not in refusals:
                text = leads.pop(event.run, "") + event.text
                if event.seq >= first:
                    said[event.run] = said.get(event.run, "") + text
        elif isinstance(event, Retracted) and event.run in tree.speakers and event.seq >= first:
            chars = 0 if (event.run, event.step, event.attempt) in old else event.chars
            said[event.run] = said.get(event.run, "")[: -chars or None]
    names = {event.run: event.agent for event in log}
    by_name: dict[str, str] = {}
    for run, text in said.items():
        by_name[names[run]] = by_name.get(names[run], "") + text
    return {name: text for name, text in by_name.items() if text}
