"""An attempt that did not end costs what was said of it at least, and says that this is an estimate.

Recorded answers are cut at random bytes, and left at random events; the made-up logs are read up to each of their
events. The same is asked of the live run and of its log.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import pytest

from headwater import Agent
from headwater.errors import HeadwaterError
from headwater.events import (
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallRejected,
    Event,
    ReasoningDelta,
    Retracted,
    RunStarted,
    StepFinished,
    TextDelta,
    UsageReported,
)
from headwater.events.fold import fold
from headwater.events.messages import Usage
from headwater.events.response import Response
from headwater.testing import check_log, sample_logs
from headwater.testing.handmade_logs import handmade_logs
from tests.support.effort import tries
from tests.support.recordings import Recording, cases
from tests.system.recovery.wired import wired

APIS: Final = {
    "openai-chat": "openai-chat",
    "openai-responses": "openai-responses",
    "anthropic-messages": "anthropic",
    "gemini": "gemini",
    "ollama-chat": "ollama",
}


def some(api: str) -> list[Any]:
    known = cases(api)
    return random.Random(api).sample(known, min(len(known), tries(12, len(known))))


RECORDINGS: Final = [case for api in APIS for case in some(api)]


def said(log: Sequence[Event]) -> int:
    """The tokens that the text, reasoning and arguments of a log's only attempt come to, four bytes each."""
    size, written = 0, set()
    for event in log:
        if isinstance(event, (TextDelta, ReasoningDelta)):
            size += len(event.text.encode())
        elif isinstance(event, CallDelta):
            size += len(event.json.encode())
            written.add(event.call)
        elif isinstance(event, CallRejected) and event.call not in written:
            size += len(event.raw.encode())
    return (size + 3) // 4


def check(response: Response[Any], log: Sequence[Event], *, whole: bool) -> None:
    """The usage of a run of one attempt, live and by its log."""
    check_log(log)
    folded = fold(log).response()
    assert (folded.usage, folded.usage_origin) == (response.usage, response.usage_origin)
    reports = [event for event in log if isinstance(event, UsageReported)]
    measured = [event.usage.output_tokens or 0 for event in reports if event.origin == "measured"]
    if whole:
        assert response.usage_origin in ("measured", "unknown")
        assert response.usage.output_tokens == (measured[-1] if measured else None) or not measured
        return
    cost = response.usage.output_tokens or 0
    assert response.usage_origin == ("estimated" if response.usage else "unknown")
    assert cost >= (measured or [0])[-1]
    assert cost >= said(log)


@pytest.mark.long
@pytest.mark.parametrize("recording", RECORDINGS)
def test_an_answer_that_is_cut(recording: Recording) -> None:
    dice = random.Random(recording.name)

    async def ask(body: bytes) -> None:
        log: list[Event] = []
        model = wired(APIS[recording.api], [body])
        try:
            response = await Agent(model=model, retries=0, max_steps=1, on_event=log.append).arun("Go.")
        except HeadwaterError as error:
            response = error.response
        failed = any(isinstance(event, AttemptFailed) for event in log)
        check(response, log, whole=not failed)

    async def main() -> None:
        for _ in range(tries(4, 30)):
            await ask(recording.body[: dice.randrange(len(recording.body) + 1)])

    asyncio.run(main())


@pytest.mark.long
@pytest.mark.parametrize("recording", RECORDINGS)
def test_an_answer_that_is_abandoned(recording: Recording) -> None:
    dice = random.Random(recording.name)
    size = len(recording.body)

    async def main() -> None:
        for _ in range(tries(4, 30)):
            cuts = sorted({0, size, *(dice.randrange(size + 1) for _ in range(20))})
            body = [recording.body[one:other] for one, other in pairwise(cuts)]
            model = wired(APIS[recording.api], body)
            log: list[Event] = []
            stream = Agent(model=model, retries=0, max_steps=1, on_event=log.append).run_stream("Go.")
            left = dice.randrange(3, 60)
            try:
                async for event in stream.events():
                    if event.seq >= left:
                        break
                response = await stream.result()
            except HeadwaterError:
                continue
            ended = [event for event in log if isinstance(event, StepFinished)]
            cut = any(event.provider_finish_reason is None and event.finish_reason == "cancelled" for event in ended)
            if cut and log[-1].type == "run.cancelled" and not _provider_was_done(log):
                check(response, log, whole=False)

    asyncio.run(main())


