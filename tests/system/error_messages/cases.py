"""The cases: functions that each make one mistake, with a heading for the page of errors.

A case is a function under `@case("A heading")`. Its docstring is the advice below the message. It raises what a new
user would see at the end of a traceback, or returns what is printed. scripts/error_reference.py writes the page from
them.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import os
import pkgutil
import re
import ssl
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

import pytest

from headwater import Agent
from headwater.providers.catalog import PROVIDERS
from headwater.providers.registry import MODEL_VARIABLE
from tests.system.error_messages.server import Server

__all__ = ("Case", "Here", "all_cases", "case", "inside_a_loop", "offline", "openai", "provoke", "set_up_nothing")


def set_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear the environment, as on a machine where nothing has been set up."""
    variables = {MODEL_VARIABLE, "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENAI_API_VERSION"}
    for provider in PROVIDERS.values():
        variables |= {*provider.key_variables, *provider.token_variables, *provider.base_url_variables}
        variables |= {*provider.header_variables.values()}
    for name in variables | {name for name in os.environ if name.lower().endswith("_proxy")}:
        monkeypatch.delenv(name, raising=False)


class Here:
    """What a case needs: a clean environment, and servers. A context manager."""

    def __init__(self) -> None:
        self.servers: list[Server] = []
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._patch = self._open.enter_context(pytest.MonkeyPatch.context())
        set_up_nothing(self._patch)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def setenv(self, name: str, value: str) -> None:
        """Set a variable, as the user would before starting the program."""
        self._patch.setenv(name, value)

    @property
    def server(self) -> Server:
        """The case's server."""
        return self.servers[0] if self.servers else self._begun(Server())

    @property
    def secure_server(self) -> Server:
        """The same with TLS and an untrusted certificate."""
        return self.servers[0] if self.servers else self._begun(Server(self._untrusted()))

    def _begun(self, server: Server) -> Server:
        self.servers.append(self._open.enter_context(server))
        return server

    def _untrusted(self) -> ssl.SSLContext:
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        command += ["-keyout", str(key), "-out", str(certificate)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        return tls


Trigger: TypeAlias = Callable[[Here], Any]


class Case(NamedTuple):
    """One mistake, and what to do about it."""

    trigger: Trigger
    advice: str

    @property
    def place(self) -> tuple[str, int]:
        """Where it is written: the module, the line."""
        return self.trigger.__module__, self.trigger.__code__.co_firstlineno


_cases: dict[str, Case] = {}


def all_cases() -> Mapping[str, Case]:
    """Every case in this folder's modules by its heading, in source order."""
    folder = Path(__file__).parent
    for module in pkgutil.iter_modules([str(folder)]):
        if not module.name.startswith("test_"):
            importlib.import_module(f"{__package__}.{module.name}")
    return dict(sorted(_cases.items(), key=lambda item: item[1].place))


def case(title: str) -> Callable[[Trigger], Trigger]:
    """Register the function under this heading; its docstring says what to do about the error."""

    def add(trigger: Trigger) -> Trigger:
        assert title not in _cases, f"{title} is tried twice"
        advice = inspect.getdoc(trigger)
        assert advice, f"{title}: write a docstring that says what to do about it"
        _cases[title] = Case(trigger, advice)
        return trigger

    return add


def provoke(case: Case) -> tuple[str, BaseException | None]:
    """Returns the end of the traceback, with fixed addresses and ids, and the exception."""
    with Here() as here:
        try:
            text, error = case.trigger(here), None
        except Exception as raised:
            text, error = "".join(traceback.format_exception_only(raised)).strip(), raised
        assert isinstance(text, str), "the case has to raise, or to return what is printed"
        for server in here.servers:
            text = text.replace(server.address, "127.0.0.1:8000")
    text = re.sub(r"127\.0\.0\.1:\d{4,5}(?<!:11434)(?<!:8000)", "127.0.0.1:8000", text)
    text = re.sub(r"\brun_[0-9a-f]{18}\b", "run_2f6c", text)
    return text.replace("127.0.0.2", "127.0.0.1"), error


def offline(**arguments: Any) -> Agent[Any, Any]:
    """An agent with the offline model; arguments may be invalid."""
    return Agent(model="offline", **arguments)


def openai(here: Here, **arguments: Any) -> Agent[Any, Any]:
    """An agent whose provider is the case's server."""
    here.setenv("OPENAI_BASE_URL", here.server.url)
    return Agent(**{"model": "openai/gpt-5.4", "api_key": "sk-newcomer-0123456789", "retries": 0, **arguments})


def inside_a_loop(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run it with asyncio.run, like a program's main."""
    return asyncio.run(main())
