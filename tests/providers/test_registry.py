from __future__ import annotations

import contextlib
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import errors
from headwater.events.messages import Message
from headwater.providers.catalog import API_MODULES, BY_ANY_NAME, PROVIDERS
from headwater.providers.registry import (
    KeyVariable,
    is_offline,
    known_keys,
    load_api,
    model_name,
    provider_of,
    replay_path,
    resolve,
)
from headwater.providers.request import Quirks, Request
from tests.providers.resolving import EVERY_KEY, find, key_of, place
from tests.support.effort import tries

# --- APIs and quirks


@pytest.mark.parametrize("api", API_MODULES)
def test_an_api_is_a_module_that_encodes_and_decodes(api: str) -> None:
    module = load_api(api)
    assert callable(module.encode)
    assert isinstance(module.Decoder, type)


def test_an_unknown_api_is_an_error() -> None:
    with pytest.raises(errors.ConfigurationError, match="Unknown API 'soap'"):
        load_api("soap")


def test_quirks_of_a_server_come_from_the_api_that_knows_them() -> None:
    from headwater.providers import openai_chat, openai_responses

    for name in openai_responses.QUIRKS:
        url = "https://x.openai.azure.com" if name == "azure" else None
        assert find(f"openai-responses/{name}/m", base_url=url).endpoint.quirks == openai_responses.QUIRKS[name]
    elsewhere = find("openai-responses/m", base_url="http://localhost:8000/v1").endpoint
    assert elsewhere.quirks == find("anthropic/m").endpoint.quirks == Quirks()
    assert set(openai_chat.QUIRKS) <= {provider.quirks or provider.name for provider in PROVIDERS.values()}
    for name in openai_chat.QUIRKS:
        assert find(f"openai-chat/{name}/m").endpoint.quirks == openai_chat.QUIRKS[name]
    other = find("openai/m", env={"OPENAI_BASE_URL": "http://localhost:8000/v1"}).endpoint
    assert other.quirks == Quirks()  # not OpenAI's server, despite its prefix
    assert find("m", base_url="http://localhost:8000/v1").endpoint.quirks == Quirks()
    # a port that only one server uses identifies it
    assert find("m", base_url="http://box:11434/v1").endpoint.quirks == openai_chat.QUIRKS["ollama"]
    assert find("m", base_url="http://localhost:1234/v1").endpoint.quirks == openai_chat.QUIRKS["lmstudio"]
    assert find("m", base_url="https://api.deepseek.com/v1").endpoint.quirks == openai_chat.QUIRKS["deepseek"]


def test_hints_of_a_server_come_from_the_table() -> None:
    ollama = PROVIDERS["ollama"]
    for end in (
        find("ollama/m").endpoint,
        find("ollama/m", base_url="http://127.0.0.1:9999").endpoint,
        find("m", base_url="http://localhost:11434/v1").endpoint,
    ):
        assert (end.start_hint, end.model_hint) == (ollama.start_hint, ollama.model_hint)
        assert "ollama serve" in end.start_hint
        assert "ollama pull" in end.model_hint
    other = find("m", base_url="http://localhost:8000/v1").endpoint
    assert (other.start_hint, other.model_hint) == ("", "")


# --- names


