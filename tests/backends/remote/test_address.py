from __future__ import annotations

import pytest

from headwater.backends.remote.address import address_of
from headwater.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "base", "run"),
    [
        ("http://localhost:8000", "http://localhost:8000", ""),
        ("http://localhost:8000/", "http://localhost:8000", ""),
        ("https://agents.example/team/", "https://agents.example/team", ""),
        ("http://h/runs/run_1", "http://h", "run_1"),
        ("http://h/runs/run_1/", "http://h", "run_1"),
        ("http://h/a/b/runs/run_1/events?after=3", "http://h/a/b", "run_1"),
        ("http://h/runs/run_1/page.html", "http://h", "run_1"),
        ("http://h/#run=run_1", "http://h", "run_1"),
        ("http://h/agents/#run=run_1&with=run_2", "http://h/agents", "run_1"),
        ("http://h/runs/a%2Fb", "http://h", "a/b"),
        ("http://h/runs/runs/x", "http://h/runs", "x"),
        (" http://[::1]:80/runs/x ", "http://[::1]:80", "x"),
    ],
)
def test_an_address_is_read(url: str, base: str, run: str) -> None:
    address = address_of(url)
    assert (address.base, address.run) == (base, run)
    if run:
        assert address_of(address.run_url) == address  # its own form leads to the same


def test_the_printed_address_brings_its_token() -> None:
    address = address_of("http://127.0.0.1:8000/#token=abc_DEF-123")
    assert (address.base, address.token) == ("http://127.0.0.1:8000", "abc_DEF-123")
    assert "abc_DEF-123" not in repr(address)
    assert address_of("http://h/#token=a%0Ab").token == ""


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://h/runs/1", "http://", "http://h:port/", "http://[::1/", "run_1", 7, None]
)
def test_an_invalid_address_is_refused(url: object) -> None:
    with pytest.raises(ConfigurationError, match="http://HOST/runs/ID"):
        address_of(url)  # type: ignore[arg-type]


def test_a_password_is_refused_and_not_shown() -> None:
    for url in ("http://me:hidden-word@h/runs/1", "ftp://me:hidden-word@h/#token=hidden-word"):
        with pytest.raises(ConfigurationError) as caught:
            address_of(url)
        assert "hidden-word" not in str(caught.value)
