"""The server behind an address is replaced while a run of it is read."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import Any

import httpx
import msgspec
import pytest

from headwater import AgentStream, attach
from headwater.errors import HeadwaterError, UnknownRun
from headwater.events import Event
from headwater.runtime.played import Played
from headwater.web import router
from tests.support.hostile_proxy import Harm, hostile_proxy
from tests.support.members import log_of, paced
from tests.support.paths import ROOT
from tests.support.served import served
from tests.support.virtual import run_virtual
from tests.system.remote.test_any_run import Teller

PROGRAM = """
import sys, uvicorn
from headwater.web import router
from headwater.web.server import config
from tests.support.members import paced

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)

port = int(sys.argv[1])
Server(config(router(paced("a", 10_000, 0.02)), host="127.0.0.1", port=port, log_level="warning")).run()
"""


def started(port: int) -> tuple[subprocess.Popen[str], int]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def ended(process: subprocess.Popen[str], number: int) -> None:
    process.send_signal(number)
    process.communicate()


def test_a_killed_server_has_lost_the_run() -> None:
    process, port = started(0)
    url = f"http://127.0.0.1:{port}"
    run = httpx.post(f"{url}/runs", json={"input": "Go."}, trust_env=False).json()["run_id"]
    stream = attach(f"{url}/runs/{run}")
    said = ""
    replaced: list[subprocess.Popen[str]] = []

    def read() -> None:
        nonlocal said
        for text in stream.text():
            said += text
            if len(said) > 20 and not replaced:
                ended(process, signal.SIGKILL)
                replaced.append(started(port)[0])

    try:
        with pytest.raises(UnknownRun) as caught:
            read()
        assert said
        assert caught.value.response.text == said
        assert caught.value.response.partial
    finally:
        for one in replaced:
            ended(one, signal.SIGTERM)


def test_a_server_that_shuts_down_ends_its_runs_and_reports_it() -> None:
    process, port = started(0)
    url = f"http://127.0.0.1:{port}"
    run = httpx.post(f"{url}/runs", json={"input": "Go."}, trust_env=False).json()["run_id"]
    stream = attach(f"{url}/runs/{run}", reconnect_timeout=5)
    told = False
    for chunk in stream:
        if chunk.content and not told:
            told = True
            process.send_signal(signal.SIGTERM)
    process.communicate()
    assert stream.response.finish_reason == "cancelled"


@pytest.mark.parametrize("cut", [1, 10, 25])
def test_a_restarted_server_that_still_has_the_run(cut: int) -> None:
    """As with a journal: another process has the same log."""
    said = run_virtual(log_of(paced("a", 12).run_stream("Go.")))[0]
    log = [msgspec.structs.replace(event, time=1e9 + 0.03 * event.seq) for event in said]

    class Paced(Teller):
        """Tells the log as slowly as it happened."""

        def run_stream(self, task: Any, /, *, context: Any = None) -> AgentStream[Any, Any]:
            return AgentStream(lambda: Played(log))

    async def main() -> None:
        async with served(router(Paced(log))) as first, served(router(Teller(log))) as second:
            begun = (await first.client.post("/runs", json={"input": "Go."})).json()
            async with hostile_proxy(first.port, lambda n: Harm()) as proxy:
                events: list[Event] = []
                async for event in attach(f"{proxy.url}{begun['events']}").events():
                    events.append(event)
                    if len(events) == cut:
                        await second.client.post("/runs", json={"input": "Go."})
                        proxy.port = second.port
                        await proxy.hang_up()
                assert events == log
                assert proxy.connections == 2

    asyncio.run(main())


def test_the_server_does_not_come_back() -> None:
    process, port = started(0)
    url = f"http://127.0.0.1:{port}"
    run = httpx.post(f"{url}/runs", json={"input": "Go."}, trust_env=False).json()["run_id"]
    stream = attach(f"{url}/runs/{run}", reconnect_timeout=1)
    gone = False
    with pytest.raises(HeadwaterError, match=r"Reconnecting .* failed for 1 s.*attach to it again") as caught:  # noqa: PT012
        for chunk in stream:
            if chunk.content and not gone:
                gone = True
                ended(process, signal.SIGKILL)
    assert caught.value.response.partial
