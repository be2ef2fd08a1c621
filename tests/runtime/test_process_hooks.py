"""The hooks for every run of the process."""

from __future__ import annotations

from typing import Any

from headwater import Agent
from headwater.events import Event
from headwater.runtime import process_hooks
from tests.support.streams import always, scripted


def hook(seen: list[str]) -> process_hooks.Hook:
    def watcher(run: Any) -> Any:
        seen.append(run.name)
        return lambda event: None

    return watcher


def test_each_outermost_run_is_reported_once_when_it_starts() -> None:
    seen: list[str] = []
    remove = process_hooks.add(hook(seen))
    try:
        agent = scripted("So.", name="one")
        stream = agent.run_stream("Go.")
        assert seen == []
        stream.result_sync()
        assert seen == ["one"]
    finally:
        remove()
    scripted("So.", name="two").run("Go.")
    assert seen == ["one"]
    assert process_hooks.hooks() == ()


def test_one_function_may_be_added_twice_and_taken_away_once() -> None:
    seen: list[str] = []
    one = hook(seen)
    removes = [process_hooks.add(one), process_hooks.add(one)]
    removes[0]()
    removes[0]()
    try:
        scripted("So.").run("Go.")
        assert seen == ["agent"]
    finally:
        removes[1]()
    assert process_hooks.hooks() == ()


def test_a_hook_that_removes_itself_still_receives_that_run() -> None:
    told: list[Event] = []

    def make(run: Any) -> Any:
        remove()
        return told.append

    remove = process_hooks.add(make)
    Agent(model=always("So.")).run("Go.")
    assert told[-1].type == "run.finished"
