"""What a signal does, in processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest

PROGRAM = """
import asyncio, sys, uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from headwater.web import Limits, router
from headwater.web.server import config
from tests.support.members import paced

app = router(paced("long", 10_000, 0.02), paced("short", 40, 0.02), limits=Limits(grace_seconds=1.5))
kind = sys.argv[1]
if kind == "mounted":
    made = uvicorn.Config(Starlette(routes=[Mount("/", app=app)]), port=0, log_level="info")
else:
    made = config(app, host="127.0.0.1", port=0, log_level="info")

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)

Server(made).run()
"""


def start(kind: str) -> tuple[subprocess.Popen[str], str]:
    program = [sys.executable, "-c", PROGRAM, kind]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, f"http://127.0.0.1:{int(process.stdout.readline())}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", ["own", "mounted"])
def test_runs_are_brought_to_an_end_that_is_read(kind: str, number: signal.Signals) -> None:
    process, url = start(kind)
    try:
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
            runs = {
                agent: client.post("/runs", json={"input": "x", "agent": agent}).json() for agent in ("long", "short")
            }
            ends: dict[str, Any] = {}
            with client.stream("GET", runs["long"]["events"]) as long:
                lines = long.iter_lines()
                assert next(lines)
                with client.stream("GET", runs["short"]["events"]) as short:
                    other = short.iter_lines()
                    assert next(other)
                    process.send_signal(number)
                    since = time.monotonic()
                    ends["short"] = [line for line in other if line.startswith("data:")][-1]
                ends["long"] = [line for line in lines if line.startswith("data:")][-1]
                took = time.monotonic() - since
        end = json.loads(ends["long"][5:])
        assert (end["type"], end["by"]) == ("run.cancelled", "shutdown")
        assert json.loads(ends["short"][5:])["type"] == "run.finished"
        assert 1.2 < took < 10
        process.wait(20)
        assert process.stderr is not None
        told = process.stderr.read()
        assert "ASGI" not in told
        assert "never retrieved" not in told
    finally:
        process.kill()
        process.communicate()


def test_nothing_new_starts_during_shutdown() -> None:
    process, url = start("own")
    try:
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
            run = client.post("/runs", json={"input": "x"}).json()
            with client.stream("GET", run["events"]) as long:
                lines = long.iter_lines()
                assert next(lines)
                process.send_signal(signal.SIGTERM)
                assert [line for line in lines if line.startswith("event: run.cancelled")]
        assert process.wait(20) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.communicate()


ALONE = """
import asyncio, os, signal, sys
from headwater.web.runs.manager import Manager
from headwater.web.limits import Limits
from headwater.web.runs import signals
from tests.support.members import paced

async def main():
    manager = Manager([paced("a", 10_000, 0.02)], limits=Limits(grace_seconds=0.2))
    signals.hear(manager)
    live = manager.start(None, "Go.")
    await asyncio.sleep(0.1)
    os.kill(os.getpid(), signal.SIGTERM)
    await live.task
    print(live.state, manager.draining, flush=True)
    await asyncio.sleep(5)
    print("still here", flush=True)

asyncio.run(main())
"""


def test_without_another_handler_the_process_ends_after_its_runs() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split() == ["cancelled", "True"]
    assert done.returncode == -signal.SIGTERM


THREAD = """
import asyncio, signal, threading
from headwater.web.runs.manager import Manager
from headwater.web.runs import signals
from tests.support.members import speaker

before = [signal.getsignal(number) for number in signals.SIGNALS]

async def main():
    signals.hear(Manager([speaker("a")]))

thread = threading.Thread(target=lambda: asyncio.run(main()))
thread.start()
thread.join()
assert [signal.getsignal(number) for number in signals.SIGNALS] == before
"""


def test_in_a_thread_no_signal_is_handled() -> None:
    subprocess.run([sys.executable, "-c", THREAD], check=True, timeout=30)
