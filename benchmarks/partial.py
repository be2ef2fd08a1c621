"""What the data of an answer costs while it is generated: one character at a time, as the worst of deltas, by length.

headwater reads each character once. The others parse all the text so far at each delta: jiter in its partial mode, as
pydantic does, and the `parsePartialJson` of the AI SDK, in node.

    python -m benchmarks.partial [--quick]
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.lab import Lab, Table, median
from headwater.schema.growing_json import GrowingJSON

__all__ = ("measure",)

LENGTHS = (5_000, 20_000, 83_000)
ROUNDS = 5
AI_SDK = "ai@7"

NODE = """
import {parsePartialJson} from 'ai';
import {readFileSync} from 'node:fs';
const text = readFileSync(0, 'utf8');
const begun = process.cpuUsage();
let last;
for (let at = 1; at <= text.length; at++) last = await parsePartialJson(text.slice(0, at));
const spent = process.cpuUsage(begun);
if (last.state !== 'successful-parse') throw new Error(last.state);
console.log((spent.user + spent.system) / 1e6);
"""


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """By length of the answer: seconds of CPU in all, and how many times as much the others take."""
    lengths, rounds = ((500,), 1) if quick else (LENGTHS, ROUNDS)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        node = None if quick else _node(Path(folder))
        for length in lengths:
            text = _document(length)
            alone = median(_spent(_grow, text) for _ in range(rounds))
            values = median(_spent(_grow_and_read, text) for _ in range(rounds))
            jiter = _spent(_jiter, text)
            sdk = _sdk(node, text) if node is not None else None
            rows.append(
                (
                    f"{len(text):,}",
                    f"{alone:.3f}",
                    f"{values:.3f}",
                    f"{jiter / values:.0f}",
                    "" if sdk is None else f"{sdk / values:.0f}",
                )
            )
    columns = (
        *("characters, one a delta", "headwater, s", "all values read, s"),
        *("jiter ÷ headwater", "AI SDK ÷ headwater"),
    )
    return [Table("partial", "The data of an answer while it is generated", columns, rows)]


def _document(length: int) -> str:
    """A list of objects, as models write them."""
    items: list[object] = []
    while len(text := json.dumps({"title": "Tides", "items": items})) < length:
        number = len(items)
        words = "the tide is the rise and fall of the sea by the pull of the moon " * 2
        tide = {"id": number, "name": f"port {number}", "text": words, "tags": ["a", "b"], "high": number % 2 == 0}
        items.append({**tide, "meters": number * 1.25})
    return text


def _spent(run: Callable[[str], object], text: str) -> float:
    begun = time.process_time()
    run(text)
    return time.process_time() - begun


def _grow(text: str) -> None:
    grown = GrowingJSON()
    for letter in text:
        grown.feed(letter)
    assert grown.complete


def _grow_and_read(text: str) -> None:
    grown = GrowingJSON()
    for letter in text:
        grown.feed(letter)
        _ = grown.value
    assert grown.complete


def _jiter(text: str) -> None:
    from jiter import from_json

    data = text.encode()
    for size in range(1, len(data) + 1):
        from_json(data[:size], partial_mode="trailing-strings")


def _node(folder: Path) -> Path | None:
    """A folder with the AI SDK; None without npm."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", AI_SDK, "zod"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return folder if done.returncode == 0 else None


def _sdk(folder: Path, text: str) -> float:
    (folder / "run.mjs").write_text(NODE, encoding="utf-8")
    done = subprocess.run(["node", "run.mjs"], cwd=folder, input=text, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("partial")
