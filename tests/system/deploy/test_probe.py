"""`headwater probe` through real nginx: it finds what holds a stream back, and nothing where nothing does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.cli.commands import headwater
from tests.support.effort import LONG
from tests.support.hostile_proxy import Harm, hostile_proxy
from tests.support.members import paced
from tests.support.served import Served
from tests.support.served_apart import served_apart
from tests.system.deploy.test_nginx import NGINX

from headwater.web import router

nginx_is_here = pytest.mark.skipif(not Path(NGINX).exists(), reason="there is no nginx on this machine")

PLAIN: Final = ""
BUFFERING: Final = "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"
"""nginx passes on what it has at once all the same, as long as its reader takes it and nothing filters it."""

GZIP: Final = f"{BUFFERING} gzip on; gzip_proxied any; gzip_types text/event-stream; gzip_min_length 1;"
FLUSHED_GZIP: Final = "gzip on; gzip_proxied any; gzip_types text/event-stream; gzip_min_length 1;"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served_apart(lambda: router(paced("a", 25, 0.12), paced("slow", 1000, 0.1))) as served:
        yield served


@contextlib.contextmanager
def behind(server: Served, settings: str) -> Iterator[str]:
    """The server behind nginx with these settings: its address there."""
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        paths = "".join(
            f"{one}_temp_path {name}/{one};" for one in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        place = f"location / {{ proxy_pass http://127.0.0.1:{server.port}; {settings} }}"
        file = Path(name) / "nginx.conf"
        file.write_text(
            f"daemon off; master_process off; pid {name}/pid; error_log {name}/error.log; events {{}}\n"
            f"http {{ access_log off; {paths} server {{ listen 127.0.0.1:{port}; {place} }} }}\n"
        )
        process = subprocess.Popen([NGINX, "-c", str(file), "-p", name], stderr=subprocess.PIPE)
        try:
            _until_it_listens(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate()


def _until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        assert process.poll() is None, process.stderr and process.stderr.read()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise AssertionError("nginx does not listen")


def probed(url: str, *options: str) -> tuple[int, dict[str, Any]]:
    done = headwater("probe", url, "--json", *options)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def what(told: dict[str, Any], level: str) -> str:
    return " ".join(f"{one['what']} {one['do']}" for one in told["findings"] if one["level"] == level)


def test_no_proxy_in_between(server: Served) -> None:
    code, told = probed(server.url)
    assert (code, told["verdict"], what(told, "held")) == (0, "flows", "")
    assert told["reads"] > 20
    assert (told["end"], told["status"], told["kind"]) == ("run.finished", 200, "headwater")
    assert sum(told["gaps"]["counts"]) == told["reads"] - 1
    assert told["headers"]["x-accel-buffering"] == "no"


@nginx_is_here
@pytest.mark.parametrize("settings", [PLAIN, BUFFERING, FLUSHED_GZIP], ids=["as it is", "buffering", "flushed gzip"])
def test_nginx_that_follows_the_servers_headers(server: Served, settings: str) -> None:
    with behind(server, settings) as url:
        code, told = probed(url)
    assert (code, told["verdict"], what(told, "held")) == (0, "flows", "")
    assert "nginx, which removes it, is on the way" in what(told, "note")
    assert ("compressed" in what(told, "note")) == (settings is FLUSHED_GZIP)
    assert told["headers"]["server"].startswith("nginx")


@pytest.mark.long
@pytest.mark.parametrize(("api", "size"), [("headwater", 10**6), *[("headwater", 2000), ("chat", 2000)] * LONG])
def test_a_proxy_that_buffers(server: Served, api: str, size: int) -> None:
    async def main() -> tuple[int, dict[str, Any]]:
        async with hostile_proxy(server.port, lambda number: Harm(collect=size)) as proxy:
            options = () if api == "headwater" else ("--model", "a")
            url = proxy.url if api == "headwater" else f"{proxy.url}/v1"
            return await asyncio.to_thread(probed, url, *options)

    code, told = asyncio.run(main())
    assert (code, told["verdict"], told["kind"]) == (1, "held", api)
    assert "proxy_buffering off" in what(told, "held")
    assert told["reads"] < 10
    assert told["end"]


@nginx_is_here
def test_nginx_that_compresses(server: Served) -> None:
    with behind(server, GZIP) as url:
        code, told = probed(url)
    assert (code, told["verdict"]) == (1, "held")
    assert "compressed (gzip)" in what(told, "held")
    assert "gzip_types" in what(told, "held")


@pytest.mark.parametrize("path", ["", "/runs/run_1"])
def test_a_server_that_does_not_answer(path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code, told = probed(f"http://127.0.0.1:{silent.getsockname()[1]}{path}", "--seconds", "0.5")
    assert (code, told["verdict"]) == (1, "broken")
    assert "No answer came in time." in what(told, "broken")


@nginx_is_here
def test_a_proxy_that_closes_idle_connections(server: Served) -> None:
    with behind(server, "proxy_read_timeout 30ms;") as url:
        code, told = probed(url)
    assert (code, told["verdict"], told["end"]) == (1, "broken", "")
    assert "cut" in what(told, "broken") or "broke" in what(told, "broken")


def test_another_apis_stream(server: Served) -> None:
    code, told = probed(f"{server.url}/v1", "--model", "a")
    assert (code, told["verdict"], told["end"]) == (0, "flows", "[DONE]")
    assert told["delay"] is None


def test_a_run_that_is_already_in_progress(server: Served) -> None:
    body = {"input": "Go.", "agent": "slow"}
    begun = httpx.post(f"{server.url}/runs", json=body, trust_env=False).json()["run_id"]
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        while client.get(f"/runs/{begun}").json()["seq"] < 20:
            time.sleep(0.02)
        code, told = probed(f"{server.url}/runs/{begun}", "--seconds", "3")
        client.post(f"/runs/{begun}/cancel", json={})
    # What was said before comes at once, and was not held back.
    assert (code, told["verdict"]) == (0, "flows")
    assert told["ended_at"] is None
    assert "had not ended" in what(told, "note")
