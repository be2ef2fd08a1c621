"""Answers from a saved run: the same answer to the same request, else the next one, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headwater import Agent, Model, RunFile, ToolContext
from headwater.backends.offline import Call, Cut, Fail, Finish, Say, ScriptedModel, Think, Wait
from headwater.backends.replay.saved_run import SavedRun, answered_by, holds_a_run
from headwater.errors import ConfigurationError, ConnectionFailed, HeadwaterError, InvalidRecord, UsageError
from headwater.events import Event, RunStarted, StepFinished, ToolFinished, UsageReported, tree_response
from headwater.events.messages import File, Image, ProviderItem, Source, Text, Usage
from headwater.events.saved import first_line, line
from headwater.testing import check_log
from headwater.workflows import ConcurrentWorkflow
from tests.support.streams import always, log_of
from tests.support.virtual import run_virtual
from tests.system.resume.kills import Drive, _end, _messages
from tests.system.resume.scenarios import SCENARIOS, Scenario, by_step

WHOLE = [name for name, scenario in SCENARIOS.items() if not scenario.ends]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl.gz"


def said_in(path: Path, *turns: Any, **more: Any) -> list[Event]:
    """Saves a run of an agent whose model has these turns."""

    async def main() -> list[Event]:
        agent = Agent(**{"name": "guide", "model": ScriptedModel(turns), **more})
        log: list[Event] = []
        try:
            await agent.run_stream("Why?", save=path, on_event=log.append).result()
        except HeadwaterError:
            return log
        return log

    return run_virtual(main())[0]


def every_agent(runnable: Any) -> Iterator[Agent[Any, Any]]:
    """The agents of a declaration, each once."""
    if isinstance(runnable, Agent):
        yield runnable
        below = [*(getattr(tool, "runnable", None) for tool in runnable.tools), *runnable.handoffs]
    else:
        below = [*getattr(runnable, "agents", ())]
    for one in below:
        if one is not None:
            yield from every_agent(one)


def answered_from(scenario: Scenario, path: Path) -> Scenario:
    """The same declaration, whose agents get the answers of the saved run."""

    def make() -> Any:
        declared, model = scenario.make(), Model(f"replay:{path}?speed=0")
        for agent in every_agent(declared):
            agent.model = model
        return declared

    return Scenario(make, scenario.people)


@pytest.mark.parametrize("name", WHOLE)
def test_a_run_of_every_kind_is_the_same_again(name: str, path: Path) -> None:
    whole = Drive(SCENARIOS[name]).go()
    path.with_name("run.jsonl").write_bytes(first_line(by="test", saved=0.0) + b"".join(map(line, whole.log)))
    again = Drive(answered_from(SCENARIOS[name], path.with_name("run.jsonl"))).go()
    check_log(again.log)
    assert _end(again) == _end(whole)
    assert _messages(again.log) == _messages(whole.log)
    assert [one.split(" ", 1)[1] for one in again.ran] == [one.split(" ", 1)[1] for one in whole.ran]


def parts_of(log: list[Event]) -> list[Any]:
    """The models' messages and usage in the events."""
    steps = [event for event in log if isinstance(event, StepFinished)]
    reports = [event.usage for event in log if isinstance(event, UsageReported)]
    return [*((step.message and step.message.content, step.finish_reason) for step in steps), *reports]


EVERYTHING = [
    Think("Hm. ", signature="s1"),
    Say("One ", signature="s2"),
    Source(url="https://example.org", title="Tides", span=(0, 3)),
    Image(data=b"\x89PNG\r\n", media_type="image/png"),
    File(data=b"%PDF", name="tides.pdf", media_type="application/pdf"),
    ProviderItem(api="openai-responses", item={"type": "web_search_call", "id": "ws_1"}),
    Think("And ", kind="summary", redacted="secret"),
    Say("two."),
    Say("I will not.", refusal=True),
    Call("look", {"where": "north"}, id="call_given"),
    Call("sh", "ls -l", custom=True, by="provider", item_id="item_7", signature="s3"),
    Call("look", "{", id="call_given"),
    Usage(input_tokens=7, output_tokens=9, reasoning_tokens=2),
    Finish("tool_calls", said="tool_use"),
]


