"""`headwater gateway`: a process that serves the names of a file, and what it refuses to begin with."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from headwater.cli import main
from headwater.testing import ProviderSimulator
from headwater.web.gateway.file import EXAMPLE
from tests.cli.commands import PATIENCE, command, environment

ASK = {"model": "fast", "messages": [{"role": "user", "content": "Hi"}]}


@contextmanager
def serving(*options: str, **env: str) -> Iterator[tuple[httpx.Client, list[str]]]:
    """A gateway on a free port: a client of it, and what it has told by then."""
    process = subprocess.Popen(
        command("gateway", "--port", "0", *options), stderr=subprocess.PIPE, text=True, env=environment(**env)
    )
    assert process.stderr is not None
    told: list[str] = []
    try:
        for line in process.stderr:
            told.append(line.rstrip())
            if len(told) == 1 and not (found := re.search(r"serving .* on (http://[^/]+/v1) ", line)):
                raise AssertionError(told)
            if len(told) == 2 + ("--token" in options):
                break
        assert found is not None
        with httpx.Client(base_url=found[1], timeout=PATIENCE, trust_env=False) as client:
            yield client, told
    finally:
        process.kill()
        process.communicate()


def test_the_names_of_a_file_are_served_and_keys_stay_here(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    with ProviderSimulator(lambda asked: "Here.") as provider:
        file.write_text(f'[fast]\nmodel = "gpt-5.4"\nbase_url = "{provider.url()}"\napi_key_env = "MINE"\n')
        with serving(str(file), "--token", MINE="sk-mine-0123456789") as (client, told):
            assert "serving 1 names" in told[0]
            assert "fast: 127.0.0.1:" in told[1]
            token = told[2].rpartition(" ")[2]
            assert client.post("/chat/completions", json=ASK).status_code == 401
            answer = client.post("/chat/completions", json=ASK, headers={"authorization": f"Bearer {token}"})
            assert answer.json()["choices"][0]["message"]["content"] == "Here."
            assert "sk-mine" not in str(told) + answer.text + str(answer.headers)
        assert provider.requests[0].headers["authorization"] == "…"


def test_the_error_says_what_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway"]) == 2
    assert EXAMPLE in capsys.readouterr().err


def test_a_mistake_in_the_file_is_reported_by_its_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "models.toml"
    file.write_text('[fast]\nmodel = "offline"\nbase-url = "x"\n')
    assert main(["gateway", str(file)]) == 2
    assert "fast.base-url: this setting is unknown. The settings are model, base_url," in capsys.readouterr().err
    assert main(["gateway", str(tmp_path / "none.toml")]) == 2
    assert "none.toml cannot be read" in capsys.readouterr().err


def test_others_are_served_with_a_token_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", str(tmp_path / "models.toml"), "--host", "0.0.0.0"]) == 2
    assert "HEADWATER_TOKEN" in capsys.readouterr().err


def test_a_missing_requirement_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["gateway", "x"]) == 2
    assert 'pip install "headwater[web]"' in capsys.readouterr().err
