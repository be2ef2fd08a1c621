"""Recording and playing back: the same bytes, the same events, the same times; and never a key."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Agent, Model, tool
from headwater.backends.offline import ScriptedModel
from headwater.backends.replay.recorder import _Blot
from headwater.errors import (
    ConfigurationError,
    ConnectionFailed,
    HeadwaterError,
    IncompleteStream,
    InvalidRecord,
    UsageError,
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
    ProviderSimulator,
    Received,
    Recorder,
    Reset,
    Say,
    ServedTurn,
    Split,
    Think,
    Truncate,
    read_recording,
    replay,
)
from tests.support.recordings import Recording, cases
from tests.support.virtual import run_virtual

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
    """What the weather is like."""
    return f"sunny in {city}"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def events_of(model: Any, **options: Any) -> tuple[list[Event], HeadwaterError | None]:
    """All that happens in a run, and what ended it."""
    events: list[Event] = []
    try:
        events.extend(Agent(model=model, tools=[weather], **options).run_stream("How is Paris?").events())
    except HeadwaterError as error:
        return events, error
    return events, None


def without_times(events: list[Event]) -> list[bytes]:
    """The events as JSON, but for their times and for the run's id, which is a random one."""
    run = events[0].run
    lines = []
    for event in events:
        body = json.loads(encode(event).decode().replace(run, "run_").replace(run[4:12], "id"))
        for name in ("time", "duration", "wait"):
            body.pop(name, None)
        lines.append(json.dumps(body).encode())
    return lines


# --- the same events


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


def test_fallbacks_are_played_by_those_who_answered(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator([Fail(500), "Hello."]) as provider, Recorder(path) as recorder:
        model = provider.model("openai-chat", retries=0, fallback=[provider.model("anthropic", retries=0)])
        live, _ = events_of(model.recorded(recorder))
    played, error = events_of(Model(f"replay:{path}?speed=0", retries=0))
    assert error is None
    assert without_times(played) == without_times(live)
    assert [event.provider for event in played if event.type == "attempt.started"] == ["openai", "anthropic"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("recording", [case for api in ("openai-chat", "gemini") for case in cases(api)[:12]])
def test_recorded_streams_of_real_providers_are_the_same_again(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    turn = Faulty(Body(recording.body, headers={"Content-Type": recording.headers["content-type"]}), Split(seed=1))
    with ProviderSimulator([turn]) as provider, Recorder(path) as recorder:
        live, error = events_of(provider.model(recording.api, retries=0).recorded(recorder), max_steps=1)
    played, again = events_of(Model(f"replay:{path}?speed=0", retries=0), max_steps=1)
    assert str(again) == str(error)
    assert without_times(played) == without_times(live)
    (exchange,) = read_recording(path)
    assert recording.body.startswith(exchange.body), "not a byte is changed"


def test_runs_side_by_side_each_get_their_own_answer(tmp_path: Path) -> None:
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


# --- the same times


def test_what_comes_comes_when_it_came(tmp_path: Path) -> None:
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


# --- what cannot be played or recorded


def test_more_than_was_recorded_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator(["Hello."]) as provider, Recorder(path) as recorder:
        events_of(provider.model().recorded(recorder))
    model = Model(f"replay:{path}?speed=0")
    events_of(model)
    _, error = events_of(model)
    assert isinstance(error, UsageError)
    assert "holds 1 answer, and one more was asked for" in str(error)


def test_an_answer_whose_reader_left_is_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator([["word "] * 400], rate=300) as provider, Recorder(path) as recorder:
        for _ in Agent(model=provider.model().recorded(recorder)).run_stream("Go"):
            break
        assert provider.requests[0].wait_gone()
    _, error = events_of(Model(f"replay:{path}?speed=0", retries=0))
    assert isinstance(error, IncompleteStream)
    assert "whoever read the answer left" in str(error)
    assert str(error.response).startswith("word")


def test_a_recording_that_was_cut_still_plays_what_it_has(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"not json\n", "line 1"),
        (b'{"type":"recording","v":1}\n{"type":"bytes","exchange":1,"at":0.1,"base64":"*"}\n', "line 2"),
        (b'{"type":"recording","v":99}\n', "version 99"),
        (b'{"type":"end","exchange":1,"at":0}\n', "does not say that this is a recording"),
        (b'{"type":"recording","v":1}\n', "holds no request"),
        (b"\xff\xfe\n", "line 1"),
    ],
)
def test_what_is_no_recording_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_bytes(content)
    with pytest.raises(InvalidRecord, match=why):
        _ = Model(f"replay:{path}").backend


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecord, match="No such file"):
        _ = Model(f"replay:{tmp_path / 'absent'}").backend
    with pytest.raises(ConfigurationError, match="'fast' is no speed"):
        _ = Model("replay:answers.jsonl?speed=fast").backend
    with ProviderSimulator([]) as provider, pytest.raises(ConfigurationError, match="Nothing can be recorded"):
        provider.model().recorded(Recorder(tmp_path))


def test_a_model_without_bytes_cannot_be_recorded(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("an older one")
    with Recorder(path) as recorder, pytest.raises(ConfigurationError, match="sends no bytes"):
        Model(ScriptedModel(["Hi."])).recorded(recorder)
    assert path.read_text() == "an older one"


def test_what_is_said_after_the_file_is_closed_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator(["Hello."]) as provider:
        with Recorder(path) as recorder:
            model = provider.model().recorded(recorder)
        size = path.stat().st_size
        assert events_of(model)[1] is None
    assert path.stat().st_size == size


# --- keys


@pytest.mark.parametrize("api", APIS)
def test_no_key_is_written_wherever_it_stands(api: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    key = "sk-simulated-key-0123456789"  # what the simulator's models send
    body = {"a": f"You sent {key}, {key[:9]}", "b": [key]}
    turns: list[ServedTurn] = [
        Faulty(Body(json.dumps(body).encode(), status=401, headers={"X-Echo": key, "Set-Cookie": "session=1234"})),
        Faulty(f"Your key is {key}, is it not?", Split(1)),
        Faulty([f"Your key is {key}", Fail(500, f"Bad {key}")], Split((5, 11))),
    ]
    with ProviderSimulator(turns) as provider, Recorder(path) as recorder:
        for _ in turns:
            events_of(provider.model(api, retries=0).recorded(recorder), instructions=f"The key is {key}.")
    content = path.read_bytes()
    assert key.encode() not in content
    assert b"session=1234" not in content
    assert key not in "".join(exchange.body.decode() for exchange in read_recording(path))
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(
    text=st.lists(st.sampled_from(["abcdef", "abc", "xyzxyz", "x", "-"]), max_size=12).map("".join),
    cuts=st.lists(st.integers(1, 7), min_size=1, max_size=30),
)
@settings(max_examples=200, deadline=None)
def test_keys_are_blotted_out_across_any_pieces(text: str, cuts: list[int]) -> None:
    blot = _Blot(("abcdef", "xyzxyz"))
    data, pieces, at = text.encode(), [], 0
    for size in cuts:
        pieces.append(data[at : at + size])
        at += size
    pieces = [*pieces, data[at:]]
    written: list[tuple[float, bytes]] = []
    for number, piece in enumerate(pieces):
        written += blot.add(float(number), piece)
    written += blot.rest()
    assert [at for at, _ in written] == [float(number) for number in range(len(pieces))], "pieces keep their times"
    joined = b"".join(piece for _, piece in written).decode()
    assert joined == text.replace("abcdef", "…").replace("xyzxyz", "…")
