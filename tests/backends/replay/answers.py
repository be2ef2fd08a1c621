"""Helpers: answers to record, and the events of a run on a model."""

from __future__ import annotations

import json
from typing import Any

from headwater import Agent, tool
from headwater.errors import (
    HeadwaterError,
)
from headwater.events import Event
from headwater.events.codec import encode
from headwater.testing import (
    Body,
    Call,
    Cut,
    Fail,
    Faulty,
    HangUp,
    Reset,
    ServedTurn,
    Split,
    Think,
    Truncate,
)

APIS = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")


TURNS: list[ServedTurn] = [
    Fail(503, retry_after=0.001),
    Faulty([Think("Paris, then."), "Let me look.", Call("weather", {"city": "Paris"})], Split(seed=3)),
    ["It is ", "sunny."],
]


ENDINGS: dict[str, ServedTurn] = {
    "cut": ["Hello ", Cut()],
    "reset": Faulty("Hello there.", Reset(400)),
    "hang up": Faulty("Hello there.", HangUp(400)),
    "cut in a frame": Faulty("Hello there.", Truncate(420)),
    "error in band": ["Hello ", Fail("overloaded_error", "Busy.")],
    "refused": Fail(400, "No."),
    "web page": Body(b"<title>Sign in</title>", headers={"Content-Type": "text/html"}),
    "no head": Faulty("Hello there.", Reset("head")),
}


@tool
def weather(city: str) -> str:
    """Returns the weather."""
    return f"sunny in {city}"


def events_of(model: Any, **options: Any) -> tuple[list[Event], HeadwaterError | None]:
    """The events of a run, and the error that ended it."""
    events: list[Event] = []
    try:
        events.extend(Agent(model=model, tools=[weather], **options).run_stream("How is Paris?").events())
    except HeadwaterError as error:
        return events, error
    return events, None


def without_times(events: list[Event]) -> list[bytes]:
    """The events as JSON, without times and the random run id."""
    run = events[0].run
    lines = []
    for event in events:
        body = json.loads(encode(event).decode().replace(run, "run_").replace(run[4:12], "id"))
        for name in ("time", "duration", "wait"):
            body.pop(name, None)
        lines.append(json.dumps(body).encode())
    return lines