@pytest.mark.parametrize(
    ("name", "provider", "api", "model"),
    [
        ("openai/gpt-5.4", "openai", "openai-responses", "gpt-5.4"),
        ("openai:gpt-5.4", "openai", "openai-responses", "gpt-5.4"),
        ("OpenAI/gpt-5.4", "openai", "openai-responses", "gpt-5.4"),
        ("  openai/gpt-5.4\n", "openai", "openai-responses", "gpt-5.4"),
        ("openai-chat/gpt-5.4", "openai", "openai-chat", "gpt-5.4"),
        ("openai-responses:gpt-5.4", "openai", "openai-responses", "gpt-5.4"),
        ("openai-responses/azure/mine", "azure", "openai-responses", "mine"),
        ("openai-responses/groq/openai/gpt-oss-20b", "groq", "openai-responses", "openai/gpt-oss-20b"),
        ("gpt-5.4", "openai", "openai-responses", "gpt-5.4"),
        ("gpt-4o-mini", "openai", "openai-responses", "gpt-4o-mini"),
        ("chatgpt-4o-latest", "openai", "openai-responses", "chatgpt-4o-latest"),
        ("o1", "openai", "openai-responses", "o1"),
        ("o4-mini", "openai", "openai-responses", "o4-mini"),
        ("ft:gpt-4o-mini:org::id", "openai", "openai-responses", "ft:gpt-4o-mini:org::id"),
        ("claude-sonnet-5", "anthropic", "anthropic", "claude-sonnet-5"),
        ("gemini-flash-latest", "gemini", "gemini", "gemini-flash-latest"),
        ("google/gemini-flash-latest", "gemini", "gemini", "gemini-flash-latest"),
        ("gemini/models/gemini-flash-latest", "gemini", "gemini", "gemini-flash-latest"),
        ("ollama/llama3.2:3b", "ollama", "ollama", "llama3.2:3b"),
        ("ollama:llama3.2:3b", "ollama", "ollama", "llama3.2:3b"),
        ("ollama_chat/llama3.2", "ollama", "ollama", "llama3.2"),
        ("groq/openai/gpt-oss-120b", "groq", "openai-chat", "openai/gpt-oss-120b"),
        ("together_ai/a/b", "together", "openai-chat", "a/b"),
        ("openrouter:openai/gpt-4o:free", "openrouter", "openai-chat", "openai/gpt-4o:free"),
        ("openrouter/auto", "openrouter", "openai-chat", "openrouter/auto"),
        ("fireworks_ai/gpt-oss-120b", "fireworks", "openai-chat", "accounts/fireworks/models/gpt-oss-120b"),
        ("fireworks/accounts/me/models/x", "fireworks", "openai-chat", "accounts/me/models/x"),
        ("vertex_ai/gemini-2.5-flash", "vertex", "openai-chat", "google/gemini-2.5-flash"),
        ("vertex/meta/llama-4", "vertex", "openai-chat", "meta/llama-4"),
    ],
)
def test_a_name_resolves_to_a_provider(name: str, provider: str, api: str, model: str) -> None:
    resolved = find(name)
    assert (resolved.endpoint.provider, resolved.endpoint.api, resolved.model) == (provider, api, model)


@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("openai-chat/ollama/llama3.2:3b", "http://127.0.0.1:11434/v1"),
        ("openai-responses/ollama/llama3.2", "http://127.0.0.1:11434/v1"),
        ("openai-chat/gemini/gemini-flash-latest", "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("openai-chat/anthropic/claude-sonnet-5", "https://api.anthropic.com/v1"),
    ],
)
def test_chat_completions_of_a_vendor_with_its_own_api(name: str, base_url: str) -> None:
    resolved = find(name)
    api, provider, model = name.split("/")
    assert place(resolved) == (provider, api, base_url, model)


def test_an_api_that_a_provider_does_not_speak_is_an_error() -> None:
    for name in ("openai-responses/gemini/x", "openai-responses/anthropic/x", "openai-responses/vertex/x"):
        with pytest.raises(errors.ConfigurationError, match="does not speak openai-responses"):
            find(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("opnai/gpt-5.4", "'openai/gpt-5.4'"),
        ("antropic:claude-sonnet-5", "'anthropic/claude-sonnet-5'"),
        ("gtp-5.4", "'openai/gpt-5.4'"),
        ("cluade-sonnet-5", "'anthropic/claude-sonnet-5'"),
        ("llama3.2:3b", "'ollama/llama3.2:3b'"),
        ("gpt-oss:20b", "'ollama/gpt-oss:20b'"),
        ("grok-4", "'xai/grok-4'"),
        ("meta-llama/Llama-3", "'together/meta-llama/Llama-3'"),
        ("openai", "'openai/gpt-5.4'"),
        ("openai/", "openai/gpt-5.4"),
        ("openai-responses/azure/", "azure/gpt-5.4"),
        ("something", "'openai/gpt-5.4'"),
        ("offlin", "Did you mean 'offline'?"),
        ("Offline", "Did you mean 'offline'?"),
        ("olive", "base_url="),  # not one of OpenAI's o-models
    ],
)
def test_an_unknown_name_gets_the_nearest_known_one(name: str, meant: str) -> None:
    with pytest.raises(errors.UnknownModel) as caught:
        find(name)
    assert meant in caught.value.hint
    assert repr(name) in caught.value.message


