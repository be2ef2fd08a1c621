from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater import Settings, Timeouts
from headwater.errors import ConfigurationError
from headwater.web.gateway.file import EXAMPLE, read_file, read_text

KEY = "sk-simulated-key-0123456789"
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GROQ_API_KEY")


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, KEY)


def test_the_example_is_one(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text(EXAMPLE)
    assert {model.name: model.description for model in read_file(file)} == {
        "smart": "anthropic/claude-sonnet-5",
        "fast": "groq/openai/gpt-oss-120b, then openai/gpt-5.4-mini",
        "local": "localhost:8001/qwen3",
    }


def test_every_setting_of_a_name() -> None:
    text = """
["a/b"]
models = [
    { model = "openai-chat/one", base_url = "http://localhost:1/v1", api_key_env = "MINE", drop = ["seed"] },
    "anthropic/claude-sonnet-5",
]
retries = 3
on_interrupted = "restart"
timeouts = { first_token = 20, connect = 2.5 }

[cold]
model = "groq/openai/gpt-oss-120b"
settings = { temperature = 0, stop = ["END"] }
"""
    both, cold = read_text(text, "models.toml", {"MINE": "sk-mine-0123456789"})
    first: Any = both.targets[0]
    assert (both.name, first._backend.endpoint.base_url) == ("a/b", "http://localhost:1/v1")
    assert first._backend.endpoint.key.reveal() == "sk-mine-0123456789"
    assert first.takes("seed")
    assert (both._model.retries.times, both._model.retries.on_interrupted) == (3, "restart")
    assert both._model.timeouts == Timeouts(first_token=20, connect=2.5)
    assert Settings(**cold.targets[0]._defaults) == Settings(temperature=0, stop=("END",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names no model"),
        ('slow = "offline"\nfast = offline', "is not valid TOML.*line 2"),
        ("fast = 3", "fast: it is not the name of a model"),
        ("fast = []", "fast: it is not the name of a model"),
        ('fast = ["offline", 3]', r"fast\[1\]: it is not the name of a model"),
        ('fast = ["no-such/model"]', r"fast\[0\]: .*no-such"),
        ('fast = ["offline", {}]', r"fast\[1\]: the model is missing"),
        ('[fast]\nmodel = ""', "fast.model: the model is missing"),
        ("[fast]\nretries = 1", "fast: it needs a model or models, and not both"),
        ('[fast]\nmodel = "offline"\nmodels = ["offline"]', "a model or models"),
        ('[fast]\nmodels = ["offline"]\ndrop = ["seed"]', "fast.drop: this setting applies to one model"),
        ('[fast]\nmodel = "offline"\nretry = 1', "fast.retry: this setting is unknown"),
        ('[fast]\nmodel = "offline"\nretries = -1', "fast: retries is -1"),
        ('[fast]\nmodel = "offline"\non_interrupted = "go"', "fast: on_interrupted"),
        ('[fast]\nmodel = "offline"\ntimeouts = 5', "fast.timeouts: it must be a table"),
        ('[fast]\nmodel = "offline"\ntimeouts = { idle = 0 }', "fast: timeouts.idle is 0"),
        ('[fast]\nmodel = "offline"\ntimeouts = { tool = 1 }', "fast.timeouts.tool: this setting is unknown"),
        ('[fast]\nmodel = "offline"\nsettings = { temperatur = 1 }', "fast: .*temperatur"),
        ('[fast]\nmodel = "offline"\nsettings = 1', "fast.settings: it must be a table"),
        ('[fast]\nmodel = "offline"\ndrop = "seed"', "fast.drop: it must be a list"),
        ('[fast]\nmodel = "offline"\napi_key = "sk-x"', "fast.api_key: this file must not contain keys"),
        ('[fast]\nmodel = "openai/gpt-5.4"\napi_key_env = "NOT_SET"', "fast.api_key_env: NOT_SET is not set"),
        ('[fast]\nmodel = "openai/gpt-5.4"\napi_key_env = 3', "fast.api_key_env: it is not the name of a variable"),
        ('[fast]\nmodel = "openai-chat/x"\nbase_url = 3', "fast: base_url"),
    ],
)
def test_a_mistake_is_told_by_its_key(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=f"models.toml.*{told}") as error:
        read_text(text, "models.toml", {})
    assert str(error.value).count("models.toml") == 1
    assert "sk-x" not in str(error.value)


def test_a_missing_key_is_reported_when_the_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigurationError, match=r"smart\[0\]: No key for openai.*OPENAI_API_KEY.*api_key_env"):
        read_text('smart = ["openai/gpt-5.4"]', "models.toml", {})


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml cannot be read: No such file"):
        read_file(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"bytes\.toml cannot be read"):
        read_file(tmp_path / "bytes.toml")
