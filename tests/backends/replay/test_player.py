"""Replaying: the same events at the same times, from the same backends, and no more than was recorded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from headwater import Agent, Model
from headwater.errors import (
    ConfigurationError,
    ConnectionFailed,
    IncompleteStream,
    InvalidRecord,
    UsageError,
)
from headwater.testing import (
    Body,
    Fail,
    Faulty,
    ProviderSimulator,
    Received,
    Recorder,
    Say,
    ServedTurn,
    Split,
    read_recording,
    replay,
)
from tests.backends.replay.answers import APIS, ENDINGS, TURNS, events_of, without_times
from tests.support.recordings import Recording, cases
from tests.support.virtual import run_virtual


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("speed", ["", "?speed=0", "?speed=100"])
def test_a_replay_is_the_same_events(api: str, speed: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator(TURNS) as provider, Recorder(path) as recorder:
        live, error = events_of(provider.model(api).recorded(recorder))
    assert error is None
    played, error = events_of(f"replay:{path}{speed}")
    assert error is None
    assert without_times(played) == without_times(live)
    assert len(read_recording(path)) == 3


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_replay_ends_as_it_was_recorded(ending: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator([ENDINGS[ending]]) as provider, Recorder(path) as recorder:
        live, error = events_of(provider.model(retries=0).recorded(recorder))
    played, again = events_of(Model(f"replay:{path}?speed=0", retries=0))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert without_times(played) == without_times(live)


def test_fallbacks_are_replayed_by_the_same_backends(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator([Fail(500), "Hello."]) as provider, Recorder(path) as recorder:
        model = provider.model("openai-chat", retries=0, fallback=[provider.model("anthropic", retries=0)])
        live, _ = events_of(model.recorded(recorder))
    played, error = events_of(Model(f"replay:{path}?speed=0", retries=0))
    assert error is None
    assert without_times(played) == without_times(live)
    assert [event.provider for event in played if event.type == "attempt.started"] == ["openai", "anthropic"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("recording", [case for api in ("openai-chat", "gemini") for case in cases(api)[:12]])
def test_recorded_streams_of_real_providers_are_replayed(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    turn = Faulty(Body(recording.body, headers={"Content-Type": recording.headers["content-type"]}), Split(seed=1))
    with ProviderSimulator([turn]) as provider, Recorder(path) as recorder:
        live, error = events_of(provider.model(recording.api, retries=0).recorded(recorder), max_steps=1)
    played, again = events_of(Model(f"replay:{path}?speed=0", retries=0), max_steps=1)
    assert str(again) == str(error)
    assert without_times(played) == without_times(live)
    (exchange,) = read_recording(path)
    assert recording.body.startswith(exchange.body), "not a byte is changed"


def test_concurrent_runs_each_get_their_own_answer(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"

    async def ask(model: Model) -> list[str]:
        agent = Agent(model=model)
        return [str(said) for said in await asyncio.gather(*(agent.arun(f"Say {word}") for word in "abcde"))]

    def echo(asked: Received) -> ServedTurn:
        return f"{asked.json['messages'][-1]['content']}!"

    with ProviderSimulator(echo) as provider, Recorder(path) as recorder:
        live = asyncio.run(ask(provider.model().recorded(recorder)))
    assert live == [f"Say {word}!" for word in "abcde"]
    assert asyncio.run(ask(Model(f"replay:{path}?speed=0"))) == live


def test_answers_arrive_at_the_recorded_times(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator([Say(["one ", "two ", "three "])], rate=40) as provider, Recorder(path) as recorder:
        events_of(provider.model().recorded(recorder))
    (exchange,) = read_recording(path)
    assert exchange.end is not None
    assert exchange.end.at > 0.04

    async def arrivals(speed: float) -> list[float]:
        loop, times = asyncio.get_running_loop(), []
        agent = Agent(model=Model(replay(path, speed=speed)[0]))
        async for text in agent.run_stream("How is Paris?").text():
            assert text
            times.append(loop.time())
        return times

    read = [at for at, data in exchange.pieces for word in (b'"one ', b'"two ', b'"three ') if word in data]
    for speed in (1.0, 4.0):
        times, _ = run_virtual(arrivals(speed))
        assert times == pytest.approx([at / speed for at in read], abs=1e-6)
    times, seconds = run_virtual(arrivals(0.0))
    assert seconds == 0.0
    assert len(times) == 3


def test_more_than_was_recorded_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator(["Hello."]) as provider, Recorder(path) as recorder:
        events_of(provider.model().recorded(recorder))
    model = Model(f"replay:{path}?speed=0")
    events_of(model)
    _, error = events_of(model)
    assert isinstance(error, UsageError)
    assert "holds 1 answer, but one more was requested" in str(error)


def test_an_abandoned_answer_is_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator([["word "] * 400], rate=300) as provider, Recorder(path) as recorder:
        for _ in Agent(model=provider.model().recorded(recorder)).run_stream("Go"):
            break
        assert provider.requests[0].wait_gone()
    _, error = events_of(Model(f"replay:{path}?speed=0", retries=0))
    assert isinstance(error, IncompleteStream)
    assert "its reader stopped early" in str(error)
    assert str(error.response).startswith("word")


def test_a_truncated_recording_is_replayed_up_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator([Faulty("Hello there.", Split(50))]) as provider, Recorder(path) as recorder:
        events_of(provider.model().recorded(recorder))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]))
    _, error = events_of(Model(f"replay:{path}?speed=0", retries=0))
    assert error is None or isinstance(error, IncompleteStream)
    path.write_bytes(b"".join(lines[:2]))
    _, error = events_of(Model(f"replay:{path}?speed=0", retries=0))
    assert isinstance(error, ConnectionFailed)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecord, match="No such file"):
        _ = Model(f"replay:{tmp_path / 'absent'}").backend
    with pytest.raises(ConfigurationError, match="'fast' is not a valid speed"):
        _ = Model("replay:answers.jsonl?speed=fast").backend
    with ProviderSimulator([]) as provider, pytest.raises(ConfigurationError, match="Cannot record"):
        provider.model().recorded(Recorder(tmp_path))
