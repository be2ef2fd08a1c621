from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.providers.catalog import PROVIDERS
from headwater.providers.registry import MODEL_VARIABLE
from tests.system.error_messages.server import Server


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where nothing has been set up."""
    variables = {MODEL_VARIABLE, "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENAI_API_VERSION"}
    for provider in PROVIDERS.values():
        variables |= {*provider.key_variables, *provider.token_variables, *provider.base_url_variables}
        variables |= {*provider.header_variables.values()}
    for name in variables | {name for name in os.environ if name.lower().endswith("_proxy")}:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that no one trusts, with its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "self-signed.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    try:
        subprocess.run([*command, "-keyout", str(path), "-out", f"{path}.crt"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def secure_server(certificate: Path) -> Iterator[Server]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with Server(tls) as server:
        yield server
