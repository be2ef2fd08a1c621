"""A Temporal server that is reached over TLS with a key or a certificate, as Temporal Cloud is: real nginx before the
test server. Skipped where there is no nginx."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.journal.engines.drives import Drives
from tests.support.temporal import running_temporal
from tests.system.deploy.test_nginx import NGINX

from headwater.errors import ConfigurationError, HeadwaterError, JournalUnavailable
from headwater.journal.engines.temporal import Temporal

pytestmark = [
    pytest.mark.xdist_group("temporal"),
    pytest.mark.skipif(not Path(NGINX).exists(), reason="there is no nginx on this machine"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl on this machine"),
]

KEY: Final = "sesame"

NEW: Final = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} -keyout {name}.key"
SIGN: Final = "openssl x509 -req -in {name}.csr -CA {by}.pem -CAkey {by}.key -days 2 -extfile {by}.says -out {name}.pem"

CONFIGURATION: Final = """
daemon off; master_process off; pid pid; error_log error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    ssl_certificate server.pem; ssl_certificate_key server.key; ssl_client_certificate authority.pem;
    grpc_read_timeout 120s; grpc_send_timeout 120s; client_body_timeout 120s;
    server {{
        listen 127.0.0.1:{with_key} ssl http2;
        if ($http_authorization != "Bearer {key}") {{ return 401; }}
        location / {{ grpc_pass grpc://127.0.0.1:{server}; }}
        error_page 401 = @denied;
        location @denied {{
            default_type application/grpc;
            add_header grpc-status 16 always;
            add_header grpc-message "Request unauthorized." always;
            return 204;
        }}
    }}
    server {{
        listen 127.0.0.1:{with_certificate} ssl http2;
        ssl_verify_client on;
        location / {{ grpc_pass grpc://127.0.0.1:{server}; }}
    }}
}}
"""


@dataclass(frozen=True)
class Doors:
    """Two ways to the server: one wants a key, the other a certificate. The folder has the certificates."""

    folder: Path
    with_key: int
    with_certificate: int

    def set(self, monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
        """Set variables of Temporal; a file is one of the folder."""
        for name, value in variables.items():
            full = str(self.folder / value) if name.endswith("_PATH") else value
            monkeypatch.setenv(f"TEMPORAL_{name}", full)


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("doors")

    def run(command: str, **names: str) -> None:
        subprocess.run(command.format(**names).split(), cwd=folder, check=True, capture_output=True)

    for authority in ("authority", "another"):
        run(f"{NEW} -x509 -days 2 -out {{name}}.pem", name=authority)
        (folder / f"{authority}.says").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
    for name, by in (("server", "authority"), ("client", "authority"), ("stranger", "another")):
        run(f"{NEW} -out {{name}}.csr", name=name)
        run(SIGN, name=name, by=by)
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        made = Doors(folder, one.getsockname()[1], other.getsockname()[1])
    file = folder / "nginx.conf"
    ports = {"with_key": made.with_key, "with_certificate": made.with_certificate}
    file.write_text(CONFIGURATION.format(key=KEY, server=running_temporal().rpartition(":")[2], **ports))
    process = subprocess.Popen([NGINX, "-c", str(file), "-p", str(folder)], stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 30.0
        while True:
            try:
                socket.create_connection(("127.0.0.1", made.with_certificate), 1.0).close()
                break
            except OSError:
                assert process.poll() is None, process.stderr and process.stderr.read()
                assert time.monotonic() < until
                time.sleep(0.02)
        yield made
    finally:
        process.terminate()
        process.communicate()


def submitted(port: int, run: str, *, drives: Drives | None = None) -> None:
    """Submit a run, and have it driven if it is said by what."""

    async def main() -> None:
        engine = Temporal(f"temporal://localhost:{port}/access", journal="memory:")
        await engine.submit(run, queue=run)
        if drives is not None:
            serving = asyncio.ensure_future(engine.serve(drives, queues=[run]))
            await drives.has(1)
            await engine.drain(0.0)
            await serving
        await engine.close()

    asyncio.run(main())


TRUST: Final = {"TLS_SERVER_CA_CERT_PATH": "authority.pem"}
CERTIFICATE: Final = {"TLS_CLIENT_CERT_PATH": "client.pem", "TLS_CLIENT_KEY_PATH": "client.key"}


def test_runs_are_delivered_over_tls_to_whoever_has_the_key(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    doors.set(monkeypatch, API_KEY=KEY, **TRUST)
    drives = Drives()
    submitted(doors.with_key, "keyed", drives=drives)
    assert drives.begun == ["keyed"]


def test_runs_are_delivered_over_tls_to_whoever_has_a_certificate(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    doors.set(monkeypatch, **TRUST, **CERTIFICATE)
    drives = Drives()
    submitted(doors.with_certificate, "certified", drives=drives)
    assert drives.begun == ["certified"]


@pytest.mark.parametrize(
    ("door", "variables", "said"),
    [
        ("with_key", {**TRUST, "API_KEY": "wrong"}, "does not accept this process: .* Set TEMPORAL_API_KEY"),
        ("with_key", {**TRUST, "TLS": "true"}, "does not accept this process: .* Set TEMPORAL_API_KEY"),
        ("with_key", {"API_KEY": KEY}, "is not trusted: .* Set TEMPORAL_TLS_SERVER_CA_CERT_PATH"),
        ("with_key", {"API_KEY": KEY, "TLS_SERVER_CA_CERT_PATH": "another.pem"}, "is not trusted"),
        ("with_key", {**TRUST, "API_KEY": KEY, "TLS_SERVER_NAME": "elsewhere"}, "is not trusted: .*_SERVER_NAME"),
        ("with_key", {}, "closes the connection.* Set TEMPORAL_TLS=true"),
        ("with_certificate", TRUST, "certificate, or wants one.* Set TEMPORAL_TLS_CLIENT_CERT_PATH"),
        (
            "with_certificate",
            {**TRUST, "TLS_CLIENT_CERT_PATH": "stranger.pem", "TLS_CLIENT_KEY_PATH": "stranger.key"},
            "does not accept this process's certificate.* Set TEMPORAL_TLS_CLIENT_CERT_PATH",
        ),
        ("with_certificate", {**TRUST, **CERTIFICATE, "TLS_CLIENT_KEY_PATH": "stranger.key"}, "KeyMismatch"),
        ("with_certificate", {**TRUST, "TLS_CLIENT_CERT_PATH": "client.pem"}, "Must have both"),
    ],
)
def test_whoever_is_not_let_in_reads_why_and_what_to_set(
    door: str, variables: dict[str, str], said: str, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    doors.set(monkeypatch, **variables)
    with pytest.raises(JournalUnavailable, match=said) as raised:
        submitted(getattr(doors, door), "refused")
    shows_no_secret(raised.value)


def test_a_key_without_tls_says_so(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(running_temporal().rpartition(":")[2])
    doors.set(monkeypatch, API_KEY=KEY)
    with pytest.raises(JournalUnavailable, match=r"does not use TLS\. .*TEMPORAL_TLS=false") as raised:
        submitted(port, "plain")
    shows_no_secret(raised.value)
    doors.set(monkeypatch, TLS="false")
    submitted(port, "plain")


def test_a_file_that_is_not_there_is_named(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    doors.set(monkeypatch, **{**TRUST, **CERTIFICATE, "TLS_CLIENT_CERT_PATH": "missing.pem"})
    with pytest.raises(ConfigurationError, match=r"No such file .*missing\.pem.* Check the variables"):
        submitted(doors.with_certificate, "refused")


def shows_no_secret(error: HeadwaterError) -> None:
    said: Any = f"{error} {error.hint}"
    assert not any(secret in said for secret in (KEY, "wrong.", "PRIVATE"))
