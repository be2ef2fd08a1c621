"""A fork at every step of every log: a log of its own that goes on to an end, and shares nothing with the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from headwater import Agent, RunFile, Tool
from headwater.backends.offline import ScriptedModel
from headwater.errors import HeadwaterError
from headwater.events import (
    CallStarted,
    ChildStarted,
    End,
    Event,
    RunStarted,
    StepFinished,
    tree_response,
)
from headwater.events.forked import end_of_step, forked
from headwater.events.saved import first_line, line
from headwater.testing import check_log, sample_logs
from headwater.workflows import ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from tests.support.virtual import run_virtual
from tests.system.resume.scenarios import SCENARIOS

LOGS: Final[Mapping[str, Sequence[Event]]] = {
    name: log
    for name, log in sample_logs().items()
    if isinstance(log[0], RunStarted) and log[0].grammar > 1 and name != "of a newer version"
}


def steps_of(log: Sequence[Event]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Every step that was finished, by the path of its run and its number."""
    yield from sorted({(event.path, event.step) for event in log if isinstance(event, StepFinished)})


# --- what a log was written by, as far as it says so


async def anything(**arguments: Any) -> str:
    """Do anything."""
    return "done"


def declared(log: Sequence[Event], run: str, name: str) -> Any:
    """What could have written the log of that run: its members, agents and tools by their names."""
    events = [event for event in log if event.run == run]
    children = [event for event in events if isinstance(event, ChildStarted)]
    first = events[0] if events else None
    below = {child.name: declared(log, child.child, child.name) for child in children}
    shape = first.workflow if isinstance(first, RunStarted) else None
    if shape is not None:
        members = [below.get(member) or declared(log, "", member) for member in shape.members]
        options: dict[str, Any] = {"name": name, "on_error": "collect" if shape.collect else "raise"}
        if shape.kind == "concurrent":
            return ConcurrentWorkflow(members, **options)
        if shape.kind == "graph":
            edges = [*zip(shape.members, shape.members[1:], strict=False)]
            return GraphWorkflow(members, edges=edges, start=shape.members[0], **options)
        return SequentialWorkflow(members, **options)
    agents = {child.name: below[child.name] for child in children if child.role == "tool"}
    heirs = [below[child.name] for child in children if child.role == "handoff"]
    names = {event.name for event in events if isinstance(event, CallStarted)} - agents.keys()
    names -= {f"transfer_to_{heir.name}" for heir in heirs}
    schema = {"type": "object", "properties": {}}
    tools = [Tool.from_schema(called, schema, anything, description="Do it.") for called in sorted(names)]
    # A custom tool's input is a text; ours take an object, so a call of it that is run again is refused, and told so.
    given = [agent.as_tool(name=called) for called, agent in agents.items()]
    return Agent(name=name, model=ScriptedModel(lambda request: "So be it."), tools=[*tools, *given], handoffs=heirs)


async def gone_on(runnable: Any, log: Sequence[Event]) -> list[Event]:
    """The whole log, once people have allowed all that they were asked, and answered with a number."""
    stream, whole = runnable.resume(log, on_changed="warn"), [*log]
    try:
        async for event in stream.events():
            whole.append(event)
            for question in stream.pending:
                if question.kind == "approval":
                    stream.approve(question.id)
                else:
                    stream.decline(question.id)
    except HeadwaterError:
        assert whole[-1].type == "run.failed"
    return whole


@pytest.mark.parametrize("name", LOGS)
def test_a_sample_forked_at_every_step_continues(name: str) -> None:
    log = LOGS[name]
    for path, step in steps_of(log):
        at = end_of_step(log, step, path)
        assert at is not None
        numbers = iter(range(1000))
        made = forked(log[: at + 1], log[0].agent, lambda numbers=numbers: f"run_new{next(numbers):015}")  # type: ignore[misc]
        old = {event.run for event in log}
        assert not old & {event.run for event in made}
        runnable = declared(made, made[0].run, made[0].agent)
        whole, _ = run_virtual(gone_on(runnable, made))
        check_log(whole)
        assert isinstance(whole[-1], End)
        assert str(tree_response(whole)) is not None


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_saved_run_forked_at_every_step_is_a_log(name: str, tmp_path: Path) -> None:
    scenario = SCENARIOS[name]

    async def main() -> None:
        path, log, people = tmp_path / "run.jsonl", list[Event](), scenario.people()
        stream = scenario.make().run_stream("go", keep_log=True)
        try:
            async for event in stream.events():
                log.append(event)
                people(stream, log)
        except HeadwaterError:
            assert log[-1].type == "run.failed"
        path.write_bytes(first_line(by="test", saved=0.0) + b"".join(map(line, log)))
        for run, step in steps_of(log):
            fork = RunFile(path).fork(scenario.make(), step=step, run=run, keep_log=True)
            told: list[Event] = []
            try:
                async for event in fork.events():
                    told.append(event)
                    for question in fork.pending:
                        if question.kind == "approval":
                            fork.approve(question.id)
                        else:
                            fork.answer(question.id, 3 if "nights" in question.message else "Ann")
            except HeadwaterError:
                assert told[-1].type == "run.failed"
            check_log(fork.log)
            assert not {event.run for event in fork.log} & {event.run for event in log}
            assert isinstance(fork.log[-1], End)

    run_virtual(main())
