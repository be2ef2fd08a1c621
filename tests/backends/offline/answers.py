"""Helpers: requests to the offline model, and the result of one."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import settings

from headwater.backends.offline import (
    Item,
    OfflineModel,
    ScriptedModel,
)
from headwater.backends.offline.exchange import OfflineExchange
from headwater.events import (
    CallReady,
    Event,
    TextDelta,
)
from headwater.events.messages import (
    Message,
)
from headwater.providers.decoder import Place
from headwater.providers.request import OutputSpec, Request, Settings, ToolSpec
from tests.support.recordings import check_grammar
from tests.support.virtual import run_virtual

BOUNDED = settings(max_examples=100, deadline=None)


WEATHER = ToolSpec(
    name="weather",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
        "required": ["city", "unit"],
    },
)


CLOCK = ToolSpec(name="clock", parameters={"type": "object", "properties": {}})


def ask(
    task: str = "What is the weather in Paris?",
    *after: Message,
    tools: tuple[ToolSpec, ...] = (),
    output: dict[str, Any] | None = None,
    **given: Any,
) -> Request:
    spec = OutputSpec(name="answer", schema=output) if output is not None else None
    return Request(
        model="offline",
        messages=(Message.user(task), *after),
        tools=tools,
        output=spec,
        settings=Settings(**given),
    )


class Answer:
    """The result of one exchange: the events, the time of each batch, and the error that ended it."""

    def __init__(self, exchange: OfflineExchange) -> None:
        self.decoder = exchange.decoder
        self.batches: list[tuple[float, list[Event]]] = []
        self.error: BaseException | None = None

    @property
    def events(self) -> list[Event]:
        return [event for _, batch in self.batches for event in batch]

    @property
    def tokens(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, TextDelta)]

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    @property
    def calls(self) -> dict[str, Any]:
        return {event.name: event.arguments for event in self.events if isinstance(event, CallReady)}

    @property
    def times(self) -> list[float]:
        return [time for time, batch in self.batches for event in batch if isinstance(event, TextDelta)]


async def drain(exchange: OfflineExchange) -> Answer:
    answer = Answer(exchange)
    loop = asyncio.get_running_loop()
    try:
        while batch := await exchange.pull():
            answer.batches.append((loop.time(), batch))
    except Exception as error:
        answer.error = error
    return answer


def answer_to(model: OfflineModel, request: Request | None = None, place: Place | None = None) -> Answer:
    answer, _ = run_virtual(drain(model.open(request or ask(), place or Place())))
    check_grammar(answer.events)
    return answer


def say(*items: Item) -> Answer:
    return answer_to(ScriptedModel([list(items)]))


def only(kind: type[Event], answer: Answer) -> Any:
    found = [event for event in answer.events if isinstance(event, kind)]
    assert len(found) == 1, found
    return found[0]
