"""A server that echoes the key wherever it can: in each field of each API's answer, in turn and all at once.

Recorded answers are served with the key put into them. It must be in nothing that comes of it: no event, no Response,
no error. Only the model's own words are left out of this: text, reasoning and arguments stay as they came, by design.
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from headwater import Agent
from headwater.errors import HeadwaterError
from headwater.events import Event, codec
from tests.providers.neutral import read_frames, write_frames
from tests.support.effort import tries
from tests.support.recordings import Recording, cases
from tests.system.recovery.wired import Refusal, wired
from tests.system.secrets.canary import BODY, CANARY, Seen

APIS: Final = {
    "openai-chat": "openai-chat",
    "openai-responses": "openai-responses",
    "anthropic-messages": "anthropic",
    "gemini": "gemini",
    "ollama-chat": "ollama",
}

WORDS: Final = {
    "code",
    "content",
    "delta",
    "partial_json",
    "reasoning",
    "reasoning_content",
    "refusal",
    "response",
    "stringValue",
    "summary",
    "text",
    "thinking",
    "transcript",
}
"""Fields whose text is the model's own words."""

ARGUMENTS: Final = {"action", "args", "arguments", "input", "partialArgs", "queries"}
"""Fields that hold arguments, however deep."""

KINDS: Final = {"type", "object", "role", "event", "stop_reason", "finish_reason", "finishReason"}
"""Fields that say what the others are."""

Path = tuple[str | int, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where a string stands in `value` that is none of the model's words."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in ARGUMENTS and not (name in WORDS and isinstance(inner, str)):
                yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, place))
    elif isinstance(value, str) and path:
        yield path


def put(value: Any, path: Path, change: Callable[[str], str]) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = change(value[path[-1]])


def echoed(text: str) -> str:
    return f"{text} {CANARY}"


def only_the_key(text: str) -> str:
    return CANARY


def with_names(value: Any) -> Any:
    """The same with one more field in each object, whose name is the key."""
    if isinstance(value, dict):
        inside = {name: inner if name in ARGUMENTS else with_names(inner) for name, inner in value.items()}
        return {**inside, CANARY: CANARY}
    return [with_names(inner) for inner in value] if isinstance(value, list) else value


async def look(recording: Recording, body: bytes, dice: random.Random) -> list[str]:
    """What of the key is seen where the body is the answer."""
    pieces = [body] if dice.random() < 0.5 else [body[at : at + 700] for at in range(0, len(body), 700)]
    model = wired(APIS[recording.api], pieces, key=CANARY)
    found: list[str] = []
    events: list[Event] = []
    try:
        await Agent(model=model, retries=0, max_steps=1, on_event=events.append).arun("Hello")
    except HeadwaterError as error:
        seen = Seen()
        seen.error(error)
        found += seen.leaks
    for event in events:
        if BODY in codec.encode(event).decode() or BODY in repr(event):
            found.append(f"{event.type}: {codec.encode(event).decode()}")
    return found


def places(recording: Recording) -> list[tuple[int, Path]]:
    frames = read_frames(recording.api, recording.body)
    return [(number, path) for number, (_, value) in enumerate(frames) for path in leaves(value)]


def changed(recording: Recording, chosen: list[tuple[int, Path]], change: Callable[[str], str]) -> bytes:
    frames = copy.deepcopy(read_frames(recording.api, recording.body))
    for number, path in chosen:
        put(frames[number][1], path, change)
    return write_frames(recording.api, frames)


def some(api: str) -> list[Any]:
    known = cases(api)
    return random.Random(api).sample(known, min(len(known), tries(30, len(known))))


@pytest.mark.long
@pytest.mark.parametrize("recording", [case for api in APIS for case in some(api)])
def test_no_field_of_an_answer_shows_the_key(recording: Recording) -> None:
    dice = random.Random(recording.name)
    every = places(recording)
    kept = [(number, path) for number, path in every if path[-1] not in KINDS]
    bodies = [changed(recording, kept, echoed), changed(recording, every, only_the_key)]
    bodies += [changed(recording, [place], echoed) for place in dice.sample(every, min(len(every), tries(3, 20)))]
    named = [(name, with_names(value)) for name, value in read_frames(recording.api, recording.body)]
    bodies.append(write_frames(recording.api, named))

    async def main() -> list[str]:
        return [leak for body in bodies for leak in await look(recording, body, dice)]

    leaks = asyncio.run(main())
    assert not leaks, "\n".join(sorted(set(leaks)))


@pytest.mark.parametrize("api", APIS.values())
def test_no_header_of_a_refusal_shows_the_key(api: str) -> None:
    names = "x-request-id request-id retry-after retry-after-ms x-ratelimit-reset x-ratelimit-remaining server location"
    headers = {name.replace("-", "_"): f"r {CANARY}" for name in names.split()}

    async def main() -> Seen:
        seen = Seen()
        for status in (301, 400, 401, 404, 407, 429, 500, 503):
            model = wired(api, Refusal(status, b'{"error": {"message": "No."}}', **headers), key=CANARY)
            with pytest.raises(HeadwaterError) as caught:
                await Agent(model=model, retries=0).arun("Hello", on_event=seen.event)
            seen.error(caught.value)
            assert "No." in str(caught.value) or status in (301, 407)
        return seen

    assert not asyncio.run(main()).leaks
