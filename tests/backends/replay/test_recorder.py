"""Recording: what is written and when, and that no key ever is."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Model
from headwater.backends.offline import ScriptedModel
from headwater.backends.replay.recorder import _Blot
from headwater.errors import (
    ConfigurationError,
)
from headwater.testing import (
    Body,
    Fail,
    Faulty,
    ProviderSimulator,
    Recorder,
    ServedTurn,
    Split,
    read_recording,
)
from tests.backends.replay.answers import APIS, events_of
from tests.support.effort import tries


def test_a_model_without_bytes_cannot_be_recorded(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("an older one")
    with Recorder(path) as recorder, pytest.raises(ConfigurationError, match="sends no bytes"):
        Model(ScriptedModel(["Hi."])).recorded(recorder)
    assert path.read_text() == "an older one"


def test_writes_after_close_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator(["Hello."]) as provider:
        with Recorder(path) as recorder:
            model = provider.model().recorded(recorder)
        size = path.stat().st_size
        assert events_of(model)[1] is None
    assert path.stat().st_size == size


@pytest.mark.skipif(os.name == "nt", reason="modes and links are POSIX's")
def test_a_readable_file_is_replaced_and_a_link_not_followed(tmp_path: Path) -> None:
    path, link, theirs = tmp_path / "answers.jsonl", tmp_path / "link.jsonl", tmp_path / "theirs"
    for one in (path, theirs):
        one.write_text("an older one")
        one.chmod(0o644)
    link.symlink_to(theirs)
    with path.open() as reader, ProviderSimulator(["Hello."] * 2) as provider:
        with Recorder(path) as recorder:
            events_of(provider.model().recorded(recorder))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (reader.read(), len(read_recording(path))) == ("an older one", 1)
        with Recorder(link) as recorder:
            events_of(provider.model().recorded(recorder))
    assert (theirs.read_text(), link.is_symlink(), len(read_recording(link))) == ("an older one", False, 1)


@pytest.mark.parametrize("api", APIS)
def test_no_key_is_written_from_anywhere(api: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    key = "sk-simulated-key-0123456789"  # the body of the simulator's models
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
@settings(max_examples=tries(50, 200), deadline=None)
def test_keys_are_removed_across_any_pieces(text: str, cuts: list[int]) -> None:
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
