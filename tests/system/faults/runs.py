"""Runs on bytes that are hurt on the way, and the one judgment of them all.

`played` makes a source of an answer without a socket, so that a virtual clock governs every pause; over a real one,
`headwater.testing.ProviderSimulator` does. `judge` says what is wrong with how a run ended: an answer is whole and
equal to what the unhurt bytes say, or there is an error of ours and a true prefix.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

from headwater import Model, Timeouts
from headwater.backends.http import HTTPBackend
from headwater.errors import ConnectionFailed, HeadwaterError, LimitExceeded, ProviderError, TimedOut
from headwater.events import Event
from headwater.events.response import Response
from headwater.providers.registry import load_api
from headwater.providers.request import Endpoint, HTTPRequest
from headwater.testing import LogError, check_log
from headwater.testing.faults import Fault, applied
from headwater.testing.served_answer import Answer, Pause, Step

__all__ = ("ALLOWED", "Ran", "judge", "played", "ran")

ALLOWED = (ConnectionFailed, TimedOut, ProviderError, LimitExceeded)
"""What may end a run whose provider, or whose network, misbehaves."""

CLOCKS = Timeouts(first_token=20.0, idle=10.0)


class Ran:
    """How a run went: its events, its Response (the partial one where it failed), and what ended it."""

    def __init__(self, events: list[Event], response: Response[str] | None, error: BaseException | None) -> None:
        self.events = events
        self.response = response
        self.error = error

    @property
    def text(self) -> str:
        return self.response.text if self.response is not None else ""

    @property
    def reasoning(self) -> str:
        return self.response.reasoning if self.response is not None else ""

    @property
    def calls(self) -> list[object]:
        return [(call.name, call.arguments) for call in self.response.tool_calls] if self.response is not None else []


async def ran(model: Model) -> Ran:
    """One request, read event by event to its end."""
    stream = model.stream("How is it?")
    events: list[Event] = []
    try:
        async for event in stream.events():
            events.append(event)  # noqa: PERF401  what came before an error counts
    except HeadwaterError as error:
        return Ran(events, error.response, error)
    except Exception as error:
        return Ran(events, None, error)
    return Ran(events, stream.response, None)


def judge(hurt: Ran, whole: Ran, *, answers: int = 1, altered: bool = False) -> str:
    """What is wrong; nothing where all is well. `altered`: bytes were changed, so that what was said may differ too."""
    try:
        check_log(hurt.events)
    except LogError as broken:
        return f"the log breaks a law: {broken}"
    if hurt.error is not None and not isinstance(hurt.error, ALLOWED):
        return f"{type(hurt.error).__name__} came out: {hurt.error}"
    if altered:
        return ""
    for name in ("text", "reasoning"):
        mine, theirs = getattr(hurt, name), getattr(whole, name)
        if not theirs.startswith(mine):
            return f"its {name} {mine[-100:]!r} is no beginning of {theirs!r:.100}"
        if hurt.error is None and answers == 1 and mine != theirs:
            return f"a silent loss: its {name} is {mine[-100:]!r}, not {theirs[-100:]!r}"
    if hurt.error is None and answers == 1 and hurt.calls != whole.calls:
        return f"a silent loss: its calls are {hurt.calls!r:.200}, not {whole.calls!r:.200}"
    return ""


def played(api: str, answer: Callable[[], Answer], *faults: Fault, timeouts: Timeouts = CLOCKS) -> Model:
    """A model that is answered without a socket; every request gets the answer anew, with the faults."""

    async def post(request: HTTPRequest, *, connect: float | None = None) -> _Reply:
        given = applied(faults, answer())
        reply = _Reply(given)
        await reply.begin()
        return reply

    endpoint = Endpoint(provider="simulated", api=api, base_url="http://127.0.0.1")
    return Model(HTTPBackend(endpoint, "model-1", load_api(api), post=post), retries=0, timeouts=timeouts)


class _Reply:
    """An answer's steps, taken by whoever reads."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in answer.headers.items()}
        self.ended = False
        self._before: Iterator[Step] = iter(answer.before)
        self._steps = answer.steps

    async def begin(self) -> None:
        await self._next(self._before)

    async def read(self) -> bytes:
        data = await self._next(self._steps)
        self.ended = not data
        return data

    async def read_error(self) -> bytes:
        return b"".join(step for step in self._steps if isinstance(step, bytes))

    async def _next(self, steps: Iterator[Step]) -> bytes:
        for step in steps:
            if isinstance(step, bytes):
                if step:
                    return step
            elif isinstance(step, Pause):
                await (asyncio.sleep(step.seconds) if step.seconds is not None else asyncio.Event().wait())
            else:
                raise ConnectionFailed("The connection was broken.")
        return b""

    def release(self) -> None: ...
    def abort(self) -> None: ...
    def shut(self) -> None: ...
