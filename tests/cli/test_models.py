"""`headwater models`: which keys are set, and never the keys."""

from __future__ import annotations

import json

import pytest

from headwater.cli import main
from headwater.cli.models import served
from headwater.providers.catalog import PROVIDERS
from tests.cli.commands import OPENAI_LIST, FixedServer, serving


def test_keys_are_named_and_not_shown(nothing_local: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    nothing_local.setenv("GEMINI_API_KEY", "AIza-secret")
    nothing_local.setenv("HEADWATER_MODEL", "gemini/gemini-flash-latest")
    assert main(["models"]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    assert "AIza-secret" not in shown
    assert shown.startswith("Model by default: gemini/gemini-flash-latest\n\nKey set\n  gemini       GEMINI_API_KEY ")
    assert "\nNo key set\n  openai       OPENAI_API_KEY            openai/gpt-5.4\n" in shown
    assert "\nOn this machine\n  ollama       http://127.0.0.1:1        not running\n" in shown
    assert [name for name in PROVIDERS if f"\n  {name} " not in shown] == []


def test_without_a_default_it_says_so(nothing_local: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    main(["models"])
    assert capsys.readouterr().out.startswith("No model by default: HEADWATER_MODEL is not set.\n\nNo key set\n")


def test_json_has_all_of_it(nothing_local: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    nothing_local.setenv("OPENAI_API_KEY", "sk-secret")
    with serving(FixedServer({"/v1/models": (200, OPENAI_LIST)})) as url:
        nothing_local.setenv("VLLM_BASE_URL", f"{url}/v1")
        assert main(["models", "--json"]) == 0
    shown = capsys.readouterr().out
    assert "sk-secret" not in shown
    told = json.loads(shown)
    assert told["default"] is None
    keys = {provider["name"]: provider["key"] for provider in told["providers"]}
    assert (keys["openai"], keys["anthropic"]) == ("OPENAI_API_KEY", None)
    assert {
        "name": "vllm",
        "base_url": f"{url}/v1",
        "reachable": True,
        "models": ["llama-3.1-8b", "qwen3"],
        "problem": "",
    } in told["servers"]


def test_a_few_names_are_shown() -> None:
    assert served(()) == "running, without a model"
    assert served(("a", "b")) == "running: a, b"
    assert served(tuple("abcdef")) == "running: a, b, c, d and 2 more"