@pytest.mark.parametrize("name", ["gpt-5.4", "openai-chat/groq/m", "claude-sonnet-5", "mistral:m", "Groq/m"])
def test_provider_of_agrees_with_resolve(name: str) -> None:
    assert provider_of(name, {}) == find(name).endpoint.provider
    assert provider_of(None, {"HEADWATER_MODEL": name}) == provider_of(name, {})
    with pytest.raises(errors.UnknownModel):
        provider_of("nonesuch/m", {})


def test_an_unknown_name_with_a_local_server_says_what_to_write() -> None:
    with pytest.raises(errors.UnknownModel, match="OPENAI_BASE_URL, write 'openai/my-model'"):
        find("my-model", env={"OPENAI_BASE_URL": "http://localhost:8000/v1"})


def test_suggested_names_resolve() -> None:
    for name in ("opnai/gpt-5.4", "llama3.2:3b", "gtp-5.4", "grok-4", "mistral-large-latest", "azure", "qwen3"):
        with pytest.raises(errors.UnknownModel) as caught:
            find(name)
        suggested = re.findall(r"'([^']+)'", caught.value.hint)
        assert suggested
        for one in suggested:
            find(one)


# --- without a name


def test_without_a_name_the_variable_is_used() -> None:
    assert find(None, env={"HEADWATER_MODEL": "groq/x", "GROQ_API_KEY": "k"}).endpoint.provider == "groq"
    assert model_name(" ", {"HEADWATER_MODEL": " offline "}) == "offline"
    assert model_name("gpt-5.4", {"HEADWATER_MODEL": "offline"}) == "gpt-5.4"


def test_without_any_name_the_error_says_what_to_write() -> None:
    with pytest.raises(errors.ModelNotNamed) as caught:
        find(None, env={"HEADWATER_MODEL": " "})
    assert 'model="openai/gpt-5.4"' in caught.value.hint
    assert "OPENAI_API_KEY" in caught.value.hint
    assert 'model="offline"' in caught.value.hint


def test_without_any_name_the_error_says_which_keys_were_found_and_shows_none() -> None:
    env = {"ANTHROPIC_API_KEY": "sk-ant-secret", "GEMINI_API_KEY": "g-secret", "OPENAI_API_KEY": ""}
    with pytest.raises(errors.ModelNotNamed) as caught:
        find("", env=env)
    text = str(caught.value)
    assert "anthropic (ANTHROPIC_API_KEY), gemini (GEMINI_API_KEY)" in text
    assert 'model="anthropic/claude-sonnet-5" or model="gemini/gemini-flash-latest"' in text
    assert "secret" not in text
    assert "openai" not in text


def test_offline_and_replay_are_recognized() -> None:
    assert is_offline("offline")
    assert is_offline("offline/markdown")
    assert not is_offline("offliner")
    assert not is_offline("replay:x")
    assert replay_path("replay:a:b.json") == "a:b.json"
    assert replay_path("offline") is None


# --- keys


def test_a_missing_key_says_what_to_set() -> None:
    with pytest.raises(errors.MissingKey) as caught:
        find("openai/gpt-5.4", env={})
    assert str(caught.value) == (
        'No key for openai. Set OPENAI_API_KEY or pass api_key=. To try without a key: model="offline".'
    )


