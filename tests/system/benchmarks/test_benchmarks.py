"""The benchmarks run, so that they do not rot; what they say is nobody's concern here, and nothing is timed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from benchmarks.__main__ import PARTS
from benchmarks.bodies import APIS, word
from benchmarks.environments import requirements
from benchmarks.floor import FLOORS
from benchmarks.lab import Table
from benchmarks.page import chart, fill
from benchmarks.peers import PEERS
from benchmarks.peers.clients import READERS

from headwater.events import TextDelta
from headwater.providers.registry import load_api
from tests.support.paths import ROOT
from tests.support.temporal import running_temporal

pytestmark = pytest.mark.xdist_group("measured")  # they measure time or memory: not two at once


QUICK = {"partial", "telemetry", "terminal"}
"""The others start databases, browsers or many processes: they run with the long counts."""


@pytest.mark.parametrize(
    "part",
    [part if part in QUICK else pytest.param(part, marks=pytest.mark.long(only=True)) for part in PARTS],
)
def test_a_part_runs(part: str) -> None:
    if part == "engines":
        running_temporal()  # skips where its test server is missing
    command = [sys.executable, "-m", "benchmarks", part, "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| goal |" in done.stdout if part == "web_page" else "headwater" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize("api", APIS)
def test_the_answers_are_what_their_api_means(api: str) -> None:
    """The floor and the decoder read the same text, and the decoder calls it whole."""
    body = b"".join(APIS[api].body(20))
    texts: list[str] = []
    assert FLOORS[api](texts.append)(body)
    assert texts == [word(number) for number in range(20)]
    decoder = load_api(api).Decoder()
    events = decoder.feed(body) + decoder.finish()
    assert [event.text for event in events if isinstance(event, TextDelta)] == texts
    assert decoder.complete
    assert decoder.error is None
    assert not [event for event in events if event.type == "warning"]


def test_the_page_has_a_place_for_all_that_is_measured() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for name in (
        "machine",
        "chunk-apis",
        "chunk-faces",
        "peers",
        "paced",
        "first-token",
        "first-request",
        "start",
        "imports",
        "memory",
        "held",
        "telemetry",
        "terminal",
        "web-readers",
        "gateway",
        "partial",
        "journal-cost",
        "journal-lag",
        "journal-submit",
        "engines",
        "journal-takeover",
        "scale-times",
        "scale-check",
        "scale-sizes",
    ):
        assert "measured" in fill(page, name, "measured")
    with pytest.raises(LookupError, match="no marks"):
        fill(page, "unheard-of", "measured")


def test_the_readme_shows_some_columns_of_what_is_measured_beside_peers() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = Table("peers", "Title", ("a", "b", "c"), [("1", "2", "3")], readme=("a", "c"))
    assert "| a | c |\n|---|---|\n| 1 | 3 |" in fill(readme, table.name, str(table.shortened()))


@pytest.mark.parametrize("client", PEERS)
def test_a_peer_has_its_program_and_its_pinned_version(client: str) -> None:
    peer = PEERS[client]
    listed = requirements(peer.environment).read_text(encoding="utf-8").splitlines()
    assert all("==" in line for line in listed)
    assert any(line.startswith(f"{peer.package}==") for line in listed)
    assert client in READERS or client == "openai"


def test_a_chart_shows_every_bar() -> None:
    table = Table("x", "Title", ("a",), [("b",)], bars=[("headwater", 1.5), ("<other>", 80)], unit="times")
    drawn = chart(table)
    assert drawn.count("<rect") == 2
    assert "&lt;other&gt;" in drawn
    assert str(table) == "| a |\n|---|\n| b |"
