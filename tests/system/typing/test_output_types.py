"""What type checkers make of output types: checked by mypy over this file, and true when it is run.

They see a class for what it is. A union, Literal or Annotated is no class for them, nor is a schema: there the output
is Any, and an annotation says what it is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional, assert_type

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from headwater import Agent, AgentStream, Response


class Person(BaseModel):
    name: str
    age: int


@dataclass
class Harbour:
    name: str


class Tide(TypedDict):
    hour: int


AGENT = Agent(model="offline")


def test_a_class_is_inferred() -> None:
    assert_type(Agent(model="offline", output_type=Person), Agent[Any, Person])
    assert_type(Agent(model="offline", output_type=Harbour, output_mode="tool").run("Which?").output, Harbour)
    assert_type(Agent(model="offline", output_type=Tide).run("When?").output["hour"], int)
    assert_type(Agent(model="offline", output_type=list[Harbour]), Agent[Any, list[Harbour]])
    assert_type(AGENT.run("When?", output_type=Tide).output, Tide)
    assert_type(AGENT.run("Which?", output_type=tuple[int, str], output_mode="prompted").output, tuple[int, str])


def test_other_types_are_inferred_as_any() -> None:
    assert_type(Agent(model="offline", output_type=Person | Harbour), Agent[Any, Any])
    assert_type(Agent(model="offline", output_type=Optional[Person]), Agent[Any, Any])  # noqa: UP045
    assert_type(Agent(model="offline", output_type=Literal["a", "b"]), Agent[Any, Any])
    assert_type(Agent(model="offline", output_type=Annotated[int, Field(gt=0)]), Agent[Any, Any])
    assert_type(Agent(model="offline", output_type={"type": "object", "properties": {}}), Agent[Any, Any])
    assert_type(Agent(output_type=Person | None, context_type=Harbour), Agent[Any, Any])
    assert_type(AGENT.run("Which?", output_type={"type": "object", "properties": {}}), Response[Any])
    assert_type(AGENT.run_stream("Which?", output_type={"type": "object", "properties": {}}), AgentStream[Any])


def test_an_annotation_says_what_it_is() -> None:
    either: Agent[Any, Person | Harbour] = Agent(model="offline", output_type=Person | Harbour)
    assert_type(either.run("Who?").output, Person | Harbour)
    told: Agent[Harbour, Person | None] = Agent(model="offline", output_type=Person | None, context_type=Harbour)
    assert_type(told.run("Who?", context=Harbour("Brest")).output, Person | None)
    word: Literal["calm", "rough"] = AGENT.run("Is it calm?", output_type=Literal["calm", "rough"]).output
    assert word == "calm"
    maybe: Response[Person | None] = AGENT.run_sync("Who?", output_type=Person | None)
    assert_type(maybe.output, Person | None)

    async def main() -> None:
        found: Person | Harbour = (await AGENT.arun("Who?", output_type=Person | Harbour)).output
        assert isinstance(found, Person | Harbour)

    asyncio.run(main())


def test_loaded_values_have_the_given_type() -> None:
    kept = Agent(model="offline", output_type=Person).run("Who?").to_json()
    assert_type(Response.from_json(kept), Response[Any])
    assert_type(Response.from_json(kept, output_type=Person), Response[Person])
    assert_type(Response.from_json(kept, output_type=Person | None), Response[Any])