def test_any_model_output_is_repeated(path: Path) -> None:
    async def look(where: str) -> str:
        """Look."""
        return where

    log = said_in(path, EVERYTHING, "Done.", tools=[look])
    again = run_virtual(log_of(Agent(name="guide", model=f"replay:{path}?speed=0", tools=[look]).run_stream("Why?")))[0]
    assert parts_of(again) == parts_of(log)
    assert tree_response(again).text == tree_response(log).text == "Done."


@pytest.mark.parametrize(
    ("turn", "error"),
    [
        (["Half ", Cut()], "was interrupted|ended before"),
        ([Fail(400, "No such thing.")], "No such thing"),
        (["Half ", Fail("overloaded_error", "Busy.")], "Busy"),
    ],
)
def test_a_failure_is_repeated(turn: Any, error: str, path: Path) -> None:
    log = said_in(path, turn, retries=0)
    with pytest.raises(HeadwaterError, match=error) as caught:
        Agent(name="guide", model=f"replay:{path}?speed=0").run("Why?")
    end: Any = log[-1]
    assert type(caught.value).__name__ == end.error.type
    assert caught.value.response is not None
    assert caught.value.response.text == tree_response(log).text


def test_retries_are_not_repeated(path: Path) -> None:
    log = said_in(path, [Fail(500)], ["Half ", Cut()], "Whole.", on_interrupted="restart")
    assert sum(event.type == "attempt.started" for event in log) == 3
    again = run_virtual(log_of(Agent(name="guide", model=f"replay:{path}").run_stream("Why?")))[0]
    assert sum(event.type == "attempt.started" for event in again) == 1
    assert tree_response(again).text == "Whole."


def test_an_abandoned_answer_is_incomplete(path: Path) -> None:
    stream = Agent(name="guide", model=always("One ", Wait(5.0), "two.")).run_stream("Why?", save=path)
    for _ in stream:
        break
    with pytest.raises(ConnectionFailed, match="its reader stopped early") as caught:
        Agent(name="guide", model=f"replay:{path}?speed=0").run("Why?")
    assert caught.value.response is not None
    assert caught.value.response.text.strip() == "One"


