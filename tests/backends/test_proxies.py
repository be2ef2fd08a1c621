"""The proxy for a URL, from the environment."""

from __future__ import annotations

import pytest

from headwater.backends.proxies import host_of, not_retryable, proxy_for, proxy_refused, proxy_secrets
from headwater.errors import ConfigurationError, ConnectionFailed

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("env", "url", "proxy"),
    [
        ({}, "https://api.example/v1", None),
        ({"HTTPS_PROXY": "http://gate:3128"}, "https://api.example/v1", "http://gate:3128"),
        ({"https_proxy": "http://gate:3128"}, "https://api.example/v1", "http://gate:3128"),
        ({"HTTPS_PROXY": "http://gate:3128"}, "http://api.example/v1", None),
        ({"HTTP_PROXY": "gate:3128"}, "http://api.example/v1", "http://gate:3128"),
        ({"ALL_PROXY": "https://gate"}, "https://api.example/v1", "https://gate"),
        ({"ALL_PROXY": "http://gate", "HTTPS_PROXY": "http://other"}, "https://api.example/v1", "http://other"),
        ({"HTTPS_PROXY": "http://gate", "NO_PROXY": "api.example"}, "https://api.example/v1", None),
        ({"HTTPS_PROXY": "http://gate", "NO_PROXY": ".example"}, "https://api.example/v1", None),
        ({"HTTPS_PROXY": "http://gate", "NO_PROXY": "*"}, "https://api.example/v1", None),
        ({"HTTPS_PROXY": "http://gate", "NO_PROXY": "elsewhere"}, "https://api.example/v1", "http://gate"),
        ({"HTTPS_PROXY": ""}, "https://api.example/v1", None),
    ],
)
def test_the_proxy_comes_from_the_environment(
    env: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("socks5://gate:1080", "uses socks5"),
        ("http://", "is not a valid URL"),
        ("http://gate:port", "is not a valid URL"),
        ("http://gate:0", "is not a valid URL"),
    ],
)
def test_an_invalid_proxy_is_an_error(proxy: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match=said):
        proxy_for("https://api.example/v1")
    assert proxy_secrets("https://api.example/v1") == ()


def test_its_password_is_a_secret_in_both_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_secrets("https://api.example/v1") == ()
    monkeypatch.setenv("HTTPS_PROXY", "http://gate:3128")
    assert proxy_secrets("https://api.example/v1") == ()
    monkeypatch.setenv("HTTPS_PROXY", "http://me:p%40ss@gate:3128")
    assert proxy_secrets("https://api.example/v1") == ("p@ss", "bWU6cEBzcw==")


def test_the_host_of_a_url_is_without_its_password() -> None:
    assert host_of("https://me:pass@api.example:8443/v1?x=1") == "api.example:8443"
    assert host_of("http://[::1]:80/") == "[::1]:80"
    assert host_of("") == ""


@pytest.mark.parametrize(("status", "hint"), [(407, "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"), (403, "NO_PROXY")])
def test_its_refusal_is_not_retryable(status: int, hint: str) -> None:
    error = proxy_refused("api.example", status)
    assert error.message == f"The proxy refused to connect to api.example (HTTP {status})."
    assert hint in error.hint
    assert not error.retryable


def test_not_retryable() -> None:
    error = ConnectionFailed("It broke.")
    assert error.retryable
    assert not_retryable(error) is error
    assert not error.retryable
