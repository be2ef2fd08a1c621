"""A secret that a guard keeps back stands nowhere: over every API, split, restarted, fallen back from."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any

import pytest

from headwater import Agent, Block, Replace, Retry, guard
from headwater.errors import GuardBlocked, HeadwaterError
from headwater.events import Event, TextDelta, codec
from headwater.testing import Faulty, ProviderSimulator, Say, Truncate, check_log
from headwater.web.ai_sdk.wire import ai_sdk_wire
from headwater.web.native.wire import native
from headwater.web.openai.chat import chat_wire, completion
from headwater.web.openai.responses import responses_wire
from tests.support.effort import tries

SECRET = "k3y-41c0b2a7"
PIECE = SECRET[2:10]
"""What of it is nobody else's: no half of it may show either."""

APIS = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama", "azure", "groq")


def split(text: str, chance: random.Random) -> Say:
    places = sorted(chance.sample(range(1, len(text)), chance.randint(3, 20)))
    return Say([text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)])


def judge(verdict: str) -> Any:
    def found(text: str) -> Any:
        if SECRET not in text:
            return None
        if verdict == "replace":
            return Replace(text.replace(SECRET, "[key]"))
        return Retry("No keys.") if verdict == "retry" else Block("A key.")

    return found


def faces(log: list[Event]) -> dict[str, str]:
    """What each wire makes of it."""
    made: dict[str, Any] = {
        "chat": chat_wire("a", usage=True),
        "responses": responses_wire("a"),
        "native": native(None),
        "lines": native(None, lines=True),
        **{f"ai sdk {version}": ai_sdk_wire(version) for version in (5, 6, 7)},
    }
    told = {name: b"".join(map(wire.make(), log)).decode() for name, wire in made.items()}
    return {**told, "completion": str(completion(log, "a")), "log": b"".join(map(codec.encode, log)).decode()}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(tries(1, 30)))
@pytest.mark.parametrize("verdict", ["block", "replace", "retry"])
@pytest.mark.parametrize("api", APIS)
def test_a_secret_is_nowhere(
    api: str,
    verdict: str,
    seed: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    chance = random.Random(f"{api} {verdict} {seed}")
    said = "All is well. " * chance.randint(5, 30) + SECRET + " That is it." * chance.randint(0, 20)
    hold: Any = chance.choice([20, 60, "step"])
    guarded = guard(hold=hold, every=chance.choice([5, 40]), may_retry=True)(judge(verdict))
    log: list[Event] = []
    tokens: list[str] = []
    error: HeadwaterError | None = None
    broken = Faulty([split(said, chance)], Truncate(at=chance.randint(300, 4000)))
    with (
        caplog.at_level(logging.DEBUG),
        ProviderSimulator([broken, [split(said, chance)], "Fine.", "Fine."]) as provider,
    ):
        agent = Agent(
            model=provider.model(api),
            fallback=[provider.model(chance.choice(APIS))],
            guards=[guarded],
            on_interrupted="restart",
            retries=chance.choice([0, 2]),
            journal=f"sqlite:///{tmp_path}/runs.db",
            verbose=True,
            streaming_callback=tokens.append,
        )
        try:
            response = agent.run_sync("Go.", on_event=log.append, save=tmp_path / "run.jsonl")
            assert ("[key]" in response.text) == (verdict == "replace")
        except GuardBlocked as blocked:
            error = blocked
            assert verdict == "block"
    check_log(log)
    seen = {
        **faces(log),
        "tokens": "".join(tokens),
        "text": "".join(event.text for event in log if isinstance(event, TextDelta)),
        "error": f"{error!r} {error and error.__dict__}",
        "logs": caplog.text,
        "output": "".join(capsys.readouterr()),
        **{path.name: path.read_bytes().decode("latin-1") for path in tmp_path.iterdir()},
    }
    assert {"run.jsonl", "runs.db"} <= seen.keys()
    assert [name for name, text in seen.items() if PIECE in text] == []