@pytest.mark.parametrize(("speed", "took"), [("", 6.0), ("?speed=2", 3.0), ("?speed=0", 0.0)])
def test_answers_arrive_at_the_original_times(
    speed: str, took: float, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr("time.time", lambda: 1000.0 + loop.time())
        agent = Agent(name="guide", model=always("One ", Wait(4.0), "two ", Wait(2.0), "three."))
        await agent.run_stream("Why?", save=path).result()

    async def again() -> None:
        assert await Agent(name="guide", model=f"replay:{path}{speed}").run_stream("Why?").result() == "One two three."

    run_virtual(live())
    monkeypatch.undo()
    assert run_virtual(again())[1] == pytest.approx(took)


# --- choosing the answer


def echo(request: Any) -> str:
    return f"{request.messages[-1].text}!"


def test_the_same_request_always_gets_the_same_answer(path: Path) -> None:
    Agent(name="guide", model=ScriptedModel(echo), max_loops=3).run("Why", save=path)
    agent = Agent(name="guide", model=f"replay:{path}?speed=0", max_loops=3)
    first = agent.run("Why")
    assert first == "Go on.!"
    assert agent.run("Why").messages == first.messages


def test_another_request_gets_the_next_unused_answer(path: Path) -> None:
    said_in(path, "One.", "Two.", max_loops=2)
    agent = Agent(name="guide", model=f"replay:{path}?speed=0")
    assert [str(agent.run(task)) for task in ("What?", "Where?")] == ["One.", "Two."]
    with pytest.raises(UsageError, match="holds 2 answers of 'guide', but one more was requested"):
        agent.run("When?")
    assert agent.run("Why?") == "One."


def test_each_agent_gets_the_answers_of_its_name(path: Path) -> None:
    def team(model: Callable[[str], Any]) -> ConcurrentWorkflow:
        return ConcurrentWorkflow([Agent(name=name, model=model(name)) for name in ("north", "south")])

    live = team(lambda name: always(Wait(0.01 if name == "north" else 0.0), f"I am {name}.")).run("Who?", save=path)
    for task in ("Who?", "Who else?"):
        shared = Model(f"replay:{path}?speed=0")
        assert team(lambda _, shared=shared: shared).run(task).to_dict() == live.to_dict()  # type: ignore[misc]
    assert str(Agent(name="other", model=shared).run("Who?")) in ("I am north.", "I am south.")


def test_concurrent_equal_requests_each_get_an_answer(path: Path) -> None:
    asked = iter("abc")

    def votes(chair: Any, voter: Any, **more: Any) -> list[str]:
        voters = [Agent(name="voter", model=voter).as_tool(name=f"vote{at}") for at in range(3)]
        log: list[Event] = []
        Agent(name="chair", tools=voters, model=chair).run("Vote.", on_event=log.append, **more)
        return sorted(str(event.result) for event in log if isinstance(event, ToolFinished))

    calls = [Call(f"vote{at}", {"task": "vote"}) for at in range(3)]
    live = votes(by_step(calls, ["Counted."]), ScriptedModel(lambda _: next(asked)), save=path)
    saved = Model(f"replay:{path}?speed=0")
    assert votes(saved, saved) == live == ["a", "b", "c"]


def test_different_ids_are_the_same_conversation(path: Path) -> None:
    async def look(ctx: ToolContext[Any]) -> str:
        """Look."""
        return "seen"

    said_in(path, [Call("look")], "Seen one.", [Call("look")], "Seen two.", max_loops=2, tools=[look])
    agent = Agent(name="guide", model=f"replay:{path}?speed=0", tools=[look])
    for _ in range(2):
        assert agent.run("Why?") == "Seen one."


@dataclass
class Place:
    """A place."""

    name: str


def test_a_truncated_file_answers_up_to_its_end(path: Path) -> None:
    said_in(path, "One.", "Two.", max_loops=2)
    plain = path.with_name("run.jsonl")
    said_in(plain, "One.", "Two.", max_loops=2)
    lines = plain.read_bytes().splitlines(keepends=True)
    at = next(at for at, line in enumerate(lines) if b"step.finished" in line)
    plain.write_bytes(b"".join(lines[: at + 3])[:-5])
    assert Agent(name="guide", model=f"replay:{plain}?speed=0").run("Why?") == "One."


# --- the file


def test_a_saved_run_is_recognized(path: Path, tmp_path: Path) -> None:
    said_in(path, "One.")
    plain = tmp_path / "run.jsonl"
    said_in(plain, "One.")
    (tmp_path / "recording.jsonl").write_bytes(b'{"type":"recording","v":1}\n')
    assert [holds_a_run(one) for one in (path, plain, tmp_path / "recording.jsonl", tmp_path / "no")] == [
        *(True, True, False, False)
    ]
    backend = answered_by(path)
    assert (backend.model, backend.provider, backend.api) == ("offline", "offline", "offline")
    assert "run.jsonl.gz" in repr(backend)


def test_a_run_without_requests_is_refused() -> None:
    with pytest.raises(InvalidRecord, match="has no model request"):
        SavedRun("run.jsonl", [RunStarted(agent_name="a", grammar=2)])


@pytest.mark.parametrize("speed", ["fast", "-1", "nan", "inf"])
def test_an_invalid_speed(speed: str, path: Path) -> None:
    said_in(path, "One.")
    with pytest.raises(ConfigurationError, match="is not a valid speed"):
        _ = Model(f"replay:{path}?speed={speed}").backend


def test_another_output_type(path: Path) -> None:
    said_in(path, '{"name": "Brest"}')
    assert Agent(name="guide", model=f"replay:{path}?speed=0", output_type=Place).run("Why?").output == Place("Brest")
    assert isinstance(RunFile(path).response.messages[-1].content[0], Text)  # type: ignore[union-attr]
