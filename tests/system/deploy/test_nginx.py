"""A server of ours behind nginx, set up as docs/deploy.md says; skipped where there is no nginx."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.members import paced, speaker
from tests.support.paths import ROOT
from tests.support.served import read_events, served
from websockets.asyncio.client import connect
from websockets.typing import Origin

from headwater.web.http.guard import Guard
from headwater.web.http.site import Site
from headwater.web.routing import router_of

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"

pytestmark = pytest.mark.skipif(not Path(NGINX).exists(), reason="there is no nginx on this machine")


def configuration(folder: Path, listen: str, upstream: int) -> str:
    """What docs/deploy.md shows, listening there, with the certificate of the folder if that is of use."""
    page = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    (shown,) = re.findall(r"^```nginx\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for ours, theirs in (
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{upstream};"),
        ("listen 443 ssl;", f"listen {listen};"),
        ("/etc/letsencrypt/live/agents.example/", f"{folder}/"),
    ):
        assert ours in shown
        shown = shown.replace(ours, theirs)
    if "ssl" not in listen:
        shown = re.sub(r"ssl_certificate\S* \S+;", "", shown)
    under = "location /agents/ { proxy_pass http://headwater/; proxy_set_header Host $host; }"
    shown = shown.replace("    location / {", f"    {under}\n    location / {{", 1)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off; gzip on; gzip_types application/json; {paths}\n{shown}\n}}\n"
    )


def test_what_is_shown_is_a_configuration(tmp_path: Path) -> None:
    """As it stands, with a certificate in the place that it names."""
    made = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
    names = ("-subj", "/CN=agents.example", "-keyout", "privkey.pem", "-out", "fullchain.pem")
    subprocess.run(["openssl", *made, *names], cwd=tmp_path, check=True, capture_output=True)
    file = tmp_path / "nginx.conf"
    file.write_text(configuration(tmp_path, f"unix:{tmp_path}/socket ssl", 8000))
    done = subprocess.run([NGINX, "-t", "-c", str(file), "-p", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


@contextlib.asynccontextmanager
async def behind_nginx(*members: Any, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of members that are served behind nginx."""
    site = Site(members, guard=Guard(hosts=["agents.example"]), **options)
    async with served(router_of(site)) as server:
        with tempfile.TemporaryDirectory() as name, socket.socket() as free:
            folder = Path(name)
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            free.close()
            file = folder / "nginx.conf"
            file.write_text(configuration(folder, f"127.0.0.1:{port}", server.port))
            process = subprocess.Popen([NGINX, "-c", str(file), "-p", name], stderr=subprocess.PIPE)  # noqa: ASYNC220  # at once
            try:
                await _until_it_listens(port, process)
                url, headers = f"http://127.0.0.1:{port}", {"host": "agents.example"}
                async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
                    yield client
            finally:
                process.terminate()
                process.communicate()


async def _until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        return
    raise AssertionError("nginx does not listen")


def test_events_are_passed_on_without_delay() -> None:
    async def main() -> None:
        async with behind_nginx(paced("a", 20, 0.05)) as client:
            begun = (await client.post("/runs", json={"input": "Go."})).json()
            arrived: list[float] = []
            data = ""
            async with client.stream("GET", begun["events"]) as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                assert "content-encoding" not in response.headers
                async for part in response.aiter_text():
                    arrived.append(time.monotonic())
                    data += part
            assert len(arrived) > 10  # as they came, and not all at the end
            assert arrived[-1] - arrived[0] > 0.5
            events = [json.loads(line[5:]) for line in data.splitlines() if line.startswith("data:")]
            assert [event["seq"] for event in events] == [*range(len(events))]
            async with client.stream("GET", begun["events"], headers={"last-event-id": "7"}) as response:
                again = await read_events(response)
            assert [int(event.id or -1) for event in again] == [*range(8, len(events))]
            streamed = await client.post("/runs", json={"input": "Go."}, headers={"accept": "text/event-stream"})
            assert "event: run.finished" in streamed.text

    asyncio.run(main())


def test_a_client_that_disconnects_from_it_disconnects_from_the_server() -> None:
    async def main() -> None:
        async with behind_nginx(paced("a", 1000, 0.02)) as client:
            body = {"input": "Go.", "on_disconnect": "cancel"}
            begun = (await client.post("/runs", json=body)).json()
            async with client.stream("GET", begun["events"]) as response:
                await anext(response.aiter_bytes())
            async with asyncio.timeout(20):
                while (await client.get(f"/runs/{begun['run_id']}")).json()["state"] != "cancelled":  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

    asyncio.run(main())


def test_the_checks_see_the_client() -> None:
    async def main() -> None:
        async with behind_nginx(speaker("a")) as client:
            for origin, status in (
                ("http://agents.example", 201),
                ("https://agents.example", 201),
                ("https://evil.example", 403),
            ):
                answer = await client.post("/runs", json={"input": "Go."}, headers={"origin": origin})
                assert answer.status_code == status, origin
            assert (await client.get("/runs", headers={"host": "evil.example"})).status_code == 421
            assert (await client.post("/runs", content=b" " * 6_000_000)).status_code == 413

    asyncio.run(main())


def test_a_socket_the_page_and_a_prefix() -> None:
    async def main() -> None:
        async with behind_nginx(speaker("a")) as client:
            assert (await client.get("/")).headers["content-security-policy"]
            assert (await client.get("/page/page.js")).status_code == 200
            under = await client.get("/agents/runs")
            assert under.json() == {"runs": []}
            place: dict[str, Any] = {"host": "127.0.0.1", "port": client.base_url.port, "proxy": None}
            async with connect("ws://agents.example/ws", origin=Origin("http://agents.example"), **place) as socket:
                await socket.send(json.dumps({"id": 1, "op": "start", "input": "Go."}))
                assert "ok" in json.loads(await socket.recv())
                kinds = []
                while "run.finished" not in kinds:
                    kinds.append(json.loads(await socket.recv())["event"]["type"])

    asyncio.run(main())
