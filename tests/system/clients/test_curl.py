"""curl against a server of ours, with the commands of docs/web.md: what comes at once, and that it ends."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.system.clients import serving

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def curl(*arguments: str) -> str:
    """What curl prints. Raises CalledProcessError unless it was an answer of 2xx that ended as it should."""
    command = ["curl", "--silent", "--show-error", "--fail", "--no-buffer", "--noproxy", "*", "--max-time", "60"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=True).stdout


def asked(agent: str) -> list[str]:
    """The arguments that begin a run."""
    return ["-H", "content-type: application/json", "-d", json.dumps({"input": "Hi", "agent": agent})]


def test_curl_reads_a_run_to_its_end_and_from_any_event_on() -> None:
    with serving() as url:
        begun = json.loads(curl(f"{url}/runs", *asked("tools")))
        whole = curl("-N", f"{url}{begun['events']}")
        frames = [one for one in whole.split("\n\n") if one.startswith("id: ")]
        assert "event: run.started" in frames[0]
        assert "event: run.finished" in frames[-1]
        for at in range(len(frames)):
            rest = curl("-N", "-H", f"Last-Event-ID: {at}", f"{url}{begun['events']}")
            assert [one for one in rest.split("\n\n") if one.startswith("id: ")] == frames[at + 1 :]
        last = str(len(frames) - 1)
        status = curl(
            "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Last-Event-ID: {last}", f"{url}{begun['events']}"
        )
        assert status == "204"


def test_curl_gets_text_lines_of_json_and_events_at_once() -> None:
    with serving() as url:
        assert curl(f"{url}/runs", "-H", "accept: text/plain", *asked("plain")).strip() == "Found two."
        lines = curl(f"{url}/runs", "-H", "accept: application/x-ndjson", *asked("plain")).splitlines()
        assert json.loads(lines[-1])["type"] == "run.finished"
        sent = curl("-i", f"{url}/runs", "-H", "accept: text/event-stream", *asked("plain"))
        assert "headwater-run: run_" in sent.lower()
        assert "event: run.finished" in sent
        broken = curl(f"{url}/runs", "-H", "accept: text/plain", *asked("fails"))
        assert broken.startswith("Half ")
        assert broken.splitlines()[-1].startswith("[failed: ")


def test_curl_is_told_of_a_stop() -> None:
    with serving() as url:
        begun = json.loads(curl(f"{url}/runs", *asked("slow")))
        run = f"{url}/runs/{begun['run_id']}"
        command = ["curl", "--silent", "--no-buffer", "--noproxy", "*", "--max-time", "60", f"{run}/events"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout is not None
            seen = ""
            while "text.delta" not in seen:
                seen += reader.stdout.readline()
            curl("-X", "POST", "-H", "content-type: application/json", "-d", "{}", f"{run}/cancel")
            seen += reader.stdout.read()
        assert reader.returncode == 0
        assert "event: run.cancelled" in seen
        assert json.loads(curl(run))["state"] == "cancelled"
