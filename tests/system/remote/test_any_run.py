"""Whatever a run is, and however often its connection is cut: who attaches to it sees what its log says, in every face.

The runs are the random trees of tests/system/invariants, with failures, retractions, handoffs, tools and runs in runs.
Each was run once, in virtual time; a real server tells its log, through a proxy that cuts every connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from typing import Any, Final

import pytest

from headwater import AgentStream, attach
from headwater.backends.remote import log as log_module
from headwater.errors import HeadwaterError
from headwater.events import Event, tree_response
from headwater.runtime.played import Played
from headwater.web import router
from tests.support.effort import tries
from tests.support.hostile_proxy import Harm, hostile_proxy
from tests.support.late import late_stream
from tests.support.served import served
from tests.system.invariants.late_reader import Asked, known, shaped
from tests.system.invariants.log_alone import played

FEW: Final = tries(12, 150)

WAYS: Final[tuple[Asked, ...]] = (
    Asked("events"),
    Asked("chunks"),
    Asked("text"),
    Asked("select", {"final_only": True}),
    Asked("select", {"depth": 1}),
    Asked("chosen events", {"depth": 0}),
    Asked("chosen events", {"final_only": True}),
)


class Teller:
    """What a server runs: the log, told as it happened, without waiting."""

    def __init__(self, log: Sequence[Event]) -> None:
        self.name = log[0].agent
        self._log = log

    def run_stream(self, task: Any, /, *, context: Any = None) -> AgentStream[Any, Any]:
        """The run that the log tells of."""
        return AgentStream(lambda: Played(self._log, speed=0))


async def read(stream: AgentStream[Any, Any], asked: Asked) -> list[Any]:
    """All that is handed out, up to the end or the error that ended the run."""
    items: list[Any] = []
    with contextlib.suppress(HeadwaterError):
        async for item in shaped(stream, asked.way, asked.choice):
            items += [item]
    return items


async def alike(log: Sequence[Event], dice: random.Random) -> None:
    async with served(router(Teller(log))) as server:
        begun = (await server.client.post("/runs", json={"input": "Go."})).json()
        size = sum(len(event.type) + 250 for event in log)
        hows: list[Any] = ["reset", "close"]

        def harm(number: int) -> Harm:
            if number % 2:
                return Harm(after_events=dice.randint(1, len(log)), how=dice.choice(hows))
            return Harm(after_bytes=dice.randint(200, size), how=dice.choice(hows))

        async with hostile_proxy(server.port, harm) as proxy:
            place = f"{proxy.url}{begun['events']}"
            for asked in WAYS:
                stream = attach(place, reconnect_timeout=60)
                assert await read(stream, asked) == await read(late_stream(log), asked), asked
                assert known(stream.response) == known(tree_response(log))


@pytest.mark.long
@pytest.mark.parametrize("number", range(FEW))
def test_an_attached_run_is_what_its_log_says(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "FIRST_DELAY", 0.0)
    play = played(number)
    asyncio.run(alike(play.log, random.Random(number)))