@pytest.mark.parametrize("name", [p.name for p in PROVIDERS.values() if not p.local and not p.token])
def test_vendors_require_a_key(name: str) -> None:
    env = {"AWS_REGION": "us-east-1", PROVIDERS[name].key_variables[0]: "  "}
    with pytest.raises(errors.MissingKey, match=f"No key for {name}"):
        find(f"{name}/m", env=env)


@pytest.mark.parametrize("name", [p.name for p in PROVIDERS.values() if p.local])
def test_local_servers_accept_but_do_not_require_a_key(name: str) -> None:
    assert find(f"{name}/m", env={}).endpoint.key is None
    assert key_of(find(f"{name}/m", env={PROVIDERS[name].key_variables[0]: "k"}).endpoint) == "k"


def test_keys_are_found_in_order_and_an_argument_wins() -> None:
    env = {"GOOGLE_API_KEY": "first", "GEMINI_API_KEY": "second"}
    assert key_of(find("gemini/x", env=env).endpoint) == "first"
    assert key_of(find("gemini/x", env={**env, "GOOGLE_API_KEY": ""}).endpoint) == "second"
    assert key_of(find("gemini/x", env=env, api_key="mine").endpoint) == "mine"
    assert key_of(find("gemini/x", env=env, api_key=" ").endpoint) == "first"


def test_a_bearer_token_goes_into_its_own_header() -> None:
    end = find("claude-sonnet-5", env={"ANTHROPIC_AUTH_TOKEN": "tok"}).endpoint
    assert end.key_headers("x-api-key") == {"authorization": "Bearer tok"}
    both = find("claude-sonnet-5", env={"ANTHROPIC_AUTH_TOKEN": "tok", "ANTHROPIC_API_KEY": "key"}).endpoint
    assert both.key_headers("x-api-key") == {"x-api-key": "key"}


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("sk-abc\n", "a line break"),
        ("sk-a\r\nX-Evil: 1", "a line break"),
        ("Bearer sk-abc", "a space"),
        ("sk-\tabc", "a space"),
        ("sk-abс", "not ASCII"),  # noqa: RUF001  # a Cyrillic letter, as copying from a web page brings
        ("sk-\x00abc", "a control character"),
        ('"sk-abc"', "quotation marks"),
    ],
)
def test_an_invalid_key_is_refused_and_not_shown(key: str, fault: str) -> None:
    for env, api_key in (({"OPENAI_API_KEY": key}, None), ({}, key)):
        with pytest.raises(errors.ConfigurationError, match=fault) as caught:
            find("gpt-5.4", env=env, api_key=api_key)
        assert "abc" not in str(caught.value)
        assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["your-api-key", "YOUR_OPENAI_API_KEY", "sk-...", "sk-xxxx", "<key>", "$OPENAI_API_KEY", "changeme", "…"]
)
def test_a_placeholder_is_not_a_key(key: str) -> None:
    with pytest.raises(errors.MissingKey, match="OPENAI_API_KEY holds a placeholder"):
        find("gpt-5.4", env={"OPENAI_API_KEY": key})


@pytest.mark.parametrize("key", ["sk-test", "test", "EMPTY", "none", "sk-proj-yourself-x", "AIzaSyD-x_9"])
def test_unusual_keys_are_accepted(key: str) -> None:
    assert key_of(find("gpt-5.4", env={"OPENAI_API_KEY": key}).endpoint) == key


def test_servers_without_keys_accept_a_placeholder() -> None:
    end = find("m", env={}, base_url="http://localhost:8000/v1", api_key="xxx").endpoint
    assert key_of(end) == "xxx"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://localhost:9/openai/v1", "http://[::1]:9"])
def test_a_local_replacement_accepts_any_key(url: str) -> None:
    env = {"AZURE_OPENAI_ENDPOINT": url, "AZURE_OPENAI_API_KEY": "x"}
    assert key_of(find("azure/m", env=env).endpoint) == "x"
    assert key_of(find("azure/m", env={}, base_url=url, api_key="x").endpoint) == "x"
    with pytest.raises(errors.MissingKey, match="placeholder"):
        find("azure/m", env={**env, "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com"})