def _provider_was_done(log: Sequence[Event]) -> bool:
    """Whether the answer had ended when it was left: then its last report is the provider's own."""
    reports = [event for event in log if isinstance(event, UsageReported)]
    return bool(reports) and reports[-1].origin == "measured"


def test_what_eight_hundred_characters_cost_when_the_first_token_is_reported() -> None:
    frames = [
        b'{"type":"message_start","message":{"model":"m","usage":{"input_tokens":9,"output_tokens":1}}}',
        b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
        *[
            b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}' % (b"word " * 20)
            for _ in range(9)
        ],
    ]
    body = [b"data: %s\n\n" % frame for frame in frames]

    async def main() -> None:
        log: list[Event] = []
        stream = Agent(model=wired("anthropic", [*body, 60.0]), on_event=log.append).run_stream("Go.")
        seen = 0
        async for chunk in stream:
            seen += len(chunk.content)
            if seen >= 800:
                break
        response = await stream.result()
        assert (response.usage.input_tokens, response.usage.output_tokens) == (9, 200)
        assert response.usage_origin == "estimated"
        assert fold(log).usage == response.usage
        assert next(event.usage for event in log if isinstance(event, StepFinished)) == response.usage

    asyncio.run(main())


LOGS: Final = {**sample_logs(), **handmade_logs()}


@pytest.mark.parametrize("name", LOGS)
def test_every_prefix_of_a_log_costs_what_was_generated_in_it(name: str) -> None:
    log = LOGS[name]
    runs = [event.run for event in log if isinstance(event, RunStarted)]
    for run in runs:
        own = [event for event in log if event.run == run]
        for end in range(1, len(own) + 1):
            part = own[:end]
            known = fold(part)
            open_attempt = _open_attempt(part)
            if open_attempt is None:
                continue
            told = [event for event in open_attempt if isinstance(event, UsageReported)]
            reported = told[-1].usage if told else Usage()
            estimate = known.estimate()
            usage = estimate.usage if estimate is not None else reported
            at_least = max(reported.output_tokens or 0, said(open_attempt))
            assert (usage.output_tokens or 0) >= at_least
            assert known.usage_origin != "measured"
            rest = sum((event.usage for event in _closed_reports(part)), Usage())
            below = sum((event.usage for event in part if event.type == "child.finished"), Usage())  # type: ignore[attr-defined]
            assert known.usage == below + rest + usage


def _open_attempt(log: Sequence[Event]) -> list[Event] | None:
    """The events of the attempt that is going on at the end of `log`, from its beginning or the last retraction."""
    found: list[Event] | None = None
    for event in log:
        if isinstance(event, AttemptStarted):
            found = []
        elif isinstance(event, (AttemptFailed, StepFinished)):
            found = None
        elif isinstance(event, Retracted) and found is not None:
            found = [one for one in found if isinstance(one, UsageReported)]
        elif found is not None:
            found.append(event)
    return found


def _closed_reports(log: Sequence[Event]) -> list[UsageReported]:
    """The last report of each attempt before the one that is going on."""
    last: dict[tuple[int, int], UsageReported] = {}
    begun: tuple[int, int] | None = None
    for event in log:
        if isinstance(event, AttemptStarted):
            begun = event.step, event.attempt
        elif isinstance(event, UsageReported):
            last[event.step, event.attempt] = event
    return [event for key, event in last.items() if key != begun]
