"""Ctrl-C in a program with a workflow: everything is closed, what was said is kept, and nothing complains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.system.workflows.crowd import Crowd

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")

NOISE = ("Unclosed", "never awaited", "was destroyed", "never retrieved", "Warning:", "Exception ignored")

BEGIN = """
import asyncio, os, sys
from headwater import Agent, ConcurrentWorkflow, SequentialWorkflow

def said(token):
    os.write(1, b"said\\n")  # whole, wherever Ctrl-C strikes

agents = [Agent(name=f"a{n}", model="endless", base_url=sys.argv[1], api_key="k") for n in range(10)]
inner = ConcurrentWorkflow(agents[5:], name="inner")
workflow = ConcurrentWorkflow([*agents[:5], SequentialWorkflow([inner], name="outer")])
"""

PROGRAMS = {
    "run": """
try:
    workflow.run("Go.", streaming_callback=said)
except KeyboardInterrupt as interrupt:
    print("partial", all(interrupt.response[:5]), interrupt.response.partial)
    print("again", len(ConcurrentWorkflow([Agent(name="b", model="offline")]).run("Go.")) > 0)
""",
    "for": """
stream = workflow.run_stream("Go.")
try:
    for chunk in stream:
        said(chunk)
except KeyboardInterrupt:
    print("partial", all(stream.response[:5]), stream.response.partial)
    print("again", True)
""",
    "asyncio": """
async def main():
    await workflow.arun("Go.", streaming_callback=said)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("partial True True")
    print("again", True)
""",
    "async for": """
async def main():
    global stream
    stream = workflow.run_stream("Go.")
    async for chunk in stream:
        said(chunk)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("partial", all(stream.response[:5]), stream.response.partial)
    print("again", True)
""",
    "uncaught": """
workflow.run("Go.", streaming_callback=said)
""",
}


@pytest.fixture(scope="module")
def crowd() -> Iterator[Crowd]:
    with Crowd() as crowd:
        yield crowd


@pytest.mark.parametrize("name", PROGRAMS)
def test_ctrl_c(name: str, crowd: Crowd, tmp_path: Path) -> None:
    before = crowd.until_idle()
    path = tmp_path / "program.py"
    path.write_text(BEGIN + PROGRAMS[name], encoding="utf-8")
    quiet = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(path), crowd.url],
        cwd=tmp_path,
        env={**quiet, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(100):  # every member has said something by then
        assert process.stdout.readline() == "said\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    said = [line for line in out.splitlines() if line != "said"]
    assert not [noise for noise in NOISE if noise in err], err
    if name == "uncaught":
        assert process.returncode in (130, -signal.SIGINT)
        assert err.rstrip().endswith("KeyboardInterrupt")
    else:
        assert process.returncode == 0, err
        assert said == ["partial True True", "again True"]
        assert err == ""
    after = crowd.until_idle()
    assert (after["open"], after["left"] - before["left"]) == (0, 10)