def test_no_key_shows_in_a_resolved_model() -> None:
    for provider in PROVIDERS.values():
        resolved = find(f"{provider.name}/{provider.example}", api_key="very-secret")
        assert "very-secret" not in repr(resolved)
        assert "very-secret" not in str(msgspec.structs.asdict(resolved.endpoint))


def test_known_keys_lists_every_variable() -> None:
    keys = known_keys({"GEMINI_API_KEY": "x", "GROQ_API_KEY": " "})
    assert KeyVariable("gemini", "GEMINI_API_KEY", True) in keys
    assert KeyVariable("gemini", "GOOGLE_API_KEY", False) in keys
    assert KeyVariable("groq", "GROQ_API_KEY", False) in keys
    assert {key.provider for key in keys} == {p.name for p in PROVIDERS.values() if p.key_variables}
    assert sum(key.found for key in keys) == 1


# --- base URLs from variables


def test_a_base_url_variable_redirects_openai() -> None:
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1/", "OPENAI_API_KEY": "k"}
    for name in ("openai/gpt-5.4", "gpt-5.4"):
        resolved = find(name, env=env)
        assert place(resolved) == ("openai", "openai-chat", "http://127.0.0.1:8000/v1", "gpt-5.4")
        assert key_of(resolved.endpoint) == "k"
    assert find("openai-responses/gpt-5.4", env=env).endpoint.api == "openai-responses"
    assert find("gpt-5.4", env={"OPENAI_BASE_URL": "http://h/v1"}).endpoint.key is None


