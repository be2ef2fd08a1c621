"""Summaries of steps, and comparing two logs."""

from __future__ import annotations

from typing import Any

from headwater import Agent, tool
from headwater.backends.offline import Call, ScriptedModel
from headwater.events import Event
from headwater.events.steps import differences, steps_of
from headwater.workflows import SequentialWorkflow


@tool
async def look(what: str) -> str:
    """Look."""
    if what == "nothing":
        raise ValueError("there is nothing")
    return f"saw {what}"


def log(*turns: Any) -> tuple[Event, ...]:
    agent: Agent[Any, str] = Agent(model=ScriptedModel(list(turns)), tools=[look], keep_log=True)
    stream = agent.run_stream("Go.")
    stream.result_sync()
    return stream.log


def test_each_step_is_summarized() -> None:
    one, two = steps_of(
        log(["Let me look. ", Call("look", {"what": "sea"}), Call("look", {"what": "nothing"})], "Done.")
    )
    assert (one.step, one.text, one.finish_reason, one.attempts) == (1, "Let me look. ", "tool_calls", 1)
    assert one.calls == [("look", {"what": "sea"}), ("look", {"what": "nothing"})]
    assert sorted(one.results) == [("look", "ValueError: there is nothing", True), ("look", "saw sea", False)]
    assert (two.step, two.text, two.calls, two.results) == (2, "Done.", [], [])
    assert one.usage.output_tokens


def test_a_tool_that_was_started_again_is_counted() -> None:
    """Its process died twice in the middle of it."""
    events = log([Call("look", {"what": "sea"})], "Done.")
    for _ in range(2):
        started = max(at for at, event in enumerate(events) if event.type == "tool.started")
        agent: Agent[Any, str] = Agent(model=ScriptedModel(["Done."]), tools=[look], keep_log=True)
        stream = agent.resume(events[: started + 1], on_changed="warn")
        stream.result_sync()
        events = stream.log
    one, two = steps_of(events)
    assert [*one.tries.values()] == [("look", 3)]
    assert one.results == [("look", "saw sea", False)]
    assert two.tries == {}


def test_equal_logs_have_no_differences() -> None:
    turns = [["Look. ", Call("look", {"what": "sea"})], "Done."]
    assert differences(log(*turns), log(*turns)) == []


def test_differing_fields_are_named() -> None:
    one = log([Call("look", {"what": "sea"})], "Done.")
    other = log([Call("look", {"what": "sky"})], "Done.")
    (found,) = differences(one, other)
    assert (found.step, found.fields) == (1, ("calls", "results"))
    (found,) = differences(log("One."), log("Two."))
    assert found.fields == ("text",)


def test_a_step_in_only_one_log() -> None:
    one, other = log([Call("look", {"what": "sea"})], "Done."), log("Done.")
    first, second = differences(one, other)
    assert first.step == 1
    assert first.fields
    assert (second.step, second.other, second.fields) == (2, None, ())


def test_members_that_ran_twice_are_distinguished() -> None:
    def workflow(last: str) -> tuple[Event, ...]:
        member = Agent(name="a", model=ScriptedModel(["One.", last]))
        stream = SequentialWorkflow([member], max_loops=2, keep_log=True).run_stream("Go.")
        stream.result_sync()
        return stream.log

    (found,) = differences(workflow("Two."), workflow("Three."))
    assert (found.path[-1], found.step, found.fields) == ("a", 1, ("text",))
