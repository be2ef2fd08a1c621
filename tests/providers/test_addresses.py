"""Base URLs built from variables: Azure, Bedrock, Vertex AI and OLLAMA_HOST."""

from __future__ import annotations

import pytest

from headwater import errors
from headwater.providers.addresses import checked_url, is_loopback, ollama_base_url
from tests.providers.resolving import find, key_of


@pytest.mark.parametrize("endpoint", ["https://res.openai.azure.com", "https://res.openai.azure.com/openai/v1/"])
def test_azure_without_an_api_version(endpoint: str) -> None:
    env = {"AZURE_OPENAI_ENDPOINT": endpoint, "AZURE_OPENAI_API_KEY": "k"}
    for end in (find("azure/mine", env=env).endpoint, find("mine", env=env, base_url=endpoint).endpoint):
        assert (end.provider, end.api) == ("azure", "openai-chat")
        assert end.base_url == "https://res.openai.azure.com/openai/v1"
        assert end.query == {}
        assert end.key_headers("authorization") == {"api-key": "k"}


def test_azure_with_an_api_version() -> None:
    env = {
        "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com/",
        "AZURE_OPENAI_API_KEY": "k",
        "OPENAI_API_VERSION": "2024-10-21",
    }
    end = find("azure/my model", env=env).endpoint
    assert end.base_url == "https://res.openai.azure.com/openai/deployments/my%20model"
    assert end.query == {"api-version": "2024-10-21"}
    assert find("openai-responses/azure/m", env=env).endpoint.base_url == "https://res.openai.azure.com/openai"
    preview = find("azure/m", env={**env, "OPENAI_API_VERSION": "preview"}).endpoint
    assert (preview.base_url[-10:], preview.query) == ("/openai/v1", {"api-version": "preview"})
    undated = find("m", env=env, base_url="https://res.openai.azure.com/openai/v1").endpoint
    assert (undated.base_url, undated.query) == ("https://res.openai.azure.com/openai/v1", {})


def test_an_azure_deployment_url_is_used_unchanged() -> None:
    url = "https://res.openai.azure.com/openai/deployments/d"
    end = find("d", base_url=f"{url}/chat/completions?api-version=2024-10-21").endpoint
    assert (end.base_url, end.query) == (url, {"api-version": "2024-10-21"})


def test_azure_without_a_key_asks_for_a_token() -> None:
    env = {"AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com"}
    end = find("azure/m", env=env).endpoint
    assert (end.key, end.token) == (None, "azure")
    token = find("azure/m", env={**env, "AZURE_OPENAI_AD_TOKEN": "t"}).endpoint
    assert (token.token, token.key_headers("authorization")) == ("", {"authorization": "Bearer t"})


def test_azure_without_an_endpoint_says_what_to_set() -> None:
    with pytest.raises(errors.ConfigurationError, match="AZURE_OPENAI_ENDPOINT"):
        find("azure/m", env={})


def test_bedrock_is_reached_in_its_region() -> None:
    env = {"AWS_BEARER_TOKEN_BEDROCK": "k", "AWS_DEFAULT_REGION": "us-west-2"}
    assert find("bedrock/m", env=env).endpoint.base_url == "https://bedrock-mantle.us-west-2.api.aws/v1"
    url = "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"
    end = find("m", env=env, base_url=url).endpoint
    assert (end.provider, end.base_url, key_of(end)) == ("bedrock", url, "k")
    for region in ("", "nowhere", "us-east-1.evil.example/"):
        with pytest.raises(errors.ConfigurationError, match=r"bedrock-mantle\.REGION\.api\.aws"):
            find("bedrock/m", env={**env, "AWS_DEFAULT_REGION": region})


@pytest.mark.parametrize(
    ("location", "start"),
    [
        ("", "https://aiplatform.googleapis.com/v1/projects/p/locations/global/"),
        ("global", "https://aiplatform.googleapis.com/v1/projects/p/locations/global/"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/"),
        ("us-central1", "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/"),
    ],
)
def test_vertex_is_reached_in_its_project_and_location(location: str, start: str) -> None:
    env = {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": location}
    end = find("vertex/gemini-2.5-flash", env=env).endpoint
    assert end.base_url == start + "endpoints/openapi"
    assert (end.key, end.token) == (None, "google")
    again = find("google/gemini-2.5-flash", env={}, base_url=end.base_url)
    assert (again.endpoint.provider, again.endpoint.token, again.model) == (
        "vertex",
        "google",
        "google/gemini-2.5-flash",
    )
    assert key_of(find("vertex/m", env=env, api_key="token").endpoint) == "token"


def test_vertex_without_a_project_says_what_to_set() -> None:
    for env in ({}, {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "a.b/c"}, {"GOOGLE_CLOUD_PROJECT": "a/b"}):
        with pytest.raises(errors.ConfigurationError, match="projects/PROJECT/locations/global/endpoints/openapi"):
            find("vertex/m", env=env)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("example.com", "http://example.com:11434"),
        ("example.com/", "http://example.com:11434"),
        ("example.com:5678", "http://example.com:5678"),
        (":5678", "http://127.0.0.1:5678"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("http://0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("http://example.com", "http://example.com:80"),
        ("https://example.com", "https://example.com:443"),
        ("https://example.com:5678/path/", "https://example.com:5678/path"),
        ("example.com/path", "http://example.com:11434/path"),
        ("ollama.com", "https://ollama.com:443"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:5678", "http://[::1]:5678"),
        ("http://[::1]", "http://[::1]:80"),
        ("::", "http://[::1]:11434"),
        ("[::]:5678/path", "http://[::1]:5678/path"),
        ("0001:0002::1", "http://[1:2::1]:11434"),
        (' "example.com" ', "http://example.com:11434"),
    ],
)
def test_ollama_host_in_every_form_that_ollama_takes(host: str, url: str) -> None:
    assert ollama_base_url(host) == url
    if host:
        assert find("ollama/m", env={"OLLAMA_HOST": host}).endpoint.base_url == url


@pytest.mark.parametrize("host", ["ftp://h", "h:port", "h:99999", "[::1", "a b", "user:pw@h"])
def test_an_invalid_ollama_host_is_an_error(host: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="OLLAMA_HOST") as caught:
        ollama_base_url(host)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://127.8.8.8", True),
        ("http://localhost", True),
        ("http://box.localhost:1", True),
        ("http://[::1]:8000", True),
        ("http://10.0.0.1", False),
        ("https://localhost.example.com", False),
    ],
)
def test_loopback(url: str, here: bool) -> None:
    assert is_loopback(url) is here


def test_a_lone_surrogate_is_in_no_url() -> None:
    with pytest.raises(errors.ConfigurationError, match="is not an http"):
        checked_url("http://h/caf\udce9", "base_url")
