"""The hooks for every run of the process."""

from __future__ import annotations

from typing import Any

from headwater import Agent
from headwater.events import Event, TextDelta
from headwater.runtime import process_hooks
from headwater.testing import Wait, run_virtual
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


def test_text_is_told_once_a_read_where_that_is_enough_for_every_watcher() -> None:
    def told(*, others: bool) -> list[str]:
        texts: list[str] = []

        def make(run: Any) -> Any:
            def watch(event: Event) -> None:
                if isinstance(event, TextDelta):
                    texts.append(event.text)

            watch.__dict__["once_a_read"] = True
            return watch

        remove = process_hooks.add(make)
        everything: list[Event] = []
        try:
            agent = scripted(
                ["a b", Wait(1.0), "c d"], name="one", **({"on_event": everything.append} if others else {})
            )
            run_virtual(agent.arun("Go."))
        finally:
            remove()
        assert not others or [one.text for one in everything if isinstance(one, TextDelta)] == texts
        return texts

    assert len(told(others=True)) > 2
    assert [text[0] for text in told(others=False)] == ["c"]  # the first read began with another event
