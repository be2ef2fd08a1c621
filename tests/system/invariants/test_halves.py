"""Half of a surrogate pair, given wherever text can be given: every face shows the same whole text.

Python makes such halves of a Latin-1 byte in an argument or a file's name. A log that held one could be neither saved
nor printed, or would come back as another one.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater import Agent, ConcurrentWorkflow, Message, Model, RunFile, SequentialWorkflow, Thread, ToolContext
from headwater.errors import HeadwaterError
from headwater.events import (
    Event,
    RunFailed,
    RunFinished,
    TextStarted,
    Warned,
    decode,
    encode,
    tree_response,
)
from headwater.events.messages import Text, ToolCall, ToolResult
from headwater.events.questions import Answer
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.section_printer import SectionPrinter
from headwater.testing import Call, Fail, Say, ScriptedModel, Think, check_log

HALF = "caf\udce9"
WHOLE = "caf\ufffd"


def agent(*turns: Any, **more: Any) -> Agent[Any, Any]:
    return Agent(model=ScriptedModel([*(turns or ("Fine.",))]), **more)


def called(function: Callable[..., Any], arguments: dict[str, Any] | None = None, **more: Any) -> Agent[Any, Any]:
    turns = [[Call("look", arguments or {})], "Fine."]
    return agent(*turns, tools=[function], **more)


def result() -> Any:
    def look() -> Any:
        return HALF

    return called(look)


def result_in_parts() -> Any:
    def look() -> Any:
        return ["and", Text(text=HALF)]

    return called(look)


def result_of_names() -> Any:
    def look() -> Any:
        return {HALF: [HALF], 1: {HALF}}

    return called(look)


def raised() -> Any:
    def look() -> Any:
        raise FileNotFoundError(f"No such file: {HALF}")

    return called(look)


def progress() -> Any:
    def look() -> Iterator[Any]:
        yield HALF
        yield {"at": HALF}

    return called(look)


def progress_by_hand() -> Any:
    async def look(ctx: ToolContext[Any]) -> str:
        ctx.emit([HALF])
        return ""

    return called(look)


def arguments() -> Any:
    def look(where: str) -> str:
        assert where == WHOLE
        return where

    return called(look, {"where": HALF})


def question() -> Any:
    async def look(ctx: ToolContext[Any]) -> str:
        return str(await ctx.ask(HALF))

    return called(look, approver=lambda asked: Answer(content=HALF, by=HALF))


def approval() -> Any:
    def look(where: str = "") -> str:
        return where

    answer = Answer(arguments={"where": HALF}, note=HALF, by=HALF)
    return called(look, approval=lambda call: HALF, approver=lambda asked: answer)


def refusal() -> Any:
    def look() -> str:
        return ""

    return called(look, approval=True, approver=lambda asked: Answer(allowed=False, note=HALF))


def custom_failure() -> Any:
    return agent(Fail(ValueError(HALF)))


def thread() -> Any:
    kept = Thread()
    kept.messages = (Message.user(HALF), Message.assistant("Yes?"))
    return agent(), {"thread": kept}


def workflow() -> Any:
    return SequentialWorkflow([agent(f"One {HALF}.", name="one"), agent(name="two")], name=HALF)


class Stubborn:
    name = "stubborn"

    def run_stream(self, message: Any, *, context: Any = None) -> Any:
        raise ValueError(HALF)


def member_that_cannot_begin() -> Any:
    return ConcurrentWorkflow([Stubborn(), agent()], on_error="collect")


def earlier() -> tuple[Message, ...]:
    call = ToolCall(id=HALF, name="look", arguments={HALF: HALF})
    return (
        Message.user(HALF),
        Message.assistant(HALF, call),
        Message.tool(ToolResult(id=HALF, name="look", content=HALF)),
    )


async def told_later(context: Any) -> str:
    return HALF


PLACES: dict[str, Callable[[], Any]] = {
    "task": lambda: (agent(), {"task": HALF}),
    "parts of a task": lambda: (agent(), {"task": ["Look:", Text(text=HALF), Message.user(HALF)]}),
    "task of a workflow": lambda: (ConcurrentWorkflow([agent()]), {"task": HALF}),
    "history": lambda: (agent(), {"history": earlier()}),
    "thread": thread,
    "instructions": lambda: agent(instructions=HALF),
    "instructions of a run": lambda: (agent(), {"instructions": HALF}),
    "instructions made": lambda: agent(instructions=told_later),
    "name": lambda: agent(name=HALF),
    "name of a workflow": workflow,
    "settings": lambda: agent(settings={"user": HALF}),
    "settings of its provider": lambda: agent(extra={HALF: [HALF]}),
    "context": lambda: (agent(), {"context": {HALF: HALF}}),
    "context alone": lambda: (agent(), {"context": HALF}),
    "text": lambda: agent(HALF),
    "text in pieces": lambda: agent(Say([HALF, "\ud83d", " and on"])),
    "refusal": lambda: agent(Say(HALF, refusal=True)),
    "reasoning": lambda: agent([Think(HALF, signature=HALF), "Fine."]),
    "output": lambda: agent('{"a": "caf\udce9"}', output_type=dict[str, str]),
    "arguments": arguments,
    "arguments of nobody": lambda: agent([Call(HALF, HALF, id=HALF)], "Fine."),
    "result": result,
    "result in parts": result_in_parts,
    "result of names": result_of_names,
    "raised": raised,
    "progress": progress,
    "progress by hand": progress_by_hand,
    "question": question,
    "approval": approval,
    "refused approval": refusal,
    "failure": custom_failure,
    "failure of a provider": lambda: agent(Fail(400, HALF)),
    "member that cannot begin": member_that_cannot_begin,
}
"""Who runs, and the options of the run. `task` is what is asked, if it is of interest."""


def strict(value: Any) -> bytes:
    """As JSON: fails where there is a half in it."""
    return msgspec.json.encode(value)


@pytest.mark.parametrize("place", PLACES)
def test_every_reader_shows_the_same_complete_text(
    place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(
        logging.CRITICAL, "headwater.tools"
    )  # it gets the exception itself, and a report of pytest's takes no halves
    made = PLACES[place]()
    runs, options = made if isinstance(made, tuple) else (made, {})
    log: list[Event] = []
    heard: list[str] = []
    chunks: list[Any] = []
    stream = runs.run_stream(
        options.pop("task", "Go."),
        on_event=log.append,
        streaming_callback=heard.append,
        save=tmp_path / "run.jsonl",
        **options,
    )
    with contextlib.suppress(ValueError, HeadwaterError):
        chunks += stream
    assert isinstance(log[-1], (RunFinished, RunFailed))
    check_log(log)
    data = b"\n".join(strict(event) for event in log)
    known_only_to_the_model = place.startswith("instructions")
    assert known_only_to_the_model or WHOLE.encode() in data
    assert b"caf?" not in data

    assert [decode(encode(event)) for event in log] == log, "as a log reads it back"
    assert list(RunFile(tmp_path / "run.jsonl").events) == log, "as a file holds it"
    response = tree_response(log)
    assert str(response) == str(stream.response)
    if not isinstance(response, list):
        assert strict([chunk.content for chunk in chunks]) == strict([chunk.delta for chunk in chunks])
        assert strict(heard)
        assert type(response).from_json(response.to_json()).text == response.text
    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    for show in (LinePrinter("agent", file=file), SectionPrinter(live=True, file=file)):
        for event in log:
            show(event)
        file.flush()


@pytest.mark.parametrize("place", ["task", "history", "thread", "instructions", "task of a workflow"])
def test_a_lone_surrogate_in_the_input_is_replaced_with_a_warning(place: str) -> None:
    made = PLACES[place]()
    runs, options = made if isinstance(made, tuple) else (made, {})
    log = runs.run_stream(options.pop("task", "Go."), **options).events()
    assert [event.code for event in log if isinstance(event, Warned)] == ["text_replaced"]


def test_a_model_asked_alone() -> None:
    stream = Model(ScriptedModel([HALF])).stream([Message.system(HALF), Message.user(HALF)])
    strict(list(stream.events()))
    assert str(stream.response) == WHOLE


def test_a_message_to_a_run() -> None:
    log: list[Event] = []
    stream = agent("One.", "Two.").run_stream("Go.")
    for event in stream.events():
        log.append(event)
        if isinstance(event, TextStarted) and event.step == 1:
            stream.steer(HALF, by=HALF)
    assert WHOLE.encode() in b"".join(map(strict, log))
    assert HALF not in stream.response.text
