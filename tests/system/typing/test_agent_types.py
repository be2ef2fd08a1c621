"""What type checkers make of agents and what comes of them: checked by mypy over this file, and true when it is run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, assert_type

from pydantic import BaseModel

from headwater import (
    Agent,
    AgentStream,
    Message,
    Model,
    Response,
    Settings,
    StreamChunk,
    Thread,
    Timeouts,
    ToolContext,
    Usage,
    tool,
)
from headwater.events import AnyEvent, Event
from headwater.events.messages import ToolCall


class Person(BaseModel):
    name: str
    age: int


@dataclass
class Harbour:
    name: str


AGENT = Agent(model="offline")
PERSONS = Agent(model="offline", output_type=Person)


def test_a_run_is_a_response_and_a_response_is_a_string() -> None:
    response = AGENT.run("Hello")
    assert_type(response, Response[str])
    assert_type(AGENT.run("Hello").usage, Usage)
    assert_type(response.output, str)
    assert_type(response.text, str)
    assert_type(response.tool_calls, tuple[ToolCall, ...])
    assert_type(response.messages, tuple[Message, ...])
    assert_type(response.time_to_first_token, float | None)
    assert_type(response.usage.total_tokens, int | None)
    text: str = response
    assert_type(text.upper(), str)
    assert_type(AGENT.run_sync("Hello"), Response[str])


def test_a_run_can_be_awaited() -> None:
    async def main() -> None:
        assert_type(await AGENT.run("Hello"), Response[str])
        assert_type((await AGENT.run("Hello")).usage, Usage)
        one, two = await asyncio.gather(AGENT.run("One"), PERSONS.run("Two"))
        assert_type(one, Response[str])
        assert_type(two, Response[Person])
        assert_type(two.output.age, int)
        many = await asyncio.gather(*(AGENT.run(task) for task in ("One", "Two")))
        assert_type(many, list[Response[str]])

    asyncio.run(main())


def test_a_forgotten_coroutine_is_reported() -> None:
    async def main() -> None:
        waits: Coroutine[Any, Any, Response[str]] = AGENT.arun("Hello")
        assert_type(await waits, Response[str])
        task = asyncio.create_task(AGENT.arun("Hello"))
        assert_type(await task, Response[str])
        forgotten = AGENT.arun("Hello")
        try:
            forgotten.usage  # type: ignore[attr-defined]  # noqa: B018
        except AttributeError:
            forgotten.close()

    asyncio.run(main())


def test_outputs_have_the_requested_type() -> None:
    assert_type(PERSONS, Agent[Any, Person])
    assert_type(PERSONS.run("Who?").output, Person)
    assert_type(PERSONS.run("Who?").output.name, str)
    assert_type(PERSONS.run("Who?", output_type=Harbour), Response[Harbour])
    assert_type(AGENT.run("Who?", output_type=Person).output.age, int)
    assert_type(AGENT.run_sync("Who?", output_type=Person).output.age, int)
    assert_type(AGENT.run("Which?", output_type=list[int]).output, list[int])
    assert_type(Agent(model="offline", output_type=dict[str, int]).run("Which?").output, dict[str, int])

    async def main() -> None:
        assert_type((await AGENT.arun("Who?", output_type=Person)).output, Person)

    asyncio.run(main())


def test_agents_can_be_written_with_their_types() -> None:
    plain: Agent = Agent(model="offline")
    assert_type(plain.run("Hello"), Response[str])
    typed = Agent[Harbour, Person](model="offline", output_type=Person, instructions=lambda harbour: harbour.name)
    assert_type(typed, Agent[Harbour, Person])
    assert_type(typed.run("Who?", context=Harbour("Brest")).output, Person)
    with_context: Agent[Harbour] = Agent(model="offline")
    assert_type(with_context.run("Hello", context=Harbour("Brest")), Response[str])
    with contextlib.suppress(AttributeError):  # what the instructions make of it
        typed.run("Who?", context="Brest")  # type: ignore[call-overload]


def test_streams_give_chunks_events_text_and_a_result() -> None:
    stream = AGENT.run_stream("Hello")
    assert_type(stream, AgentStream[str])
    for chunk in stream:
        assert_type(chunk, StreamChunk)
        assert_type(chunk.content, str)
        assert_type(chunk.is_final, bool)
        assert_type(chunk.finish_reason, str | None)
        assert_type(chunk.metadata, dict[str, Any] | None)
        assert_type(chunk.event, Event | None)
    for event in AGENT.run_stream("Hello").events():
        assert_type(event, AnyEvent)
        assert_type(event.seq, int)
    for text in AGENT.run_stream("Hello").text():
        assert_type(text, str)
    assert_type(stream.response, Response[str])
    assert_type(stream.result_sync(), Response[str])
    assert_type(PERSONS.run_stream("Who?").result_sync().output, Person)
    assert_type(AGENT.run_stream("Who?", output_type=Person), AgentStream[Person])
    assert_type(AGENT.run_stream("Who?", output_type=Person).result_sync().output, Person)


def test_streams_can_be_read_in_async_code() -> None:
    async def main() -> None:
        async with AGENT.run_stream("Hello") as stream:
            assert_type(stream, AgentStream[str])
            async for chunk in stream:
                assert_type(chunk, StreamChunk)
        assert_type(await stream.result(), Response[str])
        assert_type([chunk.content async for chunk in AGENT.run_stream("Hello")], list[str])
        async for event in AGENT.run_stream("Hello").events():
            assert_type(event, AnyEvent)
        async for text in AGENT.run_stream("Hello").text():
            assert_type(text, str)
        assert_type(await PERSONS.run_stream("Who?"), Response[Person])
        assert_type(await AGENT.llm.stream("Hello"), Response[str])

    asyncio.run(main())


def test_the_task_has_two_names_and_a_run_arguments_of_its_own() -> None:
    assert_type(AGENT.run(task="Hello"), Response[str])
    assert_type(AGENT.run_stream(task="Hello"), AgentStream[str])
    assert_type(AGENT.run_stream(message="Hello").result_sync(), Response[str])
    assert_type(AGENT.run("Hello", model="offline", instructions="Be brief.", tools=[len_of]), Response[str])
    assert_type(AGENT.run("Hello", model=Model("offline"), instructions=lambda: "Be brief."), Response[str])
    assert_type(AGENT.run("Hello", settings=Settings(seed=1), output_type=Person).output, Person)
    other = Agent(agent_name="a", agent_description="b", model_name="offline", fallback_models=["offline"])
    assert_type(other, Agent[Any, str])


def test_callbacks_of_every_shape_are_accepted() -> None:
    def token(token: str) -> None: ...

    def named(agent: str, token: str) -> None: ...

    def final(agent: str, token: str, is_final: bool) -> None: ...

    async def later(token: str) -> None: ...

    def details(details: dict[str, Any]) -> None: ...

    def event(event: Event) -> None: ...

    for callback in (token, named, final, later):
        AGENT.run("Hello", streaming_callback=callback)
    Agent(model="offline", stream=True, streaming_callback=details, on_event=event).run("Hello")
    events: list[Event] = []
    AGENT.run("Hello", streaming_callback=print, on_event=events.append)


def test_tools_keep_their_types_with_an_agent() -> None:
    @tool
    def high_water(port: str, ctx: ToolContext[Harbour]) -> int:
        """When the tide is highest."""
        return len(port) + len(ctx.context.name)

    @tool(timeout=3)
    async def low_water(port: str) -> float:
        """When the tide is lowest."""
        return 0.5

    assert_type(high_water("Brest", ToolContext(Harbour("Brest"))), int)
    waits: Coroutine[Any, Any, float] = low_water("Brest")
    waits.close()
    agent = Agent[Harbour](model="offline", tools=[high_water, low_water, AGENT, len_of])
    assert_type(agent.run("When?", context=Harbour("Brest")), Response[str])
    assert_type(agent.tools, tuple[Any, ...])


def len_of(text: str) -> int:
    """How long a text is."""
    return len(text)


def test_settings_are_known_by_name_and_type() -> None:
    Agent(model="offline", temperature=0.5, max_tokens=10, stop=["\n"], reasoning="low", extra={"a": 1}).run("Hello")
    AGENT.run("Hello", temperature=0, seed=3, timeouts=Timeouts(run=30), thread=Thread())
    Model("offline", settings=Settings(temperature=0), top_p=0.5)
    mistakes = 0
    for wrong in (
        lambda: AGENT.run("Hello", temprature=0.5),  # type: ignore[call-overload]
        lambda: AGENT.run("Hello", temperature="hot"),  # type: ignore[call-overload]
        lambda: Agent(model="offline", temprature=0.5),  # type: ignore[call-overload]
        lambda: Agent(model="offline", max_tokens="many"),  # type: ignore[call-overload]
        lambda: Agent(model=3),  # type: ignore[call-overload]
        lambda: Agent("offline"),  # type: ignore[call-overload]
        lambda: AGENT.run(3),  # type: ignore[call-overload]
        lambda: AGENT.run("Hello", history=["Hello"]),  # type: ignore[list-item]
    ):
        try:
            wrong()
        except Exception:
            mistakes += 1
    assert mistakes == 8
