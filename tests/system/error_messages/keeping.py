"""Saved conversations and answers that cannot be loaded."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from headwater import Response, Thread
from tests.system.error_messages.cases import Here, case


@dataclass
class Tide:
    port: str
    hour: int


def _load(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("tides.json").write_text(text, encoding="utf-8")
        Thread.load("tides.json")


@case("A saved thread that is damaged")
def broken(here: Here) -> None:
    """`save` replaces the file atomically, so something else has changed it. Look for a backup."""
    _load('{"v":1,"type":"thread","messages":[{"role":"us')


@case("A saved thread of a newer version")
def newer(here: Here) -> None:
    """A newer headwater wrote the file. It is not loaded partially, because saving it again would lose the rest."""
    _load('{"v":2,"type":"thread","messages":[]}')


@case("A saved answer of another type")
def other_type(here: Here) -> None:
    """Pass the agent's type, or leave out `output_type` to get plain JSON data."""
    Response.from_json(Response('{"port": "Brest"}').to_json(), output_type=Tide)
