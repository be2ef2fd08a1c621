"""Where a command listens, and who may ask; servers that run are in `test_serve` and `test_gateway`."""

from __future__ import annotations

import argparse
import socket
from argparse import Namespace

import pytest

from headwater.cli import listening
from headwater.errors import ConfigurationError, UsageError


def parsed(*arguments: str) -> Namespace:
    parser = argparse.ArgumentParser()
    listening.add_address(parser, 8000)
    listening.add_who_may_ask(parser)
    return parser.parse_args(arguments)


def test_a_token_is_needed_where_others_can_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADWATER_TOKEN", raising=False)
    assert listening.token_of(parsed()) is None
    assert listening.token_of(parsed("--host", "::1")) is None
    with pytest.raises(UsageError, match="HEADWATER_TOKEN"):
        listening.token_of(parsed("--host", "0.0.0.0"))
    assert listening.token_of(parsed("--host", "0.0.0.0", "--insecure")) is None
    with pytest.raises(UsageError, match=r"agents\.example is reachable"):  # by a proxy on this machine
        listening.token_of(parsed("--allow-host", "localhost", "--allow-host", "agents.example"))
    assert listening.token_of(parsed("--allow-host", "agents.example", "--insecure")) is None
    assert listening.token_of(parsed("--allow-host", "Localhost")) is None
    with pytest.raises(UsageError, match="is empty"):
        listening.token_of(parsed("--token", ""))
    for name in ("", "*", "http://agents.example", "agents.example:80"):
        with pytest.raises(UsageError, match="not a host name"):
            listening.token_of(parsed("--insecure", "--allow-host", name))
    made = parsed("--token")
    assert listening.made_here(made)
    assert len(listening.token_of(made) or "") >= 32
    assert listening.token_of(parsed("--token", "x" * 32)) == "x" * 32
    monkeypatch.setenv("HEADWATER_TOKEN", "y" * 32)
    assert listening.token_of(parsed("--host", "0.0.0.0")) == "y" * 32


def test_an_address_is_listened_on_once() -> None:
    with listening.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert listening.address_of("0.0.0.0", listener) == f"http://localhost:{port}"
        assert listening.address_of("::1", listener) == f"http://[::1]:{port}"
        with pytest.raises(ConfigurationError, match="--port 0"):
            listening.listen("127.0.0.1", port)
    with pytest.raises(ConfigurationError):
        listening.listen("256.1.1.1", 0)


def test_ports_are_numbers() -> None:
    assert parsed("--port", "0").port == 0
    for wrong in ("65536", "-1", "http"):
        with pytest.raises(SystemExit):
            parsed(f"--port={wrong}")


@pytest.mark.parametrize(
    ("host", "alone"), [("localhost", True), ("127.0.0.9", True), ("10.0.0.1", False), ("x", False)]
)
def test_what_only_this_machine_reaches(host: str, alone: bool) -> None:
    assert listening.is_loopback(host) is alone


def test_the_listener_is_of_the_hosts_family() -> None:
    with listening.listen("127.0.0.1", 0) as listener:
        assert listener.family == socket.AF_INET
