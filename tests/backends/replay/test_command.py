"""`headwater run --record FILE`, and the same answer from `--model replay:FILE`."""

from __future__ import annotations

from pathlib import Path

from headwater.testing import Fail, ProviderSimulator
from tests.cli.commands import headwater

KEY = "sk-proj-planted-0123456789abcdef"


def test_a_recorded_run_is_played_back(tmp_path: Path) -> None:
    path = tmp_path / "tides.jsonl"
    with ProviderSimulator(["The Moon ", Fail(401, f"Wrong key {KEY}.")]) as provider:
        env = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": provider.url()}
        asked = ("run", "Explain tides", "--model", "openai/gpt-5.4", "--record", str(path))
        live = headwater(*asked, env=env)
        assert live.stdout == "The Moon \n", live.stderr
        assert provider.requests[0].headers["authorization"] == "…"
        played = headwater("run", "Explain tides", "--model", f"replay:{path}?speed=0")
        assert (played.stdout, played.returncode) == (live.stdout, 0), played.stderr
        assert len(provider.requests) == 1, "nothing is sent"
        assert KEY.encode() not in path.read_bytes()
        refused = headwater(*asked, env=env)
        assert refused.returncode == 1
        assert KEY.encode() not in path.read_bytes()
        again = headwater("run", "Explain tides", "--model", f"replay:{path}")
        assert again.stderr.replace(f"replay:{path}", "openai/gpt-5.4") == refused.stderr


def test_the_offline_model_has_nothing_to_record(tmp_path: Path) -> None:
    path = tmp_path / "tides.jsonl"
    done = headwater("run", "Explain tides", "--model", "offline", "--record", str(path))
    assert done.returncode == 2
    assert "sends no bytes, so there is nothing to record" in done.stderr
    assert not path.exists()


def test_a_missing_recording_is_a_usage_error(tmp_path: Path) -> None:
    done = headwater("run", "Explain tides", "--model", f"replay:{tmp_path / 'absent.jsonl'}")
    assert done.returncode == 2
    assert "cannot be read: No such file" in done.stderr
    assert done.stderr.count("\n") == 1
