"""`headwater.on_event`: a callback for every event of a process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import headwater
from headwater import Agent, ConcurrentWorkflow
from headwater.backends.offline import Call, Say, Wait
from headwater.errors import ConfigurationError
from headwater.events import Event
from headwater.events.checker import check_log
from tests.support.members import speaker
from tests.support.streams import always, scripted
from tests.support.virtual import run_virtual


def logs(events: list[Event]) -> list[list[Event]]:
    """The events of each tree, each numbered from 0."""
    found: list[list[Event]] = []
    for event in events:
        if event.seq == 0:
            found.append([])
        found[-1].append(event)
    return found


@pytest.fixture
def heard() -> Any:
    events: list[Event] = []
    end = headwater.on_event(events.append)
    yield events
    end()


def test_it_gets_every_event_of_every_run_once(heard: list[Event]) -> None:
    inner = speaker("inner")
    Agent(name="outer", model=always("So.")).run("Go.")
    scripted(Call("inner", {"task": "x"}), "So.", tools=[inner]).run("Go.")
    ConcurrentWorkflow([speaker("a"), speaker("b")]).run("Go.")
    list(speaker("c").run_stream("Go."))
    Agent(model=always("So.")).llm.stream("Go.").result_sync()
    found = logs(heard)
    assert len(found) == 5
    for log in found:
        check_log(log)
    assert {event.path[-1] for event in found[1]} == {"agent", "inner"}


def test_it_gets_the_same_events_as_an_agents_own_callback(heard: list[Event]) -> None:
    own: list[Event] = []
    Agent(model=always(Say(["So ", "so."])), on_event=own.append).run("Go.")
    assert own == heard


def test_runs_started_in_tools_and_callbacks_are_separate_trees(heard: list[Event]) -> None:
    def ask() -> str:
        """Ask another."""
        return str(speaker("other").run("Go."))

    scripted(Call("ask"), "So.", tools=[ask]).run("Go.")
    runs = {event.run: event for event in heard if event.seq == 0}
    outer = next(event for event in runs.values() if event.agent == "agent")
    inner = next(event for event in runs.values() if event.agent == "other")
    assert inner.parent == outer.run  # type: ignore[attr-defined]


def test_it_gets_the_end_of_an_abandoned_run(heard: list[Event]) -> None:
    stream = speaker("a", [Say("So "), Say("so.")]).run_stream("Go.")
    next(stream)
    stream.close()
    assert heard[-1].type == "run.cancelled"
    check_log(heard)
    count = len(heard)
    speaker("b").run_stream("Go.").cancel()  # never read: there is no log
    assert len(heard) == count


def test_its_exceptions_are_counted_and_end_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Event) -> None:
        raise ValueError("no")

    end = headwater.on_event(broken)
    try:
        response = Agent(model=always("So.")).run("Go.")
    finally:
        end()
    assert response == "So."
    assert response.callback_errors > 3
    assert len(caplog.records) == 1


def test_a_coroutine_function_is_awaited() -> None:
    heard: list[str] = []

    async def slowly(event: Event) -> None:
        await asyncio.sleep(1)
        heard.append(event.type)

    async def main() -> None:
        end = headwater.on_event(slowly)
        try:
            await Agent(model=always("So.")).arun("Go.")
        finally:
            end()
        assert heard[-1] == "run.finished"
        assert asyncio.get_running_loop().time() >= len(heard)

    run_virtual(main())


def test_it_can_be_removed_for_later_runs() -> None:
    heard: list[Event] = []
    end = headwater.on_event(heard.append)

    async def main() -> None:
        stream = Agent(model=always(Wait(1), "So.")).run_stream("Go.")
        await anext(stream)
        end()
        await stream.result()

    run_virtual(main())
    assert heard[-1].type == "run.finished"
    Agent(model=always("So.")).run("Go.")
    assert heard[-1].seq != 0
    assert [event.seq for event in heard].count(0) == 1


def test_it_requires_a_function() -> None:
    with pytest.raises(ConfigurationError, match="on_event must be callable, not 'print'"):
        headwater.on_event("print")  # type: ignore[arg-type]