def test_a_base_url_variable_with_openais_own_url_keeps_responses() -> None:
    for url in ("https://api.openai.com/v1", "https://eu.api.openai.com/v1/"):
        assert find("gpt-5.4", env={"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "k"}).endpoint.api == "openai-responses"
        with pytest.raises(errors.MissingKey):
            find("gpt-5.4", env={"OPENAI_BASE_URL": url})


def test_the_older_variable_is_read_if_the_newer_is_not_set() -> None:
    env = {"OPENAI_API_BASE": "http://old/v1", "OPENAI_BASE_URL": ""}
    assert find("gpt-5.4", env=env).endpoint.base_url == "http://old/v1"
    assert find("gpt-5.4", env={**env, "OPENAI_BASE_URL": "http://new/v1"}).endpoint.base_url == "http://new/v1"


@pytest.mark.parametrize(
    ("variable", "value", "name", "base_url"),
    [
        ("ANTHROPIC_BASE_URL", "http://gate/anthropic/", "claude-sonnet-5", "http://gate/anthropic"),
        ("ANTHROPIC_BASE_URL", "http://gate/v1", "claude-sonnet-5", "http://gate"),
        ("GOOGLE_GEMINI_BASE_URL", "http://gate/v1beta/", "gemini-x", "http://gate"),
        ("GROQ_BASE_URL", "http://gate", "groq/x", "http://gate/openai/v1"),
        ("GROQ_BASE_URL", "http://gate/openai/v1/", "groq/x", "http://gate/openai/v1"),
        ("CEREBRAS_BASE_URL", "http://gate", "cerebras/x", "http://gate/v1"),
        ("OLLAMA_HOST", "gate", "ollama/x", "http://gate:11434"),
        ("VLLM_BASE_URL", "http://gate:9/v1", "vllm/x", "http://gate:9/v1"),
        ("AWS_BEDROCK_BASE_URL", "https://gate/openai/v1", "bedrock/x", "https://gate/openai/v1"),
    ],
)
def test_vendor_variables_are_read_as_the_vendors_do(variable: str, value: str, name: str, base_url: str) -> None:
    end = find(name, env={variable: value}).endpoint
    assert end.base_url == base_url
    assert end.key is None


def test_organization_and_project_are_sent_only_to_openai() -> None:
    env = {"OPENAI_API_KEY": "k", "OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1"}
    assert find("gpt-5.4", env=env).endpoint.headers == {"OpenAI-Organization": "org-1", "OpenAI-Project": "proj-1"}
    assert find("gpt-5.4", env=env, base_url="http://other/v1").endpoint.headers == {}
    with pytest.raises(errors.ConfigurationError, match="OPENAI_ORG_ID"):
        find("gpt-5.4", env={**env, "OPENAI_ORG_ID": "a\r\nb"})


# --- base URLs that are passed


@pytest.mark.parametrize(
    ("name", "api", "model"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "openai-chat", "meta-llama/Llama-3.1-8B-Instruct"),
        ("llama3.2:3b", "openai-chat", "llama3.2:3b"),
        ("openai/gpt-4o", "openai-chat", "gpt-4o"),
        ("openai-chat/openai/gpt-oss-120b", "openai-chat", "openai/gpt-oss-120b"),
        ("vllm/echo", "openai-chat", "echo"),
        ("VLLM/meta-llama/Llama-3.1", "openai-chat", "meta-llama/Llama-3.1"),
        ("groq/a/b", "openai-chat", "a/b"),
        ("ollama:llama3.2:3b", "ollama", "llama3.2:3b"),
        ("google-genai/gemini-x", "gemini", "gemini-x"),
        # names of models, not of providers
        ("google/gemma-3", "openai-chat", "google/gemma-3"),
        ("mistralai/Mistral-7B", "openai-chat", "mistralai/Mistral-7B"),
        ("mistral:7b", "openai-chat", "mistral:7b"),
        ("vllm", "openai-chat", "vllm"),
        ("vllm/", "openai-chat", "vllm/"),
        ("gpt-5.4", "openai-chat", "gpt-5.4"),
        ("claude-sonnet-5", "openai-chat", "claude-sonnet-5"),
        ("openai-chat/a/b", "openai-chat", "a/b"),
        ("openai-responses/a/b", "openai-responses", "a/b"),
        ("anthropic/claude", "anthropic", "claude"),
        ("gemini/gemini-x", "gemini", "gemini-x"),
        ("ollama/llama3.2:3b", "ollama", "llama3.2:3b"),
    ],
)
def test_with_a_base_url_a_provider_or_api_prefix_is_removed(name: str, api: str, model: str) -> None:
    resolved = find(name, base_url="http://127.0.0.1:9000/abc/")
    assert (resolved.endpoint.api, resolved.model) == (api, model)
    assert resolved.endpoint.base_url == "http://127.0.0.1:9000/abc"


@given(st.text(min_size=1).filter(lambda text: text.strip() == text))
@settings(max_examples=tries(25, 100), deadline=None)
def test_with_a_base_url_any_other_name_is_unchanged(name: str) -> None:
    if re.split("[/:]", name)[0].lower() not in {*API_MODULES, *BY_ANY_NAME}:
        assert find(name, base_url="http://localhost/v1").model == name


def test_no_key_of_the_environment_is_sent_to_an_unrelated_host() -> None:
    for url in (
        "http://localhost:8000/v1",
        "https://api.openai.com.evil.example/v1",
        "https://evilapi.openai.com.example/v1",
        "https://example.com/api.openai.com/v1",
        "https://bedrock-runtime.example.com",
    ):
        for name in ("m", "gpt-5.4", "claude-sonnet-5", "openai-responses/gpt-5.4", "google/gemma-3", "a/b"):
            end = find(name, base_url=url).endpoint
            assert end.key is None
            assert end.token == ""
            assert end.headers == {}
            assert key_of(find(name, base_url=url, api_key="mine").endpoint) == "mine"


@pytest.mark.parametrize("name", ["openai", "anthropic", "groq", "vllm", "lmstudio", "ollama"])
def test_a_named_provider_gets_only_its_key_at_any_url(name: str) -> None:
    env = {**EVERY_KEY, "OPENAI_ORG_ID": "org-1", "LLAMACPP_BASE_URL": "http://mine/v1"}
    end = find(f"{name}/m", env=env, base_url="http://h/v1").endpoint
    assert (end.provider, key_of(end), end.headers, end.token) == (name, f"key-of-{name}", {}, "")
    assert key_of(find(f"{name}/m", env=env, base_url="http://h/v1", api_key="mine").endpoint) == "mine"
    # the provider whose variable holds the URL gets its key sent
    assert key_of(find(f"{name}/m", env=env, base_url="http://mine/v1").endpoint) == "key-of-llamacpp"


def test_an_api_prefix_counts_despite_another_providers_url_variable() -> None:
    env = {"LLAMACPP_BASE_URL": "http://mine/v1"}
    for name, api in (("anthropic/x", "anthropic"), ("gemini/x", "gemini"), ("openai-responses/x", "openai-responses")):
        resolved = find(name, env=env, base_url="http://mine/v1")
        assert (resolved.endpoint.api, resolved.model) == (api, "x")
    assert place(find("x", env=env, base_url="http://mine/v1")) == ("llamacpp", "openai-chat", "http://mine/v1", "x")


def test_a_name_means_the_same_with_and_without_its_base_url() -> None:
    for name in (
        "openrouter/auto",
        "groq/compound",
        "groq/openai/gpt-oss-120b",
        "fireworks/m",
        "deepseek/m",
        "openai/m",
    ):
        by_name = find(name)
        assert place(find(name, base_url=by_name.endpoint.base_url)) == place(by_name)
    assert find("groq/compound").model == "groq/compound"


def test_a_models_id_with_slashes_may_follow_an_api() -> None:
    env = {"OPENAI_BASE_URL": "http://h/v1"}
    assert find("openai-chat/openai/gpt-oss-120b", env=env).model == "openai/gpt-oss-120b"
    assert find("openai-chat/openai/gpt-5.4").model == "gpt-5.4"  # OpenAI has no such model ids


def test_a_vendors_host_is_recognized_and_gets_its_key() -> None:
    resolved = find("openai/gpt-4o", base_url="https://openrouter.ai/api/v1")
    assert place(resolved) == ("openrouter", "openai-chat", "https://openrouter.ai/api/v1", "openai/gpt-4o")
    assert key_of(resolved.endpoint) == "key-of-openrouter"
    with pytest.raises(errors.MissingKey, match="DEEPSEEK_API_KEY"):
        find("deepseek-chat", env={}, base_url="https://api.deepseek.com")


def test_a_routers_model_ids_may_start_like_an_api() -> None:
    assert place(find("anthropic/claude", base_url="https://openrouter.ai/api/v1"))[1::2] == (
        "openai-chat",
        "anthropic/claude",
    )
    # unless the URL shows that it has that API too
    assert place(find("anthropic/deepseek-chat", base_url="https://api.deepseek.com/anthropic")) == (
        "deepseek",
        "anthropic",
        "https://api.deepseek.com/anthropic",
        "deepseek-chat",
    )


def test_openais_own_url_is_openai() -> None:
    expected = ("openai", "openai-responses", "https://api.openai.com/v1", "gpt-5.4")
    assert place(find("gpt-5.4", base_url="https://api.openai.com/v1/")) == expected
    assert place(find("openai/gpt-5.4", base_url="https://api.openai.com/v1")) == expected


def test_a_vendors_compatible_endpoint_uses_chat_completions() -> None:
    url = "https://generativelanguage.googleapis.com/v1beta/openai"
    assert place(find("gemini-2.5-flash", base_url=url + "/")) == ("gemini", "openai-chat", url, "gemini-2.5-flash")


def test_a_url_from_a_variable_gets_that_providers_key() -> None:
    env = {"OPENAI_BASE_URL": "http://proxy/v1/", "OPENAI_API_KEY": "k"}
    resolved = find("a/b", env=env, base_url="http://proxy/v1")
    assert place(resolved) == ("openai", "openai-chat", "http://proxy/v1", "a/b")
    assert key_of(resolved.endpoint) == "k"


@pytest.mark.parametrize(
    ("name", "url", "base_url"),
    [
        ("m", "http://h/v1/chat/completions", "http://h/v1"),
        ("openai-responses/m", "http://h/v1/responses/", "http://h/v1"),
        ("anthropic/m", "http://h/v1/messages", "http://h"),
        ("anthropic/m", "http://h/v1", "http://h"),
        ("gemini/m", "http://h/v1beta", "http://h"),
        ("ollama/m", "http://h:11434/api/chat", "http://h:11434"),
        ("ollama/m", "http://h:11434/v1", "http://h:11434"),
        ("m", "http://h:11434/v1///", "http://h:11434/v1"),
    ],
)
def test_an_apis_own_path_is_removed_from_a_base_url(name: str, url: str, base_url: str) -> None:
    assert find(name, base_url=url).endpoint.base_url == base_url


def test_a_query_in_a_base_url_is_sent() -> None:
    end = find("m", base_url="https://h/v1?tenant=a%20b&flag=").endpoint
    assert (end.base_url, end.query) == ("https://h/v1", {"tenant": "a b", "flag": ""})


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "ftp://h/v1",
        "http://",
        "h",
        "http://h:port/v1",
        "http://h:99999",
        "http://[::1",
        "http://a b/",
    ],
)
def test_an_invalid_base_url_is_an_error(url: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="base_url is not an http"):
        find("m", base_url=url)
    with pytest.raises(errors.ConfigurationError, match="OPENAI_BASE_URL is not an http"):
        find("openai/m", env={"OPENAI_BASE_URL": url})


