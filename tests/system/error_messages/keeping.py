"""Conversations and answers that were kept, and cannot be read again."""

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


@case("A saved thread that is broken")
def broken(here: Here) -> None:
    """`save` writes a file whole or not at all, so something else has changed it. Look for an older copy."""
    _load('{"v":1,"type":"thread","messages":[{"role":"us')


@case("A saved thread of a newer version")
def newer(here: Here) -> None:
    """A newer headwater wrote the file. It is not read in part, for then the rest would be lost when it is saved."""
    _load('{"v":2,"type":"thread","messages":[]}')


@case("A kept answer that is not of the type")
def other_type(here: Here) -> None:
    """Give the type that the agent had, or leave `output_type` out: then the output is plain JSON data."""
    Response.from_json(Response('{"port": "Brest"}').to_json(), output_type=Tide)
