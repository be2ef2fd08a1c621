"""Creating a backend from a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.backends.http import HTTPBackend
from headwater.backends.lookup import ENVIRONMENT, look_up, same_provider
from headwater.backends.offline import OfflineModel
from headwater.errors import InvalidRecord, MissingKey, ModelNotNamed, UnknownModel
from headwater.providers.request import Secret
from headwater.testing import ProviderSimulator, Recorder

KEY = "sk-planted-0123456789"


def test_a_provider_is_called_over_http() -> None:
    (backend,) = look_up("groq/m", api_key=Secret(KEY), connect=3.0, env={})
    assert isinstance(backend, HTTPBackend)
    assert (backend.provider, backend.api, backend.model, backend.connect) == ("groq", "openai-chat", "m", 3.0)
    assert backend.endpoint.key == Secret(KEY)
    assert KEY not in repr(backend)


def test_headers_are_added_to_the_providers_own() -> None:
    env = {"OPENAI_API_KEY": KEY, "OPENAI_ORG_ID": "org"}
    (backend,) = look_up("openai/m", headers={"X-Team": Secret("a")}, env=env)
    assert isinstance(backend, HTTPBackend)
    assert backend.endpoint.headers == {"OpenAI-Organization": "org", "X-Team": "a"}


def test_a_base_url_works_with_any_name() -> None:
    for name in ("m", "offline-7b", "replay:m"):
        (backend,) = look_up(name, base_url=Secret("http://localhost:8000/v1"), env={})
        assert isinstance(backend, HTTPBackend)
        assert (backend.endpoint.base_url, backend.model) == ("http://localhost:8000/v1", name)


def test_the_offline_model_ignores_other_arguments() -> None:
    for name in ("offline", "offline/poem"):
        for base_url in (None, Secret("http://localhost:8000/v1")):
            (backend,) = look_up(name, base_url=base_url, env={})
            assert isinstance(backend, OfflineModel)
            assert backend.model == name


def test_the_environment_supplies_missing_names() -> None:
    (backend,) = look_up(None, env={"HEADWATER_MODEL": "offline"})
    assert isinstance(backend, OfflineModel)
    with pytest.raises(ModelNotNamed):
        look_up(None, env={})
    with pytest.raises(UnknownModel):
        look_up("no-such/m", env={})
    with pytest.raises(MissingKey):
        look_up("groq/m", env={})


def test_the_environment_is_read_on_lookup_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    with pytest.raises(MissingKey):
        look_up("groq/m")
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    (backend,) = look_up("groq/m")
    assert isinstance(backend, HTTPBackend)
    assert backend.endpoint.key == Secret(KEY)
    assert ENVIRONMENT["GROQ_API_KEY"] == KEY
    assert KEY not in repr(ENVIRONMENT)
    assert len(ENVIRONMENT) == len(list(ENVIRONMENT)) > 0


def test_a_recording_includes_its_fallbacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator(["Hello."] * 2) as provider, Recorder(path) as recorder:
        for api in ("openai-chat", "anthropic"):
            provider.model(api).recorded(recorder).stream("Go.").result_sync()
    backends = look_up(f"replay:{path}", env={})
    assert [backend.api for backend in backends] == ["openai-chat", "anthropic"]
    with pytest.raises(InvalidRecord):
        look_up(f"replay:{tmp_path / 'absent'}", env={})


def test_a_token_is_fetched_only_without_a_key() -> None:
    env = {"AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com"}
    (without,) = look_up("azure/m", env=env)
    (with_key,) = look_up("azure/m", api_key=Secret(KEY), env=env)
    assert isinstance(without, HTTPBackend)
    assert isinstance(with_key, HTTPBackend)
    assert without._authorize is not None
    assert with_key._authorize is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("openai/gpt-5.4", "gpt-5-mini", True),
        ("openai/gpt-5.4", "openai-chat/gpt-5.4", True),
        ("anthropic/claude-sonnet-5", "claude-haiku-5", True),
        ("openai/gpt-5.4", "anthropic/claude-sonnet-5", False),
        (None, "groq/llama3.2", True),
        (None, "openai/gpt-5.4", False),
        ("nonesuch/m", "nonesuch/m", False),
        ("offline", "openai/gpt-5.4", False),
    ],
)
def test_same_provider(one: str | None, other: str | None, same: bool) -> None:
    env = {"HEADWATER_MODEL": "groq/llama3.3"}
    assert same_provider(one, other, env=env) is same
    assert same_provider(other, one, env=env) is same