@pytest.mark.parametrize("url", ["https://user:hunter2@h/v1", "https://hunter2@h:port/v1"])
def test_a_password_in_a_base_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        find("m", base_url=url)
    assert "hunter2" not in str(caught.value)


def test_a_blank_base_url_is_ignored() -> None:
    assert find("gpt-5.4", base_url=" ").endpoint.base_url == "https://api.openai.com/v1"


# --- providers with a built base URL


# --- arbitrary input


def test_a_host_may_contain_an_apis_path() -> None:
    assert resolve("ollama/x", base_url="http://api", env={}).endpoint.base_url == "http://api"
    assert resolve("ollama/x", base_url="http://api/api", env={}).endpoint.base_url == "http://api"


@given(
    name=st.text(max_size=30),
    base_url=st.none() | st.text(max_size=30) | st.text(max_size=20).map(lambda text: "http://" + text),
    api_key=st.none() | st.text(max_size=10),
    env=st.dictionaries(
        st.sampled_from(
            ["OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST", "AZURE_OPENAI_ENDPOINT", "HEADWATER_MODEL"]
        ),
        st.text(max_size=20),
    ),
)
@settings(max_examples=tries(50, 200), deadline=None)
def test_any_input_is_resolved_or_a_usage_error(
    name: str, base_url: str | None, api_key: str | None, env: dict[str, str]
) -> None:
    for prefix in ("", "openai/", "ollama/", "azure/"):
        with contextlib.suppress(errors.ConfigurationError):
            resolved = resolve(prefix + name, base_url=base_url, api_key=api_key, env=env)
            assert resolved.model
            assert re.match(r"https?://[^/\s]+", resolved.endpoint.base_url)
            assert not resolved.endpoint.base_url.endswith("/")


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_request_is_complete_and_has_the_key_once(name: str) -> None:
    resolved = find(f"{name}/{PROVIDERS[name].example}", api_key="sk-secret")
    end = resolved.endpoint
    request = Request(model=resolved.model, messages=(Message.user("hi"),))
    sent = load_api(end.api).encode(request, end)
    assert sent.url.startswith(end.base_url + "/")
    assert "//" not in sent.url.partition("://")[2]
    assert [value.removeprefix("Bearer ") for value in sent.headers.values() if "secret" in value] == ["sk-secret"]
    assert "secret" not in sent.url + sent.body.decode() + repr(sent)
