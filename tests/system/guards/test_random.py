"""Random guards of every subject, one behind the other, on random answers, tools and ways to leave: nothing shows.

The last guard of each run is strict. Those before it may do anything: replace what they have replaced before, raise,
answer late, or return no verdict. Whatever happens, the log is whole, no task is left, and no event has the secret.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from headwater import Agent, Block, Replace, Retry, guard, tool
from headwater.errors import HeadwaterError
from headwater.events import Event, TextDelta, codec
from headwater.runtime.guards.guard import Guard
from headwater.testing import Call, Cut, Say, ScriptedModel, Think, Wait, check_log, run_virtual
from tests.support.effort import tries

SECRET = "k3y-41c0b2a7"
PIECE = SECRET[2:10]
EVERYTHING = ("output", "reasoning", "arguments", "input", "result")


def _raises(text: str) -> None:
    if len(text) % 7 == 0:
        raise ValueError(text)


STRICT: dict[str, Callable[[str], Any]] = {
    "masks": lambda text: Replace(text.replace(SECRET, "[key]")) if SECRET in text else None,
    "blocks": lambda text: Block("A key.") if SECRET in text else None,
    "retries": lambda text: Retry("No keys.") if SECRET in text else None,
}
ODD: dict[str, Callable[[str], Any]] = {
    **STRICT,
    "passes": lambda text: None,
    "before": lambda text: Replace("X" + text),
    "after": lambda text: Replace(text + "X"),
    "empties": lambda text: Replace(""),
    "other case": lambda text: Replace(text.swapcase()),
    "raises": _raises,
    "no verdict": lambda text: text if len(text) % 5 == 0 else None,
}


def a_guard(chance: random.Random, judges: dict[str, Callable[[str], Any]], on: Any, least: int) -> Guard:
    name, judge = chance.choice([*judges.items()])
    hold: Any = chance.choice([least, 30, 200, "sentence", "step"])
    seconds = chance.choice([0.0, 0.01, 0.5])

    async def later(text: str) -> Any:
        await asyncio.sleep(seconds)
        return judge(text)

    return guard(
        on=on,
        hold=hold,
        every=chance.choice([1, 7, 80]),
        overlap=max(hold, chance.choice([0, 40, 200])) if isinstance(hold, int) else chance.choice([20, 200]),
        may_retry=chance.random() < 0.5,
        name=name,
    )(later if chance.random() < 0.5 else judge)


def some_words(chance: random.Random) -> str:
    words = chance.choice(["All is well. ", "x" * 90, "a b c\n"]) * chance.randint(0, 4)
    secret = SECRET if chance.random() < 0.4 else ""
    return (words + secret + chance.choice(["", " end.", " tail" * 20])) or "y"


def pieces(chance: random.Random, text: str) -> list[str]:
    places = sorted({0, len(text), *(chance.randint(0, len(text)) for _ in range(chance.randint(0, 9)))})
    return [text[start:end] for start, end in pairwise(places)]


def a_turn(chance: random.Random) -> list[Any]:
    turn: list[Any] = []
    for _ in range(chance.randint(1, 4)):
        text = some_words(chance)
        match chance.choice(["say", "say", "think", "call"]):
            case "say":
                for piece in pieces(chance, text):
                    turn += [Say([piece]), *([Wait(3)] if chance.random() < 0.1 else [])]
            case "think":
                turn.append(Think(pieces(chance, text)))
            case _:
                turn.append(Call(chance.choice(["look", "look", "made_up", SECRET]), {"a": text}))
    if chance.random() < 0.15:
        turn.insert(chance.randint(0, len(turn)), Cut())
    return turn


@pytest.mark.long
@pytest.mark.parametrize("seed", range(tries(30, 2000)))
def test_nothing_shows_whatever_the_guards_do(seed: int) -> None:
    chance = random.Random(seed)

    @tool
    async def look(a: str = "") -> str:
        """Look."""
        await asyncio.sleep(chance.choice([0, 1]))
        return some_words(chance)

    def turn(request: Any) -> list[Any]:
        return a_turn(chance) if chance.random() < 0.6 else ["Done."]

    strict = a_guard(chance, STRICT, EVERYTHING, len(SECRET))
    on: list[Any] = ["output", "arguments", "result", "input", ("output", "reasoning")]
    model = ScriptedModel(turn)
    agent = Agent(
        model=model,
        tools=[look],
        guards=[*(a_guard(chance, ODD, chance.choice(on), 0) for _ in range(chance.randint(0, 2))), strict],
        retries=chance.choice([0, 2]),
        on_interrupted=chance.choice(["raise", "restart"]),
        fallback=[model] if chance.random() < 0.3 else [],
        max_steps=6,
    )

    async def main() -> tuple[list[Event], HeadwaterError | None]:
        stream, log = agent.run_stream(f"Go. {SECRET if chance.random() < 0.2 else ''}"), list[Event]()
        loop = asyncio.get_running_loop()
        if chance.random() < 0.3:
            loop.call_later(chance.uniform(0, 5), stream.cancel)
        if chance.random() < 0.3:
            loop.call_later(chance.uniform(0, 3), stream.steer, f"Hi. {SECRET if chance.random() < 0.5 else ''}")
        error: HeadwaterError | None = None
        try:
            async for event in stream.events():
                log.append(event)
        except HeadwaterError as raised:
            error = raised
        for _ in range(3):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return log, error

    log, error = run_virtual(main())[0]
    check_log(log)
    assert [event.type for event in log if PIECE in codec.encode(event).decode()] == []
    assert PIECE not in "".join(event.text for event in log if isinstance(event, TextDelta))
    assert PIECE not in f"{error!r} {error and error.response}"
