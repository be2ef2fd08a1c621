"""Items of random answers, split at random, with failed requests, cut and invalid answers before: those of the answer
at its end, each once; and only what was really yielded before is said to have been taken back."""

from __future__ import annotations

import json
import random
from typing import Any

from pydantic import BaseModel, Field

from headwater import Agent
from headwater.backends.offline import Call, Cut, Fail, Say, ScriptedModel
from headwater.errors import ItemsRestarted
from tests.support.effort import tries
from tests.support.virtual import run_virtual

LETTERS = 'ab"\\\n\té\u2028😀{}[],:` '


class Tide(BaseModel):
    port: str
    hour: int = Field(ge=0, le=23)
    notes: list[str] = []


class Report(BaseModel):
    title: str
    tides: list[Tide]
    grid: list[list[int]] = []
    mixed: list[int | str | Tide | None] = []


PATHS: list[tuple[str | int, ...]] = [("tides",), ("grid",), ("mixed",), ("grid", 0), ("tides", 0, "notes")]


def word(chance: random.Random) -> str:
    return "".join(chance.choice(LETTERS) for _ in range(chance.randrange(7)))


def tide(chance: random.Random, wrong: float) -> dict[str, Any]:
    hour = 99 if chance.random() < wrong else chance.randrange(24)
    return {"port": word(chance), "hour": hour, "notes": [word(chance) for _ in range(chance.randrange(3))]}


def said(chance: random.Random, wrong: float = 0.0) -> str:
    report = {
        "title": word(chance) if chance.random() >= wrong / 2 else 5,
        "tides": [tide(chance, wrong) for _ in range(chance.randrange(5))],
        "grid": [[*range(chance.randrange(3))] for _ in range(chance.randrange(3))],
        "mixed": [chance.choice([1, word(chance), None, tide(chance, 0.0)]) for _ in range(chance.randrange(4))],
    }
    return json.dumps(report, ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, None, 2]))


def turn(chance: random.Random, mode: str, text: str) -> list[Any]:
    pieces, at = list[str](), 0
    while at < len(text):
        size = chance.choice([1, 1, 3, 20, 200])
        pieces.append(text[at : at + size])
        at += size
    if mode == "tool":
        return [Call("final_answer", pieces)]
    around = chance.choice([("", ""), ("", ""), ("```json\n", "\n```"), ("Here it is:\n", "")])
    return [Say([around[0], *pieces, around[1]])]


def turns(chance: random.Random, mode: str) -> list[Any]:
    found: list[Any] = []
    for _ in range(chance.randrange(3)):
        text = said(chance, 0.5)
        kind = chance.randrange(3)
        if kind == 0:
            found.append(Fail(503))
        elif kind == 1:
            found.append([*turn(chance, mode, text[: chance.randrange(1, len(text))]), Cut()])
        else:
            found.append(turn(chance, mode, text))
    return [*found, *(turn(chance, mode, said(chance)) for _ in range(3))]


def at(value: Any, path: tuple[str | int, ...]) -> list[Any]:
    for key in path:
        if isinstance(key, str):
            value = getattr(value, key)
        elif key < len(value):
            value = value[key]
        else:
            return []
    return list(value)


async def ended(chance: random.Random) -> None:
    mode: Any = chance.choice(["native", "tool", "prompted"])
    path, again, early = chance.choice(PATHS), chance.random() < 0.5, chance.random() < 0.5
    model = ScriptedModel(turns(chance, mode), rate=chance.choice([None, 200]))
    writer: Agent[Any, Any] = Agent(
        model=model, output_type=Report, output_mode=mode, on_interrupted="restart", retries=3
    )
    stream, found, taken_back = writer.run_stream("q"), list[Any](), ""
    leave = chance.randrange(1, 6)
    try:
        async for item in stream.items(path, restarts="again" if again else "raise", early=early):
            found.append(item)
            if len(found) == leave:
                break
    except ItemsRestarted as error:
        taken_back = error.message
    if taken_back:
        assert not again
        assert f"after {len(found)} of its items" in taken_back
        return
    if len(found) == leave:
        assert stream.response.finish_reason in ("cancelled", "stop")
        return
    whole = at(stream.response.output, path)
    assert found[len(found) - len(whole) :] == whole
    assert again or found == whole


def test_items_are_those_of_the_answer_at_its_end() -> None:
    for seed in range(tries(100, 1_500)):
        run_virtual(ended(random.Random(seed)))
